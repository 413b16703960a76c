//! The steps of a build as BuildKit keys them, each with the mark of everything that it is made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::listing::{Instruction, Listing, Stage};
use crate::facts::trees::Tree;
use crate::plan::VersionFile;
use crate::plan::predict::cause::Cause;
use crate::plan::predict::checkout::{self, Effects};
use crate::plan::predict::layers::{Checkout, Content, Layer, Origin};
use crate::plan::predict::mark::Mark;
use crate::plan::predict::recipe;
use crate::plan::predict::values::{Values, absolute, expand, words};

/// How a service is built, and what is known of what goes in.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The stages.
    pub listing: &'a Listing,
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<&'a str>,
    /// Build arguments as they are passed.
    pub args: Values,
    /// What takes the place of stages and base images, by lower-case name; nothing for a kept image of the stage itself.
    pub contexts: BTreeMap<String, Option<Mark>>,
    /// The code that may be checked out.
    pub code: Vec<Code<'a>>,
    /// Base images of this machine by their names; missing where only a registry knows them.
    pub bases: &'a BTreeMap<String, String>,
    /// The file that holds the revision.
    pub version_file: Option<&'a VersionFile>,
}

/// Code of one revision.
#[derive(Clone, Debug)]
pub struct Code<'a> {
    /// What a build argument has in it that chooses this revision.
    pub pin: String,
    /// Its files.
    pub tree: &'a Tree,
}

/// A stage that takes part in a build.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// Its name, as BuildKit's progress has it.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The mark of its last step.
    pub mark: Option<Mark>,
    pub(super) layers: Vec<Layer>,
    /// The names of the stages that it needs.
    pub after: BTreeSet<String>,
    needs: BTreeSet<usize>,
    variables: Values,
    fixed: BTreeSet<String>,
    directory: String,
    settings: String,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The instruction as it is written.
    pub text: String,
    /// The mark of the step and everything before it.
    pub mark: Mark,
    /// What it is made from.
    pub causes: Vec<(Cause, Mark)>,
}

/// The stages that a recipe builds, by their numbers in the Dockerfile.
pub fn simulate(recipe: &Recipe<'_>) -> BTreeMap<usize, Simulated> {
    let stages = &recipe.listing.stages;
    let mut all: Vec<Simulated> = Vec::new();
    for stage in stages {
        let simulated = Builder { recipe, all: &all, stage: begin(recipe, &all, stage) }.run(stage);
        all.push(simulated);
    }
    let target =
        recipe.target.and_then(|name| find(stages, stages.len(), name)).unwrap_or(stages.len().saturating_sub(1));
    let (mut open, mut built) = (vec![target], BTreeMap::new());
    while let Some(index) = open.pop() {
        let Some(simulated) = all.get(index).filter(|_| !built.contains_key(&index)) else { continue };
        open.extend(simulated.needs.iter().filter(|need| !is_replaced(recipe, stages, **need)));
        let after = simulated.needs.iter().map(|need| all[*need].name.clone()).collect();
        built.insert(index, Simulated { after, ..simulated.clone() });
    }
    built
}

fn is_replaced(recipe: &Recipe<'_>, stages: &[Stage], index: usize) -> bool {
    stages[index].name.as_ref().is_some_and(|name| recipe.contexts.contains_key(name))
}

/// The stage above the one with this number that a name or a number means.
fn find(stages: &[Stage], below: usize, name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let named = stages[..below].iter().rposition(|stage| stage.name.as_deref() == Some(&lower));
    named.or_else(|| name.parse().ok().filter(|&index: &usize| index < below))
}

fn globals(recipe: &Recipe<'_>) -> Values {
    recipe::globals(recipe.listing, &recipe.args)
}

