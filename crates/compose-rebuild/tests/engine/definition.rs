//! What is built is what Compose says: which project, which services, and from which files and values.

use std::sync::{Arc, Mutex};

use sandbox::Kind;

use crate::support::{World, serve_text};

/// One service whose Dockerfile clones the upstream repository.
const COMPOSE: &str = "name: NAME\nservices:\n  app:\n    image: NAME/app\n    build: .\n";
const DOCKERFILE: &str = "FROM BASE_IMAGE\nARG CACHE_BUST\nRUN git clone --quiet REPO /code && \
                          git -C /code rev-parse HEAD > /revision && rm -rf /code\n";

/// Rebuilds, and the image of `app` has this in a file.
#[track_caller]
fn rebuilds_to(world: &World, path: &str, text: &str) {
    world.rebuild();
    assert_eq!(world.cat(&world.image("/app"), path), text);
    world.assert_nothing_staged();
}

/// The commit that `app` is at is noticed to be old after a push, and replaced.
#[track_caller]
fn follows_pushes(world: &World, path: &str) {
    rebuilds_to(world, path, &world.tip());
    world.assert_settled();
    let commit = world.push(Kind::Backend);
    world.xtask(["verify", "app"]).fails(1);
    rebuilds_to(world, path, &commit);
    assert!(world.revisions(&world.image("/app")).contains(&commit));
    world.xtask(["verify", "app"]).ok();
    world.assert_settled();
}

#[test]
fn a_changed_file_of_a_local_named_context_is_built() {
    let compose = COMPOSE.replace("build: .", "build: {context: ., additional_contexts: {conf: ./conf}}");
    let files = [("compose.yml", &*compose), ("Dockerfile", "FROM BASE_IMAGE\nCOPY --from=conf settings /settings\n")];
    let world = World::of(&files);
    for text in ["one", "two"] {
        world.file("conf/settings", text);
        rebuilds_to(&world, "/settings", text);
    }
    world.assert_settled();
}

#[test]
fn a_changed_file_of_a_local_named_context_in_a_mount_is_built() {
    let compose = COMPOSE.replace("build: .", "build: {context: ., additional_contexts: {conf: ./conf}}");
    let dockerfile =
        "FROM BASE_IMAGE\nRUN --mount=type=bind,from=conf,target=/in cp /in/settings /settings\n".to_owned() + CLONE;
    let world = World::of(&[("compose.yml", &*compose), ("Dockerfile", &dockerfile)]);
    for text in ["one", "two"] {
        world.file("conf/settings", text);
        rebuilds_to(&world, "/settings", text);
    }
}

/// What clones below everything else.
const CLONE: &str = "ARG CACHE_BUST\nRUN git clone --quiet REPO /code && rm -rf /code\n";

#[test]
fn a_changed_file_of_the_context_in_a_mount_is_built() {
    let dockerfile = "FROM BASE_IMAGE\nRUN --mount=target=/in cp /in/settings /settings\n".to_owned() + CLONE;
    let world = World::of(&[("compose.yml", COMPOSE), ("Dockerfile", &dockerfile)]);
    for text in ["one", "two"] {
        world.file("settings", text);
        rebuilds_to(&world, "/settings", text);
    }
}

/// What `backend/revision.py` of the upstream repository says.
fn revision(world: &World) -> String {
    std::fs::read_to_string(world.upstream.work().join("backend/revision.py")).unwrap().trim().to_owned()
}

/// A repository as context is followed like any other source.
#[track_caller]
fn follows_a_context(world: &World) {
    rebuilds_to(world, "/revision.py", &revision(world));
    world.assert_settled();
    let commit = world.push(Kind::Backend);
    world.xtask(["verify"]).fails(1);
    rebuilds_to(world, "/revision.py", &revision(world));
    assert!(world.revisions(&world.image("/app")).contains(&commit));
    world.xtask(["verify"]).ok();
    world.assert_settled();
}

