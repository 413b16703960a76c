//! Remotes that fail, and what a run says and keeps then.

use std::time::Duration;

use crate::faults::{fails_without_a_trace, moved, says};
use crate::support::state::Rule;
use crate::support::{MUTABLE, REPO, World, commit};

#[test]
fn a_ref_that_is_absent_and_a_repository_that_is_absent_are_told_apart() {
    let world = moved();
    world.remote(REPO, format!("{}\trefs/heads/feature/main\n{}\trefs/tags/v1\n", commit('c'), commit('d')));
    fails_without_a_trace(&world, 3).says("ref not found").says("`main`");
    world.set_arg("GITHUB_REPO", "https://git.example/nothing.git");
    fails_without_a_trace(&world, 3).says("no such repository").says("https://git.example/nothing.git");
    assert_eq!(
        world.calls_of("ls-remote -- https://git.example/nothing.git").len(),
        1,
        "it does not help to ask again"
    );
}

#[test]
fn a_name_that_is_branch_and_tag_is_refused_until_it_is_said_which() {
    let world = moved();
    let (branch, tag) = (commit('c'), commit('d'));
    world.remote(
        REPO,
        format!("{branch}\trefs/heads/main\n{}\trefs/tags/main\n{tag}\trefs/tags/main^{{}}\n", commit('e')),
    );
    fails_without_a_trace(&world, 3).says("refs/heads/main").says("refs/tags/main");
    for (name, wanted) in [("refs/heads/main", &branch), ("refs/tags/main", &tag)] {
        world.set_arg("GITHUB_BRANCH", name);
        world.run(["rebuild"]).ok();
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(format!("{wanted}\n")));
    }
}

#[test]
fn a_branch_whose_name_ends_the_same_is_not_meant() {
    let world = World::new();
    let (wrong, right) = (commit('c'), commit('d'));
    world.remote(
        REPO,
        format!("{wrong}\trefs/heads/feature/main\n{right}\trefs/heads/main\n{wrong}\trefs/heads/x/refs/heads/main\n"),
    );
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(right + "\n"));
}

#[test]
fn an_answer_that_is_cut_is_no_answer() {
    let whole = format!("{}\trefs/heads/main\n", commit('b'));
    let world = World::built();
    for cut in [0, 1, 20, 39, 40, 41, 50, whole.len() - 2] {
        world.remote(REPO, &whole[..cut]);
        fails_without_a_trace(&world, 3);
    }
    world.remote(REPO, whole.to_uppercase());
    fails_without_a_trace(&world, 3);
}

#[test]
fn a_private_repository_fails_at_once_with_a_cure() {
    for stderr in [
        "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
        "git@git.example: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        "fatal: Authentication failed for 'https://git.example/vibevoice.git/'",
    ] {
        let world = moved();
        world.forget_calls();
        world.fault(&["ls-remote"], says(stderr, 128));
        fails_without_a_trace(&world, 3).says("login");
        assert_eq!(world.calls_of("ls-remote").len(), 1, "a refused login is not repeated");
    }
}

#[test]
fn a_private_repository_that_was_asked_early_without_the_token_is_asked_again_with_it() {
    let world = moved();
    world.forget_calls();
    let refused = says("fatal: could not read Username for 'https://git.example': terminal prompts disabled", 128);
    world.fault(&["ls-remote"], Rule { times: Some(1), ..refused });
    world.run(["rebuild"]).env("GIT_AUTH_TOKEN", "canary").ok();
    let calls = world.calls_of("ls-remote");
    let with: Vec<_> = calls.iter().map(|call| call.env.contains_key("GIT_AUTH_TOKEN")).collect();
    assert_eq!(with[..2], [false, true]);
}

#[test]
fn a_bad_certificate_is_never_tried_again() {
    let world = moved();
    world.forget_calls();
    let stderr = "fatal: unable to access 'https://git.example/': SSL certificate problem: connection reset";
    world.fault(&["ls-remote"], says(stderr, 128));
    fails_without_a_trace(&world, 3);
    assert_eq!(world.calls_of("ls-remote").len(), 1);
}

#[test]
fn a_remote_that_is_busy_for_a_moment_is_asked_again() {
    let world = moved();
    world.forget_calls();
    let busy = says("fatal: unable to access 'https://git.example/': The requested URL returned error: 503", 128);
    world.fault(&["ls-remote"], Rule { times: Some(1), ..busy });
    world.run(["rebuild"]).ok().says("Retrying");
    assert_eq!(world.calls_of("ls-remote").len(), 2);
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn a_remote_says_when_it_may_be_asked_again_and_no_trace_of_git_is_shown() {
    for (asked, at_least) in [("2", 2.0), ("soon", 0.5), ("0", 0.5)] {
        let world = moved();
        let trace = "16:02:53.123456 http.c:845              <= Recv header:";
        let busy = format!(
            "{trace} Retry-After: {asked}\n{trace} X: permission denied\nfatal: The requested URL returned error: 429"
        );
        world.fault(&["ls-remote"], Rule { times: Some(1), ..says(&busy, 128) });
        let outcome = world.run(["rebuild"]).ok().says("Retrying").says("error: 429");
        assert!(!outcome.stderr.contains("http.c"), "{outcome}");
        assert!(outcome.elapsed.as_secs_f64() > at_least && outcome.elapsed < Duration::from_secs(8), "{outcome}");
    }
}

#[test]
fn a_remote_that_stays_away_is_asked_three_times() {
    let world = moved();
    world.forget_calls();
    world.fault(&["ls-remote"], says("fatal: unable to access: Could not resolve host: git.example", 128));
    fails_without_a_trace(&world, 3).says("does not answer");
    assert_eq!(world.calls_of("ls-remote").len(), 3);
}

#[test]
fn a_remote_that_stalls_is_given_up_after_the_deadline() {
    let world = moved();
    world.fault(&["ls-remote"], Rule { hang: true, ..Rule::default() });
    let outcome = fails_without_a_trace(&world, 3).says("Waiting for https://");
    assert!(outcome.elapsed >= Duration::from_secs(10) && outcome.elapsed < Duration::from_secs(14), "{outcome}");
}

#[test]
fn a_remote_of_the_last_run_holds_up_no_run_that_asks_another_one() {
    let other = "https://git.example/other.git";
    for away in [Rule { hang: true, ..Rule::default() }, says("fatal: unable to access: Could not resolve host", 128)] {
        let world = moved();
        world.fault(&["ls-remote", REPO], away);
        world.remote(other, format!("{}\trefs/heads/main\n", commit('e')));
        world.set_arg("GITHUB_REPO", other);
        let outcome = world.run(["rebuild"]).ok();
        assert!(!outcome.stderr.contains("Retrying"), "{outcome}");
        assert!(outcome.elapsed < Duration::from_secs(8), "{outcome}");
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('e') + "\n"));
    }
}

#[test]
fn a_helper_that_keeps_the_standard_error_open_does_not_hold_up_the_run() {
    let world = moved();
    world.fault(&["ls-remote"], Rule { leave_stderr_open: true, ..Rule::default() });
    let outcome = world.run(["rebuild"]).ok();
    assert!(outcome.elapsed < Duration::from_secs(12), "{:?}", outcome.elapsed);
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn an_answer_that_outlives_its_process_by_a_moment_counts() {
    // What a machine under load does to any process, made certain.
    for words in ["ls-remote", "build --print", "image inspect"] {
        let world = moved();
        world.fault(&[words], Rule { answer_by_child: true, times: Some(1), ..Rule::default() });
        world.run(["rebuild"]).ok();
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"), "{words}");
    }
}
