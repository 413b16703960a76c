//! The commit that a remote really has.

use std::collections::BTreeSet;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::facts::found::Meanings;
use crate::facts::source::{Resolved, Revision, Wanted};
use crate::sys::git::Access;
use crate::sys::process::Finished;
use crate::sys::threads::at_once;
use crate::sys::{git, interrupt};
use crate::ui::Ui;
use crate::value::{Commit, GitRef, GitUrl};

/// Waits before the second and the third try; only for what may pass by itself.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// The longest wait that a remote can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long an answer may take before the wait is mentioned.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer may take that nobody may want.
const SOON: Duration = Duration::from_secs(2);

/// Asks a remote which commit a ref points to now.
///
/// # Errors
/// Exit code 3 when the remote, the repository or the ref is not there, or the name means two things.
pub fn resolve(ui: &Ui, url: &GitUrl, git_ref: &GitRef, access: &Access) -> anyhow::Result<Commit> {
    conclude(ui, ask(ui, url, git_ref, access, git::DEADLINE)?, url, git_ref, access)
}

/// Asks a remote before anybody knows whether the answer is wanted; [`conclude`] makes something of it.
pub fn ask_early(ui: &Ui, url: &GitUrl, git_ref: &GitRef) -> Option<Finished> {
    ask(ui, url, git_ref, &Access::default(), SOON).ok()
}

/// What these names mean to their repositories, as far as those say it soon; `early` has the answers that are on their way.
pub fn meanings(
    ui: &Ui,
    open: &BTreeSet<(String, String)>,
    access: &Access,
    mut early: impl FnMut(&GitUrl, &GitRef) -> Option<Finished>,
) -> Meanings {
    let parsed = open.iter().filter_map(|(url, name)| {
        let question = (GitUrl::parse(url, &access.transports).ok()?, name.parse::<GitRef>().ok()?);
        Some((url, name, early(&question.0, &question.1), question))
    });
    let answered = at_once(parsed.collect::<Vec<_>>(), |(repository, name, early, (url, git_ref))| {
        let answer = early.or_else(|| ask(ui, &url, &git_ref, access, SOON).ok())?;
        Some(((repository.clone(), name.clone()), meaning(&answer.stdout, &git_ref)?))
    });
    answered.into_iter().flatten().collect()
}

/// The full name of what a name means in the lines of `git ls-remote --symref`: what HEAD points to, or the branch or else the
/// tag, which is the order in which `git clone` looks.
fn meaning(lines: &[u8], git_ref: &GitRef) -> Option<String> {
    let full = ["heads", "tags"].map(|kind| format!("refs/{kind}/{git_ref}"));
    let found = refs(lines).filter_map(|(id, name)| match id.strip_prefix("ref: ") {
        Some(target) => (name == git_ref.as_str()).then_some(target),
        None => full.iter().any(|full| full == name).then_some(name),
    });
    found.min().map(str::to_owned)
}

fn ask(ui: &Ui, url: &GitUrl, git_ref: &GitRef, access: &Access, limit: Duration) -> anyhow::Result<Finished> {
    let (done, ended) = channel::<()>();
    let mut finished = thread::scope(|scope| {
        scope.spawn(move || {
            if limit > SOON && ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                ui.status("Waiting", &format!("for {url}"));
            }
        });
        let _done = done;
        git::ls_remote(url, git_ref, access).output(ui, limit)
    })?;
    let wanted = |line: &&str| !line.contains(git::HTTP_TRACE) || retry_after(line).is_some();
    finished.stderr = finished.stderr.lines().filter(wanted).map(|line| format!("{line}\n")).collect();
    Ok(finished)
}

/// How long a remote asks to be left alone, in a line of what git traced.
fn retry_after(line: &str) -> Option<Duration> {
    let line = line.split_once(git::HTTP_TRACE)?.1.to_ascii_lowercase();
    Some(Duration::from_secs(line.split_once("<= recv header: retry-after:")?.1.trim().parse().ok()?))
}

/// What the first answer of a remote says, or a later one, when the first may be due to what passes by itself.
pub fn conclude(ui: &Ui, first: Finished, url: &GitUrl, git_ref: &GitRef, access: &Access) -> anyhow::Result<Commit> {
    let mut finished = first;
    let mut waits = WAITS.into_iter();
    while !finished.status.success() {
        let Some(wait) = waits.next().filter(|_| may_pass(&finished)) else {
            return Err(refusal(&finished, url).into());
        };
        let asked = finished.stderr.lines().find_map(retry_after);
        let wait = asked.map_or(wait, |asked| asked.min(LONGEST_WAIT).max(wait));
        ui.status("Retrying", &format!("{url} in {} s: {}", wait.as_secs_f64(), finished.last_error()));
        pause(wait)?;
        finished = ask(ui, url, git_ref, access, git::DEADLINE)?;
    }
    Ok(pick(&finished.stdout, url, git_ref)?)
}