#[test]
fn a_named_context_that_is_a_repository_is_followed() {
    let compose = COMPOSE.replace("build: .", "build: {context: ., additional_contexts: {lib: \"REPO#main\"}}");
    let dockerfile = "FROM BASE_IMAGE\nCOPY --from=lib backend/revision.py /revision.py\n";
    follows_a_context(&World::of(&[("compose.yml", &*compose), ("Dockerfile", dockerfile)]));
}

#[test]
fn a_context_that_is_a_repository_is_followed() {
    let compose = COMPOSE.replace("build: .", "build: \"REPO#main\"");
    let world = World::of(&[("compose.yml", &*compose)]);
    let dockerfile = format!("FROM {}\nCOPY backend/revision.py /revision.py\n", world.var("NODE_IMAGE"));
    world.push_file("Dockerfile", &dockerfile);
    follows_a_context(&world);
    // The Dockerfile is a file of that repository, too.
    world.push_file("Dockerfile", &format!("{dockerfile}RUN echo new > /new\n"));
    rebuilds_to(&world, "/new", "new");
}

#[test]
fn an_inline_dockerfile_over_a_repository_as_context_is_followed() {
    let inline = "build:\n      context: \"REPO#main:backend\"\n      dockerfile_inline: |\n        FROM BASE_IMAGE\n        \
                  COPY revision.py /revision.py";
    follows_a_context(&World::of(&[("compose.yml", &COMPOSE.replace("build: .", inline))]));
}

#[test]
fn another_branch_of_a_repository_that_is_named_is_followed_too() {
    let compose = COMPOSE.replace("build: .", "build: {context: ., args: {GITHUB_URL: REPO, GITHUB_BRANCH: main}}");
    let dockerfile =
        "FROM BASE_IMAGE\nARG GITHUB_URL\nARG GITHUB_BRANCH\nADD REPO#main /main\nADD REPO#20240101 /dated\n";
    let world = World::of(&[("compose.yml", &compose), ("Dockerfile", dockerfile)]);
    ["compose.yml", "Dockerfile"].iter().for_each(|file| world.edit(file, "GITHUB_URL", "GITHUB_REPO"));
    let commits = [(); 2].map(|()| (world.push(Kind::Backend), revision(&world)));
    for (commit, text) in commits {
        world.git(&["update-ref", "refs/heads/20240101", &commit]);
        rebuilds_to(&world, "/dated/backend/revision.py", &text);
        world.assert_settled();
    }
}

#[test]
fn what_add_downloads_is_for_buildkit_to_decide() {
    let text = Arc::new(Mutex::new("one".to_owned()));
    let address = serve_text(Arc::clone(&text));
    let dockerfile = format!("FROM BASE_IMAGE\nADD {address} /file\n{CLONE}");
    let world = World::of(&[("compose.yml", COMPOSE), ("Dockerfile", &dockerfile)]);
    rebuilds_to(&world, "/file", "one");
    assert_eq!(world.planned("app"), "build");
    let plan = world.xtask(["plan"]).ok();
    assert!(plan.stdout.contains("BuildKit decides"), "{plan}");
    world.assert_settled();
    "two".clone_into(&mut text.lock().unwrap());
    rebuilds_to(&world, "/file", "two");
}

/// An image of its own that needs no other one and runs nothing, so that any platform can be built.
const EMPTY: &str = "FROM scratch\nARG TARGETARCH\nCOPY <<EOF /arch\n$TARGETARCH\nEOF\n";

