//! Clones that Docker cannot see a push to, and checkouts that ignore what was asked for.

use super::view::{Run, View};
use super::{Finding, error};
use crate::dockerfile::shell::Word;
use crate::doctor::Names;
use crate::doctor::tools::{Git, tool};

/// Branches that are written into Dockerfiles.
const BRANCHES: [&str; 9] =
    ["main", "master", "develop", "development", "dev", "trunk", "stable", "staging", "production"];

pub(super) fn check(view: &View<'_>, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The argument that says which branch is wanted.
    let mut wanted: Option<String> = names.refs.iter().find(|name| view.has(name)).cloned();
    for run in &view.runs {
        let uses: Vec<_> = run.commands.iter().filter_map(|command| tool(command)?.git()).collect();
        findings.extend(without_bust(view, run, &uses, names));
        for git in &uses {
            if git.verb == "clone"
                && let Some(name) = git.branch().and_then(|branch| branch.strip_prefix('$'))
            {
                wanted = wanted.or(Some(name.trim_matches(['{', '}']).to_owned()));
            }
            if let (Some(wanted), Some(branch)) = (&wanted, literal_branch(git)) {
                let what = format!("`git {}` of `{branch}` although `{wanted}` says what is wanted", git.verb);
                findings.push(
                    error("hard-coded-checkout", git.line, what)
                        .why(format!("With another branch in `{wanted}` the image still holds the code of `{branch}`."))
                        .cure(cure(git, wanted)),
                );
            }
        }
    }
    findings
}

fn cure(git: &Git<'_>, wanted: &str) -> String {
    match git.verb {
        "clone" | "fetch" | "pull" => format!("write `\"${wanted}\"` instead of the name"),
        _ => format!("remove it: the clone is at `${wanted}` already"),
    }
}

/// A clone that runs once and never again.
fn without_bust(view: &View<'_>, run: &Run<'_>, uses: &[Git<'_>], names: &Names) -> Option<Finding> {
    let reader = uses.iter().find(|git| git.reads_remote())?;
    let moves_with = |name: &str| names.is_bust(name) || names.commits.iter().any(|commit| commit == name);
    let above = view.args.iter().any(|arg| arg.order < run.order && moves_with(&arg.name));
    if above || uses.iter().any(|git| is_pinned(view, git, names)) {
        return None;
    }
    let what = format!("`git {}` with no `ARG {}` above it in its stage", reader.verb, names.bust);
    let finding = error("clone-without-bust", reader.line, what)
        .why("Docker cannot see that something was pushed, so the step stays cached and the image keeps the old code.");
    Some(finding.cure(format!("write `ARG {}=unknown` just above this `RUN`", names.bust)))
}

/// Whether a use of Git names something that does not move: a commit or a version.
fn is_pinned(view: &View<'_>, git: &Git<'_>, names: &Names) -> bool {
    let fixed = |word: &Word| match word.expands.as_slice() {
        [] => is_fixed(&word.text),
        expands => expands.iter().any(|name| {
            let speaks =
                ["COMMIT", "SHA", "TAG", "VERSION"].iter().any(|part| name.to_ascii_uppercase().contains(part));
            let value = view.value(name).filter(|value| !value.is_empty());
            !names.repositories.contains(name) && value.map_or(speaks, is_fixed)
        }),
    };
    let is_address = |word: &Word| word.text.contains("://") || word.text.contains('@');
    match git.verb {
        "clone" | "checkout" | "switch" | "reset" | "fetch" => {
            git.args.iter().any(|word| !is_address(word) && fixed(word))
        }
        _ => false,
    }
}

fn is_fixed(name: &str) -> bool {
    let is_commit = (7..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_hexdigit())
        && name.bytes().any(|b| b.is_ascii_digit());
    let name = name.rsplit('=').next().unwrap_or_default();
    let is_version = name.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit());
    is_commit || is_version
}

/// The branch that is written down where it is chosen.
fn literal_branch<'a>(git: &Git<'a>) -> Option<&'a str> {
    let makes_branch = git.args.iter().any(|word| matches!(word.text.as_str(), "-b" | "-B" | "-c" | "-C" | "--orphan"));
    let words = git.positional();
    let chosen: Vec<&str> = match git.verb {
        "clone" => git.branch().into_iter().collect(),
        "fetch" | "pull" => words.get(1..).unwrap_or_default().to_vec(),
        // `git checkout -- main` names files.
        "checkout" | "switch" | "reset" if !makes_branch && git.args.iter().all(|word| word.text != "--") => words,
        _ => Vec::new(),
    };
    chosen.into_iter().find(|name| BRANCHES.contains(&name.trim_start_matches("origin/")))
}
