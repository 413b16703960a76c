//! `rollback`: the tags of all services that are made from the same code go back together.

use std::collections::BTreeMap;

use nix::sys::signal::Signal::SIGINT;
use serde_json::json;

use crate::space::{app, value, versions};
use crate::support::state::Rule;
use crate::support::{MUTABLE, World, commit};

/// What the mutable tags of the services that follow the code mean.
fn current(world: &World) -> BTreeMap<&'static str, Option<String>> {
    MUTABLE.into_iter().zip(world.mutable()).collect()
}

#[test]
fn rollback_moves_all_services_or_none() {
    let world = versions("ab");
    let newest = current(&world);
    let old = [format!("vibevoicefusion:python-builder-{}", value('a')), app(&value('a'))];
    let old = old.map(|tag| Some(world.image(&tag).unwrap().id));
    let list = world.run(["rollback", "--message-format", "json"]).ok().messages();
    let listed: Vec<_> = list.iter().map(|line| (line["cache_bust"].clone(), line["current"] == true)).collect();
    assert_eq!(listed, [(json!(value('b')), true), (json!(value('a')), false)]);

    // The second tag cannot move: the first goes back.
    let fault = Rule { stderr: "Error response from daemon: boom\n".to_owned(), exit: Some(1), ..Rule::default() };
    world.fault(&["image tag", old[1].as_deref().unwrap(), "vibevoicefusion:latest"], fault);
    world.run(["rollback", &value('a')]).fails(3);
    world.heal();
    assert_eq!(current(&world), newest);

    world.run(["rollback", &value('a')]).ok().says("docker compose up -d");
    let now = current(&world);
    assert_eq!([now[MUTABLE[1]].clone(), now[MUTABLE[2]].clone()], old);
    assert_eq!(now[MUTABLE[0]], newest[MUTABLE[0]], "the kept model does not follow the code");
    assert!(world.run(["verify"]).fails(1).stdout.contains("was rolled back"));

    // The timer leaves it there, until there is something newer or somebody wants it all the same.
    let held = current(&world);
    world.run(["rebuild"]).ok().says(&format!(
        "held at {}: main is at {}, which was rolled back",
        value('a'),
        value('b')
    ));
    assert_eq!(current(&world), held);
    let list = world.run(["rollback"]).ok();
    assert!(list.stdout.contains(&format!("bad {}", value('b'))), "{list}");
    world.run(["prune", "--execute"]).ok();
    world.push(&commit('c'));
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('c') + "\n"));
    world.push(&commit('b'));
    world.run(["rebuild"]).ok().says("held at");
    world.run(["rebuild", "--forward"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn labels_cannot_forge_a_line_of_the_list() {
    let world = versions("a");
    world.engine(|engine| {
        for image in &mut engine.images {
            let forged = "x\n\u{1b}[2Kkept v9".to_owned();
            image.labels.insert("org.opencontainers.image.revision".to_owned(), forged);
        }
    });
    let list = world.run(["rollback"]).ok();
    assert_eq!((list.stdout.lines().count(), list.stdout.contains('\u{1b}')), (1, false), "{list}");
}

#[test]
fn only_versions_of_every_service_can_be_gone_back_to() {
    let world = versions("ab");
    let before = current(&world);
    let gone = world.image(&app(&value('a'))).unwrap().id;
    world.engine(|engine| engine.images.retain(|image| image.id != gone));
    for value in [&value('a'), "v9.9.9", "latest"] {
        let refused = world.run(["rollback", value]).fails(2).says("versions that exist: v0.1.0-bbbbbbbbbbbb");
        assert!(!refused.stderr.contains("aaaaaaaaaaaa, "), "{refused}");
    }
    for hostile in ["$(id)", "--force", "a b", "../x", ""] {
        world.run(["rollback", hostile]).fails(2);
    }
    assert_eq!(current(&world), before);
}

#[test]
fn services_that_are_made_from_other_code_stay_where_they_are() {
    let world = World::new();
    world.manifest(
        "[[workspace.metadata.xtask.sources]]\nname = \"api\"\nrepository = \"https://git.example/api.git\"\ncommit-arg = \"API_SHA\"\n\
         [[workspace.metadata.xtask.sources]]\nname = \"web\"\nrepository = \"https://git.example/web.git\"\ncommit-arg = \"WEB_SHA\"\n",
    );
    let clone = |name: &str, arg: &str| format!("FROM a AS {name}\nARG CACHE_BUST\nARG {arg}\nRUN clone\n");
    world.file("Dockerfile", clone("api", "API_SHA") + &clone("web", "WEB_SHA") + "FROM a AS proxy\nRUN configure\n");
    let service =
        |name: &str| json!({"image": format!("shop/{name}"), "build": {"context": world.project(), "target": name}});
    let services = json!({"api": service("api"), "web": service("web"), "proxy": service("proxy")});
    world.engine(|engine| engine.config = json!({"name": "shop", "services": services}));
    let push = |name: &str, digit| {
        world.remote(&format!("https://git.example/{name}.git"), format!("{}\tHEAD\n", commit(digit)))
    };
    push("web", '9');
    for digit in ['1', '2'] {
        push("api", digit);
        world.run(["rebuild"]).ok();
    }
    let now = || ["api", "web", "proxy"].map(|name| world.image(&format!("shop/{name}:latest")).unwrap().id);
    let [_, web, proxy] = now();
    let old = world.image(&format!("shop/api:{}", value('1'))).unwrap().id;
    world.run(["rollback", &value('1')]).ok();
    assert_eq!(now(), [old.clone(), web.clone(), proxy]);

    // A bad version holds what is made from the same code, and nothing else.
    push("web", '8');
    world.run(["rebuild"]).ok().says("held at");
    let [api, newer, _] = now();
    assert_eq!(api, old);
    assert_ne!(newer, web);
}

#[test]
fn services_with_versions_of_their_own_go_back_to_the_same_commit() {
    let world = World::new();
    world.file(
        "Cargo.toml",
        "[workspace]\nmembers = [\"m\"]\nresolver = \"3\"\n[workspace.package]\nversion = \"0.1.0\"\n\
         [workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\n",
    );
    world.file("m/Cargo.toml", "[package]\nname = \"vibevoice\"\nversion = \"2.0.0\"\n");
    world.file("m/src/lib.rs", "");
    let mut before = Vec::new();
    for digit in ['a', 'b'] {
        world.push(&commit(digit));
        world.run(["rebuild"]).ok();
        before.push(world.mutable());
    }
    world.run(["rollback", &value('a')]).ok();
    assert_eq!(world.mutable(), before[0]);
    world.run(["rollback", &value('b').replace("v0.1.0", "v2.0.0")]).ok();
    assert_eq!(world.mutable(), before[1]);
}

#[test]
fn ctrl_c_in_the_middle_leaves_every_tag_where_it_was() {
    let world = versions("ab");
    let before = world.mutable();
    for tag in &MUTABLE[1..] {
        world.fault(&["image tag", &format!(" {tag} ")], Rule { hang: true, times: Some(1), ..Rule::default() });
        let running = world.run(["rollback", &value('a')]).start();
        world.until_obeyed(tag);
        running.signal(SIGINT);
        assert_eq!(running.wait().code, Some(130), "{tag}");
        assert_eq!(world.mutable(), before, "{tag}");
        world.heal();
        std::fs::remove_file(world.path("state/obeyed")).unwrap();
    }
}