#[test]
fn another_platform_is_another_image() {
    let arch =
        |world: &World| world.docker(&["image", "inspect", "--format", "{{.Architecture}}", &world.image("/app")]);
    let mut world = World::of(&[("compose.yml", COMPOSE), ("Dockerfile", EMPTY)]);
    world.rebuild();
    let native = arch(&world);
    let other = if native == "arm64" { "amd64" } else { "arm64" };
    world.write("compose.yml", &COMPOSE.replace("build: .", &format!("platform: linux/{other}\n    build: .")));
    world.rebuild();
    assert_eq!(arch(&world), other);
    let platforms = format!("build: {{context: ., platforms: [linux/{native}]}}");
    world.write("compose.yml", &COMPOSE.replace("build: .", &platforms));
    world.rebuild();
    assert_eq!(arch(&world), native);
    world.write("compose.yml", COMPOSE);
    world.rebuild();
    world.set("DOCKER_DEFAULT_PLATFORM", &format!("linux/{other}"));
    world.rebuild();
    assert_eq!(arch(&world), other);
    world.assert_settled();
    world.set_or_remove("DOCKER_DEFAULT_PLATFORM", None);
    world.rebuild();
    assert_eq!(arch(&world), native);
}

#[test]
fn a_flag_of_from_and_a_syntax_line_belong_to_the_key() {
    let world = World::of(&[("compose.yml", COMPOSE), ("Dockerfile", DOCKERFILE)]);
    world.rebuild();
    assert_eq!(world.planned("app"), "fresh");
    for changed in [
        DOCKERFILE.replace("FROM ", "FROM --platform=$BUILDPLATFORM "),
        format!("# syntax=docker/dockerfile:1.7\n{DOCKERFILE}"),
        format!("# escape=`\n{DOCKERFILE}"),
    ] {
        world.write("Dockerfile", &changed);
        assert_eq!(world.planned("app"), "build", "{changed}");
    }
    world.write("Dockerfile", DOCKERFILE);
    assert_eq!(world.planned("app"), "fresh");
}

#[test]
fn further_tags_move_with_the_image_and_only_when_everything_was_built() {
    let both = "name: NAME\nservices:\n  app:\n    image: NAME/app\n    build: {context: ., tags: [\"NAME/app:stable\"]}\n  \
                other:\n    image: NAME/other\n    build: {context: ., dockerfile: other.Dockerfile}\n";
    let files = [("compose.yml", both), ("Dockerfile", DOCKERFILE), ("other.Dockerfile", DOCKERFILE)];
    let world = World::of(&files);
    let ids = || ["/app:stable", "/app", "/other"].map(|image| world.id(&world.image(image)).expect("it was built"));
    world.rebuild();
    let before = ids();
    assert_eq!(before[0], before[1]);

    let commit = world.push(Kind::Backend);
    world.write("other.Dockerfile", &format!("{DOCKERFILE}RUN false\n"));
    world.xtask(["rebuild"]).fails(4);
    assert_eq!(ids(), before);
    world.assert_nothing_staged();

    world.write("other.Dockerfile", DOCKERFILE);
    rebuilds_to(&world, "/revision", &commit);
    assert_eq!(ids()[0], ids()[1]);
    world.assert_settled();
    // A tag that is gone, or asked for since, is made though the image is up to date.
    world.docker(&["image", "rm", &world.image("/app:stable")]);
    world.rebuild();
    assert_eq!(ids()[0], ids()[1]);
}

#[test]
fn an_inline_dockerfile_with_dollars_is_read_as_compose_reads_it() {
    let inline = "build:\n      context: .\n      args: {BASE: BASE_IMAGE}\n      dockerfile_inline: |\n        ARG BASE\n        \
                  FROM $${BASE}\n        ARG CACHE_BUST\n        RUN git clone --quiet REPO /code && git -C /code rev-parse HEAD > \
                  /revision";
    follows_pushes(&World::of(&[("compose.yml", &COMPOSE.replace("build: .", inline))]), "/revision");
}