fn begin(recipe: &Recipe<'_>, all: &[Simulated], stage: &Stage) -> Simulated {
    let index = all.len();
    let name = stage.name.clone().unwrap_or_else(|| match recipe.listing.stages.len() {
        1 => String::new(),
        _ => format!("stage-{index}"),
    });
    let (base, used) = expand(&stage.base, &globals(recipe));
    if let Some(Some(mark)) = recipe.contexts.get(&base.to_lowercase()) {
        return Simulated::on(name, Cause::Input(base), *mark);
    }
    if let Some(parent) = find(&recipe.listing.stages, index, &base) {
        let below = all[parent].clone();
        let replaced = recipe.contexts.contains_key(&base.to_lowercase());
        let mark = below.mark.unwrap_or(Mark::of(&["empty"]));
        let step = Step { text: String::new(), mark, causes: vec![(Cause::Input(below.name.clone()), mark)] };
        let needs = if replaced { BTreeSet::new() } else { [parent].into() };
        return Simulated { name, steps: vec![step], needs, ..below };
    }
    if base == "scratch" {
        return Simulated { name, directory: "/".to_owned(), ..Simulated::default() };
    }
    let mark = match recipe.bases.get(&base) {
        _ if base.contains("@sha256:") => Mark::of(&["image", &base]),
        Some(id) => Mark::of(&["image", id]),
        None => Mark::unknown(&base),
    };
    let mut simulated = Simulated::on(name, Cause::Base(base), mark);
    let args = used.into_iter().map(|name| (Cause::Argument(name.clone()), value_of(&globals(recipe), &name)));
    simulated.steps[0].causes.extend(args);
    simulated
}

fn value_of(values: &Values, name: &str) -> Mark {
    Mark::of(&[name, values.get(name).map_or("", String::as_str)])
}

impl Simulated {
    /// A stage on an image.
    fn on(name: String, cause: Cause, mark: Mark) -> Self {
        let step = Step { text: String::new(), mark, causes: vec![(cause, mark)] };
        let layers = vec![Layer::Made(mark)];
        Self { name, mark: Some(mark), steps: vec![step], layers, directory: "/".to_owned(), ..Self::default() }
    }
}

struct Builder<'r, 'a> {
    recipe: &'r Recipe<'a>,
    all: &'r [Simulated],
    stage: Simulated,
}

impl Builder<'_, '_> {
    fn run(mut self, stage: &Stage) -> Simulated {
        for instruction in &stage.instructions {
            match instruction.keyword.as_str() {
                "ARG" => self.declare(instruction),
                "ENV" => self.set(instruction),
                "WORKDIR" => self.directory(instruction),
                "RUN" => self.command(instruction),
                "COPY" | "ADD" => self.copy(instruction),
                // They have no step, and are part of how later ones run.
                "USER" | "SHELL" => {
                    let text = expand(&instruction.plain(), &self.stage.variables).0;
                    self.stage.settings.push_str(&format!("{} {text}\n", instruction.keyword));
                }
                _ => {}
            }
        }
        self.stage
    }

    fn declare(&mut self, instruction: &Instruction) {
        let globals = globals(self.recipe);
        for one in instruction.declares() {
            let default = one.value.as_ref().map(|value| expand(value, &self.stage.variables).0);
            let inherited = || globals.get(&one.name).cloned().filter(|_| default.is_none());
            let value = self.recipe.args.get(&one.name).cloned().or_else(inherited).or_else(|| default.clone());
            // ENV comes before ARG.
            if !self.stage.fixed.contains(&one.name) {
                self.stage.variables.extend(value.map(|value| (one.name, value)));
            }
        }
    }

    fn set(&mut self, instruction: &Instruction) {
        // All values of one instruction are replaced with what was set before it.
        let before = self.stage.variables.clone();
        for one in instruction.declares() {
            let value = expand(&one.value.unwrap_or_default(), &before).0;
            self.stage.fixed.insert(one.name.clone());
            self.stage.variables.insert(one.name, value);
        }
    }

    fn directory(&mut self, instruction: &Instruction) {
        let (path, used) = expand(instruction.plain().trim(), &self.stage.variables);
        self.stage.directory = absolute(&self.stage.directory, &path);
        let causes = self.written(instruction, "", &used);
        self.step(instruction, causes);
    }

