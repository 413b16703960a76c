//! One pass over all stages, as far as it was read.

use super::fetch::{Cover, Fetch, tells_about};
use super::repositories::Repositories;
use crate::address::Reference;
use crate::shell::{Variables, Word};
use crate::values::Values;

/// What was read of all stages, and what was found.
pub(super) struct Walk {
    pub(super) values: Values,
    pub(super) found: Vec<Fetch>,
    pub(super) stages: Vec<Place>,
}

/// A stage as far as it was read.
pub(super) struct Place {
    pub(super) parent: Option<usize>,
    pub(super) cover: Cover,
    /// Addresses whose content, which BuildKit looks at for every build, tells the commit of a branch.
    pub(super) told: Vec<String>,
    pub(super) instruction: usize,
    pub(super) workdir: String,
    /// Where the script that is read now has gone.
    pub(super) directory: String,
    pub(super) repositories: Repositories,
}

impl Walk {
    pub(super) fn begin(&mut self, parent: Option<usize>) {
        self.values.begin_stage(parent.map(|parent| parent + 1));
        let above = parent.and_then(|parent| self.stages.get(parent));
        let cover = above.map_or(Cover::Nothing, |above| above.cover.clone());
        let told = above.map_or(Vec::new(), |above| above.told.clone());
        let workdir = above.map_or("/".to_owned(), |above| above.workdir.clone());
        let (directory, repositories) = (String::new(), Repositories::default());
        self.stages.push(Place { parent, cover, told, instruction: 0, workdir, directory, repositories });
    }

    pub(super) fn place(&mut self) -> &mut Place {
        self.stages.last_mut().expect("a stage was begun")
    }

    /// Adds code that was found, and says where it is among all.
    pub(super) fn found(
        &mut self,
        line: usize,
        repository: String,
        reference: Reference,
        commit_arg: Option<String>,
    ) -> usize {
        let stage = self.stages.len() - 1;
        let Place { instruction, cover, told, .. } = self.place();
        let is_told =
            *cover == Cover::Nothing && told.iter().any(|address| tells_about(address, &repository, &reference));
        let (instruction, cover) = (*instruction, if is_told { Cover::Builder } else { cover.clone() });
        self.found.push(Fetch { stage, instruction, line, repository, reference, cover, commit_arg });
        self.found.len() - 1
    }

    /// The variable in the place of a reference that takes a commit, when it has no value.
    pub(super) fn commit_arg(&self, word: &Word) -> Option<String> {
        let speaks =
            |name: &&String| ["COMMIT", "SHA", "REV"].iter().any(|part| name.to_ascii_uppercase().contains(part));
        let is_empty = |name: &&String| self.values.get(name).is_some_and(|value| value.is_empty());
        word.expands.iter().filter(speaks).find(is_empty).cloned()
    }
}
