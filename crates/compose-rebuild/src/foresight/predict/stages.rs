//! The steps of a build as BuildKit keys them, each with the mark of everything that it is made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::tree::Tree;
use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::instructions::Reader;
use crate::foresight::predict::layers::Layer;
use crate::foresight::predict::mark::Mark;
use crate::foresight::predict::recipe;
use crate::plan::VersionFile;
use dockerfile_reader::shell::{Variables, Word};
use dockerfile_reader::{Dockerfile, Globals, Instruction, Stage};

/// How a service is built, and what is known of what goes in.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The stages.
    pub dockerfile: &'a Dockerfile,
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<&'a str>,
    /// What else every `RUN` is run with: hosts, network, limits.
    pub settings: String,
    /// Build arguments as they are passed.
    pub args: BTreeMap<String, String>,
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
    /// Whether the compose file wants it built without the cache.
    pub uncached: bool,
    pub(super) layers: Vec<Layer>,
    /// The names of the stages that it needs.
    pub after: BTreeSet<String>,
    pub(super) needs: BTreeSet<usize>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) directory: String,
    pub(super) user: String,
    pub(super) shell: String,
    /// What `ONBUILD` leaves for a stage on top of it.
    pub(super) triggers: Vec<Instruction>,
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
    let stages = &recipe.dockerfile.stages;
    let globals = recipe.dockerfile.globals(&recipe.args);
    let mut all: Vec<Simulated> = Vec::new();
    for (stage, parent) in stages.iter().zip(recipe.dockerfile.parents(&globals)) {
        let begun = begin(recipe, &all, stage, parent, &globals);
        let simulated = Reader { recipe, globals: &globals, all: &all, stage: begun }.read(stage);
        all.push(simulated);
    }
    let target = recipe.target.and_then(|name| recipe.dockerfile.find(name)).unwrap_or(stages.len().saturating_sub(1));
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

fn begin(recipe: &Recipe<'_>, all: &[Simulated], stage: &Stage, parent: Option<usize>, globals: &Globals) -> Simulated {
    let index = all.len();
    let name = stage.name.clone().unwrap_or_else(|| match recipe.dockerfile.stages.len() {
        1 => String::new(),
        _ => format!("stage-{index}"),
    });
    let Word { text: base, expands: used, .. } = stage.from.expand(&stage.base, globals);
    if let Some(Some(mark)) = recipe.contexts.get(&base.to_lowercase()) {
        return Simulated::on(name, Cause::Input(base), *mark);
    }
    if let Some(parent) = parent {
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
    let mark = recipe::image(recipe.bases, &base);
    let mut simulated = Simulated::on(name, Cause::Base(base), mark);
    let args = used.into_iter().map(|name| (Cause::Argument(name.clone()), value_of(globals, &name)));
    simulated.steps[0].causes.extend(args);
    simulated
}

pub(super) fn value_of(values: &dyn Variables, name: &str) -> Mark {
    Mark::of(&[name, &values.get(name).unwrap_or_default()])
}

impl Simulated {
    /// A stage on an image.
    fn on(name: String, cause: Cause, mark: Mark) -> Self {
        let step = Step { text: String::new(), mark, causes: vec![(cause, mark)] };
        let layers = vec![Layer::Made(mark)];
        Self { name, mark: Some(mark), steps: vec![step], layers, directory: "/".to_owned(), ..Self::default() }
    }
}
