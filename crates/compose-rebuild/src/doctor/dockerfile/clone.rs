//! Clones that Docker cannot see a push to, and checkouts that ignore what was asked for.

use super::stage::{Script, StageView, error};
use crate::doctor::{Finding, Names};
use crate::value::{redact, show};
use dockerfile_reader::shell::Word;
use dockerfile_reader::sources::Fetch;
use dockerfile_reader::tools::Git;

/// Branches that are written into Dockerfiles.
const BRANCHES: &[&str] =
    &["main", "master", "develop", "development", "dev", "trunk", "stable", "staging", "production"];

pub(super) fn check(stage: &StageView<'_>, fetched: &[&Fetch], names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The argument that says which branch is wanted.
    let known = names.refs.iter().find(|name| stage.has_above(usize::MAX, |arg| arg == *name));
    let told = stage.runs.iter().flat_map(Script::git).find_map(|git| git.branch()?.strip_prefix('$'));
    let wanted = known.map(String::as_str).or(told.map(|name| name.trim_matches(['{', '}'])));
    for run in &stage.runs {
        findings.extend(without_bust(stage, run, fetched, names));
        for git in run.git() {
            let (Some(wanted), Some(branch)) = (wanted, literal_branch(&git)) else { continue };
            let what = format!("`git {}` of `{branch}` although `{wanted}` says what is wanted", git.verb);
            findings.push(
                error("hard-coded-checkout", git.line, what)
                    .why(format!("With another branch in `{wanted}` the image still holds the code of `{branch}`."))
                    .cure(format!("write `\"${wanted}\"` instead of `{branch}`")),
            );
        }
    }
    findings
}

/// A clone that runs once and never again.
fn without_bust(stage: &StageView<'_>, run: &Script<'_>, fetched: &[&Fetch], names: &Names) -> Option<Finding> {
    let stale = fetched.iter().find(|fetch| fetch.instruction + 1 == run.order && fetch.is_stale())?;
    let is_told = stage.has_above(run.order, |arg| names.commits.iter().any(|name| name == arg));
    if is_told || run.git().any(|git| is_pinned(&git)) {
        return None;
    }
    let address = show(&redact(&stale.repository));
    let what = format!("code of {address} with no `ARG {}` above it in its stage", names.bust);
    let finding = error("clone-without-bust", stale.line, what)
        .why("Docker cannot see that something was pushed, so the step stays cached and the image keeps the old code.")
        .cure(format!("write `ARG {}=unknown` just above this `RUN`", names.bust));
    Some(finding)
}

/// Whether a use of Git names something that does not move by the name of a variable.
fn is_pinned(git: &Git<'_>) -> bool {
    let is_fixed = |word: &Word| {
        let speaks = |name: &String| {
            ["COMMIT", "SHA", "TAG", "VERSION"].iter().any(|part| name.to_ascii_uppercase().contains(part))
        };
        let is_address = word.text.contains("://") || word.text.contains('@');
        !is_address && word.expands.iter().any(speaks)
    };
    matches!(git.verb, "clone" | "checkout" | "switch" | "reset" | "fetch") && git.args.iter().any(is_fixed)
}

/// The branch that is written down where it is chosen.
fn literal_branch<'a>(git: &Git<'a>) -> Option<&'a str> {
    // `git checkout -- main` names files, `-b` makes a branch.
    let is_other = |word: &Word| matches!(word.text.as_str(), "--" | "-b" | "-B" | "-c" | "-C" | "--orphan");
    let words: Vec<&str> = git.positional().into_iter().map(|word| word.text.as_str()).collect();
    let chosen: Vec<&str> = match git.verb {
        "clone" => git.branch().into_iter().collect(),
        "fetch" | "pull" => words.get(1..).unwrap_or_default().to_vec(),
        "checkout" | "switch" | "reset" if !git.args.iter().any(is_other) => words,
        _ => Vec::new(),
    };
    chosen.into_iter().find(|name| BRANCHES.contains(&name.trim_start_matches("origin/")))
}
