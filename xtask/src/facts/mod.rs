//! Gathering what is true now; everything after this is decided from these values.

pub mod compose;
pub mod images;
pub mod local;
pub mod remotes;
pub mod sources;
pub mod workspace;

use std::collections::BTreeMap;
use std::fmt;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::key;
use crate::ui::Ui;
use crate::value::{Commit, ImageRef};
use compose::Project;
use images::Image;
use local::Tree;
use sources::Source;
use workspace::Workspace;

/// All facts of one run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Versions and configuration.
    pub workspace: Workspace,
    /// What Compose builds.
    pub project: Project,
    /// What the images are made from, each with what it is right now.
    pub sources: Vec<Resolved>,
    /// The images of the services and the kept ones, as far as they exist.
    pub images: BTreeMap<ImageRef, Image>,
}

/// A source and what it is right now.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The source.
    pub source: Source,
    /// What it is now.
    pub revision: Revision,
}

/// What is built of a source.
#[derive(Clone, Debug)]
pub enum Revision {
    /// A commit of the remote.
    Commit(Commit),
    /// A directory of this machine.
    Local(Tree),
}

impl Revision {
    /// The part that goes into a bust value.
    pub fn short(&self) -> String {
        match self {
            Self::Commit(commit) => commit.short().to_owned(),
            Self::Local(tree) => format!("local-{}", tree.digest),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => commit.fmt(f),
            Self::Local(tree) => write!(f, "local-{}", tree.digest),
        }
    }
}

/// Facts that need neither a remote nor the engine.
///
/// # Errors
/// Those of the two readers.
pub fn read_project(ui: &Ui, files: &[Utf8PathBuf]) -> anyhow::Result<(Workspace, Project)> {
    let directory = files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."));
    thread::scope(|scope| {
        let workspace = scope.spawn(|| workspace::read(ui, directory));
        let project = compose::read(ui, files);
        Ok((join(workspace)?, project?))
    })
}

/// Gathers everything; what does not depend on each other at the same time. `local` takes the place of the only source.
///
/// # Errors
/// Those of the readers, the first in the order of the data flow.
pub fn gather(ui: &Ui, files: &[Utf8PathBuf], local: Option<&Utf8Path>) -> anyhow::Result<Facts> {
    let (workspace, project) = read_project(ui, files)?;
    let sources = sources::derive(&project, &workspace.config)?;
    if let Some(path) = local {
        local::check(path, &sources)?;
    }
    let transports = &workspace.config.transports;
    let revision = |source: &Source| match local {
        Some(path) => local::read(ui, path).map(Revision::Local),
        None => remotes::resolve(ui, source, transports).map(Revision::Commit),
    };
    let (revisions, images) = thread::scope(|scope| {
        let revisions: Vec<_> = sources.iter().map(|source| scope.spawn(|| revision(source))).collect();
        let images = key::images_of(&project).map_err(Into::into);
        let images = images.and_then(|wanted| images::inspect(ui, &wanted));
        let revisions = revisions.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::Ok((revisions, images?))
    })?;
    let resolved = sources.into_iter().zip(revisions).map(|(source, revision)| Resolved { source, revision });
    Ok(Facts { workspace, project, sources: resolved.collect(), images })
}

/// The result of a thread; a panic goes on in this one.
pub fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
