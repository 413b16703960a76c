//! A patch for what the checks found about bust arguments, as few lines as possible and in the style of the file.

mod edit;
mod pin;

use super::Patient;
use super::place::service_lines;
use dockerfile_reader::sources::{Busts, Cover, Fetch, fetches};
use dockerfile_reader::tools::tool;
use dockerfile_reader::{Dockerfile, Instruction, Stage};
pub use edit::{Edit, apply, unified};

/// What cures a Dockerfile: a bust argument above each clone, and below what is installed; the commit for what can take one.
pub fn dockerfile(patient: &Patient, bust: &str, commits: &[String]) -> Vec<Edit> {
    let dockerfile = Dockerfile::read(&patient.text);
    let busts = Busts::of(&dockerfile, [bust.to_owned()]);
    let found = fetches(&dockerfile, &Default::default(), &busts);
    let mut edits = Vec::new();
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        let is_kept = stage.name.as_ref().is_some_and(|name| patient.kept.contains(name));
        let names_commit =
            stage.instructions.iter().flat_map(Instruction::declares).any(|arg| commits.contains(&arg.name));
        let own: Vec<_> = found.iter().filter(|fetch| fetch.stage == index).collect();
        if let Some(fetch) = own.iter().find(|fetch| fetch.is_stale()).filter(|_| !is_kept && !names_commit) {
            let below = argument(stage, &busts).filter(|(at, _)| *at > fetch.instruction);
            let keyword = keyword(&patient.text, stage, fetch);
            if own.iter().filter(|other| other.instruction == fetch.instruction).count() == 1 {
                edits.extend(pin::edits(patient, stage, fetch, &keyword));
            }
            edits.extend(place(&patient.text, stage, fetch, below, bust));
        } else if let Some((at, name)) = argument(stage, &busts)
            && let Some(fetch) = own.iter().find(|fetch| fetch.cover == Cover::Argument(name.clone()))
            && stage.instructions.get(at + 1..fetch.instruction).is_some_and(|between| only_installs(between, &name))
        {
            edits.extend(place(&patient.text, stage, fetch, Some((at, name)), bust));
        }
    }
    edits.sort();
    edits
}

/// The bust argument that stands alone on a line of a stage, with its position.
fn argument(stage: &Stage, busts: &Busts) -> Option<(usize, String)> {
    stage.instructions.iter().enumerate().find_map(|(at, instruction)| {
        let [own] = &instruction.declares()[..] else { return None };
        let is_one_line = instruction.text.iter().all(|(_, line)| *line == instruction.line);
        (instruction.keyword == "ARG" && is_one_line && busts.has(&own.name)).then(|| (at, own.name.clone()))
    })
}

/// Whether instructions install packages, and have no use for an argument.
fn only_installs(between: &[Instruction], name: &str) -> bool {
    let commands: Vec<_> = between.iter().flat_map(|instruction| instruction.commands(None)).collect();
    let uses = between.iter().any(|one| one.plain().contains(name));
    !uses && commands.iter().any(|command| tool(command).is_some_and(|tool| tool.installs().is_some()))
}

/// `ARG`, indented and written as the instruction that fetches.
fn keyword(text: &str, stage: &Stage, fetch: &Fetch) -> String {
    let line = text.lines().nth(stage.instructions[fetch.instruction].line - 1).unwrap_or_default();
    let instruction = line.trim_start();
    let keyword = if instruction.starts_with("run") { "arg" } else { "ARG" };
    format!("{}{keyword}", &line[..line.len() - instruction.len()])
}

/// The argument above the instruction that fetches; `from` is where it stands now.
fn place(text: &str, stage: &Stage, fetch: &Fetch, from: Option<(usize, String)>, bust: &str) -> Vec<Edit> {
    let at = stage.instructions[fetch.instruction].line;
    let line = |number: usize| text.lines().nth(number - 1).unwrap_or_default();
    let old = from.map(|(position, _)| stage.instructions[position].line);
    let new = old.map_or_else(|| format!("{} {bust}=unknown", keyword(text, stage, fetch)), |old| line(old).to_owned());
    let removal = old.map(|at| Edit { at, remove: 1, insert: Vec::new() });
    removal.into_iter().chain([Edit { at, remove: 0, insert: vec![new] }]).collect()
}

/// What passes an argument to a service that takes it, where the form of the compose file is one of the usual ones.
pub fn compose(text: &str, service: &str, name: &str) -> Option<Edit> {
    let value = format!("${{{name}:-unknown}}");
    let block = service_lines(text, service)?;
    let indent = |line: &str| line[..line.len() - line.trim_start().len()].to_owned();
    let below = |index: usize| {
        let (_, parent) = block[index];
        block.get(index + 1).map(|(_, line)| *line).filter(|line| {
            let is_item = line.trim_start().starts_with("- ");
            indent(line).len() + usize::from(is_item) > indent(parent).len()
        })
    };
    let key = |key: &str| block.iter().position(|(_, line)| line.trim_start().starts_with(&format!("{key}:")));
    let (index, args) = (key("build")?, key("args"));
    let (number, build) = block[index];
    let rest = build.split_once(':')?.1.split(" #").next()?.trim();
    let insert = |at, lines| Some(Edit { at, remove: 0, insert: lines });
    match (rest, args) {
        ("", Some(args)) if block[args].1.trim_end().ends_with("args:") => {
            let first = below(args)?;
            let entry = match first.trim_start().starts_with("- ") {
                true => format!("- {name}={value}"),
                false => format!("{name}: {value}"),
            };
            insert(block[args].0 + 1, vec![format!("{}{entry}", indent(first))])
        }
        ("", None) => {
            let inner = indent(below(index)?);
            // One more step of the file's own.
            let deeper = format!("{inner}{}", &inner[indent(build).len()..]);
            insert(number + 1, vec![format!("{inner}args:"), format!("{deeper}{name}: {value}")])
        }
        (path, None) if !path.starts_with(['{', '*', '&', '|', '>']) => {
            let outer = indent(build);
            let step = &outer[indent(block[0].1).len()..];
            let lines = [
                "build:".to_owned(),
                format!("{step}context: {path}"),
                format!("{step}args:"),
                format!("{step}{step}{name}: {value}"),
            ];
            Some(Edit { at: number, remove: 1, insert: lines.map(|line| format!("{outer}{line}")).to_vec() })
        }
        (flow, None) if flow.starts_with('{') && flow.ends_with('}') && !flow.contains("args:") => {
            let start = build.rfind('}')?;
            let new = format!("{}, args: {{{name}: \"{value}\"}}{}", build[..start].trim_end(), &build[start..]);
            Some(Edit { at: number, remove: 1, insert: vec![new] })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
