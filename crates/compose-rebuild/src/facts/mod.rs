//! Gathering what is true now; everything after this is decided from these values.

pub mod builder;
pub mod cache;
pub mod checkout;
pub mod compose;
pub mod containers;
pub mod early;
mod extensions;
pub mod found;
pub mod history;
pub mod images;
pub mod local;
pub mod registry;
pub mod remotes;
pub mod repository;
pub mod sources;
pub mod store;
pub mod trees;
pub mod versions;
pub mod workspace;

use std::fmt;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::key;
use crate::sys::threads::{at_once, both, join};
use crate::ui::Ui;
use crate::value::{Commit, ImageRef, Service};
use compose::Project;
use early::{Asked, Questions};
use found::Found;
use images::{Images, Store};
use local::Local;
use sources::{Source, Wanted};
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
    /// What the Dockerfiles say beside that.
    pub found: Found,
    /// The images of the services and the kept ones, as far as they exist.
    pub images: Images,
    /// The kept images among these that only the engine has, although the registry was asked.
    pub only_here: Vec<ImageRef>,
}

impl Facts {
    /// The sources of a service.
    pub fn sources_of(&self, service: &Service) -> impl Iterator<Item = &Resolved> {
        self.sources.iter().filter(move |resolved| resolved.source.services.contains(service))
    }

    /// Those of them that its Dockerfile takes as they are at the time of the build: it does not take the commit.
    pub fn unpinned(&self, service: &Service) -> impl Iterator<Item = &Resolved> {
        let built = &self.project.services[service];
        self.sources_of(service).filter(|Resolved { source, .. }| {
            let takes_commit = source.commit_arg.as_ref().is_some_and(|name| built.takes(name.as_str()));
            matches!(source.wanted, Wanted::Ref(_)) && !takes_commit
        })
    }
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
    Local(Local),
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => commit.fmt(f),
            Self::Local(local) => write!(f, "local-{}", local.digest),
        }
    }
}

/// Facts that need neither a remote nor the engine.
///
/// # Errors
/// Those of the two readers.
pub fn read_project(ui: &Ui, files: &[Utf8PathBuf]) -> anyhow::Result<(Workspace, Project)> {
    let directory = files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."));
    let (workspace, project) = both(|| workspace::read(ui, directory), || compose::read(ui, files));
    Ok((workspace?, project?))
}

/// Gathers everything; what does not depend on each other at the same time. `local` takes the place of the only source.
///
/// # Errors
/// Those of the readers, the first in the order of the data flow.
pub fn gather(ui: &Ui, files: &[Utf8PathBuf], local: Option<&Utf8Path>, store: Store) -> anyhow::Result<Facts> {
    let last = local.map_or_else(|| Questions::of_last_run(files, store), |_| None);
    let last = last.unwrap_or_else(|| Questions { store, ..Questions::default() });
    thread::scope(|scope| {
        let mut asked = Asked::new(scope, ui, &last);
        let (workspace, project) = read_project(ui, files)?;
        let (sources, found) = sources::derive(&project, &workspace.config)?;
        let wanted = key::images_of(&project)?;
        if store == Store::Registry {
            registry::check(&wanted)?;
        }
        let images = asked.images(&wanted);
        if let Some(path) = local {
            local::check(path, &sources)?;
        }
        // Every remote is asked before any answer is waited for.
        let mut pending: Vec<Box<dyn FnOnce() -> anyhow::Result<Revision> + '_>> = Vec::new();
        for source in &sources {
            pending.push(match (&source.wanted, local) {
                (_, Some(path)) => Box::new(move || local::read(ui, path).map(Revision::Local)),
                (Wanted::Commit(commit), None) => Box::new(|| Ok(Revision::Commit(commit.clone()))),
                (Wanted::Ref(git_ref), None) => {
                    let answer = asked.commit(&source.repository, git_ref, &workspace.config.transports);
                    Box::new(move || join(answer).map(Revision::Commit))
                }
            });
        }
        let revisions = pending.into_iter().map(|answer| answer()).collect::<anyhow::Result<Vec<_>>>()?;
        let mut images = join(images)?;
        let only_here = match store {
            Store::Engine => Vec::new(),
            Store::Registry => add_kept(ui, &project, &mut images)?,
        };
        let questions =
            Questions { remotes: sources.iter().filter_map(question).collect(), images: names(&wanted), store };
        if last != questions {
            questions.remember(files);
        }
        let resolved = sources.into_iter().zip(revisions).map(|(source, revision)| Resolved { source, revision });
        Ok(Facts { sources: resolved.collect(), workspace, project, found, images, only_here })
    })
}

/// Adds the kept images that the registry lacks and the engine has, and returns their names.
fn add_kept(ui: &Ui, project: &Project, images: &mut Images) -> anyhow::Result<Vec<ImageRef>> {
    let mut lacking = key::kept_images(project)?;
    lacking.retain(|name| !images.contains_key(name));
    let here = images::inspect(ui, &lacking)?;
    let names = here.keys().cloned().collect();
    images.extend(here);
    Ok(names)
}

/// What the sources are a moment later.
///
/// # Errors
/// Exit code 3 when a remote does not answer.
pub fn resolve_again(ui: &Ui, facts: &Facts) -> anyhow::Result<Vec<Resolved>> {
    let transports = &facts.workspace.config.transports;
    let again = |resolved: &Resolved| {
        let revision = match &resolved.source.wanted {
            Wanted::Ref(git_ref) => {
                Revision::Commit(remotes::resolve(ui, &resolved.source.repository, git_ref, transports)?)
            }
            Wanted::Commit(_) => resolved.revision.clone(),
        };
        Ok(Resolved { source: resolved.source.clone(), revision })
    };
    at_once(&facts.sources, again).into_iter().collect()
}

fn question(source: &Source) -> Option<(String, String)> {
    match &source.wanted {
        Wanted::Ref(git_ref) => Some((source.repository.to_string(), git_ref.to_string())),
        Wanted::Commit(_) => None,
    }
}

fn names(images: &[ImageRef]) -> Vec<String> {
    images.iter().map(ToString::to_string).collect()
}
