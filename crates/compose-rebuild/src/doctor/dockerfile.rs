//! What is wrong in a Dockerfile, line by line.

mod bust;
mod clone;
mod stage;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

use super::{Finding, Names, list};
use crate::facts::found::Sighting;
use crate::project::Built;
use crate::value::secrets::has_credential;
use dockerfile_reader::Instruction;
use dockerfile_reader::shell::{Command, Word};
use dockerfile_reader::tools::tool;
use stage::{Script, StageView, warning};

/// Everything that is wrong in the stages that a service needs; `seen` is the code that they fetch.
pub fn check(built: &Built, seen: &[&Sighting], names: &Names) -> Vec<Finding> {
    let (Some(dockerfile), Some(closure)) = (&built.dockerfile, &built.closure) else { return Vec::new() };
    let parents = dockerfile.parents(&dockerfile.globals(&built.args));
    let of_stages = closure.members.iter().flat_map(|&index| &dockerfile.stages[index].instructions);
    let mut findings: Vec<_> = dockerfile.global.iter().chain(of_stages).flat_map(secrets).collect();
    for &index in &closure.members {
        let mut stage = StageView::new(dockerfile, &parents, index, seen);
        stage.is_kept = built.keep && stage.name.is_some() && stage.name == built.target.as_deref();
        findings.extend(clone::check(&stage, names));
        findings.extend(bust::check(&stage, names));
        findings.extend(stage.runs.iter().filter_map(|run| unquoted(built, &stage, run)));
        findings.extend(without_revision(&stage));
    }
    findings.into_iter().map(|finding| Finding { file: Some(built.dockerfile_path.clone()), ..finding }).collect()
}

/// Arguments that the shell makes several words of, or none, where these are addresses, refs and paths.
fn unquoted(built: &Built, stage: &StageView<'_>, run: &Script<'_>) -> Option<Finding> {
    let matter = |command: &Command| -> Vec<Word> {
        let Some(tool) = tool(command) else { return Vec::new() };
        match (tool.git(), tool.installs()) {
            (Some(git), _) => git.args.to_vec(),
            (None, Some(_)) => tool.args.iter().filter(|word| word.text.contains('/')).cloned().collect(),
            (None, None) => Vec::new(),
        }
    };
    let words: Vec<_> = run.commands.iter().flat_map(matter).collect();
    // Quotes around an empty value would make an argument of nothing.
    let splits = |value: &str| value.contains(|c: char| c.is_whitespace() || "*?[".contains(c));
    let is_such =
        |name: &&String| stage.has_above(run.order, |arg| arg == *name) && built.arg(name).is_some_and(splits);
    let splits = |word: &Word| word.splits.iter().any(|name| is_such(&name));
    let line = words.iter().find(|word| splits(word))?.line;
    let names: BTreeSet<_> = words.iter().flat_map(|word| &word.splits).filter(is_such).collect();
    let shown: Vec<_> = names.iter().map(|name| format!("`${name}`")).collect();
    let quoted: Vec<_> = names.iter().map(|name| format!("`\"${name}\"`")).collect();
    let finding = warning("unquoted-argument", line, format!("{} without quotes", list(&shown)))
        .why("The shell splits the value at spaces, so that it can become options of the command.")
        .cure(format!("write {}", list(&quoted)));
    Some(finding)
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

/// Addresses with a password or a token, which everybody who has the image can read.
fn secrets(instruction: &Instruction) -> Vec<Finding> {
    // What a variable holds is found where it is declared, and a secret mount is none.
    let shows = |text: &str| !text.contains('$') && has_credential(text);
    let declares = instruction.declares();
    let declared = declares.iter().filter(|one| shows(one.value.as_deref().unwrap_or_default()));
    let declared = declared.map(|one| (one.line, format!("`{} {}` holds an address", instruction.keyword, one.name)));
    let commands = instruction.commands(None);
    let word = commands.iter().flat_map(|command| &command.words).find(|word| shows(&word.text));
    let is_added = instruction.keyword == "ADD" && shows(&instruction.plain());
    let line = word.map(|word| word.line).or(is_added.then_some(instruction.line));
    let found = declared.chain(line.map(|line| (line, "an address".to_owned())));
    let findings = found.map(|(line, what)| {
        warning("secret-in-dockerfile", line, format!("{what} with a credential in it"))
            .why("It stays in the image's history and in its provenance, for everybody who has the image.")
            .cure("pass it as a build secret: `RUN --mount=type=secret,id=NAME`, and `secrets` in the compose file")
    });
    findings.collect()
}
