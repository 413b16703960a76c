//! `verify`: the remote's tip, the label and the version file, read from the images.

use sandbox::Kind;

use crate::support::World;

#[test]
fn verify_says_yes_when_current_no_after_a_push_and_changes_nothing() {
    let world = World::new();
    world.xtask(["verify"]).fails(1).says("not current");
    world.rebuild();
    let (state, builds) = (world.state(), world.builds());
    world.xtask(["verify"]).ok();
    world.push(Kind::Readme);
    let outcome = world.xtask(["verify"]).fails(1);
    assert!(outcome.stdout.contains("behind by 1"), "{outcome}");
    // A kept model is made from no commit, and current.
    world.xtask(["verify", "model-downloader"]).ok();
    world.xtask(["verify", "nobody"]).fails(2);
    assert_eq!((world.state(), world.builds()), (state, builds));
    world.assert_nothing_staged();
    world.rebuild();
    world.xtask(["verify"]).ok();
}

#[test]
fn an_image_whose_version_file_was_changed_is_found_out() {
    let world = World::built();
    // The labels are those of the image below, so only what is in the image can tell.
    let commands = format!("FROM {}\nRUN echo {} > backend/version.txt\n", world.latest(), "0".repeat(40));
    world.file("tampered/Dockerfile", &commands.replace("\nRUN", "\nUSER root\nRUN"));
    let directory = world.project().join("tampered");
    world.docker(&["build", "--quiet", "--tag", &world.latest(), directory.to_str().unwrap()]);
    assert_eq!(world.label(&world.latest(), "org.opencontainers.image.revision"), world.tip());
    let outcome = world.xtask(["verify"]).fails(1);
    assert!(outcome.stdout.contains("wrong content"), "{outcome}");
    world.assert_nothing_staged();
    // The cure that is offered works.
    assert!(outcome.stderr.contains("full --keep-models"), "{outcome}");
}

#[test]
fn a_dockerfile_that_builds_another_commit_is_found_out_before_anything_moves() {
    let world = World::built();
    let state = world.state();
    world.push(Kind::Backend);
    world.edit("Dockerfile", "\"$revision\" > app/backend/version.txt", "wrong > app/backend/version.txt");
    world.xtask(["rebuild"]).fails(1).says("wrong");
    assert_eq!(world.state(), state);
    world.assert_nothing_staged();
}
