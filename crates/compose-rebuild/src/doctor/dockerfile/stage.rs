//! A stage as its commands see it: the arguments declared above each.

use crate::doctor::{Area, Finding};
use dockerfile_reader::shell::Command;
use dockerfile_reader::tools::{Git, tool};
use dockerfile_reader::{Assignment, Dockerfile, Instruction};

/// A `RUN` of a stage.
pub(super) struct Script<'a> {
    /// Its position in the stage, from 1.
    pub(super) order: usize,
    pub(super) commands: Vec<Command>,
    instruction: &'a Instruction,
}

/// A stage.
pub(super) struct StageView<'a> {
    /// Its name in lower case.
    pub(super) name: Option<&'a str>,
    /// Arguments with the position of their instruction; 0 for what the stage that it starts from declared.
    pub(super) args: Vec<(usize, Assignment)>,
    pub(super) runs: Vec<Script<'a>>,
}

impl<'a> StageView<'a> {
    /// `parents` are the stages that each one starts from.
    pub(super) fn of(dockerfile: &'a Dockerfile, parents: &[Option<usize>], index: usize) -> Self {
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
        StageView { name: own.name.as_deref(), args, runs: runs.collect() }
    }

    /// Whether such an argument is declared above this position.
    pub(super) fn has_above(&self, order: usize, is_such: impl Fn(&str) -> bool) -> bool {
        self.args.iter().any(|(at, arg)| *at < order && is_such(&arg.name))
    }
}

fn declared(instructions: &[Instruction]) -> impl Iterator<Item = (usize, Assignment)> {
    let args = instructions.iter().enumerate().filter(|(_, instruction)| instruction.keyword == "ARG");
    args.flat_map(|(at, instruction)| instruction.declares().into_iter().map(move |arg| (at + 1, arg)))
}

impl Script<'_> {
    /// Its uses of Git.
    pub(super) fn git(&self) -> impl Iterator<Item = Git<'_>> {
        self.commands.iter().filter_map(|command| tool(command)?.git())
    }

    /// Its first download of a model, of the command line or of Python, with its line.
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

/// An error at a line of a Dockerfile.
pub(super) fn error(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::error(Area::Dockerfile, check, what).at("", Some(line))
}

/// A warning at a line of a Dockerfile.
pub(super) fn warning(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::warning(Area::Dockerfile, check, what).at("", Some(line))
}
