//! `--up`: which services are started, what goes back, and what is remembered of a version that was not healthy.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal::SIGINT;
use serde_json::json;

use crate::space::value;
use crate::support::state::{Rule, Running};
use crate::support::{MUTABLE, World, commit};

/// A world at commit aaaa that runs.
fn running() -> World {
    let world = World::built();
    let image = world.image(MUTABLE[2]).unwrap().id;
    let one = |service: &str| Running {
        project: "vibevoice".to_owned(),
        service: service.to_owned(),
        name: format!("{service}-1"),
        image: image.clone(),
        revision: commit('a'),
    };
    world.engine(|engine| engine.running = vec![one("vibevoice"), one("other")]);
    world
}

/// The image that each container runs.
fn runs(world: &World) -> Vec<String> {
    world.engine(|engine| engine.running.iter().map(|one| one.image.clone()).collect())
}

/// Pushes a commit whose containers are not healthy.
fn push_broken(world: &World, digit: char) {
    world.push(&commit(digit));
    world.engine(|engine| engine.broken.push(commit(digit)));
}

#[test]
fn only_what_runs_from_an_image_that_changed_is_started() {
    let world = running();
    let before = runs(&world);
    world.run(["rebuild", "--up"]).ok();
    assert!(world.calls_of("compose up").is_empty(), "nothing changed");
    world.push(&commit('b'));
    world.run(["rebuild", "--up"]).ok();
    let calls = world.calls_of("compose up");
    let flags = ["compose", "up", "--detach", "--no-build", "--pull", "missing", "--no-deps", "--", "vibevoice"];
    assert_eq!(calls.iter().map(|call| call.args.clone()).collect::<Vec<_>>(), [flags]);
    assert_eq!(runs(&world), [world.image(MUTABLE[2]).unwrap().id, before[1].clone()]);
    world.forget_calls();
    world.run(["rebuild", "--up"]).ok();
    assert!(world.calls_of("compose up").is_empty());
    assert!(!world.written().iter().any(|file| file.ends_with("up-vibevoice")));
}

#[test]
fn what_is_not_healthy_goes_back_and_is_not_tried_again() {
    let world = running();
    let (before, tags) = (runs(&world), world.mutable());
    push_broken(&world, 'b');
    let outcome = world.run(["rebuild", "--up"]).fails(1).says("`vibevoice` is unhealthy").says("the log");
    outcome.says(&format!("rolled back to {}", value('a')));
    assert_eq!((runs(&world), world.mutable()), (before.clone(), tags.clone()));
    world.forget_calls();
    world.run(["rebuild", "--up"]).ok().says("held at").says("was not healthy");
    assert!(world.calls_of("bake").is_empty() && world.calls_of("compose up").is_empty());
    // The next one may go; so may this one, for those who want it.
    world.engine(|engine| engine.broken.clear());
    world.run(["rebuild", "--up", "--forward"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    world.engine(|engine| engine.tag(tags[2].as_ref().unwrap(), MUTABLE[2]));
    world.run(["rebuild"]).ok().says("Promoted");
}

#[test]
fn what_an_earlier_run_promoted_goes_back_to_what_runs() {
    let world = running();
    let (before, tags) = (runs(&world), world.mutable());
    push_broken(&world, 'b');
    world.run(["rebuild"]).ok();
    assert_eq!(runs(&world), before, "nothing was started");
    world.run(["rebuild", "--up"]).fails(1).says(&format!("rolled back to {}", value('a')));
    assert_eq!((runs(&world), world.mutable()[2].clone()), (before, tags[2].clone()));
    world.run(["rebuild", "--up"]).ok().says("held at");
}

#[test]
fn nothing_in_the_file_of_a_killed_run_moves_a_tag_of_somebody_else() {
    let world = running();
    let (before, tags) = (runs(&world), world.tags());
    let id = world.image(MUTABLE[0]).unwrap().id;
    world.file("target/xtask/up-vibevoice", format!("tag stranger:1 {id}\nservice nosuch\n"));
    world.run(["rebuild", "--up"]).ok();
    assert_eq!((runs(&world), world.tags()), (before, tags));
    assert!(world.calls_of("compose up").is_empty());
}

#[test]
fn when_the_old_version_is_not_healthy_either_nothing_is_stopped() {
    let world = running();
    let tags = world.mutable();
    push_broken(&world, 'b');
    world.engine(|engine| engine.broken.push(commit('a')));
    world.run(["rebuild", "--up"]).fails(1).says("after going back").says("nothing was stopped");
    assert_eq!(world.mutable(), tags);
}

#[test]
fn a_rollback_starts_the_version_and_a_bad_one_goes_back() {
    let world = running();
    let old = runs(&world);
    world.push(&commit('b'));
    world.run(["rebuild", "--up"]).ok();
    let new = (runs(&world), world.mutable());
    world.engine(|engine| engine.broken.push(commit('a')));
    world.run(["rollback", &value('a'), "--up"]).fails(1).says(&format!("rolled back to {}", value('b')));
    assert_eq!((runs(&world), world.mutable()), new);
    world.run(["rebuild", "--up"]).ok().says("Fresh");
    world.engine(|engine| engine.broken.clear());
    world.run(["rollback", &value('a'), "--up"]).ok();
    assert_eq!(runs(&world), old);
    world.run(["rebuild", "--up"]).ok().says("was rolled back");
    assert_eq!(runs(&world), old);
}

#[test]
fn waiting_needs_something_to_wait_for() {
    let world = running();
    world.run(["rebuild", "--wait-timeout", "5s"]).fails(2);
    world.run(["rebuild", "--up", "--wait-timeout", "soon"]).fails(2);
    world.run(["rebuild", "--up=some"]).fails(2);
    let state = world.path("state");
    assert!(state.exists() && world.calls_of("bake").is_empty(), "{}", json!(world.tags()));
}

#[test]
fn ctrl_c_does_not_wait_for_compose_and_the_next_run_goes_on() {
    let world = running();
    world.push(&commit('b'));
    let said = "started\n".to_owned();
    world.fault(&["compose up"], Rule { hang: true, deaf: true, times: Some(1), stderr: said, ..Rule::default() });
    let run = world.run(["rebuild", "--up"]).start();
    world.until_obeyed("starting");
    let asked = Instant::now();
    run.signal(SIGINT);
    run.wait().fails(130).says("may be down until the next `rebuild`");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(world.path("state/heard").exists(), "Compose was asked to end first");
    world.run(["rebuild"]).ok().says("Resuming");
    assert_eq!(runs(&world)[0], world.image(MUTABLE[2]).unwrap().id);
}
