//! What is written where: messages on the standard error, data on the standard output.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{World, commit};

/// The reasons that the contract names.
const REASONS: [&str; 7] = ["plan", "step", "image", "verdict", "pruned", "finished", "error"];

/// The reasons of a run's JSON lines; every line has a known one and the schema's version.
#[track_caller]
fn reasons(outcome: &crate::support::Outcome) -> BTreeSet<String> {
    let messages = outcome.messages();
    for message in &messages {
        assert!(REASONS.contains(&message["reason"].as_str().unwrap_or_default()), "{message}");
        assert_eq!(message["schema"], 1, "{message}");
    }
    messages.iter().map(|message| message["reason"].as_str().unwrap().to_owned()).collect()
}

fn set(reasons: &[&str]) -> BTreeSet<String> {
    reasons.iter().map(|&reason| reason.to_owned()).collect()
}

#[test]
fn json_has_one_object_a_line_with_reason_and_schema() {
    let world = World::new();
    let json = |args: &[&'static str]| world.run(args.iter().copied().chain(["--message-format", "json"]));
    assert_eq!(reasons(&json(&["rebuild", "--dry-run"]).ok()), set(&["plan"]));
    let built = json(&["rebuild"]).ok();
    assert_eq!(reasons(&built), set(&["finished", "image", "step"]));
    let images: Vec<_> = built.messages().into_iter().filter(|message| message["reason"] == "image").collect();
    assert_eq!(images.len(), 3);
    for image in images {
        assert!(
            image["service"].is_string() && image["image"].is_string() && image["cache_bust"].is_string(),
            "{image}"
        );
    }
    assert_eq!(reasons(&json(&["rebuild"]).ok()), set(&["finished"]));
    let verdicts = json(&["verify"]).ok().messages();
    let verdicts: Vec<_> = verdicts.iter().map(|message| message["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["current", "current-by-key", "current"]);
    world.push(&commit('b'));
    let outcome = json(&["verify"]).fails(1);
    assert_eq!(reasons(&outcome), set(&["error", "verdict"]));
    for (args, code) in [(&["verify"][..], 1), (&["rebuild", "nobody"], 2), (&["full"], 2)] {
        let outcome = json(args).fails(code);
        let error = outcome.messages().pop().unwrap();
        assert_eq!((error["reason"].as_str(), error["code"].as_i64()), (Some("error"), Some(code.into())));
        assert!(error["cause"].is_string() && error["hint"].is_string(), "{error}");
    }
}

#[test]
fn a_rebuild_for_people_writes_no_data() {
    let world = World::new();
    assert_eq!(world.run(["rebuild"]).ok().stdout, "");
    assert_eq!(world.run(["rebuild"]).ok().stdout, "");
}

#[test]
fn quiet_leaves_only_data_and_errors() {
    let world = World::new();
    let outcome = world.run(["rebuild", "-q"]).ok();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    let outcome = world.run(["-q", "verify"]).ok();
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (4, ""));
    world.push(&commit('b'));
    let outcome = world.run(["-q", "verify"]).fails(1);
    assert!(outcome.stderr.starts_with("error: "), "{outcome}");
    world.run(["rebuild", "-q", "-v"]).fails(2);
}

#[test]
fn verbose_shows_every_command_as_it_can_be_pasted() {
    let world = World::new();
    let outcome = world.run(["rebuild", "-v"]).ok();
    for call in world.calls() {
        // A plugin is shown by its path.
        let args: Vec<_> =
            call.args.iter().filter(|arg| !["compose", "buildx"].contains(&arg.as_str())).map(String::as_str).collect();
        let rest = |line: &str| line.replace(['"', '\''], "").contains(&args.join(" "));
        for verb in ["     Running ", "       Ended after 0."] {
            assert!(outcome.stderr.lines().any(|line| line.starts_with(verb) && rest(line)), "{call:?}\n{outcome}");
        }
    }
}

#[test]
fn colour_is_a_choice_and_data_has_none() {
    let world = World::built();
    let coloured = |args: &[&'static str], no_color: Option<&str>| {
        let mut run = world.run(args.iter().copied());
        if let Some(value) = no_color {
            run = run.env("NO_COLOR", value);
        }
        let outcome = run.finish();
        assert_eq!(outcome.code, Some(0), "{outcome}");
        assert!(!outcome.stdout.contains('\u{1b}'), "{outcome}");
        outcome.stderr.contains('\u{1b}')
    };
    // Not a terminal.
    assert!(!coloured(&["rebuild"], None));
    assert!(!coloured(&["rebuild", "--color", "auto"], None));
    assert!(!coloured(&["rebuild", "--color", "never"], None));
    assert!(coloured(&["rebuild", "--color", "always"], None));
    // A flag comes before the environment.
    assert!(coloured(&["rebuild", "--color", "always"], Some("1")));
    assert!(!coloured(&["rebuild"], Some("1")));
    assert!(!coloured(&["verify", "--color", "always"], None));
}

#[test]
fn help_documents_the_exit_codes_and_starts_nothing() {
    let world = World::new();
    let outcome = world.run(["--help"]).ok();
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "101 ", "130 "] {
        assert!(outcome.stdout.contains(code), "{code}\n{outcome}");
    }
    for command in ["rebuild", "full", "verify"] {
        assert!(outcome.stdout.contains(command), "{outcome}");
        world.run([command, "--help"]).ok();
    }
    assert_eq!(world.run(["--nonsense"]).finish().code, Some(2));
    assert_eq!(world.run(["destroy"]).finish().code, Some(2));
    assert_eq!(world.run([]).finish().code, Some(2));
    assert!(world.calls().is_empty());
}

#[test]
fn a_missing_compose_file_is_bad_input() {
    let world = World::new();
    world.run(["rebuild", "-f", "nothing.yml"]).fails(2).says("nothing.yml");
    world.run(["rebuild"]).env("COMPOSE_FILE", "nothing.yml").fails(2).says("nothing.yml");
    std::fs::remove_file(world.project().join("compose.yml")).unwrap();
    world.run(["rebuild"]).fails(2).says("-f FILE");
    assert!(world.calls().is_empty());
}

#[test]
fn compose_files_of_flag_and_environment_reach_compose() {
    let world = World::new();
    world.file("other.yml", "services: {}\n");
    world.file("more.yml", "services: {}\n");
    let files = |call: &crate::support::state::Call| -> Vec<String> {
        call.args.iter().filter_map(|arg| arg.strip_prefix("--file=")).map(str::to_owned).collect()
    };
    world.run(["rebuild", "--dry-run", "-f", "other.yml", "-f", "more.yml"]).env("COMPOSE_FILE", "compose.yml").ok();
    let asked = &world.calls_of("build --print")[0];
    assert_eq!(files(asked), ["other.yml", "more.yml"]);
    world.forget_calls();
    // What is not given, Compose finds by itself.
    let options = ["rebuild", "--dry-run", "--env-file", "production.env", "--profile", "gpu"];
    world.run(options).env("COMPOSE_FILE", "compose.yml:more.yml").ok();
    let asked = &world.calls_of("build --print")[0];
    assert_eq!(asked.args[1..3], ["--env-file=production.env", "--profile=gpu"]);
    assert_eq!(asked.env["COMPOSE_FILE"], "compose.yml:more.yml");
}

#[test]
fn a_bad_command_line_is_a_message_too() {
    let world = World::new();
    for args in [
        &["rebuild", "--no-such-option", "--message-format", "json"][..],
        &["--message-format=json", "prune", "--keep", "$(id)"],
        &["verify", "\u{1b}[2J", "--message-format=json"],
    ] {
        let outcome = world.run(args.iter().copied()).fails(2);
        let messages = outcome.messages();
        let [message] = messages.as_slice() else { panic!("{outcome}") };
        assert_eq!((&message["reason"], message["code"].as_i64()), (&Value::from("error"), Some(2)), "{outcome}");
        let cause = message["cause"].as_str().unwrap();
        assert!(!cause.is_empty() && outcome.stderr.contains(cause) && message["hint"].is_string(), "{outcome}");
    }
    assert_eq!(world.run(["prune", "--keep", "x"]).fails(2).stdout, "");
}

#[test]
fn plugins_are_found_where_the_docker_client_finds_them() {
    let world = World::new();
    let extra = world.path("extra");
    std::fs::create_dir(&extra).unwrap();
    for plugin in ["docker-compose", "docker-buildx"] {
        std::fs::rename(world.path("home/.docker/cli-plugins").join(plugin), extra.join(plugin)).unwrap();
    }
    let config = serde_json::json!({"cliPluginsExtraDirs": [extra]});
    std::fs::write(world.path("home/.docker/config.json"), config.to_string()).unwrap();
    let outcome = world.run(["rebuild", "-v"]).ok();
    let plugin = format!("Running {}/docker-buildx bake", extra.display());
    assert!(outcome.stderr.contains(&plugin), "{outcome}");
}

#[test]
fn an_option_that_means_nothing_to_a_command_is_refused_and_not_shown() {
    let world = World::new();
    world.run(["report", "--builder", "far"]).fails(2).says("`report` has no use for `--builder`");
    world.run(["--env-file", "a.env", "report"]).fails(2).says("`report` has no use for `--env-file`");
    world.run(["plan", "--parallel", "2"]).fails(2);
    assert!(!world.run(["report", "--help"]).ok().stdout.contains("--builder"));
    for args in [&["--help"][..], &["rebuild", "--help"]] {
        let help = world.run(args.iter().copied()).ok().stdout;
        assert!(!help.contains("Possible values") && help.contains("Global options:"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 105), "{help}");
    }
}
