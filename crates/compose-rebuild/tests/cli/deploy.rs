//! What an unattended run needs: a limit of services that are built at once, and a command that is told how it ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::faults::says;
use crate::schema::{faults, published};
use crate::space::value;
use crate::support::state::Running;
use crate::support::{MUTABLE, World, commit};

#[test]
fn with_a_limit_services_are_built_one_group_after_another_and_promoted_together() {
    let world = World::new();
    world.run(["rebuild", "--parallel", "1"]).ok();
    assert_eq!(world.calls_of("buildx bake").len(), 3);
    assert_eq!(world.baked_targets(), ["vibevoice"]);
    // It is made from the kept image of this run, which has no other name yet.
    let context = world.baked("vibevoice")["contexts"]["model-downloader"].as_str().unwrap().to_owned();
    assert!(context.starts_with("docker-image://vibevoicefusion:staged-model-downloader-"), "{context}");
    let calls: Vec<_> = world.calls().into_iter().map(|call| call.args.join(" ")).collect();
    let last_build = calls.iter().rposition(|call| call.starts_with("buildx bake")).unwrap();
    let first_tag = calls.iter().position(|call| call.starts_with("image tag")).unwrap();
    assert!(last_build < first_tag, "{calls:#?}");
    assert_eq!(world.report()["steps"].as_array().unwrap().len(), 3);
    assert!(world.mutable().iter().all(Option::is_some));
    world.assert_nothing_staged();
    for (limit, builds, digit) in [("2", 1, 'b'), ("-1", 1, 'c'), ("1", 2, 'd')] {
        world.forget_calls();
        world.push(&commit(digit));
        world.run(["rebuild"]).env("COMPOSE_PARALLEL_LIMIT", limit).ok();
        assert_eq!(world.calls_of("buildx bake").len(), builds, "{limit}");
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit(digit) + "\n"));
    }
    world.push(&commit('e'));
    world.run(["rebuild"]).env("COMPOSE_PARALLEL_LIMIT", "many").fails(2).says("COMPOSE_PARALLEL_LIMIT");
}

#[test]
fn a_later_group_that_fails_leaves_every_tag_where_it_is() {
    let world = World::built();
    let before = world.mutable();
    world.push(&commit('b'));
    world.engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), "exit code: 1".to_owned()));
    let outcome = world.run(["rebuild", "--parallel", "1"]).fails(4);
    assert_eq!(world.calls_of("buildx bake").len(), 2);
    assert_eq!(world.mutable(), before);
    world.assert_nothing_staged();
    let log = outcome.stderr.split_whitespace().find(|word| word.ends_with(".log")).unwrap();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("[backend-builder") && log.contains("[vibevoice"), "{log}");
}

/// A world that tells this script how its runs end, beside the directory that the script writes to.
fn notifying(script: &str) -> World {
    let world = World::new();
    let program = world.path("notify");
    fs::write(&program, format!("#!/bin/sh\ncd '{}'\n{script}\n", world.path("out").display())).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    configure(&world, program.to_str().unwrap());
    world
}

fn configure(world: &World, program: &str) {
    world.manifest(&format!(
        "[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\nnotify = [\"{program}\", \"one argument\"]\n"
    ));
}

/// What the script was told last: its arguments and its input.
fn told(world: &World) -> Option<(String, Value)> {
    let said = fs::read_to_string(world.path("out/arguments")).ok()?;
    let input = fs::read_to_string(world.path("out/input")).unwrap();
    assert_eq!(input.matches('\n').count(), 1, "one line: {input}");
    for file in ["out/arguments", "out/input"] {
        fs::remove_file(world.path(file)).unwrap();
    }
    Some((said, serde_json::from_str(&input).unwrap()))
}

const WRITE: &str = "/bin/cat > input; /usr/bin/env > environment; printf '%s|' \"$@\" > arguments";

#[test]
fn a_command_is_told_of_what_changed_and_of_what_failed() {
    let world = notifying(WRITE);
    world.run(["rebuild"]).env("GIT_AUTH_TOKEN", "secret-canary").ok().says("Notified");
    let (said, summary) = told(&world).expect("told of the first build");
    assert!(said.starts_with("one argument|vibevoice: rebuild finished in "), "{said}");
    assert!(said.contains("vibevoice v0.1.0-aaaaaaaaaaaa"), "{said}");
    let schema = published();
    assert_eq!(faults(&summary, &schema, &schema, "summary"), [""; 0]);
    assert_eq!((&summary["failure"], summary["services"].as_array().unwrap().len()), (&Value::Null, 3));
    let environment = fs::read_to_string(world.path("out/environment")).unwrap();
    assert!(!environment.contains("secret-canary"), "{environment}");
    world.run(["rebuild"]).ok();
    world.run(["rebuild", "--dry-run"]).ok();
    assert_eq!(told(&world), None, "nothing changed");

    world.push(&commit('b'));
    world.engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), "exit code: 1".to_owned()));
    world.run(["rebuild"]).fails(4);
    let (said, summary) = told(&world).expect("told of the failure");
    assert!(said.contains("|vibevoice: rebuild failed with exit code 4: step `[vibevoice"), "{said}");
    assert_eq!(summary["failure"]["code"], 4);
    // A run that fails before it knows what to do.
    world.fault(&["ls-remote"], says("fatal: Could not resolve host", 128));
    world.run(["rebuild"]).fails(3);
    let (said, summary) = told(&world).expect("told that the remote is away");
    assert!(said.contains("failed with exit code 3: the remote https://git.example/"), "{said}");
    assert_eq!((&summary["failure"]["code"], &summary["command"]), (&Value::from(3), &Value::from("rebuild")));
}

