//! The first rebuild, by hand and with the tool, and the second one that finds nothing to do.

use crate::support::{World, until};

#[test]
fn the_first_rebuild_makes_images_that_run_and_say_what_they_are() {
    let world = World::new();
    let commit = world.tip();
    world.rebuild();
    world.assert_current(&commit);
    assert_eq!(world.compose(&["run", "--rm", "vibevoice", "cat", "backend/version.txt"]), commit);
    assert_eq!(world.health()["status"], "healthy");
    let user = world.docker(&["run", "--rm", &world.latest(), "id", "-u"]);
    assert_ne!(user, "0");
    assert!(world.docker(&["run", "--rm", &world.latest(), "ls", "backend/dist"]).contains("index.html"));

    let value = format!("v0.1.0-{}", &commit[..12]);
    for (image, service) in world.mutable().iter().zip(["model-downloader", "backend-builder", "vibevoice"]) {
        let label = |name: &str| world.label(image, name);
        assert_eq!(label("io.xtask.project"), world.name, "{image}");
        assert_eq!(label("io.xtask.service"), service);
        assert_eq!(label("io.xtask.key").len(), 64, "{image}");
        assert_eq!(label("org.opencontainers.image.version"), "0.1.0");
        assert!(label("org.opencontainers.image.created").ends_with('Z'), "{image}");
        // The model is made from no commit.
        let has_code = service != "model-downloader";
        assert_eq!(label("io.xtask.cache-bust"), if has_code { value.as_str() } else { "v0.1.0" });
        assert_eq!(label("org.opencontainers.image.revision"), if has_code { commit.as_str() } else { "" });
        assert_eq!(label("org.opencontainers.image.source"), if has_code { world.var("GITHUB_REPO") } else { "" });
    }
    let kept = world.tags().into_iter().filter(|tag| tag.contains(":keep-")).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(world.id(&kept[0]), world.id(&world.mutable()[0]));
}

#[test]
fn with_nothing_pushed_a_rebuild_is_fresh_and_asks_no_builder() {
    let world = World::built();
    let (state, builds) = (world.state(), world.builds());
    world.shim("docker", "");
    world.xtask(["rebuild"]).ok().says("Fresh");
    assert_eq!(world.state(), state);
    assert_eq!(world.builds(), builds);
    let calls = world.calls("docker");
    assert!(!calls.is_empty(), "the shim was not used");
    let asked: Vec<_> = calls.iter().filter(|call| call.starts_with("buildx")).collect();
    assert!(asked.is_empty(), "{asked:?}");
    // The same question after a push must get another answer, or the one above means nothing.
    world.push(sandbox::Kind::Readme);
    world.rebuild();
    assert_ne!(world.builds(), builds);
    assert!(world.calls("docker").iter().any(|call| call.starts_with("buildx bake ")));
}

#[test]
fn compose_alone_builds_the_tip_and_a_bust_value_forces_the_clone() {
    let world = World::new();
    let first = world.tip();
    world.compose(&["build", "vibevoice"]);
    assert_eq!(world.version(), first);
    let second = world.push(sandbox::Kind::Backend);
    world.compose(&["build", "vibevoice"]);
    assert_eq!(world.version(), first, "Docker cannot see a push, which is why the tool exists");
    crate::support::text(world.command("docker").args(["compose", "build", "vibevoice"]).env("CACHE_BUST", "x"));
    assert_eq!(world.version(), second);
    // The tool takes over from there, and does not trust an image that is not its own.
    world.rebuild();
    world.assert_current(&second);

    // Nor one that somebody made from its own, with all labels, and put in its place.
    let parent = || world.docker(&["image", "inspect", "--format", "{{.Parent}}", &world.latest()]).trim().to_owned();
    let container = world.docker(&["create", &world.latest(), "true"]);
    world.docker(&["commit", container.trim(), &world.latest()]);
    world.docker(&["rm", container.trim()]);
    assert_ne!(parent(), "");
    world.rebuild();
    world.assert_current(&second);
    assert_eq!(parent(), "");
    let built = world.id(&world.latest());
    world.file("derived/Dockerfile", &format!("FROM {}\nRUN touch /tmp/derived\n", world.latest()));
    let directory = world.project().join("derived");
    world.docker(&["build", "--quiet", "--tag", &world.latest(), directory.to_str().unwrap()]);
    assert_ne!(world.id(&world.latest()), built);
    world.rebuild();
    assert_eq!(world.id(&world.latest()), built);
}

#[test]
fn compose_starts_one_container_and_it_becomes_healthy() {
    let world = World::built();
    world.edit("compose.yml", "    restart: unless-stopped", "    healthcheck: {interval: 1s, start_period: 1s}");
    world.compose(&["up", "--detach", "vibevoice"]);
    until("the container is healthy", || {
        world.compose(&["ps", "--format", "{{.Service}} {{.Health}}"]) == "vibevoice healthy"
    });
    world.compose(&["down", "--volumes"]);
}
