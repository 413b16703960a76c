//! The code that a Dockerfile fetches from Git remotes, read off its lines without running any.

mod add;
mod archives;
mod bust;
mod fetch;
mod git;
mod packages;
mod repositories;
mod scripts;
mod told;
mod walk;

use crate::address::absolute;
use crate::arguments::Args;
use crate::closure::Build;
use crate::dockerfile::{Dockerfile, Globals, declare};
use crate::lines::Instruction;
use crate::shell::{self, Command};
use crate::tools::{Tool, tool};
use crate::values::Values;
pub use bust::Busts;
pub use fetch::{Cover, Fetch};
use walk::Walk;

/// How deep scripts may be quoted in each other.
const DEPTH: usize = 4;

/// Everything that the stages fetch in a build, those too that its target does not need.
pub fn fetches(dockerfile: &Dockerfile, build: &Build<'_>, busts: &Busts) -> Vec<Fetch> {
    let globals = dockerfile.globals(build.args);
    let mut walk = Walk { values: Values::default(), found: Vec::new(), told: Vec::new(), stages: Vec::new() };
    for (index, parent) in dockerfile.parents(&globals).into_iter().enumerate() {
        // A named context takes the place of a stage, with everything in it.
        let parent = parent.filter(|&parent| dockerfile.stages[parent].replacement(build).is_none());
        walk.begin(parent);
        for (place, stage) in parent.iter().map(|&parent| (parent, &dockerfile.stages[parent])) {
            for (position, trigger) in stage.instructions.iter().map(Instruction::trigger).enumerate() {
                if let Some(trigger) = trigger {
                    walk.instruction((place, position), &trigger, build.args, &globals, busts);
                }
            }
        }
        for (position, instruction) in dockerfile.stages[index].instructions.iter().enumerate() {
            walk.instruction((index, position), instruction, build.args, &globals, busts);
        }
    }
    walk.end()
}

impl Walk {
    fn instruction(
        &mut self,
        written: (usize, usize),
        instruction: &Instruction,
        args: &Args,
        globals: &Globals,
        busts: &Busts,
    ) {
        self.place().written = written;
        instruction.assign(args, globals, &mut self.values, declare);
        self.place().live.follow(instruction, busts);
        match instruction.keyword.as_str() {
            "WORKDIR" => {
                let path = instruction.expand(&instruction.plain(), &self.values).text;
                self.place().workdir = absolute(&self.place().workdir, &path);
            }
            "ADD" => self.add(instruction),
            "RUN" => {
                self.values.begin_script();
                let workdir = self.place().workdir.clone();
                self.place().kept = cache_mounts(instruction).map(|path| absolute(&workdir, path)).collect();
                self.place().directory = workdir;
                self.place().subshells.clear();
                for command in instruction.commands(Some(&self.values)) {
                    self.enter(&command.subshells);
                    self.command(&command, 0);
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &Command, depth: usize) {
        let Some(tool) = tool(command) else { return };
        match tool.name {
            "cd" | "pushd" | "popd" => self.go(&tool),
            "mv" | "ln" | "cp" => self.copy(&tool),
            "rm" => {
                let here = self.place().directory.clone();
                let gone: Vec<_> = tool.args.iter().map(|word| absolute(&here, &word.text)).collect();
                // Whoever removes first clones again.
                self.place().kept.retain(|kept| !gone.iter().any(|gone| gone.starts_with(kept.as_str())));
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

    /// Goes to another directory.
    fn go(&mut self, tool: &Tool<'_>) {
        let place = self.place();
        let to = tool.args.iter().map(|word| word.text.as_str()).find(|text| *text == "-" || !text.starts_with('-'));
        let to = match to {
            Some("-") => place.before.clone(),
            None if tool.name == "popd" => place.before.clone(),
            None => "/~".to_owned(),
            Some(path) => absolute(&place.directory, path),
        };
        place.before = std::mem::replace(&mut place.directory, to);
    }
}

/// The directories that cache mounts keep.
fn cache_mounts(instruction: &Instruction) -> impl Iterator<Item = &str> {
    let mounts = instruction.flags.iter().filter_map(|flag| flag.strip_prefix("mount="));
    let caches = mounts.filter(|mount| mount.split(',').any(|option| option == "type=cache"));
    caches.filter_map(|mount| {
        mount.split(',').find_map(|option| match option.split_once('=')? {
            ("target" | "dst" | "destination", path) => Some(path),
            _ => None,
        })
    })
}