#[test]
fn a_notifier_never_changes_how_a_run_ends() {
    let world = notifying("printf '{\"garbage\\n\\033[2J'; echo 'no such \\033[31mchannel' >&2; exit 3");
    let outcome = world.run(["rebuild", "--message-format", "json"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let outcome = outcome.says("the notification failed").says("exit status: 3: no such");
    assert!(outcome.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{outcome}");
    configure(&world, "/nowhere/notify");
    world.push(&commit('b'));
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    outcome.says("the notification failed: could not start `/nowhere/notify`");
    world.push(&commit('c'));
    world.engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), "exit code: 1".to_owned()));
    world.run(["rebuild"]).finish().fails(4);
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn a_notifier_that_does_not_end_is_ended() {
    let world = notifying("exec /bin/sleep 600");
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let outcome = outcome.says("the notification failed").says("did not answer within 10 s");
    assert!(outcome.elapsed < Duration::from_secs(25), "{outcome}");
}

#[test]
fn everything_that_is_told_of_a_run_says_how_the_start_ended() {
    let world = notifying(WRITE);
    let shown = world.path("shown");
    let run = |args: &[&str]| {
        fs::write(&shown, "").unwrap();
        world.run(args.iter().copied()).env("GITHUB_STEP_SUMMARY", shown.to_str().unwrap()).finish()
    };
    let page = || fs::read_to_string(&shown).unwrap_or_default();
    run(&["rebuild"]).ok();
    let image = world.image(MUTABLE[2]).unwrap().id;
    let [project, service, name] = ["vibevoice", "vibevoice", "vibevoice-1"].map(str::to_owned);
    world.engine(|engine| engine.running = vec![Running { project, service, name, image, revision: commit('a') }]);
    world.push(&commit('b'));
    run(&["rebuild"]).ok();
    told(&world).expect("told of the build");

    // Nothing is built, and what was built before is started.
    run(&["rebuild", "--up"]).ok();
    let (said, summary) = told(&world).expect("told of the start");
    assert!(said.ends_with(": started vibevoice|"), "{said}");
    assert_eq!(summary["healthy"], serde_json::json!(["vibevoice"]));
    assert_eq!(world.engine(|engine| engine.running[0].image.clone()), world.image(MUTABLE[2]).unwrap().id);
    assert!(page().contains("healthy: <code>vibevoice"), "{}", page());
    run(&["rebuild", "--up"]).ok();
    assert_eq!((told(&world), page().as_str()), (None, ""), "nothing happened");

    world.push(&commit('c'));
    run(&["rebuild", "--up"]).ok();
    assert_eq!(told(&world).expect("told of both").1["healthy"], serde_json::json!(["vibevoice"]));
    assert_eq!((&world.report()["failure"], &world.report()["healthy"][0]), (&Value::Null, &"vibevoice".into()));

    world.push(&commit('d'));
    world.engine(|engine| engine.broken.push(commit('d')));
    run(&["rebuild", "--up"]).fails(1);
    let (said, summary) = told(&world).expect("told of the failure");
    assert!(said.contains("failed with exit code 1: `vibevoice` is unhealthy; rolled back to"), "{said}");
    assert_eq!((&summary["failure"]["code"], &world.report()["failure"]["code"]), (&1.into(), &1.into()));
    assert!(!world.report()["steps"].as_array().unwrap().is_empty(), "the build is on record");
    assert!(page().contains("rolled back to") && page().contains(": failed"), "{}", page());

    run(&["rollback", &value('a')]).ok();
    let (said, summary) = told(&world).expect("told of the rollback");
    let schema = published();
    assert_eq!(faults(&summary, &schema, &schema, "summary"), [""; 0]);
    assert!(said.contains("vibevoice: rollback finished in ") && said.contains(&value('a')), "{said}");
    run(&["rollback"]).ok();
    run(&["rollback", "v9.9.9-aaaaaaaaaaaa"]).fails(2);
    run(&["rollback", &value('a')]).ok();
    assert_eq!(told(&world), None, "nothing changed");
    world.engine(|engine| engine.broken.push(commit('b')));
    run(&["rollback", &value('b'), "--up"]).fails(1);
    assert!(told(&world).expect("told of it").0.contains("rollback failed with exit code 1"));
}
