//! Credentials in addresses are refused and shown nowhere.

use serde_json::json;

use crate::support::World;
use crate::support::state::Rule;

#[test]
fn a_credential_in_an_address_is_refused_and_shown_nowhere() {
    for url in [
        "https://user:canary-secret@git.example/x.git",
        "https://canary-secret@git.example/x.git",
        "https://user:canary-secret%20x@git.example/x.git",
        "https://user:canary-secret @git.example/x.git",
        "ssh://git:canary-secret@git.example/x.git",
        "http://user:canary-secret@127.0.0.1/x.git",
        "https://git.example/x.git?access_token=canary-secret",
        "https://git.example/x.git#canary-secret",
    ] {
        let world = World::new();
        world.set_arg("GITHUB_REPO", url);
        let run = |args: &[&str]| world.run(args.iter().copied()).fails(2);
        let mut shown = String::new();
        for args in [
            &["rebuild", "-v"][..],
            &["rebuild", "--dry-run", "--message-format", "json"],
            &["verify", "-v"],
            &["full", "--yes"],
        ] {
            let outcome = run(args);
            shown += &(outcome.stdout + &outcome.stderr);
        }
        assert_secret_is_nowhere(&world, &shown, url);
    }
}

#[test]
fn a_credential_is_not_shown_when_services_disagree_about_it() {
    let world = World::new();
    let url = "https://user:canary-secret@git.example/x.git";
    world.engine(|engine| engine.config["services"]["vibevoice"]["build"]["args"]["GITHUB_REPO"] = json!(url));
    let outcome = world.run(["rebuild", "-v"]).fails(2);
    assert_secret_is_nowhere(&world, &(outcome.stdout + &outcome.stderr), url);
}

#[test]
fn a_credential_that_git_prints_is_not_shown() {
    // `url.X.insteadOf`, which CI systems set, puts a token into what git says.
    let world = World::new();
    let stderr = "fatal: unable to access 'https://x-access-token:canary-secret@git.example/vibevoice.git/': no\n";
    world.fault(&["ls-remote"], Rule { stderr: stderr.to_owned(), exit: Some(128), ..Rule::default() });
    let outcome = world.run(["rebuild", "-v"]).fails(3);
    assert_secret_is_nowhere(&world, &(outcome.stdout + &outcome.stderr), "git's own message");
}

#[track_caller]
fn assert_secret_is_nowhere(world: &World, shown: &str, what: &str) {
    assert!(!shown.contains("canary-secret"), "{what} is shown:\n{shown}");
    for path in world.written() {
        let text = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("canary-secret"), "{what} is in {}", path.display());
    }
    for call in world.calls() {
        assert!(!call.args.join(" ").contains("canary-secret"), "{what} is in {call:?}");
    }
}