/// Asks again for sources that a build took as they were, and fails when one of them is not what it was before.
///
/// # Errors
/// Exit code 1 when a remote moved, and those of [`resolve`].
pub fn check_unmoved(ui: &Ui, taken: &[&Resolved], access: &Access) -> anyhow::Result<()> {
    let moved = |Resolved { source, revision, .. }: &Resolved| match (&source.wanted, revision) {
        (Wanted::Ref(git_ref), Revision::Commit(before)) => {
            let now = resolve(ui, &source.repository, git_ref, access)?;
            let words = format!("{git_ref} of {} moved {}..{}", source.repository, before.short(), now.short());
            anyhow::Ok((now != *before).then_some(words))
        }
        _ => Ok(None),
    };
    let answers: Vec<Option<String>> = at_once(taken, |one| moved(one)).into_iter().collect::<anyhow::Result<_>>()?;
    let moved: Vec<_> = answers.into_iter().flatten().collect();
    if moved.is_empty() {
        return Ok(());
    }
    let cause = format!("{} during the build, so the image may contain either commit", moved.join(", "));
    Err(Failure::no(cause).kept("every tag is where it was").hint("run the same command again").into())
}

/// Waits, unless a signal comes.
pub(super) fn pause(wait: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    while started.elapsed() < wait {
        interrupt::check()?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The lines of `git ls-remote`: ID, tab, name.
fn refs(lines: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    lines.split(|&b| b == b'\n').filter_map(|line| str::from_utf8(line).ok()?.split_once('\t'))
}

/// The commit in the lines of `git ls-remote`: a branch or a tag of exactly this name, a tag peeled.
fn pick(lines: &[u8], url: &GitUrl, git_ref: &GitRef) -> Result<Commit, Failure> {
    let name = git_ref.as_str();
    let of = |full: &str| -> Option<Commit> {
        refs(lines).find(|(id, found)| *found == full && !id.starts_with("ref: "))?.0.parse().ok()
    };
    let tag = |full: &str| of(&format!("{full}^{{}}")).or_else(|| of(full));
    let (branch, tag) = match name {
        "HEAD" => (of(name), None),
        _ if name.starts_with("refs/") => (tag(name), None),
        _ if name.starts_with("heads/") || name.starts_with("tags/") => (tag(&format!("refs/{name}")), None),
        _ => (of(&format!("refs/heads/{name}")), tag(&format!("refs/tags/{name}"))),
    };
    match (branch, tag) {
        (Some(_), Some(_)) => Err(Failure::precondition(format!("`{name}` is both a branch and a tag of {url}"))
            .kept("nothing was changed")
            .hint(format!("say which: `refs/heads/{name}` or `refs/tags/{name}`"))),
        (Some(commit), None) | (None, Some(commit)) => Ok(commit),
        (None, None) => Err(Failure::precondition(format!("ref not found: {url} has no `{name}`"))
            .kept("nothing was changed")
            .hint(format!("list what it has: git ls-remote {url}"))),
    }
}

fn says(finished: &Finished, signs: &[&str]) -> bool {
    let text = finished.stderr.to_lowercase();
    signs.iter().any(|sign| text.contains(sign))
}

/// Whether the same question may get an answer in a moment; never after a certificate or a login was refused.
fn may_pass(finished: &Finished) -> bool {
    let passing = [
        "could not resolve host",
        "temporary failure",
        "timed out",
        "error: 429",
        "error: 500",
        "error: 502",
        "error: 503",
        "error: 504",
        "connection reset",
        "early eof",
        "hung up",
        "disconnect",
        "rpc failed",
        "empty reply",
        "refused",
    ];
    says(finished, &passing) && !says(finished, &["certificate", "authentication", "permission denied", "username"])
}

/// Signs that a remote wants a login, or another one.
const LOGIN: &[&str] = &["username", "authentication failed", "permission denied", "error: 401", "error: 403"];
/// Signs that a host has no such repository.
const MISSING: &[&str] = &["not found", "does not exist", "not exported", "does not appear to be a git repository"];

/// The failure behind a remote that did not give what it was asked for.
pub fn refusal(finished: &Finished, url: &GitUrl) -> Failure {
    // SSH says last that one should check the access rights; the reason stands above.
    let of = |signs: &[&str]| {
        let line = finished.stderr.lines().find(|line| signs.iter().any(|sign| line.to_lowercase().contains(sign)));
        line.unwrap_or(finished.last_error()).trim().to_owned()
    };
    let failure = if says(finished, LOGIN) {
        let hint = match (url.is_ssh(), url.host()) {
            (false, Some(host)) => format!(
                "check the token in GIT_AUTH_TOKEN or `GIT_AUTH_TOKEN.{host}`, or what git's credential helper has for \
                 it; nothing here ever prompts"
            ),
            _ => format!("check that an SSH agent or key of yours may read it: git ls-remote {url}"),
        };
        Failure::precondition(format!("{url} refused the login: {}", of(LOGIN))).hint(hint)
    } else if says(finished, MISSING) {
        Failure::precondition(format!("no such repository: {url}: {}", of(MISSING)))
            .hint("check the address, GITHUB_REPO for example; a private repository may need GIT_AUTH_TOKEN")
    } else {
        Failure::precondition(format!("the remote {url} does not answer: {}", finished.last_error()))
            .hint(format!("check the network, and what it says by hand: git ls-remote {url}"))
    };
    failure.kept("nothing was changed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picked(lines: &str, name: &str) -> Result<String, String> {
        let url = GitUrl::parse("https://h/n", &[]).expect("address");
        let found = pick(lines.as_bytes(), &url, &name.parse().expect("ref"));
        found.map(|commit| commit.to_string()).map_err(|failure| failure.cause)
    }

    #[test]
    fn only_the_exact_name_counts_and_a_tag_is_peeled() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let tail = format!("{a}\trefs/heads/feature/main\n{b}\trefs/heads/main\n");
        assert_eq!(picked(&tail, "main"), Ok(b.clone()));
        let tag = format!("{a}\trefs/tags/v1\n{c}\trefs/tags/v1^{{}}\n");
        assert_eq!(picked(&tag, "v1"), Ok(c.clone()));
        assert_eq!(picked(&tag, "refs/tags/v1"), Ok(c));
        let request = format!("{a}\trefs/pull/7/head\n{b}\trefs/pull/7/merge\n");
        assert_eq!(picked(&request, "refs/pull/7/merge"), Ok(b));
        assert_eq!(picked(&tail, "heads/main"), picked(&tail, "main"));
        assert_eq!(picked(&format!("ref: refs/heads/main\tHEAD\n{a}\tHEAD\n"), "HEAD"), Ok(a));
    }

    #[test]
    fn a_name_means_what_the_remote_says() {
        let means = |lines: &str, name: &str| meaning(lines.as_bytes(), &name.parse().expect("ref"));
        let id = "a".repeat(40);
        let full = |text: &str| Some(text.to_owned());
        assert_eq!(means(&format!("ref: refs/heads/dev\tHEAD\n{id}\tHEAD\n"), "HEAD"), full("refs/heads/dev"));
        assert_eq!(means(&format!("{id}\tHEAD\n"), "HEAD"), None);
        let tag = format!("{id}\trefs/tags/v1\n{id}\trefs/tags/v1^{{}}\n");
        assert_eq!(means(&tag, "v1"), full("refs/tags/v1"));
        assert_eq!(means(&format!("{id}\trefs/heads/v1\n{tag}"), "v1"), full("refs/heads/v1"), "what git clones");
        assert_eq!(means(&format!("{id}\trefs/heads/x/v1\n"), "v1"), None);
    }

    #[test]
    fn only_a_header_with_a_number_says_when_to_ask_again() {
        let of = |words: &str| retry_after(&format!("16:02:53.1 http.c:845              <= Recv header: {words}"));
        assert_eq!(of("Retry-After: 3"), Some(Duration::from_secs(3)));
        assert_eq!(of("retry-after: 99999999"), Some(Duration::from_secs(99_999_999)));
        assert_eq!([of("Retry-After: -1"), of("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"), of("X: 3")], [None; 3]);
        assert_eq!(retry_after("fatal: Retry-After: 3"), None);
    }

    #[test]
    fn two_meanings_and_none_are_refused() {
        let both = format!("{0}\trefs/heads/main\n{0}\trefs/tags/main\n", "a".repeat(40));
        assert!(picked(&both, "main").expect_err("two").contains("both a branch and a tag"));
        assert!(picked("", "main").expect_err("none").contains("ref not found"));
        assert!(picked("garbage\trefs/heads/main\n\u{fffd}", "main").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a remote sends, a commit comes from a whole line of exactly this name.
        #[test]
        fn no_answer_is_taken_for_another_name(parts in prop::collection::vec(prop_oneof![
            prop::sample::select(vec!["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbb", "\t", "\n", "refs/heads/main",
                "refs/tags/main", "^{}", "refs/heads/x/", "HEAD", "\0", " "]).prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..9),
        ], 0..16)) {
            let bytes = parts.concat();
            let url = GitUrl::parse("https://h/n", &[]).expect("address");
            if let Ok(commit) = pick(&bytes, &url, &"main".parse().expect("ref")) {
                let whole = |name: &str| format!("{commit}\t{name}").into_bytes();
                let names = ["refs/heads/main", "refs/tags/main", "refs/tags/main^{}"].map(whole);
                prop_assert!(bytes.split(|byte| *byte == b'\n').any(|line| names.iter().any(|name| name == line)));
            }
            let text = String::from_utf8_lossy(&bytes);
            retry_after(&text);
            retry_after(&format!(" http.c: <= Recv header: Retry-After:{text}"));
        }
    }
}
