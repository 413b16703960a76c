//! The steps of a build as BuildKit keys them, each with the mark of everything that it is made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::instructions::{Reader, value_of};
use crate::foresight::predict::mark::{Mark, image};
use crate::foresight::predict::model::{Recipe, Simulated, SimulatedStep};
use dockerfile_reader::shell::Word;
use dockerfile_reader::{Globals, Stage};

/// The stages that a recipe builds, by their numbers in the Dockerfile.
pub(super) fn simulate(recipe: &Recipe<'_>) -> BTreeMap<usize, Simulated> {
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
        let step = SimulatedStep { text: String::new(), mark, causes: vec![(Cause::Input(below.name.clone()), mark)] };
        let needs = if replaced { BTreeSet::new() } else { [parent].into() };
        return Simulated { name, steps: vec![step], needs, ..below };
    }
    if base == "scratch" {
        return Simulated { name, directory: "/".to_owned(), ..Simulated::default() };
    }
    let mark = image(recipe.bases, &base);
    let mut simulated = Simulated::on(name, Cause::Base(base), mark);
    let args = used.into_iter().map(|name| (Cause::Argument(name.clone()), value_of(globals, &name)));
    simulated.steps[0].causes.extend(args);
    simulated
}