    fn command(&mut self, instruction: &Instruction) {
        let all = self.stage.variables.keys().cloned().collect();
        let mut causes = self.written(instruction, &format!("{}{}", self.stage.settings, self.stage.directory), &all);
        for flag in instruction.flags.iter().filter_map(|flag| flag.strip_prefix("mount=")) {
            let option = |name: &str| flag.split(',').find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
            let path = option("source").or(option("src")).unwrap_or("/");
            match (option("from"), option("type").unwrap_or("bind")) {
                (Some(from), "bind") => causes.extend(self.from(from, &[path.to_owned()]).causes),
                (None, "bind") => causes.push((Cause::Context, Mark::unknown("context"))),
                _ => {}
            }
        }
        let mark = self.step(instruction, causes);
        let commands = instruction.commands(None);
        let code: Vec<usize> = self.checked_out(&commands);
        let below = match self.stage.layers.last() {
            Some(Layer::Checkout(checkout)) => Some(checkout.clone()),
            _ => None,
        };
        let mut checkout = match below {
            Some(below) => Checkout { made: mark, ..below },
            None if code.is_empty() => return self.stage.layers.push(Layer::Made(mark)),
            None => Checkout { code, effects: Effects::default(), made: mark },
        };
        checkout.effects.add(instruction, &commands, &self.stage.directory);
        self.stage.layers.push(Layer::Checkout(checkout));
    }

    /// The code that commands check out, where an argument chooses the revision.
    fn checked_out(&self, commands: &[crate::dockerfile::shell::Command]) -> Vec<usize> {
        let is_pinned = |code: &Code<'_>| self.stage.variables.values().any(|value| value.contains(&code.pin));
        let code = self.recipe.code.iter().enumerate().filter(|(_, code)| is_pinned(code));
        code.map(|(index, _)| index).filter(|_| checkout::uses_git(commands)).collect()
    }

    fn copy(&mut self, instruction: &Instruction) {
        let from = instruction.flag("from");
        let (text, mut used) = expand(&instruction.plain(), &self.stage.variables);
        let mut paths = words(&text);
        let to = paths.pop().unwrap_or_default();
        for flag in &instruction.flags {
            used.extend(expand(flag, &self.stage.variables).1);
        }
        let mut causes = self.written(instruction, &self.stage.directory.clone(), &used);
        let documents = instruction.documents.len();
        let origin = match from {
            Some(from) => {
                let mut content = self.from(from, &paths);
                if instruction.flags.iter().any(|flag| flag.starts_with("exclude=")) {
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
        let into = to.ends_with('/') || to.ends_with('.') || paths.len() > 1;
        let to = absolute(&self.stage.directory, &to);
        let sources = paths.iter().map(|path| absolute("/", path)).collect();
        self.stage.layers.push(Layer::Copied { origin, sources, to, into, made });
    }

    /// What is read at these paths of another stage or image.
    fn from(&mut self, from: &str, paths: &[String]) -> Content {
        match self.origin(from) {
            Origin::Stage(index) => {
                self.stage.needs.insert(index);
                let all = |path: &String| super::layers::content(self.recipe, self.all, index, &absolute("/", path));
                Content::together(paths.iter().map(all))
            }
            Origin::Image(mark) => Content::of(Cause::Input(from.to_owned()), mark),
            Origin::Elsewhere => Content::of(Cause::Base(from.to_owned()), Mark::unknown(from)),
        }
    }

    fn origin(&self, from: &str) -> Origin {
        if let Some(Some(mark)) = self.recipe.contexts.get(&from.to_lowercase()) {
            return Origin::Image(*mark);
        }
        if let Some(index) = find(&self.recipe.listing.stages, self.all.len(), from) {
            return Origin::Stage(index);
        }
        match self.recipe.bases.get(from) {
            Some(id) => Origin::Image(Mark::of(&["image", id])),
            None => Origin::Elsewhere,
        }
    }

    /// The lines of an instruction, and the values that it takes.
    fn written(&self, instruction: &Instruction, around: &str, used: &BTreeSet<String>) -> Vec<(Cause, Mark)> {
        let documents: String = instruction.documents.iter().flatten().map(|(c, _)| c).collect();
        let flags = instruction.flags.join(" ");
        let lines = Mark::of(&[&instruction.keyword, &flags, &instruction.plain(), &documents, around]);
        let values = used.iter().map(|name| (Cause::Argument(name.clone()), value_of(&self.stage.variables, name)));
        [(Cause::Lines, lines)].into_iter().chain(values).collect()
    }

    fn step(&mut self, instruction: &Instruction, causes: Vec<(Cause, Mark)>) -> Mark {
        let start = self.stage.mark.unwrap_or(Mark::of(&["empty"]));
        let mark = causes.iter().fold(start, |mark, (_, one)| mark.and(*one));
        let text = [&instruction.keyword, instruction.plain().trim()].map(str::to_owned).join(" ");
        self.stage.mark = Some(mark);
        self.stage.steps.push(Step { text, mark, causes });
        mark
    }
}
