//! Base images that move in their registry.

use std::fs;

use crate::support::{World, sandbox};

const COMPOSE: &str = "name: NAME\nservices:\n  app:\n    image: NAME/app\n    build: .\n  other:\n    image: NAME/other\n    \
                       build: {context: ., dockerfile_inline: \"FROM BASE_IMAGE\\nRUN true\"}\n";

/// Pushes a base image that has this text in a file, and leaves none of it on the machine.
fn push_base(world: &World, name: &str, text: &str) -> String {
    push_made(world, name, &format!("RUN echo {text} > /base"))
}

/// Pushes a base image that is made by these instructions, and leaves none of it on the machine.
fn push_made(world: &World, name: &str, instructions: &str) -> String {
    let directory = world.path("base");
    fs::create_dir_all(&directory).unwrap();
    let base = world.var("NODE_IMAGE");
    fs::write(directory.join("Dockerfile"), format!("FROM {base}\n{instructions}\n")).unwrap();
    world.docker(&["build", "--quiet", "--tag", name, directory.to_str().unwrap()]);
    world.docker(&["image", "push", "--quiet", name]);
    world.docker(&["image", "rm", name]);
    let manifest = world.docker(&["buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name]);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["digest"].as_str().unwrap().to_owned()
}

/// What registries answered is no longer known.
fn forget(world: &World) {
    let mut open = vec![world.path("tmp")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_name().unwrap().to_str().unwrap().starts_with("bases-") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_base_image_that_moved_is_followed_when_registries_are_asked_and_only_then() {
    let world = World::of(&[("compose.yml", COMPOSE)]);
    let name = format!("{}/{}/base:1", sandbox().registry().host(), world.name);
    world.write("Dockerfile", &format!("FROM {name}\nRUN cp /base /app\n"));
    let first = push_base(&world, &name, "one");
    world.rebuild();
    // The other service has a base that only this machine has.
    world.rebuild_with(["rebuild", "--pull", "app"]);
    let app = world.image("/app");
    assert_eq!(world.label(&app, "org.opencontainers.image.base.name"), name);
    assert_eq!(world.label(&app, "org.opencontainers.image.base.digest"), first);
    let state = world.state();
    world.xtask(["rebuild", "--pull", "app"]).ok().says("Fresh");
    assert_eq!(world.state(), state);

    let second = push_base(&world, &name, "two");
    forget(&world);
    world.xtask(["rebuild", "app"]).ok().says("Fresh");
    world.xtask(["verify", "app"]).ok();
    let verdict = world.xtask(["verify", "--pull", "app"]).fails(1);
    assert!(verdict.stdout.contains(&format!("base image {name} moved")), "{verdict}");
    world.rebuild_with(["rebuild", "--pull", "app"]);
    assert_eq!(world.cat(&app, "/app"), "two");
    assert_eq!(world.label(&app, "org.opencontainers.image.base.digest"), second);
    world.xtask(["verify", "--pull", "app"]).ok();
}

#[test]
fn what_a_base_image_leaves_for_its_children_is_known_though_only_its_registry_has_it() {
    let world = World::of(&[("compose.yml", COMPOSE)]);
    let (host, app) = (sandbox().registry().host(), world.image("/app"));
    let base = |name: &str| format!("{host}/{}/{name}:1", world.name);
    let from = |name: &str| world.write("Dockerfile", &format!("FROM {}\nRUN true\n", base(name)));
    push_base(&world, &base("plain"), "one");
    push_made(&world, &base("leaving"), "ONBUILD COPY note /note");
    world.write("note", "first");
    from("leaving");
    world.rebuild();
    assert_eq!(world.cat(&app, "/note"), "first");
    let id = world.id(&app);
    world.rebuild_with(["rebuild", "app"]);
    assert_eq!(world.id(&app), id, "BuildKit makes the same image again");
    world.write("note", "second");
    world.xtask(["verify", "app"]).ok();
    world.rebuild_with(["rebuild", "app"]);
    assert_eq!(world.cat(&app, "/note"), "second");

    from("plain");
    world.rebuild_with(["rebuild", "app"]);
    let state = world.state();
    world.write("note", "third");
    world.xtask(["rebuild", "app"]).ok().says("Fresh");
    assert_eq!(world.state(), state);
}
