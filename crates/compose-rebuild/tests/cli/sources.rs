//! Where code comes from: several repositories, and a local directory.

use serde_json::{Value, json};

use crate::rebuild::label;
use crate::support::{MUTABLE, World, commit};

#[test]
fn two_services_from_two_repositories() {
    let world = World::new();
    world.manifest(
        "[[workspace.metadata.xtask.sources]]\nname = \"api\"\nrepository = \"https://git.example/api.git\"\nref = \"stable\"\n\
         commit-arg = \"API_SHA\"\nservices = [\"api\"]\n\
         [[workspace.metadata.xtask.sources]]\nname = \"web\"\nrepository-arg = \"WEB_URL\"\nref-arg = \"WEB_REF\"\n\
         commit-arg = \"WEB_SHA\"\n",
    );
    world.file(
        "Dockerfile",
        "FROM a AS api\nARG CACHE_BUST\nARG API_SHA\nRUN clone\n\
        FROM b AS web\nARG CACHE_BUST\nARG WEB_URL\nARG WEB_REF\nARG WEB_SHA\nRUN clone\n",
    );
    let build = |target: &str, args| json!({"context": world.project(), "target": target, "args": args});
    let web_args = json!({"WEB_URL": "https://git.example/web.git", "WEB_REF": "v2"});
    let config = json!({"name": "shop", "services": {
        "api": {"image": "shop/api", "build": build("api", json!({}))},
        "web": {"image": "shop/web:edge", "build": build("web", web_args)},
        "db": {"image": "postgres:17"},
    }});
    world.engine(|engine| engine.config = config);
    world.remote("https://git.example/api.git", format!("{}\trefs/heads/stable\n", commit('1')));
    let (tag, peeled) = (commit('2'), commit('3'));
    world.remote("https://git.example/web.git", format!("{tag}\trefs/tags/v2\n{peeled}\trefs/tags/v2^{{}}\n"));

    world.run(["rebuild"]).ok();
    assert_eq!(label(&world, "shop/api:latest", "org.opencontainers.image.revision"), commit('1'));
    assert_eq!(label(&world, "shop/web:edge", "org.opencontainers.image.revision"), peeled);
    assert!(world.image("shop/web:edge-v0.1.0-333333333333").is_some());

    // Only the service whose repository moved is built again.
    world.forget_calls();
    world.remote("https://git.example/api.git", format!("{}\trefs/heads/stable\n", commit('4')));
    world.run(["rebuild"]).ok();
    assert_eq!(world.baked_targets(), ["api"]);
}

#[test]
fn one_service_from_two_repositories_has_a_value_of_both() {
    let world = World::new();
    world.manifest(
        "[[workspace.metadata.xtask.sources]]\nname = \"api\"\nrepository = \"https://git.example/api.git\"\ncommit-arg = \"API_SHA\"\n\
         [[workspace.metadata.xtask.sources]]\nname = \"web\"\nrepository = \"https://git.example/web.git\"\ncommit-arg = \"WEB_SHA\"\n",
    );
    world.file("Dockerfile", "FROM a AS app\nARG CACHE_BUST\nARG API_SHA\nARG WEB_SHA\nRUN clone\n");
    let config =
        json!({"name": "shop", "services": {"app": {"image": "shop/app", "build": {"context": world.project()}}}});
    world.engine(|engine| engine.config = config);
    for (name, digit) in [("api", '1'), ("web", '2')] {
        world.remote(&format!("https://git.example/{name}.git"), format!("{}\tHEAD\n", commit(digit)));
    }
    world.run(["rebuild"]).ok();
    let revision = label(&world, "shop/app:latest", "org.opencontainers.image.revision");
    assert_eq!(revision, format!("{} {}", commit('1'), commit('2')));
    let bust = label(&world, "shop/app:latest", "io.xtask.cache-bust");
    assert!(bust.starts_with("v0.1.0-") && bust.len() == "v0.1.0-".len() + 12, "{bust}");
    world.remote("https://git.example/web.git", format!("{}\tHEAD\n", commit('3')));
    world.run(["rebuild"]).ok();
    assert_ne!(label(&world, "shop/app:latest", "io.xtask.cache-bust"), bust);
}

