//! Images that are older, newer or elsewhere than their branch.

use std::time::{Duration, SystemTime};

use compose_rebuild::value::time::Timestamp;
use serde_json::Value;

use crate::space::{app, value, versions};
use crate::support::state::{GitCommit, Rule};
use crate::support::{MUTABLE, REPO, World, commit};
use crate::verify::{history, row, says};

#[test]
fn behind_says_by_how_many_commits_and_which() {
    let world = World::built();
    let forged = "\u{1b}[2K\u{1b}]0;owned\u{7}two\u{9b}31m\u{202e}\r";
    history(&world, &[('a', "one"), ('b', forged), ('c', "three"), ('d', "four")]);
    let outcome = says(&world, "behind by 3", "compose-rebuild rebuild");
    let shown: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("    ")).collect();
    let wanted = [
        "    dddddddddddd 2026-01-02 four",
        "    cccccccccccc 2026-01-02 three",
        "    bbbbbbbbbbbb 2026-01-02 [2K]0;ownedtwo31m",
    ];
    assert_eq!(shown, wanted, "{outcome}");
    assert!(!outcome.stdout.contains(|c: char| c.is_control() && c != '\n'), "{outcome}");
    let row = row(&world, &[], 1);
    assert_eq!((&row["verdict"], row["behind"].as_u64()), (&Value::from("behind"), Some(3)));
    assert_eq!(row["commits"][0]["commit"], commit('d'));
    assert_eq!(row["commits"].as_array().unwrap().len(), 3);
}

#[test]
fn at_most_twenty_commits_are_named() {
    let world = World::built();
    world.engine(|engine| {
        let id = |number: usize| if number == 0 { commit('a') } else { format!("{number:040}") };
        for number in 0..=25_usize {
            let parent = number.checked_sub(1).map(id);
            engine.commits.insert(id(number), GitCommit { parent, subject: "x".repeat(9000), ..GitCommit::default() });
        }
    });
    world.push(&format!("{:040}", 25));
    let outcome = says(&world, "behind by 25", "compose-rebuild rebuild");
    assert!(outcome.stdout.contains("and 5 more"), "{outcome}");
    assert_eq!(outcome.stdout.lines().count(), 2 + 20 + 1, "{outcome}");
    assert!(outcome.stdout.len() < 4000, "{outcome}");
}

#[test]
fn history_comes_without_trees_and_only_when_it_is_needed() {
    let world = World::built();
    history(&world, &[('a', "one")]);
    world.run(["verify"]).ok();
    assert!(world.calls_of("fetch").is_empty());
    history(&world, &[('a', "one"), ('b', "two")]);
    says(&world, "behind by 1", "rebuild");
    let calls = world.calls_of("git -c");
    assert_eq!(calls.len(), 2, "one commit to see whether the remote filters, then the rest: {calls:?}");
    for call in &calls {
        assert!(call.args.contains(&"--filter=tree:0".to_owned()), "{call:?}");
        assert!(call.args.iter().any(|arg| arg.starts_with("--depth=")), "{call:?}");
        let after = call.args.iter().position(|arg| arg == "--").unwrap();
        assert_eq!(call.args[after + 1], REPO, "{call:?}");
        assert_eq!(call.env["GIT_TERMINAL_PROMPT"], "0");
        assert!(!call.env["GIT_ALLOW_PROTOCOL"].contains("ext"));
    }
    // What was learned is not asked for again.
    world.forget_calls();
    says(&world, "behind by 1", "rebuild");
    assert!(world.calls_of("fetch").is_empty());
}

#[test]
fn without_an_answer_it_is_behind_all_the_same() {
    let stubborn = World::built();
    history(&stubborn, &[('a', "one"), ('b', "two")]);
    stubborn.engine(|engine| engine.no_filter = true);
    says(&stubborn, "behind", "rebuild");
    let fetched = stubborn.calls_of("fetch");
    assert_eq!(fetched.len(), 1, "a remote that sends trees is asked for one commit: {fetched:?}");
    for stderr in ["fatal: unable to access: Could not resolve host", "error: unknown option `filter=tree:0'"] {
        let world = World::built();
        history(&world, &[('a', "one"), ('b', "two")]);
        world.fault(&["git -c"], Rule { stderr: stderr.to_owned(), exit: Some(128), ..Rule::default() });
        says(&world, "behind", "rebuild");
    }
}

