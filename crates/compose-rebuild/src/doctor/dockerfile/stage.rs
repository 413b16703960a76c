//! A stage as its commands see it: the arguments declared above each, and the code that they fetch.

use crate::doctor::{Area, Finding};
use crate::facts::found::{Sighting, Watch};
use dockerfile_reader::shell::Command;
use dockerfile_reader::tools::{Git, Tool, tool};
use dockerfile_reader::{Assignment, Dockerfile, Instruction};

/// A `RUN` of a stage.
pub(super) struct Script<'a> {
    /// The position in the stage, from 1.
    pub(super) order: usize,
    pub(super) commands: Vec<Command>,
    instruction: &'a Instruction,
}

/// A stage.
pub(super) struct StageView<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) index: usize,
    /// The name in lower case.
    pub(super) name: Option<&'a str>,
    /// Whether its image is kept.
    pub(super) is_kept: bool,
    /// Arguments with the position of their instruction; 0 for what the stage that it starts from declared.
    pub(super) args: Vec<(usize, Assignment)>,
    pub(super) runs: Vec<Script<'a>>,
    /// What it fetches, from the first step to the last.
    pub(super) seen: Vec<&'a Sighting>,
}

impl<'a> StageView<'a> {
    /// The stage at a position; `parents` are the stages that each one starts from, `seen` is everything that is fetched.
    pub(super) fn new(
        dockerfile: &'a Dockerfile,
        parents: &[Option<usize>],
        index: usize,
        seen: &[&'a Sighting],
    ) -> Self {
        let own = &dockerfile.stages[index];
        let mut args = Vec::new();
        let mut above = parents[index];
        while let Some(parent) = above {
            args.extend(declared(&dockerfile.stages[parent].instructions).map(|(_, arg)| (0, arg)));
            above = parents[parent];
        }
        args.extend(declared(&own.instructions));
        let is_run = |(_, instruction): &(usize, &Instruction)| instruction.keyword == "RUN";
        let runs = own.instructions.iter().enumerate().filter(is_run);
        let runs =
            runs.map(|(at, instruction)| Script { order: at + 1, commands: instruction.commands(None), instruction });
        let is_own = |seen: &&&Sighting| seen.line.is_some() && seen.fetch.stage == index;
        let mut seen: Vec<_> = seen.iter().filter(is_own).copied().collect();
        seen.sort_by_key(|seen| seen.fetch.instruction);
        let (name, runs) = (own.name.as_deref(), runs.collect());
        StageView { dockerfile, index, name, is_kept: false, args, runs, seen }
    }

    /// Whether another value of an argument makes a step of this stage fetch again.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.seen.iter().any(|seen| matches!(&seen.watch, Watch::Argument { by } if by == name))
    }

    /// An argument without a value that a ref or an address is made of, and that the step itself does not set; and whether the
    /// stage takes it.
    pub(super) fn unset(&self, seen: &Sighting) -> Option<(String, bool)> {
        let mut name = variable(&seen.r#ref).or(variable(&seen.fetch.repository))?.to_owned();
        let run = self.runs.iter().find(|run| run.order == seen.fetch.instruction + 1);
        if run.is_some_and(|run| run.says(&format!(" {name}="))) {
            return None;
        }
        let own = self.dockerfile.stages[self.index].instructions.iter().filter(|one| one.keyword == "ENV");
        if let Some(env) = own.flat_map(Instruction::declares).find(|env| env.name == name) {
            name = variable(&env.value?)?.to_owned();
        }
        match self.args.iter().find(|(_, arg)| arg.name == name) {
            Some((_, arg)) => arg.value.is_none().then_some((name, true)),
            None => {
                let mut global = self.dockerfile.global.iter().flat_map(Instruction::declares);
                global.any(|arg| arg.name == name).then_some((name, false))
            }
        }
    }

    /// The installations of a `RUN` that stand before the first code that it fetches, in words, each with the position of the `RUN`.
    pub(super) fn installs_before_code(&self, run: &Script<'_>) -> Vec<(usize, String)> {
        let before = run.commands.iter().take_while(|command| !self.fetches(command));
        let installs = before.filter_map(|command| Some((tool(command)?.installs()?, command.line)));
        installs.map(|(what, line)| (run.order, format!("`{what}` (line {line})"))).collect()
    }

    /// The installations of a `RUN` that stand below the code, which the step `first` fetches; that of the code itself is none.
    pub(super) fn installs_after_code<'r>(&self, run: &'r Script<'_>, first: usize) -> Vec<(usize, Tool<'r>, String)> {
        let skipped =
            if run.order == first { run.commands.iter().take_while(|one| !self.fetches(one)).count() } else { 0 };
        let below = run.commands[skipped..].iter().filter(|command| !self.fetches(command)).filter_map(tool);
        let installs = below.filter(|tool| !installs_itself(tool)).filter_map(|tool| Some((tool.installs()?, tool)));
        installs
            .map(|(what, tool)| (tool.command.line, tool, format!("`{what}` (line {})", tool.command.line)))
            .collect()
    }