#[test]
fn a_local_directory_takes_the_place_of_the_clone() {
    let world = World::with_directory("pro$ject%{x}${HOME}$$");
    let checkout = world.path("checkout");
    for (name, text) in [("backend/run.py", "print(1)"), ("frontend/package.json", "{}"), ("secret.log", "ignored")] {
        std::fs::create_dir_all(checkout.join(name).parent().unwrap()).unwrap();
        std::fs::write(checkout.join(name), text).unwrap();
    }
    let path = checkout.to_str().unwrap();
    // As a plain directory every file counts; as a checkout those that Git lists.
    world.run(["rebuild", "--local", path]).ok();
    let all = world.image(MUTABLE[2]).unwrap();
    let value = all.version.unwrap().trim().to_owned();
    assert!(value.starts_with("local-") && value.len() == "local-".len() + 12, "{value}");
    assert_eq!(all.labels["io.xtask.cache-bust"], format!("v0.1.0-{value}"));
    assert_eq!(all.files, ["backend/run.py", "frontend/package.json", "secret.log"]);
    std::fs::create_dir(checkout.join(".git")).unwrap();
    std::fs::write(checkout.join(".git/files"), "frontend/package.json\0backend/run.py\0").unwrap();
    world.run(["rebuild", "--local", path]).ok();
    let listed = world.image(MUTABLE[2]).unwrap();
    assert_ne!(listed.version.unwrap().trim(), value);
    assert_eq!(listed.files, ["backend/run.py", "frontend/package.json"]);
    assert!(world.calls_of("ls-remote").is_empty());
    let context = &world.baked("vibevoice")["contexts"]["local-source"];
    assert!(context.as_str().unwrap().contains("pro$ject%%{x}$${HOME}$$/"), "{context}");
    world.assert_nothing_staged();

    // The same files again are fresh; one byte more is not.
    world.forget_calls();
    world.run(["rebuild", "--local", path]).ok();
    assert!(world.calls_of(" bake ").is_empty());
    std::fs::write(checkout.join("backend/run.py"), "print(2)").unwrap();
    world.run(["rebuild", "--local", path]).ok();
    assert_eq!(world.calls_of("buildx bake").len(), 1);
}

#[test]
fn services_with_one_image_and_one_build_are_one_target_and_are_held_together() {
    let world = World::new();
    world.manifest(
        "[[workspace.metadata.xtask.sources]]\nname = \"api\"\nrepository = \"https://git.example/api.git\"\ncommit-arg = \"API_SHA\"\n",
    );
    world.file("Dockerfile", "FROM a AS app\nARG CACHE_BUST\nARG API_SHA\nRUN clone\n");
    let service = json!({"image": "shop/app", "build": {"context": world.project()}});
    world.engine(|engine| engine.config = json!({"name": "shop", "services": {"web": service, "worker": service}}));
    let push = |digit| world.remote("https://git.example/api.git", format!("{}\tHEAD\n", commit(digit)));
    let planned = || {
        let plan: Value = serde_json::from_str(&world.run(["plan", "--message-format", "json"]).ok().stdout).unwrap();
        let services = plan["services"].as_array().unwrap().iter();
        services.map(|one| (one["service"].clone(), one["action"].clone())).collect::<Vec<_>>()
    };
    for digit in ['1', '2'] {
        push(digit);
        let plan = planned();
        assert_eq!(plan[0].0, "web");
        assert!(plan[0].1["build"].is_object(), "{plan:?}");
        assert_eq!(plan[1..], [(json!("worker"), json!({"shared": "web"}))]);
        world.run(["rebuild"]).ok();
        assert_eq!(world.baked_targets(), ["web"]);
        world.forget_calls();
    }
    world.run(["rollback", "v0.1.0-111111111111"]).ok();
    assert_eq!(planned(), [(json!("web"), json!("held")), (json!("worker"), json!({"shared": "web"}))]);
    world.run(["rebuild"]).ok().says("held at");
    assert!(world.calls_of("buildx bake").is_empty());
    assert_eq!(label(&world, "shop/app:latest", "org.opencontainers.image.revision"), commit('1'));
}
