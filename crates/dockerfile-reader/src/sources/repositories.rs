//! The repositories in the directories of a stage.

use std::collections::HashMap;

use crate::address::Reference;

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
    /// What names that a fetch made mean on the remote.
    pub(super) names: HashMap<String, Fetched>,
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

    /// The repository at a path, or else the one whose directory has its name.
    pub(super) fn at(&self, path: &str) -> Option<usize> {
        let last = path.rsplit('/').next().unwrap_or_default();
        self.by_name.get(path).or_else(|| self.by_name.get(last)).copied()
    }
}
