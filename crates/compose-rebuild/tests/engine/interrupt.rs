//! Ctrl-C and kill -9 in every phase, and two runs at once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use sandbox::Kind;

use crate::support::{Running, World, until};

/// Where a run is stopped: the program whose shim holds, its command line, and whether the real one runs before.
fn phases(world: &World) -> [(&'static str, &'static str, String, bool); 6] {
    let versioned = format!("{}:v0.1.0-*", world.app());
    [
        ("resolve", "git", "ls-remote*".to_owned(), false),
        ("build, begun", "docker", "buildx*bake*".to_owned(), false),
        ("build, done", "docker", "buildx*bake*".to_owned(), true),
        ("verify", "docker", "cp*".to_owned(), false),
        ("promote, versioned", "docker", format!("image tag*{versioned}"), true),
        ("promote, mutable", "docker", format!("image tag*{}", world.latest()), false),
    ]
}

/// Starts a rebuild of a new commit, which is held in a phase.
#[track_caller]
fn held(world: &World, program: &str, pattern: &str, late: bool) -> Running {
    let action = if late { "real \"$@\"; status=$?; hold; exit $status" } else { "hold" };
    world.shim(program, &format!("case \"$*\" in {}) {action} ;; esac", pattern.replace(' ', "\\ ")));
    world.push(Kind::Backend);
    let mut running = world.start(["rebuild"]);
    world.until_held(&mut running);
    running
}

#[test]
fn ctrl_c_in_any_phase_keeps_the_tags_and_ends_with_130() {
    let world = World::built();
    for (phase, program, pattern, late) in phases(&world) {
        let mutable = world.ids();
        let running = held(&world, program, &pattern, late);
        let asked = Instant::now();
        running.signal(SIGINT);
        let outcome = running.wait();
        assert!(asked.elapsed() < Duration::from_secs(10), "{phase}: {:?}", asked.elapsed());
        assert_eq!(outcome.code, Some(130), "{phase}: {outcome}");
        assert_eq!(world.ids(), mutable, "{phase}: {outcome}");
        world.unshim(program);
        world.assert_nothing_staged();
    }
    world.rebuild();
    world.assert_current(&world.tip());
}

#[test]
fn kill_9_in_any_phase_keeps_the_tags_and_the_next_run_cleans_up() {
    let world = World::built();
    for (phase, program, pattern, late) in phases(&world) {
        let mutable = world.ids();
        let running = held(&world, program, &pattern, late);
        running.signal(SIGKILL);
        running.wait();
        world.unshim(program);
        world.end_orphans();
        // The engine moves one tag at a time, so others may have moved when the last one is held: the run verified all.
        let checked = if phase == "promote, mutable" { 2.. } else { 0.. };
        assert_eq!(world.ids()[checked.clone()], mutable[checked], "{phase}");
        world.rebuild();
        world.assert_current(&world.tip());
    }
}

/// Waits until a process has the name of the world.
#[track_caller]
fn until_it_runs(world: &World) {
    let is_it =
        |process: &Path| fs::read(process.join("cmdline")).is_ok_and(|line| line.starts_with(world.name.as_bytes()));
    until("the endless step runs", || fs::read_dir("/proc").unwrap().flatten().any(|entry| is_it(&entry.path())));
}

#[test]
fn ctrl_c_stops_a_step_that_never_ends() {
    let world = World::built();
    let good = world.tip();
    let state = world.state();
    let script = std::fs::read_to_string(world.upstream.work().join("frontend/build.mjs")).unwrap();
    world.push_file(
        "frontend/build.mjs",
        &format!("{script}process.title = '{}'; setInterval(() => {{}}, 1000);\n", world.name),
    );
    let running = world.start(["rebuild"]);
    until_it_runs(&world);
    let asked = Instant::now();
    running.signal(SIGINT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(world.state(), state);
    world.assert_current(&good);

    // The same with kill -9: the build is still there, and the next run does not wait for it.
    let running = world.start(["rebuild"]);
    until_it_runs(&world);
    running.signal(SIGKILL);
    running.wait();
    assert_eq!(world.ids(), state.1);
    let commit = world.push_file("frontend/build.mjs", &script);
    world.rebuild();
    world.assert_current(&commit);
    world.end_orphans();
    world.assert_current(&commit);
}

#[test]
fn of_two_runs_at_once_the_second_waits_says_for_what_and_finds_nothing_to_do() {
    let world = World::built();
    let builds = world.builds();
    let mut first = held(&world, "docker", "buildx*bake*", false);
    let commit = world.tip();
    let mut second = world.start(["rebuild"]);
    second.until_says("Blocking");
    assert!(!first.has_ended());
    world.unshim("docker");
    world.release();
    first.wait().ok();
    second.wait().ok().says("process ").says("Fresh");
    world.assert_current(&commit);
    // Two services, one build each: the second run asked for none.
    assert_eq!(world.builds().difference(&builds).count(), 2);
}

#[test]
fn a_run_that_must_not_wait_says_so_and_changes_nothing() {
    let world = World::built();
    let state = world.state();
    let first = held(&world, "docker", "buildx*bake*", false);
    world.xtask(["rebuild", "--no-wait"]).fails(3).says("locked");
    assert_eq!(world.state(), state);
    first.signal(SIGKILL);
    first.wait();
    world.unshim("docker");
    world.end_orphans();
    world.xtask(["rebuild", "--no-wait"]).ok();
    world.assert_current(&world.tip());
}
