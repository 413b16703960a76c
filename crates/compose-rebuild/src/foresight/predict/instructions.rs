//! The instructions of one stage: which make a step, and from what.

use std::collections::BTreeSet;

use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::checkout::{self, Effects};
use crate::foresight::predict::layers::{self, Content};
use crate::foresight::predict::mark::Mark;
use crate::foresight::predict::model::{Checkout, Code, Layer, Origin, Recipe, Simulated, SimulatedStep};
use crate::foresight::predict::touched::touched;
use dockerfile_reader::shell::{Command, Variables, expand};
use dockerfile_reader::text::plain;
use dockerfile_reader::{Globals, Instruction, Stage, absolute};

/// One stage while its instructions are read.
pub(super) struct Reader<'r, 'a> {
    pub(super) recipe: &'r Recipe<'a>,
    /// What stands above the first stage.
    pub(super) globals: &'r Globals,
    /// The stages above.
    pub(super) all: &'r [Simulated],
    pub(super) stage: Simulated,
}

impl Reader<'_, '_> {
    /// The stage with all its steps.
    pub(super) fn read(mut self, stage: &Stage) -> Simulated {
        // What the stage below left for those on top of it comes first.
        let left = std::mem::take(&mut self.stage.triggers);
        for instruction in left.iter().chain(&stage.instructions) {
            match instruction.keyword.as_str() {
                "ARG" | "ENV" => self.assign(instruction),
                "WORKDIR" => self.directory(instruction),
                "RUN" => self.command(instruction),
                "COPY" | "ADD" => self.copy(instruction),
                // They have no step, and are part of how later ones run.
                "USER" => self.stage.user = instruction.expand(&instruction.plain(), &self.stage.variables).text,
                "SHELL" => self.stage.shell = instruction.plain(),
                "ONBUILD" => self.stage.triggers.extend(instruction.trigger()),
                _ => {}
            }
        }
        self.stage
    }

    fn assign(&mut self, instruction: &Instruction) {
        instruction.assign(&self.recipe.args, self.globals, &mut self.stage.variables, |variables, name, value| {
            variables.extend(value.map(|value| (name.to_owned(), value)));
        });
    }

    fn directory(&mut self, instruction: &Instruction) {
        let path = instruction.expand(&instruction.plain(), &self.stage.variables);
        self.stage.directory = absolute(&self.stage.directory, &path.text);
        if self.stage.directory == "/" {
            return;
        }
        let used = path.expands.into_iter().collect();
        let causes = self.written(instruction, &self.stage.user.clone(), &used);
        self.step(instruction, causes);
        self.stage.layers.push(Layer::Directory(self.stage.directory.clone()));
    }

    fn command(&mut self, instruction: &Instruction) {
        let all = self.stage.variables.keys().cloned().collect();
        let around = [&self.recipe.settings, &self.stage.user, &self.stage.shell, &self.stage.directory];
        let mut causes = self.written(instruction, &around.map(String::as_str).join("\n"), &all);
        for flag in &instruction.flags {
            let flag = instruction.expand(flag, &self.stage.variables).text;
            let Some(flag) = flag.strip_prefix("mount=") else { continue };
            let option = |name: &str| flag.split(',').find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
            let path = option("source").or(option("src")).unwrap_or("/");
            match (option("from"), option("type").unwrap_or("bind")) {
                (Some(from), "bind" | "cache") => causes.extend(self.from(from, &[path.to_owned()]).causes),
                (None, "bind") => causes.push((Cause::Context, Mark::unknown("context"))),
                _ => {}
            }
        }
        let mark = self.step(instruction, causes);
        let commands = instruction.commands(None);
        let code: Vec<usize> = self.checked_out(&commands);
        let below = match self.stage.layers.iter().rfind(|layer| !matches!(layer, Layer::Directory(_))) {
            Some(Layer::Checkout(checkout)) => Some(checkout.clone()),
            _ => None,
        };
        let mut checkout = match below {
            Some(below) => Checkout { made: mark, ..below },
            None if code.is_empty() => {
                let known = touched(instruction, &commands, &self.stage.directory);
                let paths = known.filter(|_| self.stage.shell.is_empty());
                return self.stage.layers.push(paths.map_or(Layer::Made(mark), |paths| Layer::Touched(paths, mark)));
            }
            None => Checkout { code, effects: Effects::default(), made: mark },
        };
        checkout.effects.add(instruction, &commands, &self.stage.directory);
        self.stage.layers.push(Layer::Checkout(checkout));
    }

    /// The code that commands check out, where an argument chooses the revision.
    fn checked_out(&self, commands: &[Command]) -> Vec<usize> {
        let is_pinned = |code: &Code<'_>| self.stage.variables.values().any(|value| value.contains(&code.pin));
        let code = self.recipe.code.iter().enumerate().filter(|(_, code)| is_pinned(code));
        code.map(|(index, _)| index).filter(|_| checkout::uses_git(commands)).collect()
    }

