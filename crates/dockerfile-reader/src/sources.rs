//! The code that a Dockerfile fetches from Git remotes, read off its lines without running any.

mod add;
mod bust;
mod fetch;
mod git;
mod packages;
mod repositories;
mod walk;

use crate::address::absolute;
use crate::arguments::Args;
use crate::dockerfile::{Dockerfile, declare};
use crate::lines::Instruction;
use crate::shell::{self, Command};
use crate::tools::tool;
use crate::values::Values;
pub use bust::Busts;
pub use fetch::{Cover, Fetch};
use walk::Walk;

/// How deep scripts may be quoted in each other.
const DEPTH: usize = 4;

/// Everything that the stages fetch, with the arguments that the build is given.
pub fn fetches(dockerfile: &Dockerfile, args: &Args, busts: &Busts) -> Vec<Fetch> {
    let globals = dockerfile.globals(args);
    let mut walk = Walk { values: Values::default(), found: Vec::new(), stages: Vec::new() };
    for (stage, parent) in dockerfile.stages.iter().zip(dockerfile.parents(&globals)) {
        walk.begin(parent);
        for (position, instruction) in stage.instructions.iter().enumerate() {
            walk.place().instruction = position;
            instruction.assign(args, &globals, &mut walk.values, declare);
            let declared = instruction.declares().into_iter().rev();
            let bust = declared.map(|one| one.name).find(|name| instruction.keyword == "ARG" && busts.has(name));
            if let Some(name) = bust {
                walk.place().cover = Cover::Argument(name);
            }
            walk.read(instruction);
        }
    }
    walk.found
}

impl Walk {
    fn read(&mut self, instruction: &Instruction) {
        match instruction.keyword.as_str() {
            "WORKDIR" => {
                let path = instruction.expand(&instruction.plain(), &self.values).text;
                self.place().workdir = absolute(&self.place().workdir, &path);
            }
            "ADD" => self.add(instruction),
            "RUN" => {
                self.values.begin_script();
                self.place().directory = self.place().workdir.clone();
                for command in instruction.commands(Some(&self.values)) {
                    self.command(&command, 0);
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &Command, depth: usize) {
        let Some(tool) = tool(command) else { return };
        match tool.name {
            "cd" | "pushd" => {
                if let Some(word) = tool.args.iter().find(|word| !word.text.starts_with('-')) {
                    self.place().directory = absolute(&self.place().directory, &word.text);
                }
            }
            "git" => self.git(&tool),
            _ => match tool.script().filter(|_| depth < DEPTH) {
                Some(script) => {
                    for inner in shell::commands(&script.script(), Some(&self.values)) {
                        self.command(&inner, depth + 1);
                    }
                }
                None => self.packages(&tool),
            },
        }
    }
}
