//! One pass over all stages, as far as it was read.

use std::collections::HashSet;

use super::bust::Live;
use super::fetch::{Cover, Fetch};
use super::repositories::Repositories;
use super::told;
use crate::address::Reference;
use crate::shell::{Variables, Word, names_commit};
use crate::values::Values;

/// What was read of all stages, and what was found.
pub(super) struct Walk {
    pub(super) values: Values,
    pub(super) found: Vec<Fetch>,
    /// How many of the addresses that its stage is told stand above each thing that was found.
    pub(super) told: Vec<usize>,
    pub(super) stages: Vec<Place>,
}

/// A stage as far as it was read.
#[derive(Default)]
pub(super) struct Place {
    pub(super) parent: Option<usize>,
    /// The arguments above that make its steps run again.
    pub(super) live: Live,
    /// Addresses whose content, which BuildKit looks at for every build, tells the commit of a branch.
    pub(super) told: Vec<String>,
    /// The stage in which the instruction that is read now is written, and its position there.
    pub(super) written: (usize, usize),
    pub(super) workdir: String,
    /// Where the script that is read now has gone, and where it was before.
    pub(super) directory: String,
    pub(super) before: String,
    /// The subshells that are open, each with the directory around it.
    pub(super) subshells: Vec<(usize, String)>,
    /// Directories that a cache mount keeps for later runs of the script that is read now.
    pub(super) kept: Vec<String>,
    pub(super) repositories: Repositories,
}

impl Walk {
    pub(super) fn begin(&mut self, parent: Option<usize>) {
        self.values.begin_stage(parent.map(|parent| parent + 1), false);
        let above = parent.and_then(|parent| self.stages.get(parent));
        let live = above.map_or(Live::default(), |above| above.live.clone());
        let told = above.map_or(Vec::new(), |above| above.told.clone());
        let workdir = above.map_or("/".to_owned(), |above| above.workdir.clone());
        let written = (self.stages.len(), 0);
        self.stages.push(Place { parent, live, told, written, workdir, ..Place::default() });
    }

    pub(super) fn place(&mut self) -> &mut Place {
        self.stages.last_mut().expect("a stage was begun")
    }

    /// Goes back to where the shell is that runs a command: a subshell goes elsewhere alone.
    pub(super) fn enter(&mut self, subshells: &[usize]) {
        let place = self.place();
        let common = place.subshells.iter().zip(subshells).take_while(|((open, _), wanted)| open == *wanted).count();
        if let Some((_, around)) = place.subshells.drain(common..).next() {
            place.directory = around;
        }
        for &subshell in &subshells[common..] {
            place.subshells.push((subshell, place.directory.clone()));
        }
    }

    /// Adds code that was found, and says where it is among all.
    pub(super) fn found(
        &mut self,
        line: usize,
        repository: String,
        reference: Reference,
        commit_arg: Option<String>,
    ) -> usize {
        let runs_in = self.stages.len() - 1;
        let Place { written: (stage, instruction), live, told, .. } = self.place();
        let (stage, instruction, cover, told) = (*stage, *instruction, live.cover(), told.len());
        self.told.push(told);
        self.found.push(Fetch { stage, instruction, runs_in, line, repository, reference, cover, commit_arg });
        self.found.len() - 1
    }

    /// What was found in the end: what covers code depends on what is checked out last.
    pub(super) fn end(mut self) -> Vec<Fetch> {
        for (fetch, told) in self.found.iter_mut().zip(self.told).filter(|(fetch, _)| fetch.cover == Cover::Nothing) {
            fetch.cover = told::cover(&self.stages[fetch.runs_in].told[..told], &fetch.repository, &fetch.reference);
        }
        // What a loop tries more than once is one thing.
        let mut seen = HashSet::new();
        self.found.retain(|fetch| seen.insert(fetch.clone()));
        self.found
    }

    /// The variable in the place of a reference that takes a commit, when it has no value.
    pub(super) fn commit_arg(&self, word: &Word) -> Option<String> {
        self.empty(word).filter(|name| names_commit(name)).cloned()
    }

    /// The first variable of a word that has an empty value.
    pub(super) fn empty<'a>(&self, word: &'a Word) -> Option<&'a String> {
        word.expands.iter().find(|name| self.values.get(name).is_some_and(|value| value.is_empty()))
    }
}
