//! Where the bust argument stands, and what it makes run again.

use std::collections::BTreeSet;

use super::view::{Declared, Run, View};
use super::{Finding, error, warning};
use crate::doctor::tools::tool;
use crate::doctor::{Names, list};

pub(super) fn check(view: &View<'_>, names: &Names, kept: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings: Vec<_> = view.runs.iter().flat_map(|run| without_dollar(view, run, names)).collect();
    // What a parent declares is reported there.
    let Some(bust) = view.args.iter().find(|arg| arg.order > 0 && names.is_bust(&arg.name)) else { return findings };
    findings.extend(expensive(view, bust, kept));
    findings.extend(installs(view, bust));
    findings
}

/// The argument in a stage that downloads a model, or whose image is kept.
fn expensive(view: &View<'_>, bust: &Declared, kept: &BTreeSet<String>) -> Option<Finding> {
    let below = view.runs.iter().filter(|run| run.order > bust.order);
    let download = below.flat_map(|run| super::model::downloads(run)).next();
    let what = match (download, view.name.filter(|name| kept.contains(*name))) {
        (Some(download), _) => format!("`ARG {}` above `{}` (line {})", bust.name, download.what, download.line),
        (None, Some(stage)) => format!("`ARG {}` in the stage `{stage}`, whose image is kept", bust.name),
        (None, None) => return None,
    };
    let cure = match view.runs.iter().any(|run| first_clone(run).is_some()) {
        true => "download the model in a stage of its own without this argument, and `COPY --from` it",
        false => "remove this line: the stage takes no code",
    };
    let why = "Every push makes another value of it, and with it the model is downloaded again.";
    Some(error("bust-in-model-stage", bust.line, what).why(why).cure(cure))
}

/// Packages that every push installs again.
fn installs(view: &View<'_>, bust: &Declared) -> Vec<Finding> {
    // (line, in words, whether the code was there already)
    let mut found: Vec<(usize, String, bool)> = Vec::new();
    let mut cloned = view.runs.iter().any(|run| run.order < bust.order && first_clone(run).is_some());
    for run in view.runs.iter().filter(|run| run.order > bust.order) {
        for command in &run.commands {
            cloned |= tool(command).and_then(|tool| tool.git()).is_some_and(|git| git.reads_remote());
            if let Some(what) = tool(command).and_then(|tool| tool.installs()) {
                found.push((command.line, what, cloned));
            }
        }
    }
    let (after, before): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, _, cloned)| *cloned);
    let words = |found: &[(usize, String, bool)]| {
        list(&found.iter().map(|(line, what, _)| format!("`{what}` (line {line})")).collect::<Vec<_>>())
    };
    let mut findings = Vec::new();
    if !before.is_empty() {
        findings.push(
            warning("bust-above-installs", bust.line, format!("`ARG {}` above {}", bust.name, words(&before)))
                .why("Every push makes another value of it, so these packages are installed again although nothing about them changed.")
                .cure("move the line down, to just above the clone"),
        );
    }
    if let Some((line, _, _)) = after.first() {
        let what = format!("{} in the stage of the clone", words(&after));
        findings.push(
            warning("installs-below-clone", *line, what)
                .why("Every push runs the clone and everything below it, whether the list of packages changed or not.")
                .cure("install in a stage of its own that copies only the lock file or manifest: `COPY --from=STAGE`"),
        );
    }
    findings
}

fn first_clone(run: &Run<'_>) -> Option<usize> {
    let uses = run.commands.iter().filter_map(|command| tool(command)?.git());
    uses.filter(|git| git.reads_remote()).map(|git| git.line).next()
}

/// `echo CACHE_BUST`, which prints the name.
fn without_dollar(view: &View<'_>, run: &Run<'_>, names: &Names) -> Vec<Finding> {
    let says = |command: &&crate::dockerfile::shell::Command| matches!(command.program(), "echo" | "printf" | ":");
    let mut findings = Vec::new();
    for command in run.commands.iter().filter(says) {
        let arguments = &command.words[1..];
        let expands = arguments.iter().flat_map(|word| &word.expands).any(|name| names.is_bust(name));
        let word = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(|w| names.is_bust(w)).map(str::to_owned)
        };
        let Some(name) = arguments.iter().find_map(|argument| word(&argument.text)).filter(|_| !expands) else {
            continue;
        };
        let declared = view.args.iter().any(|arg| arg.order < run.order && arg.name == name);
        let why = match declared {
            true => {
                "It prints the name and does nothing: the `ARG` line is what makes the step run again, and the log does not say for which value."
            }
            false => "It prints the name and does nothing: without an `ARG` line above it the step never runs again.",
        };
        let what = format!("`{}` of `{name}` without `$`", command.program());
        findings.push(
            warning("bust-without-dollar", command.line, what).why(why).cure(format!("write `echo \"${name}\"`")),
        );
    }
    findings
}
