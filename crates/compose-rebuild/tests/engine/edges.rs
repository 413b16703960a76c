//! Services that are made from each other, in every way that Compose knows.

use sandbox::Kind;

use crate::support::World;

/// A stage that clones; `LIB` stands for another repository than that of the project.
const LIBRARY: &str = "FROM BASE_IMAGE\nARG CACHE_BUST\nRUN git clone --quiet LIB /clone && git -C /clone rev-parse HEAD > /srv/library && \
                       rm -rf /clone\n";

/// What clones the repository of the project in a later stage.
const CLONE: &str =
    "ARG CACHE_BUST\nRUN git clone --quiet REPO /code && git -C /code rev-parse HEAD > /revision && rm -rf /code\n";

/// A project of the services `base`, which has the library, and `app`, made from it; and the library's repository.
fn project(app: &str, build: &str) -> (World, World) {
    let library = World::new();
    let services = format!(
        "name: NAME\nservices:\n  app:\n    image: NAME/app\n    build: {{context: ., dockerfile: app.Dockerfile{build}}}\n  \
         base:\n    image: NAME/base\n    build: {{context: ., dockerfile: base.Dockerfile}}\n"
    );
    let base = LIBRARY.replace("LIB", library.var("GITHUB_REPO"));
    (World::of(&[("compose.yml", &services), ("app.Dockerfile", app), ("base.Dockerfile", &base)]), library)
}

/// What the image of the service `app` holds of the library, and of the project's own repository.
#[track_caller]
fn holds(world: &World, file: &str) -> String {
    world.cat(&world.image("/app"), file)
}

/// The story of a service that has the library's code through another one: both come to the tip in one run.
#[track_caller]
fn follows_the_library(app: &str, build: &str) {
    let (world, library) = project(app, build);
    world.rebuild();
    assert_eq!(holds(&world, "/srv/library"), library.tip());
    world.assert_settled();
    for _ in 0..2 {
        let commit = library.push(Kind::Backend);
        world.xtask(["verify", "app"]).fails(1);
        world.rebuild();
        assert_eq!(world.cat(&world.image("/base"), "/srv/library"), commit);
        assert_eq!(holds(&world, "/srv/library"), commit);
        for service in ["app", "base"] {
            let image = world.image(&format!("/{service}"));
            assert!(world.revisions(&image).contains(&commit), "{service}: {:?}", world.revisions(&image));
            assert_eq!(world.label(&image, "io.xtask.service"), service);
        }
        world.xtask(["verify"]).ok();
        world.assert_settled();
    }
}

#[test]
fn an_additional_context_of_a_service_is_built_before_it() {
    follows_the_library("FROM base\nRUN echo app > /app\n", ", additional_contexts: {base: \"service:base\"}");
}

#[test]
fn an_image_of_another_service_in_from_is_built_before_it() {
    follows_the_library("FROM NAME/base:latest\nRUN echo app > /app\n", "");
}

#[test]
fn an_image_of_another_service_without_its_tag_in_from_is_built_before_it() {
    follows_the_library("ARG REGISTRY=docker.io\nFROM ${REGISTRY}/NAME/base\nRUN echo app > /app\n", "");
}

#[test]
fn an_image_of_another_service_in_copy_is_built_before_it() {
    follows_the_library("FROM BASE_IMAGE\nCOPY --from=NAME/base /srv/library /srv/library\n", "");
}

#[test]
fn an_image_of_another_service_in_a_mount_is_built_before_it() {
    follows_the_library(
        "FROM BASE_IMAGE\nRUN --mount=type=bind,from=NAME/base,source=/srv/library,target=/in cp /in /srv/library\n",
        "",
    );
}

#[test]
fn the_image_of_a_service_that_is_up_to_date_is_left_alone() {
    let (world, _library) = project(&format!("FROM base\n{CLONE}"), ", additional_contexts: {base: \"service:base\"}");
    world.rebuild();
    let base = || (world.id(&world.image("/base")), world.label(&world.image("/base"), "io.xtask.service"));
    let before = base();
    assert_eq!(before.1, "base");
    for args in [&["rebuild", "app"][..], &["rebuild"]] {
        let commit = world.push(Kind::Backend);
        world.rebuild_with(args.iter().copied());
        assert_eq!(holds(&world, "/revision"), commit);
        assert_eq!(base(), before, "{args:?}");
    }
    world.assert_nothing_staged();
}

