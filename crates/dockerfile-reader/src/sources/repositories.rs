//! The repositories in the directories of a stage.

use std::collections::HashMap;

use super::fetch::Cover;
use crate::address::Reference;

/// How far below its root a directory of a repository is looked for.
const DEEPEST: usize = 8;

/// The repositories in the directories of a stage.
#[derive(Debug, Default)]
pub(super) struct Repositories {
    pub(super) all: Vec<Repository>,
    /// By path, and by the last part of it.
    pub(super) by_name: HashMap<String, usize>,
}

/// A repository in a directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Repository {
    pub(super) remotes: HashMap<String, String>,
    /// What was fetched into it, among everything that was found.
    pub(super) found: Option<usize>,
    /// Where new commits were fetched that nothing has checked out yet.
    pub(super) fetched: Option<Refresh>,
    /// What names that a fetch made mean on the remote.
    pub(super) names: HashMap<String, Fetched>,
}

/// Where and how new commits came into a repository.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pub(super) line: usize,
    pub(super) written: (usize, usize),
    pub(super) cover: Cover,
    /// How many of the addresses that the stage is told stand above.
    pub(super) told: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) reference: Reference,
    pub(super) commit_arg: Option<String>,
}

impl Repositories {
    pub(super) fn insert(&mut self, path: String, repository: Repository) {
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.by_name.insert(last, self.all.len());
        self.by_name.insert(path, self.all.len());
        self.all.push(repository);
    }

    /// Gives a repository another directory.
    pub(super) fn alias(&mut self, path: String, at: usize) {
        self.by_name.insert(path, at);
    }

    /// The repository at a path or around it, or else the one whose directory has its name.
    pub(super) fn at(&self, path: &str) -> Option<usize> {
        let around = path.rmatch_indices('/').take(DEEPEST).map(|(at, _)| &path[..at]).filter(|path| !path.is_empty());
        let exact = [path].into_iter().chain(around).find_map(|path| self.by_name.get(path));
        let last = path.rsplit('/').next().unwrap_or_default();
        exact.or_else(|| self.by_name.get(last)).copied()
    }
}
