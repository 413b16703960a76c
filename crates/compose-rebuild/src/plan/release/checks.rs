//! What stands in the way of a release, all of it at once.

use serde::Serialize;

use crate::error::{Failure, exit_code};
use crate::facts::checkout::{CHANGELOG, Checkout};
use crate::plan::release::steps::Release;
use crate::plan::release::tag_name;

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The name of the check, which stays.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
    /// How it is fixed.
    pub cure: String,
    /// The exit code that it means.
    #[serde(skip)]
    code: u8,
}

impl Refusal {
    /// The answer is no.
    pub fn no(check: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, what: what.into(), cure: cure.into(), code: exit_code::NO }
    }

    /// The check could not be made, or something that the release needs is missing.
    pub fn of(check: &'static str, failure: Failure) -> Self {
        let cure = failure.hint.unwrap_or_default();
        Self { check, what: failure.cause, cure, code: failure.code }
    }
}

/// What is wrong with the checkout.
pub fn of_checkout(checkout: &Checkout, release: &Release) -> Vec<Refusal> {
    let mut found = Vec::new();
    let Release { version, branch, edits, .. } = release;
    let ours = |file: &&String| edits.iter().any(|edit| edit.written && edit.file == file.as_str());
    let changed: Vec<_> = checkout.changed.iter().filter(|file| !ours(file)).map(|file| format!("`{file}`")).collect();
    if let Some(first) = changed.first() {
        let more = if changed.len() > 1 { format!(" and {} more", changed.len() - 1) } else { String::new() };
        let what = format!("the working tree is not clean: {first}{more}");
        found.push(Refusal::no("tree", what, "commit it, or put it away: git stash --include-untracked"));
    }
    if checkout.branch.as_ref() != Some(branch) && !release.cut {
        let on = checkout.branch.as_ref().map_or("no branch".to_owned(), |branch| format!("`{branch}`"));
        let cure = format!("git switch {branch}; for the patch of an older line name its branch with `--branch`");
        found.push(Refusal::no("branch", format!("releases are made on `{branch}`, and this is {on}"), cure));
    }
    if let Some(tip) = checkout.unseen.as_ref().filter(|_| !release.published) {
        let what = format!("`{branch}` of the remote has {}, which is not in this checkout", tip.short());
        found.push(Refusal::no("branch", what, format!("take it first: git pull --rebase origin {branch}")));
    }
    for (tags, place) in [(&checkout.tags, "here"), (&checkout.remote_tags, "at the remote")] {
        if let Some(other) = tags.get(version).filter(|commit| **commit != checkout.head) {
            let what = format!("tag `{}` is at {} {place}, not at this commit", tag_name(version), other.short());
            found.push(Refusal::no("tag", what, "a released version stays as it is: release the next one"));
        }
    }
    if !edits.iter().any(|edit| edit.file == CHANGELOG) {
        let what = format!("{} says nothing about {version}", CHANGELOG);
        let cure = format!("write what changed below `## [Unreleased]` or `## [{version}]`, and commit it");
        found.push(Refusal::no("changelog", what, cure));
    }
    if let Some(why) = checkout.nobody.as_ref().filter(|_| !release.cut) {
        let cure = "git config user.name NAME; git config user.email ADDRESS";
        found.push(Refusal::of("identity", Failure::precondition(format!("git: {why}")).hint(cure)));
    }
    found
}

/// The end of a run that is refused: a missing precondition weighs more than a no, since its check may not have been made.
///
/// # Errors
/// With the code that weighs most, unless nothing is in the way.
pub fn conclude(found: &[Refusal], release: &Release) -> Result<(), Failure> {
    let Some(code) = found.iter().map(|refusal| refusal.code).max() else { return Ok(()) };
    let mut names: Vec<_> = found.iter().map(|refusal| refusal.check).collect();
    names.dedup();
    let cause = format!("{} is not released: {}", release.version, names.join(", "));
    let failure = Failure { code, ..Failure::no(cause) };
    Err(failure.kept("nothing was changed").hint("fix all of these, then run it again"))
}
