//! Where the cache-bust argument stands, and what it makes run again.

use super::stage::{Script, StageView, error, names_packages, warning};
use crate::doctor::{Finding, Names, list, patch};
use dockerfile_reader::Assignment;

pub(super) fn check(stage: &StageView<'_>, names: &Names) -> Vec<Finding> {
    let is_passed = |name: &str| name == names.bust || stage.covers(name);
    let mut findings: Vec<_> = stage.runs.iter().flat_map(|run| without_dollar(stage, run, &is_passed)).collect();
    // What a parent declares is reported there.
    let Some((order, bust)) = stage.args.iter().find(|(order, arg)| *order > 0 && is_passed(&arg.name)) else {
        return findings;
    };
    findings.extend(in_model_stage(stage, *order, bust));
    let covered = stage.seen.iter().map(|seen| seen.fetch.instruction + 1).filter(|at| at > order).min();
    if let Some(first) = covered.filter(|_| stage.covers(&bust.name)) {
        findings.extend(above_installs(stage, *order, bust, first));
        findings.extend(below_clone(stage, bust, first));
    }
    findings
}

/// A model that every push downloads again.
fn in_model_stage(stage: &StageView<'_>, order: usize, bust: &Assignment) -> Option<Finding> {
    let download = stage.runs.iter().filter(|run| run.order > order).find_map(Script::model_download);
    let download = download.map(|(what, line)| format!("above `{what}` (line {line})"));
    let kept = stage.is_kept.then(|| format!("in the stage `{}`, whose image is kept", stage.name.unwrap_or_default()));
    let finding = error("bust-in-model-stage", bust.line, format!("`ARG {}` {}", bust.name, download.or(kept)?))
        .why("Its value changes with every push, so every push downloads the model again.")
        .cure("download the model in a stage of its own without this argument, and `COPY --from` it");
    Some(finding)
}

/// Packages that every push installs again although they stand before the code, which is first fetched by the step `first`.
fn above_installs(stage: &StageView<'_>, order: usize, bust: &Assignment, first: usize) -> Option<Finding> {
    let between: Vec<_> = stage.runs.iter().filter(|run| run.order > order && run.order <= first).collect();
    if between.iter().any(|run| run.order < first && run.says(&bust.name)) {
        return None;
    }
    let installs: Vec<_> = between.iter().flat_map(|run| stage.installs_before_code(run)).collect();
    let words: Vec<_> = installs.iter().map(|(_, what)| what.clone()).collect();
    let is_split = installs.iter().any(|(order, _)| *order == first);
    let (cure, edits) = match is_split {
        true => (
            format!("split that `RUN`: the installations in one above `ARG {}`, the code in one below", bust.name),
            Vec::new(),
        ),
        false => {
            let own = &stage.dockerfile.stages[stage.index];
            let at = patch::argument(own, |name| name == bust.name).filter(|at| at + 1 == order);
            let edits = at.map(|at| patch::move_argument(&stage.dockerfile.text, own, at, first - 1));
            ("move the line down, to just above the code".to_owned(), edits.unwrap_or_default())
        }
    };
    let what = format!("`ARG {}` above {}", bust.name, list(&words));
    let finding = warning("bust-above-installs", bust.line, what)
        .why("Its value changes with every push, so every push installs these packages again although nothing about them changed.")
        .cure(cure);
    (!words.is_empty()).then_some(Finding { edits, ..finding })
}

/// Packages that every push installs again after the code is there.
fn below_clone(stage: &StageView<'_>, bust: &Assignment, first: usize) -> Option<Finding> {
    let below = stage.runs.iter().filter(|run| run.order >= first);
    let installs: Vec<_> = below.flat_map(|run| stage.installs_after_code(run, first)).collect();
    let (line, tool, _) = installs.first()?;
    let words: Vec<_> = installs.iter().map(|(_, _, what)| what.clone()).collect();
    let cure = match names_packages(tool) {
        true => format!("install them above `ARG {}`: they do not need the code", bust.name),
        false => {
            "install in a stage of its own that copies only the lock file or manifest: `COPY --from=STAGE`".to_owned()
        }
    };
    let finding = warning("installs-below-clone", *line, format!("{} in the stage of the clone", list(&words)))
        .why("Every push runs the clone and everything below it, whether the list of packages changed or not.")
        .cure(cure);
    Some(finding)
}

/// `echo CACHE_BUST`, which prints the name.
fn without_dollar(stage: &StageView<'_>, run: &Script<'_>, is_passed: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let declared = |name: &str| is_passed(name) && stage.has_above(usize::MAX, |arg| arg == name);
    for command in run.commands.iter().filter(|command| matches!(command.program(), "echo" | "printf" | ":")) {
        let arguments = &command.words[1..];
        if arguments.iter().flat_map(|word| &word.expands).any(|name| declared(name)) {
            continue;
        }
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut parts = arguments.iter().flat_map(|word| word.text.split(|c| !is_letter(c)));
        let Some(name) = parts.find(|part| declared(part)) else { continue };
        findings.push(
            warning("bust-without-dollar", command.line, format!("`{}` of `{name}` without `$`", command.program()))
                .why("It prints the name and nothing else: only an `ARG` line above makes the step run again, and the log does not say for which value.")
                .cure(format!("write `echo \"${name}\"`")),
        );
    }
    findings
}