#[test]
fn a_service_of_a_profile_is_left_alone_unless_it_is_asked_for() {
    let dev = "  dev:\n    image: NAME/dev\n    profiles: [dev]\n    build: ./dev\n";
    let mut world = World::of(&[("compose.yml", &format!("{COMPOSE}{dev}")), ("Dockerfile", DOCKERFILE)]);
    follows_pushes(&world, "/revision");
    assert_eq!(world.id(&world.image("/dev")), None);
    assert_ne!(world.xtask(["rebuild", "dev"]).code, Some(0), "its context does not exist");
    world.write("dev/Dockerfile", DOCKERFILE);
    world.rebuild();
    assert_eq!(world.id(&world.image("/dev")), None);
    let commit = world.tip();
    world.rebuild_with(["rebuild", "dev"]);
    assert_eq!(world.cat(&world.image("/dev"), "/revision"), commit);
    let commit = world.push(Kind::Backend);
    world.set("COMPOSE_PROFILES", "dev");
    world.rebuild();
    assert_eq!(world.cat(&world.image("/dev"), "/revision"), commit);
}

#[test]
fn profiles_may_exclude_each_other() {
    let compose = "name: NAME\nservices:\n  cpu: {profiles: [cpu], image: NAME/app, container_name: NAME, build: {context: ., \
                   args: {KIND: cpu}}}\n  gpu: {profiles: [gpu], image: NAME/app, container_name: NAME, build: {context: ., \
                   args: {KIND: gpu}}}\n";
    let dockerfile = DOCKERFILE.replace("ARG CACHE_BUST", "ARG KIND\nRUN echo $KIND > /kind\nARG CACHE_BUST");
    let mut world = World::of(&[("compose.yml", compose), ("Dockerfile", &dockerfile)]);
    for kind in ["cpu", "gpu"] {
        world.set("COMPOSE_PROFILES", kind);
        rebuilds_to(&world, "/kind", kind);
        world.assert_settled();
    }
    let _ = world.set_or_remove("COMPOSE_PROFILES", None);
    world.rebuild_with(["rebuild", "cpu"]);
    assert_eq!(world.cat(&world.image("/app"), "/kind"), "cpu");
}

#[test]
fn a_missing_env_file_does_not_matter_to_a_build() {
    let compose = COMPOSE.replace("build: .", "env_file: .env.production\n    build: .");
    follows_pushes(&World::of(&[("compose.yml", &*compose), ("Dockerfile", DOCKERFILE)]), "/revision");
}

#[test]
fn the_environment_file_says_which_project_it_is() {
    let compose = COMPOSE.replace("build: .", "build: ..").replace("name: NAME\n", "");
    let world = World::of(&[("deploy/prod.yml", &*compose), ("Dockerfile", DOCKERFILE)]);
    world.file(".env", &format!("COMPOSE_FILE=deploy/prod.yml\nCOMPOSE_PROJECT_NAME={}\n", world.name));
    follows_pushes(&world, "/revision");
    assert_eq!(world.label(&world.image("/app"), "io.xtask.project"), world.name);
}

#[test]
fn several_files_of_the_environment_file_are_merged() {
    let over = "services:\n  app:\n    build:\n      args: {WHO: \"prod\"}\n";
    let dockerfile = DOCKERFILE.replace("ARG CACHE_BUST", "ARG WHO=nobody\nRUN echo $WHO > /who\nARG CACHE_BUST");
    let world = World::of(&[("compose.yml", COMPOSE), ("prod.yml", over), ("Dockerfile", &*dockerfile)]);
    rebuilds_to(&world, "/who", "nobody");
    world.write(".env", "COMPOSE_FILE=compose.yml,prod.yml\nCOMPOSE_PATH_SEPARATOR=,\n");
    rebuilds_to(&world, "/who", "prod");
    world.write("prod.yml", &over.replace("prod", "${WHO:-else}"));
    rebuilds_to(&world, "/who", "else");
    let mut world = world;
    world.write("more.env", "COMPOSE_FILE=compose.yml:prod.yml\nWHO=more\n");
    world.set("COMPOSE_ENV_FILES", "more.env");
    rebuilds_to(&world, "/who", "more");
    world.assert_settled();
}