#[test]
fn a_service_that_was_not_asked_for_is_not_moved() {
    let (world, library) = project(&format!("FROM base\n{CLONE}"), ", additional_contexts: {base: \"service:base\"}");
    world.rebuild();
    let (old, base) = (library.tip(), world.id(&world.image("/base")));
    library.push(Kind::Backend);
    let commit = world.push(Kind::Backend);
    world.rebuild_with(["rebuild", "app"]);
    assert_eq!(world.id(&world.image("/base")), base);
    assert_eq!((holds(&world, "/revision"), holds(&world, "/srv/library")), (commit.clone(), old.clone()));
    let revisions = world.revisions(&world.image("/app"));
    assert!(revisions.contains(&commit) && revisions.contains(&old), "{revisions:?}");
    world.assert_nothing_staged();
}

#[test]
fn a_service_with_the_code_of_another_one_can_go_back_to_each_version() {
    let (world, library) =
        project("FROM base\nRUN echo app > /app\n", ", additional_contexts: {base: \"service:base\"}");
    let commits: Vec<_> = (0..3)
        .map(|number| {
            let commit = if number == 0 { library.tip() } else { library.push(Kind::Backend) };
            world.rebuild();
            assert_eq!(world.label(&world.image("/app"), "org.opencontainers.image.revision"), commit);
            commit
        })
        .collect();
    for commit in commits.iter().rev().skip(1) {
        let value = format!("v0.1.0-{}", &commit[..12]);
        world.xtask(["rollback", &value]).ok();
        for service in ["app", "base"] {
            let image = world.image(&format!("/{service}"));
            assert_eq!(world.cat(&image, "/srv/library"), *commit, "{service}");
            assert_eq!(world.label(&image, "org.opencontainers.image.revision"), *commit, "{service}");
        }
    }
}

#[test]
fn one_image_for_two_services_is_built_once_and_verified_for_both() {
    let world = World::of(&[
        (
            "compose.yml",
            "name: NAME\nx-app: &app\n  image: NAME/app\n  build: .\nservices:\n  web: {<<: *app}\n  worker: {<<: *app, \
             command: [sleep]}\n",
        ),
        ("Dockerfile", &format!("FROM BASE_IMAGE\n{CLONE}")),
    ]);
    world.rebuild();
    world.assert_settled();
    let commit = world.push(Kind::Backend);
    let outcome = world.xtask(["verify"]).fails(1);
    assert!(outcome.stdout.contains("web") && outcome.stdout.contains("worker"), "{outcome}");
    world.rebuild();
    assert_eq!(holds(&world, "/revision"), commit);
    assert_eq!(world.ran().iter().filter(|step| step.contains("git clone")).count(), 1, "{:?}", world.ran());
    let outcome = world.xtask(["verify"]).ok();
    assert!(outcome.stdout.contains("web") && outcome.stdout.contains("worker"), "{outcome}");
    let tags = world.tags();
    assert_eq!(tags.iter().filter(|tag| tag.contains(&commit[..12])).count(), 1, "{tags:?}");
    world.assert_settled();
}

#[test]
fn one_image_with_two_different_builds_is_refused() {
    let world = World::of(&[
        (
            "compose.yml",
            "name: NAME\nservices:\n  web:\n    image: NAME/app\n    build: {context: ., args: {WHO: web}}\n  worker:\n    \
             image: NAME/app\n    build: {context: ., args: {WHO: worker}}\n",
        ),
        ("Dockerfile", &format!("FROM BASE_IMAGE\nARG WHO\nRUN echo \"$WHO\" > /who\n{CLONE}")),
    ]);
    let state = world.state();
    for command in ["plan", "rebuild"] {
        world.xtask([command]).fails(2).says("web").says("worker");
    }
    assert_eq!(world.state(), state);
}
