//! Where the bust argument stands, and what it makes run again.

use std::collections::BTreeSet;

use super::stage::{Script, StageView, error, warning};
use crate::doctor::{Finding, list};
use dockerfile_reader::sources::{Busts, Fetch};
use dockerfile_reader::tools::tool;

pub(super) fn check(stage: &StageView<'_>, fetched: &[&Fetch], busts: &Busts, kept: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings: Vec<_> = stage.runs.iter().flat_map(|run| without_dollar(run, busts)).collect();
    // What a parent declares is reported there.
    let bust = stage.args.iter().find(|(order, arg)| *order > 0 && busts.has(&arg.name));
    let Some((order, bust)) = bust else { return findings };
    let below: Vec<_> = stage.runs.iter().filter(|run| run.order > *order).collect();
    let download = below.iter().find_map(|run| run.model_download());
    let download = download.map(|(what, line)| format!("above `{what}` (line {line})"));
    let stage_name = stage.name.filter(|name| kept.contains(*name));
    if let Some(what) = download.or(stage_name.map(|name| format!("in the stage `{name}`, whose image is kept"))) {
        findings.push(
            error("bust-in-model-stage", bust.line, format!("`ARG {}` {what}", bust.name))
                .why("Every push makes another value of it, and with it the model is downloaded again.")
                .cure("download the model in a stage of its own without this argument, and `COPY --from` it"),
        );
    }
    // Packages that every push installs again, before and after the code is there.
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut cloned = fetched.iter().any(|fetch| fetch.instruction + 1 < *order);
    for command in below.iter().flat_map(|run| &run.commands) {
        let Some(tool) = tool(command) else { continue };
        let is_fetch = tool.git().is_some_and(|git| git.reads_remote())
            || fetched
                .iter()
                .any(|fetch| command.words.iter().any(|word| word.text.contains(&format!("/{}", fetch.name()))));
        cloned |= is_fetch;
        if let Some(what) = tool.installs().filter(|_| !is_fetch) {
            let found = if cloned { &mut after } else { &mut before };
            found.push((command.line, format!("`{what}` (line {})", command.line)));
        }
    }
    let words = |found: &[(usize, String)]| list(&found.iter().map(|(_, what)| what.clone()).collect::<Vec<_>>());
    if !before.is_empty() {
        let what = format!("`ARG {}` above {}", bust.name, words(&before));
        findings.push(
            warning("bust-above-installs", bust.line, what)
                .why("Every push makes another value of it, so these packages are installed again although nothing about them changed.")
                .cure("move the line down, to just above the clone"),
        );
    }
    if let Some((line, _)) = after.first() {
        findings.push(
            warning("installs-below-clone", *line, format!("{} in the stage of the clone", words(&after)))
                .why("Every push runs the clone and everything below it, whether the list of packages changed or not.")
                .cure("install in a stage of its own that copies only the lock file or manifest: `COPY --from=STAGE`"),
        );
    }
    findings
}

/// `echo CACHE_BUST`, which prints the name.
fn without_dollar(run: &Script<'_>, busts: &Busts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for command in run.commands.iter().filter(|command| matches!(command.program(), "echo" | "printf" | ":")) {
        let arguments = &command.words[1..];
        let expands = arguments.iter().flat_map(|word| &word.expands).any(|name| busts.has(name));
        let parts = |text: &'_ str| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>()
        };
        let name = arguments.iter().flat_map(|word| parts(&word.text)).find(|part| busts.has(part));
        let Some(name) = name.filter(|_| !expands) else { continue };
        findings.push(
            warning("bust-without-dollar", command.line, format!("`{}` of `{name}` without `$`", command.program()))
                .why("It prints the name and nothing else: only an `ARG` line above makes the step run again, and the log does not say for which value.")
                .cure(format!("write `echo \"${name}\"`")),
        );
    }
    findings
}