#[test]
fn what_an_interrupted_fetch_left_is_made_again() {
    let world = World::built();
    history(&world, &[('a', "one"), ('b', "two")]);
    let locked = "fatal: Unable to create 'shallow.lock': File exists.".to_owned();
    world.fault(&["git -c"], Rule { stderr: locked, exit: Some(128), times: Some(1), ..Rule::default() });
    says(&world, "behind by 1", "rebuild");
}

#[test]
fn a_planted_link_is_not_followed() {
    let world = World::built();
    history(&world, &[('a', "one"), ('b', "two")]);
    std::fs::create_dir(world.path("victim")).unwrap();
    let _ = std::fs::remove_dir_all(world.project().join("target/xtask/git"));
    std::os::unix::fs::symlink(world.path("victim"), world.project().join("target/xtask/git")).unwrap();
    world.run(["verify"]).fails(3).says("symbolic link");
    assert_eq!(std::fs::read_dir(world.path("victim")).unwrap().count(), 0);
}

#[test]
fn a_commit_that_the_branch_does_not_have_is_not_behind() {
    // The branch was set back: the image is ahead.
    let world = World::built();
    history(&world, &[('9', "old"), ('a', "one")]);
    world.push(&commit('9'));
    says(&world, "ahead by 1", "rebuild");
    assert_eq!(row(&world, &[], 1)["verdict"], "not-on-branch");
    // The branch went another way.
    let world = World::built();
    history(&world, &[('9', "old"), ('a', "one")]);
    history(&world, &[('9', "old"), ('b', "other")]);
    says(&world, "on another branch", "rebuild");
    // Rewritten, and the remote has forgotten the commit.
    let world = World::built();
    history(&world, &[('9', "old"), ('b', "other")]);
    says(&world, "on another branch", "rebuild");
}

#[test]
fn an_image_of_local_files_is_on_no_branch() {
    let world = World::new();
    world.file("code/run.py", "print()");
    let path = world.project().join("code");
    world.run(["rebuild", "--local", path.to_str().unwrap()]).ok();
    says(&world, "made from local files", "rebuild");
    let outcome = world.run(["verify", "--deep", "vibevoice"]).finish();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    outcome.says("not made from a commit");
}

#[test]
fn behind_because_it_was_rolled_back_is_said() {
    let world = World::built();
    let old = world.image(MUTABLE[2]).unwrap().id;
    history(&world, &[('a', "one"), ('b', "two")]);
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
    world.engine(|engine| engine.tag(&old, MUTABLE[2]));
    let outcome = says(&world, "behind, rolled back", "compose-rebuild rebuild");
    assert!(outcome.stdout.contains("newer: v0.1.0-bbbbbbbbbbbb"), "{outcome}");
    assert_eq!(row(&world, &[], 1)["verdict"], "rolled-back");
}

#[test]
fn an_image_is_as_old_as_the_engine_says_whatever_time_it_is_here() {
    let world = versions("abcd");
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    for (clock, stays) in [(now - 4000 * day, true), (now + 29 * day, true), (now + 31 * day, false)] {
        let stdout = format!("{}\n", Timestamp::from(clock)).into_bytes();
        world.fault(&["{{.SystemTime}}"], Rule { stdout, exit: Some(0), ..Rule::default() });
        world.run(["prune", "--execute", "--keep", "1", "--older-than", "30d"]).finish();
        world.heal();
        for old in ['a', 'b', 'c'] {
            assert_eq!(world.image(&app(&value(old))).is_some(), stays, "{old} at {clock:?}");
        }
        assert!(world.image(&app(&value('d'))).is_some());
    }
}
