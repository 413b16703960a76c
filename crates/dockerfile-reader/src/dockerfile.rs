//! The stages of a Dockerfile, and which one a name means.

use std::collections::HashMap;

use crate::arguments::{Args, PLATFORMS};
use crate::lines::{self, Instruction};
use crate::shell::Variables;
use crate::values::Values;

/// A Dockerfile. Every text is one: what BuildKit would refuse becomes an instruction that nothing looks for.
#[derive(Clone, Debug, Default)]
pub struct Dockerfile {
    /// All of it.
    pub text: String,
    /// The lines `# syntax=`, `# escape=` and `# check=` above everything else, as they are written.
    pub directives: Vec<String>,
    /// What stands above the first stage.
    pub global: Vec<Instruction>,
    /// The stages.
    pub stages: Vec<Stage>,
    /// The last stage of every name.
    names: HashMap<String, usize>,
}

/// A stage as it is written.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The `FROM`.
    pub from: Instruction,
    /// The name after `AS`, lower case.
    pub name: Option<String>,
    /// What it starts from, as it is written.
    pub base: String,
    /// The instructions without `FROM`.
    pub instructions: Vec<Instruction>,
}

/// The values of the arguments above the first stage. There is no base image that might set others.
#[derive(Debug, Default)]
pub struct Globals(Values);

impl Variables for Globals {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name)
    }

    fn unset(&self, name: &str) -> Option<String> {
        (!self.may_be_set(name)).then(String::new)
    }

    fn may_be_set(&self, name: &str) -> bool {
        self.0.may_be_set(name)
    }
}

impl Dockerfile {
    /// Reads a Dockerfile.
    pub fn read(text: &str) -> Self {
        let lines = lines::read(text);
        let mut read = Self { text: text.to_owned(), directives: lines.directives, ..Self::default() };
        for instruction in lines.instructions {
            match read.stages.last_mut() {
                _ if instruction.keyword == "FROM" => {
                    let stage = Stage::new(instruction);
                    read.names.extend(stage.name.clone().map(|name| (name, read.stages.len())));
                    read.stages.push(stage);
                }
                Some(stage) => stage.instructions.push(instruction),
                None => read.global.push(instruction),
            }
        }
        read
    }

    /// The last stage with a name, whatever its letters' case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.get(&name.to_lowercase()).copied()
    }

    /// The stage that `COPY --from` means: by its name, or by its number.
    pub fn copied(&self, from: &str) -> Option<usize> {
        let number = || from.parse().ok().filter(|&index| index < self.stages.len());
        number().or_else(|| self.find(from))
    }

    /// The values of the arguments above the first stage, in a build that is given these.
    pub fn globals(&self, given: &dyn Variables) -> Globals {
        let mut globals = Globals::default();
        for (name, value) in PLATFORMS.iter().filter_map(|name| Some((name, given.get(name)?))) {
            globals.0.set(name, &value);
        }
        for instruction in &self.global {
            instruction
                .assign(given, &Args::new(), &mut globals, |globals, name, value| declare(&mut globals.0, name, value));
        }
        globals
    }

    /// The stage above that each one starts from, if it is one; a global argument may choose it.
    pub fn parents(&self, globals: &Globals) -> Vec<Option<usize>> {
        let mut above = HashMap::new();
        let parents = self.stages.iter().enumerate().map(|(index, stage)| {
            // The letters' case counts here and nowhere else.
            let parent = above.get(stage.from.expand(&stage.base, globals).text.as_str()).copied();
            above.extend(stage.name.as_deref().map(|name| (name, index)));
            parent
        });
        parents.collect()
    }
}

impl Stage {
    fn new(from: Instruction) -> Self {
        let words = from.words();
        let name = words.get(2).filter(|_| words[1].eq_ignore_ascii_case("as")).map(|name| name.to_lowercase());
        Self { base: words.into_iter().next().unwrap_or_default(), name, from, instructions: Vec::new() }
    }
}

/// Sets a declared variable, which without a value is what it was before, and empty where nothing may have set it.
pub(crate) fn declare(values: &mut Values, name: &str, value: Option<String>) {
    if value.is_some() || !values.may_be_set(name) {
        values.set(name, &value.unwrap_or_default());
    }
}