    fn copy(&mut self, instruction: &Instruction) {
        let from = instruction.flag("from");
        let mut used = BTreeSet::new();
        let mut expanded = |text: &str| {
            let word = instruction.expand(text, &self.stage.variables);
            used.extend(word.expands);
            word.text
        };
        let mut paths: Vec<_> = instruction.words().iter().map(|word| expanded(word)).collect();
        let to = paths.pop().unwrap_or_default();
        let mut changes = String::new();
        for flag in &instruction.flags {
            let flag = expanded(flag);
            if !flag.starts_with("from=") && flag != "link" {
                changes += &format!("{flag}\n");
            }
        }
        for document in instruction.documents.iter().filter(|document| !document.is_quoted) {
            used.extend(expand(&plain(&document.text), '\\', &self.stage.variables).expands);
        }
        // A variable of the base image, or a pattern for whole paths: nobody can say where the files are.
        let parents = instruction.flags.iter().any(|flag| flag.starts_with("parents"));
        let blind = used.iter().any(|name| !self.stage.variables.contains_key(name))
            || paths.iter().any(|path| path.contains('$') || (parents && path.contains("**")));
        let mut causes = self.written(instruction, &self.stage.directory.clone(), &used);
        let documents = instruction.documents.len();
        let origin = match from {
            Some(from) => {
                let mut content = self.from(from, if blind { &[] } else { &paths });
                if let (true, Origin::Stage(index)) = (blind, self.origin(from)) {
                    let mark = self.all[index].mark.unwrap_or(Mark::of(&["empty"]));
                    content = Content::of(Cause::Input(self.all[index].name.clone()), mark.doubtful());
                }
                if changes.contains("exclude=") {
                    content.causes.iter_mut().for_each(|(_, mark)| *mark = mark.doubtful());
                }
                causes.extend(content.causes);
                self.origin(from)
            }
            None => {
                let cause = if instruction.keyword == "ADD" { Cause::Download } else { Cause::Context };
                if paths.len() > documents || documents == 0 {
                    causes.push((cause, Mark::unknown("context")));
                }
                Origin::Elsewhere
            }
        };
        let made = self.step(instruction, causes);
        let layer = if blind || parents {
            Layer::Made(made)
        } else {
            let into = to.ends_with('/') || to.ends_with('.') || paths.len() > 1;
            let to = absolute(&self.stage.directory, &to);
            let sources = paths.iter().map(|path| absolute("/", path)).collect();
            Layer::Copied { origin, sources, to, into, changes, made }
        };
        self.stage.layers.push(layer);
    }

    /// What is read at these paths of another stage or image.
    fn from(&mut self, from: &str, paths: &[String]) -> Content {
        match self.origin(from) {
            Origin::Stage(index) => {
                self.stage.needs.insert(index);
                let all = |path: &String| layers::content(self.recipe, self.all, index, &absolute("/", path));
                Content::together(paths.iter().map(all))
            }
            Origin::Image(mark) => {
                // A part of another image may be the same.
                let is_whole = paths.iter().any(|path| absolute("/", path) == "/");
                Content::of(Cause::Input(from.to_owned()), if is_whole { mark } else { mark.doubtful() })
            }
            Origin::Elsewhere => Content::of(Cause::Base(from.to_owned()), Mark::unknown(from)),
        }
    }

    fn origin(&self, from: &str) -> Origin {
        if let Some(Some(mark)) = self.recipe.contexts.get(&from.to_lowercase()) {
            return Origin::Image(*mark);
        }
        if let Some(index) = self.recipe.dockerfile.copied(from).filter(|index| *index < self.all.len()) {
            return Origin::Stage(index);
        }
        match self.recipe.bases.get(from) {
            Some(id) => Origin::Image(Mark::of(&["image", id])),
            None => Origin::Elsewhere,
        }
    }

    /// The lines of an instruction, and the values that it takes.
    fn written(&self, instruction: &Instruction, around: &str, used: &BTreeSet<String>) -> Vec<(Cause, Mark)> {
        let documents: String = instruction.documents.iter().map(|document| plain(&document.text)).collect();
        let flags = instruction.flags.join(" ");
        let lines = Mark::of(&[&instruction.keyword, &flags, &instruction.plain(), &documents, around]);
        let values = used.iter().map(|name| (Cause::Argument(name.clone()), value_of(&self.stage.variables, name)));
        [(Cause::Lines, lines)].into_iter().chain(values).collect()
    }

    fn step(&mut self, instruction: &Instruction, causes: Vec<(Cause, Mark)>) -> Mark {
        let start = self.stage.mark.unwrap_or(Mark::of(&["empty"]));
        let mark = causes.iter().fold(start, |mark, (_, one)| mark.and(*one));
        let text = format!("{} {}", instruction.keyword, instruction.plain());
        self.stage.mark = Some(mark);
        self.stage.steps.push(SimulatedStep { text, mark, causes });
        mark
    }
}

/// The mark of a variable with its value.
pub(super) fn value_of(values: &dyn Variables, name: &str) -> Mark {
    Mark::of(&[name, &values.get(name).unwrap_or_default()])
}