    /// Whether a command fetches code.
    fn fetches(&self, command: &Command) -> bool {
        let names = |text: &str| self.seen.iter().any(|seen| text.contains(&format!("/{}", seen.fetch.name())));
        tool(command).and_then(|tool| tool.git()).is_some_and(|git| git.reads_remote())
            || command.words.iter().any(|word| word.text.contains("://") && names(&word.text))
    }

    /// Whether such an argument is declared above this position.
    pub(super) fn has_above(&self, order: usize, is_such: impl Fn(&str) -> bool) -> bool {
        self.args.iter().any(|(at, arg)| *at < order && is_such(&arg.name))
    }
}

/// The name of the first variable in a text.
fn variable(text: &str) -> Option<&str> {
    let name = text.split_once('$')?.1.trim_start_matches('{');
    Some(&name[..name.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(name.len())])
}

fn declared(instructions: &[Instruction]) -> impl Iterator<Item = (usize, Assignment)> {
    let args = instructions.iter().enumerate().filter(|(_, instruction)| instruction.keyword == "ARG");
    args.flat_map(|(at, instruction)| instruction.declares().into_iter().map(move |arg| (at + 1, arg)))
}

impl Script<'_> {
    /// The uses of Git.
    pub(super) fn git(&self) -> impl Iterator<Item = Git<'_>> {
        self.commands.iter().filter_map(|command| tool(command)?.git())
    }

    /// The first download of a model, of the command line or of Python, with its line.
    pub(super) fn model_download(&self) -> Option<(String, usize)> {
        let command = self.commands.iter().find_map(|command| Some((tool(command)?.downloads_model()?, command.line)));
        let functions = ["snapshot_download", "hf_hub_download"];
        command.or_else(|| {
            functions.iter().find_map(|name| Some(((*name).to_owned(), self.line_of(&format!("{name}("))?)))
        })
    }

    /// Whether this stands anywhere in it, comments apart.
    pub(super) fn says(&self, text: &str) -> bool {
        self.line_of(text).is_some()
    }

    fn line_of(&self, text: &str) -> Option<usize> {
        let all: Vec<_> = self.instruction.characters().collect();
        let mut lines = all.chunk_by(|(_, line), (_, next)| line == next);
        let found = lines.find(|chars| {
            let line: String = chars.iter().map(|(c, _)| *c).collect();
            line.contains(text) && !line.trim_start().starts_with('#')
        });
        found.map(|chars| chars[0].1)
    }
}

/// Whether an installation is that of the code in a directory: `pip install -e .`.
fn installs_itself(tool: &Tool<'_>) -> bool {
    let is_directory = |text: &str| text.starts_with(['.', '/']) || text == "--path" || text == "--editable";
    !names_list(tool) && tool.args.iter().any(|word| is_directory(&word.text) || word.text == "-e")
}

/// Whether an installation reads which packages it is to install from a file that it is told.
fn names_list(tool: &Tool<'_>) -> bool {
    tool.args.iter().any(|word| word.text == "--requirement" || word.text.starts_with("-r"))
}

/// Whether an installation says which packages it is to install.
pub(super) fn names_packages(tool: &Tool<'_>) -> bool {
    match tool.name {
        "apt-get" | "apt" | "dnf" | "yum" | "microdnf" | "zypper" | "apk" | "gem" | "cargo" => true,
        name => name.starts_with("pip") && !names_list(tool),
    }
}

/// An error at a line of a Dockerfile.
pub(super) fn error(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::error(Area::Dockerfile, check, what).at("", Some(line))
}

/// A warning at a line of a Dockerfile.
pub(super) fn warning(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::warning(Area::Dockerfile, check, what).at("", Some(line))
}
