//! Ctrl-C, SIGTERM and SIGHUP at every phase, and kill -9: the run ends with 130, what was staged goes, tags stay.

use std::time::{Duration, Instant};

use compose_rebuild::sys::interrupt::is_alive;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGKILL, SIGTERM};

use crate::support::state::Rule;
use crate::support::{MUTABLE, World, commit};

/// Where a run hangs when the signal comes: the command that hangs, and whether the engine has done its work by then.
const PHASES: [(&str, &str, bool); 9] = [
    ("reading the project", "build --print", false),
    ("resolving", "ls-remote", false),
    ("looking at images", "image inspect", false),
    ("building", "buildx bake", false),
    ("built", "buildx bake", true),
    ("verifying, before a container", "docker create", false),
    ("verifying, with a container that has no name yet", "docker create", true),
    ("verifying, with a container", "docker cp", false),
    ("promoting versioned tags", "python-builder-v0.1.0-bbbbbbbbbbbb", true),
];

/// A project whose branch moved, where a command that contains these words never ends.
#[track_caller]
fn hanging_at(words: &str, late: bool) -> World {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&[words], Rule { hang: true, late, ..Rule::default() });
    world
}

/// No fake that the run started is alive.
#[track_caller]
fn assert_no_process_is_left(world: &World) {
    for call in world.calls() {
        assert!(!is_alive(call.pid as i32), "{call:?} is alive");
    }
}

#[test]
fn ctrl_c_at_any_phase_leaves_the_old_tags_and_nothing_staged() {
    for (phase, words, late) in PHASES {
        let world = hanging_at(words, late);
        let mutable = world.mutable();
        let running = world.run(["rebuild"]).start();
        world.until_obeyed(phase);
        let asked = Instant::now();
        running.signal(SIGINT);
        let outcome = running.wait();
        assert!(asked.elapsed() < Duration::from_secs(5), "{phase} took {:?}\n{outcome}", asked.elapsed());
        assert_eq!(outcome.code, Some(130), "{phase}\n{outcome}");
        assert_eq!(world.mutable(), mutable, "{phase}\n{outcome}");
        assert_no_process_is_left(&world);
        world.assert_nothing_staged();
        // And the next run is an ordinary one.
        world.heal();
        world.run(["rebuild"]).ok();
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"), "{phase}");
    }
}

#[test]
fn ctrl_c_in_the_middle_of_promotion_moves_no_tag_alone() {
    for (tag, other) in [(MUTABLE[1], MUTABLE[2]), (MUTABLE[2], MUTABLE[1])] {
        let world = World::built();
        world.push(&commit('b'));
        world.fault(&["image tag", &format!(" {tag} ")], Rule { hang: true, times: Some(1), ..Rule::default() });
        let before = world.mutable();
        let tagged = |tag: &str| world.calls_of("image tag").iter().any(|call| call.args.last().unwrap() == tag);
        let running = world.run(["rebuild"]).start();
        world.until("the tag is about to move", || tagged(tag));
        // Where tags move at the same time the other one has moved in a moment; where they do not, it never will.
        let asked = Instant::now();
        let old = world.image(other);
        while asked.elapsed() < Duration::from_millis(300) && world.image(other) == old {}
        running.signal(SIGINT);
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(130), "{outcome}");
        assert_eq!(world.mutable(), before, "{tag}\n{outcome}");
        world.assert_nothing_staged();
    }
}

#[test]
fn an_interrupt_says_what_was_kept_and_what_to_do() {
    let world = hanging_at("buildx bake", false);
    let running = world.run(["rebuild"]).start();
    world.until_called("buildx bake");
    running.signal(SIGINT);
    running.wait().fails(130).says(" kept: ");
}

