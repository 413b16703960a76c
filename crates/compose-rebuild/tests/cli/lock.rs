//! One rebuild of a project at a time.

use nix::sys::signal::Signal::{SIGINT, SIGKILL};

use crate::support::state::Rule;
use crate::support::{MUTABLE, World, commit};

const BUILD: &str = "buildx bake";

/// A project whose branch moved, and whose first build waits for the file `go`.
#[track_caller]
fn slow() -> World {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&[BUILD], Rule { wait_for: Some("go".to_owned()), ..Rule::default() });
    world
}

#[test]
fn the_second_run_waits_says_for_whom_and_finds_everything_fresh() {
    let world = slow();
    let first = world.run(["rebuild"]).start();
    world.until_called(BUILD);
    let mut second = world.run(["rebuild"]).start();
    second.until_says("Blocking");
    world.release("go");
    first.wait().ok();
    second.wait().ok().says("process ").says("--no-wait").says("Fresh");
    assert_eq!(world.calls_of(BUILD).len(), 1);
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    world.assert_nothing_staged();
}

#[test]
fn a_run_that_must_not_wait_is_refused_and_changes_nothing() {
    let world = slow();
    let first = world.run(["rebuild"]).start();
    world.until_called(BUILD);
    let tags = world.tags();
    world.run(["rebuild", "--no-wait"]).fails(3).says("locked").says("process ");
    assert_eq!(world.tags(), tags);
    assert_eq!(world.calls_of(BUILD).len(), 1);
    world.release("go");
    first.wait().ok();
}

#[test]
fn ctrl_c_ends_the_wait_and_leaves_the_other_run_alone() {
    let world = slow();
    let first = world.run(["rebuild"]).start();
    world.until_called(BUILD);
    let mut second = world.run(["rebuild"]).start();
    second.until_says("Blocking");
    second.signal(SIGINT);
    assert_eq!(second.wait().code, Some(130));
    world.release("go");
    first.wait().ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn killing_the_holder_releases_the_lock() {
    let world = slow();
    let first = world.run(["rebuild"]).start();
    world.until_obeyed(BUILD);
    first.signal(SIGKILL);
    first.wait();
    world.heal();
    // The build of the killed run is still there, and holds nothing.
    let outcome = world.run(["rebuild", "--no-wait"]).ok();
    assert!(!outcome.stderr.contains("Blocking"), "{outcome}");
    world.assert_nothing_staged();
}

#[test]
fn one_engine_has_one_lock_whatever_it_and_its_users_are_called() {
    let world = slow();
    let first = world.run(["rebuild"]).env("DOCKER_HOST", "tcp://one:1").start();
    world.until_obeyed(BUILD);
    let other = world.path("home");
    let other = other.to_str().unwrap();
    for (name, value) in [("DOCKER_HOST", "tcp://two:1"), ("DOCKER_CONTEXT", "far"), ("TMPDIR", other)] {
        world.run(["rebuild", "--no-wait"]).env(name, value).fails(3).says("is locked by process ");
    }
    assert!(world.run(["doctor"]).finish().stdout.contains("process "), "doctor names the holder");
    world.heal();
    another_engine(&world);
    world.run(["rebuild", "--no-wait"]).ok();
    world.release("go");
    first.wait();
}

/// The next run meets another engine that has the same images, or thinks so.
fn another_engine(world: &World) {
    let stdout = b"another\n".to_vec();
    world.fault(&["{{.ID}}"], Rule { stdout, exit: Some(0), times: Some(1), ..Rule::default() });
}

#[test]
fn of_eight_runs_at_once_one_builds_and_all_end_well() {
    let world = World::built();
    world.push(&commit('b'));
    world.forget_calls();
    let runs: Vec<_> = (0..8).map(|_| world.run(["rebuild"]).start()).collect();
    for run in runs {
        run.wait().ok();
    }
    assert_eq!(world.calls_of(BUILD).len(), 1);
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    world.assert_nothing_staged();
}

#[test]
fn full_takes_what_the_remote_has_when_its_turn_has_come() {
    let world = World::built();
    let stdout = format!("{}\trefs/heads/main\n", commit('a')).into_bytes();
    let wait_for = Some("go".to_owned());
    world.fault(&["git ls-remote"], Rule { stdout, wait_for, exit: Some(0), times: Some(1), ..Rule::default() });
    let full = world.run(["full", "--yes"]).start();
    world.until_obeyed("ls-remote");
    // While somebody thinks about the answer, another run brings something newer.
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    world.release("go");
    full.wait().ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn without_a_working_lock_tags_still_mean_verified_images() {
    // An engine that has two IDs has two locks: as if locks did nothing, which some file systems offer.
    let world = slow();
    let first = world.run(["rebuild"]).start();
    world.until_called(BUILD);
    another_engine(&world);
    let second = world.run(["rebuild"]).start();
    world.until("two builds", || world.calls_of(BUILD).len() >= 2);
    world.release("go");
    for run in [first, second] {
        let outcome = run.wait();
        // One may meet the image that the other staged, and refuse it.
        assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{outcome}");
    }
    let image = world.image(MUTABLE[2]).unwrap();
    assert!(image.version == Some(commit('a') + "\n") || image.version == Some(commit('b') + "\n"), "{image:?}");
    world.heal();
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
    world.assert_nothing_staged();
}
