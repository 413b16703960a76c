//! A stage as its commands see it: the arguments declared above each, and what they mean.

use std::collections::BTreeMap;

use crate::dockerfile::listing::{Instruction, Listing};
use crate::dockerfile::shell::Command;

/// An argument that a stage has.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) line: usize,
    /// The position of its instruction in the stage; 0 for what the stage that it starts from declared.
    pub(super) order: usize,
}

/// A `RUN` of a stage.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// Its position in the stage, from 1.
    pub(super) order: usize,
    pub(super) instruction: &'a Instruction,
    pub(super) commands: Vec<Command>,
}

/// A stage.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Its name in lower case.
    pub(super) name: Option<&'a str>,
    pub(super) args: Vec<Declared>,
    pub(super) runs: Vec<Run<'a>>,
    /// Values of arguments and variables, as far as the Dockerfile says.
    values: BTreeMap<String, String>,
}

impl<'a> View<'a> {
    pub(super) fn of(listing: &'a Listing, stage: usize) -> Self {
        let mut view = View { name: None, args: Vec::new(), runs: Vec::new(), values: BTreeMap::new() };
        let global: BTreeMap<String, String> =
            listing.global.iter().flat_map(Instruction::declares).filter_map(|a| Some((a.name, a.value?))).collect();
        // Arguments and variables go on in the stages that start from this one.
        let mut line_of_descent = vec![stage];
        while let Some(parent) = line_of_descent.last().and_then(|&last| listing.stages[last].parent) {
            line_of_descent.push(parent);
        }
        for &member in line_of_descent.iter().rev() {
            for (index, instruction) in listing.stages[member].instructions.iter().enumerate() {
                let order = if member == stage { index + 1 } else { 0 };
                for assignment in instruction.declares() {
                    let (name, line) = (assignment.name, assignment.line);
                    let value = assignment.value.or_else(|| global.get(&name).cloned());
                    view.values.extend(value.map(|value| (name.clone(), value)));
                    if instruction.keyword == "ARG" {
                        view.args.push(Declared { name, line, order });
                    }
                }
                if order > 0 && instruction.keyword == "RUN" {
                    view.runs.push(Run { order, instruction, commands: instruction.commands() });
                }
            }
        }
        view.name = listing.stages[stage].name.as_deref();
        view
    }

    /// Whether the stage has this argument, wherever it is declared.
    pub(super) fn has(&self, name: &str) -> bool {
        self.args.iter().any(|arg| arg.name == name)
    }

    /// What the Dockerfile says that a variable is.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}
