//! What is wrong in a Dockerfile, line by line.

mod bust;
mod clone;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Names, Patient, list};
use crate::value::secrets::{has_credential, is_secret_name};
use crate::value::show;
use dockerfile_reader::sources::{Busts, fetches};
use dockerfile_reader::{Args, Build, Dockerfile, Instruction};
use stage::{StageView, error, warning};

/// Everything that is wrong in a Dockerfile.
pub fn check(patient: &Patient, names: &Names) -> Vec<Finding> {
    let dockerfile = Dockerfile::read(&patient.text);
    let busts = Busts::of(&dockerfile, [names.bust.clone()]);
    let fetched = fetches(&dockerfile, &Build::default(), &busts);
    let parents = dockerfile.parents(&dockerfile.globals(&Args::new()));
    let stages = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let instructions = dockerfile.global.iter().chain(stages);
    let mut findings: Vec<_> = instructions.clone().flat_map(secrets).collect();
    findings.extend(instructions.filter(|one| !one.is_known()).map(unknown));
    for index in 0..dockerfile.stages.len() {
        let stage = StageView::of(&dockerfile, &parents, index);
        let own: Vec<_> = fetched.iter().filter(|fetch| fetch.stage == index).collect();
        findings.extend(clone::check(&stage, &own, names));
        findings.extend(bust::check(&stage, &own, &busts, &patient.kept));
        findings.extend(unquoted(&stage));
        findings.extend(without_revision(&stage));
    }
    findings.into_iter().map(|finding| Finding { file: Some(patient.file.clone()), ..finding }).collect()
}

/// An instruction that BuildKit refuses.
fn unknown(instruction: &Instruction) -> Finding {
    let what = format!("there is no instruction {}", show(&instruction.keyword));
    error("unknown-instruction", instruction.line, what)
        .why("The build fails there, unless a `# syntax=` line names a builder that knows it.")
        .cure("check it with `docker build --check .`")
}

/// Arguments that the shell splits into words.
fn unquoted(stage: &StageView<'_>) -> Vec<Finding> {
    let mut lines: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for run in &stage.runs {
        // What `echo` prints can be anything.
        let commands = run.commands.iter().filter(|command| !matches!(command.program(), "echo" | ":"));
        for word in commands.flat_map(|command| &command.words) {
            let declared = word.splits.iter().filter(|name| stage.has_above(run.order, |arg| arg == *name));
            lines.entry(word.line).or_default().extend(declared.map(|name| format!("`${name}`")));
        }
    }
    lines.retain(|_, names| !names.is_empty());
    let finding = |(line, names): (usize, BTreeSet<String>)| {
        let names: Vec<_> = names.into_iter().collect();
        let name = names[0].trim_matches('`');
        warning("unquoted-argument", line, format!("{} without quotes", list(&names)))
            .why("The shell splits the value at spaces, so that it can become options of the command.")
            .cure(format!(
                "write `\"{name}\"`; where several words are meant: `printf '%s' \"{name}\" | xargs COMMAND`"
            ))
    };
    lines.into_iter().map(finding).collect()
}

/// Downloads of a model that may be another one tomorrow.
fn without_revision(stage: &StageView<'_>) -> Vec<Finding> {
    let downloads = stage.runs.iter().filter(|run| !run.says("revision")).filter_map(|run| run.model_download());
    let findings = downloads.map(|(what, line)| {
        warning("model-without-revision", line, format!("`{what}` without a revision"))
            .why("The model can change on the hub without any line here changing, so two builds of the same files differ.")
            .cure("declare `ARG MODEL_REVISION=...` and pass it: `--revision \"$MODEL_REVISION\"`, in Python `revision=`")
    });
    findings.collect()
}

/// Secrets where everybody who has the image can read them.
fn secrets(instruction: &Instruction) -> Vec<Finding> {
    let keyword = instruction.keyword.as_str();
    let mut found = Vec::new();
    for assignment in instruction.declares() {
        let value = assignment.value.unwrap_or_default();
        // An empty variable is a place for one that comes when the container starts.
        let is_named = is_secret_name(&assignment.name) && (keyword == "ARG" || !value.is_empty());
        if is_named || has_credential(&value) {
            found.push((assignment.line, format!("`{keyword} {}` holds a secret", assignment.name)));
        }
    }
    // What a variable holds is found where it is declared, and a secret mount is none.
    let shows = |text: &str| !text.contains('$') && has_credential(text);
    let commands = instruction.commands(None);
    let word = commands.iter().flat_map(|command| &command.words).find(|word| shows(&word.text));
    let fetched: String = instruction.text.iter().filter(|_| keyword == "ADD").map(|(c, _)| c).collect();
    let line = word.map(|word| word.line).or(shows(&fetched).then_some(instruction.line));
    found.extend(line.map(|line| (line, "an address with a credential in it".to_owned())));
    let findings = found.into_iter().map(|(line, what)| {
        warning("secret-in-dockerfile", line, what)
            .why("It stays in the image's history and in its provenance, for everybody who has the image.")
            .cure("pass it as a build secret: `RUN --mount=type=secret,id=NAME`, and `secrets` in the compose file")
    });
    findings.collect()
}