#[test]
fn being_asked_to_end_is_the_same_as_ctrl_c() {
    for signal in [SIGTERM, SIGHUP] {
        let world = hanging_at("buildx bake", false);
        let mutable = world.mutable();
        let running = world.run(["rebuild"]).start();
        world.until_called("buildx bake");
        running.signal(signal);
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(130), "{signal}\n{outcome}");
        assert_eq!(world.mutable(), mutable);
        assert_no_process_is_left(&world);
        world.assert_nothing_staged();
    }
}

#[test]
fn a_second_ctrl_c_kills_a_build_that_does_not_listen() {
    let world = World::built();
    world.push(&commit('b'));
    // The step is written when the fake is deaf: a signal before that would end it.
    let step =
        "{\"vertexes\":[{\"digest\":\"a\",\"name\":\"[x y 1/1] RUN z\",\"started\":\"2026-01-01T00:00:00Z\"}]}\n";
    let deaf = Rule { hang: true, deaf: true, stdout: step.into(), ..Rule::default() };
    world.fault(&["buildx bake"], deaf);
    let mutable = world.mutable();
    let mut running = world.run(["rebuild"]).start();
    running.until_says("RUN z");
    running.signal(SIGINT);
    world.until("the build heard the first", || world.path("state/heard").exists());
    let asked = Instant::now();
    running.signal(SIGINT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(world.mutable(), mutable);
    let last = world.calls_of("buildx bake").pop().unwrap();
    assert!(!is_alive(last.pid as i32), "the build is alive");
    world.assert_nothing_staged();
}

#[test]
fn ctrl_c_ends_the_wait_before_a_remote_is_asked_again() {
    let world = World::built();
    let busy = "fatal: unable to access: The requested URL returned error: 503\n".to_owned();
    world.fault(&["ls-remote"], Rule { stderr: busy, exit: Some(128), ..Rule::default() });
    let mut running = world.run(["rebuild"]).start();
    running.until_says("Retrying");
    running.signal(SIGINT);
    assert_eq!(running.wait().code, Some(130));
}

#[test]
fn kill_at_any_phase_leaves_old_tags_and_a_usable_next_run() {
    for (phase, words, late) in PHASES {
        let world = hanging_at(words, late);
        let mutable = world.mutable();
        let running = world.run(["rebuild"]).start();
        world.until_obeyed(phase);
        running.signal(SIGKILL);
        running.wait();
        assert_eq!(world.mutable(), mutable, "{phase}");
        world.heal();
        world.run(["rebuild"]).ok();
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"), "{phase}");
        world.assert_nothing_staged();
    }
}

#[test]
fn a_container_of_a_run_that_was_killed_behind_its_last_tag_goes_with_the_next_run() {
    let world = hanging_at("docker rm", false);
    let before = world.mutable();
    let running = world.run(["rebuild"]).start();
    world.until_obeyed("removing the containers");
    world.until("every tag has moved", || world.mutable().iter().zip(&before).skip(1).all(|(now, old)| now != old));
    let is_read_back = || {
        let call = world.calls_of("image inspect").pop().unwrap();
        call.args.iter().any(|arg| arg == MUTABLE[2]) && !is_alive(call.pid as i32)
    };
    world.until("the tags are read back", is_read_back);
    assert_eq!(world.calls_of("image rm").len(), 0, "what marks the run as unfinished is about to go");
    running.signal(SIGKILL);
    running.wait();
    world.heal();
    world.run(["rebuild"]).ok();
    world.assert_nothing_staged();
}

#[test]
fn what_a_killed_run_staged_goes_when_the_next_one_builds_something_else() {
    let world = hanging_at("docker cp", false);
    let running = world.run(["rebuild"]).start();
    world.until_called("docker cp");
    running.signal(SIGKILL);
    running.wait();
    assert!(world.tags().iter().any(|tag| tag.contains(":staged-")), "the fault did not fire: {:?}", world.tags());
    world.heal();
    world.push(&commit('c'));
    world.run(["rebuild"]).ok();
    world.assert_nothing_staged();
}
