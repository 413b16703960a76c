//! Gathering everything that a run has to know.

use std::thread;

use camino::Utf8Path;

use crate::facts::bases::{self, Digests};
use crate::facts::compose;
use crate::facts::early::{Asked, Questions};
use crate::facts::image::{Images, Store};
use crate::facts::source::{Resolved, Revision, Source, Wanted};
use crate::facts::workspace::{self, Workspace};
use crate::facts::{Facts, images, leaving, local, registry, relevant, remotes, sources};
use crate::project::{Built, Project, key};
use crate::sys::compose_files::Selection;
use crate::sys::files;
use crate::sys::threads::{at_once, both, join};
use crate::ui::Ui;
use crate::value::time::Timestamp;
use crate::value::{GitUrl, ImageRef};

/// Facts that need neither a remote nor the engine; a service that was named has to be among them.
pub fn read_project(ui: &Ui, selection: Selection<'_>) -> anyhow::Result<(Workspace, Project)> {
    let (workspace, project) = both(|| workspace::read(ui, selection.directory()), || compose::read(ui, selection));
    let (workspace, project) = (workspace?, project?);
    if let Some(unknown) = selection.services.iter().find(|service| !project.services.contains_key(*service)) {
        return Err(sources::unknown_service(unknown, &project).into());
    }
    Ok((workspace.configured(&project.extension)?, project))
}

/// Gathers everything; what does not depend on each other at the same time. `local` takes the place of the only source;
/// with `pull`, which is the time of the run, registries are asked for base images.
pub fn facts(
    ui: &Ui,
    selection: Selection<'_>,
    local: Option<&Utf8Path>,
    store: Store,
    pull: Option<Timestamp>,
) -> anyhow::Result<Facts> {
    let last = local.map_or_else(|| Questions::of_last_run(selection, store), |_| None);
    let last = last.unwrap_or_else(|| Questions { store, ..Questions::default() });
    thread::scope(|scope| {
        let mut asked = Asked::new(scope, ui, &last);
        let (mut workspace, project) = read_project(ui, selection)?;
        // A tag stays one; of everything else that only remotes can say, the answers of this moment count.
        let mut meanings = last.meant(|full| full.starts_with("refs/tags/"));
        let (mut sources, mut found) = sources::derive(&project, &workspace.config, &meanings)?;
        workspace.access.token_host = sources::token_host(&sources);
        if !found.open.is_empty() && local.is_none() {
            let access = &workspace.access;
            meanings
                .extend(remotes::meanings(ui, &found.open, access, |url, git_ref| asked.early(url, git_ref, access)));
            (sources, found) = sources::derive(&project, &workspace.config, &meanings)?;
            // What HEAD is says whether the image is watched: without an answer nothing is.
            if let Some((url, git_ref)) = found.open.iter().find(|(_, name)| name == "HEAD") {
                remotes::resolve(ui, &GitUrl::parse(url, &access.transports)?, &git_ref.parse()?, access)?;
            }
        }
        let mut wanted = key::images_of(&project)?;
        match store {
            // Base images that are on this machine may change here; those of a registry are only asked for on request.
            Store::Engine => {
                wanted.extend(project.services.values().flat_map(Built::images));
                wanted.extend(key::marks(&project)?);
            }
            Store::Registry => registry::check(&wanted)?,
        }
        wanted.sort();
        wanted.dedup();
        let images = asked.images(&wanted);
        let bases = pull.map(|now| bases::ask(ui, &project, selection, now)).transpose()?.unwrap_or_default();
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
                    let answer = asked.commit(&source.repository, git_ref, &workspace.access);
                    Box::new(move || join(answer).map(Revision::Commit))
                }
            });
        }
        let revisions = pending.into_iter().map(|answer| answer()).collect::<anyhow::Result<Vec<_>>>()?;
        let mut images = join(images)?;
        let only_here = match store {
            Store::Engine => {
                images::disown(ui, &project, &mut images)?;
                Vec::new()
            }
            Store::Registry => add_kept(ui, &project, &mut images)?,
        };
        let moving = meanings.iter().filter(|(_, full)| !full.starts_with("refs/tags/")).map(|(question, _)| question);
        let questions = Questions {
            remotes: sources.iter().filter_map(question).chain(moving.chain(&found.open).cloned()).collect(),
            meanings: meanings.iter().map(|((url, name), full)| (url.clone(), name.clone(), full.clone())).collect(),
            images: wanted.iter().map(ToString::to_string).collect(),
            services: project.services.keys().map(ToString::to_string).collect(),
            store,
        };
        if last != questions {
            files::remember("questions", selection.files, &questions);
        }
        let resolved = sources.into_iter().zip(revisions);
        let resolved = resolved.map(|(source, revision)| relevant::resolved(ui, &workspace, source, revision));
        let sources = resolved.collect::<anyhow::Result<Vec<_>>>()?;
        let leaving = leaving::read(selection.files);
        Ok(Facts { sources, workspace, project, found, images, bases, leaving, only_here })
    })
}

/// Gathers what can be known without any remote: the sources have no revisions, and so are not among the facts.
pub fn offline(ui: &Ui, selection: Selection<'_>, store: Store) -> anyhow::Result<(Facts, Vec<Source>)> {
    let last = Questions::of_last_run(selection, store).unwrap_or_default();
    let (workspace, project) = read_project(ui, selection)?;
    let (sources, found) = sources::derive(&project, &workspace.config, &last.meant(|_| true))?;
    let mut images = store.inspect(ui, &key::images_of(&project)?)?;
    if store == Store::Engine {
        images::disown(ui, &project, &mut images)?;
    }
    Ok((
        Facts {
            workspace,
            project,
            sources: Vec::new(),
            found,
            images,
            bases: Digests::new(),
            leaving: leaving::read(selection.files),
            only_here: Vec::new(),
        },
        sources,
    ))
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
pub fn resolve_again(ui: &Ui, facts: &Facts) -> anyhow::Result<Vec<Resolved>> {
    let access = &facts.workspace.access;
    let again = |resolved: &Resolved| match &resolved.source.wanted {
        Wanted::Ref(git_ref) => {
            remotes::resolve(ui, &resolved.source.repository, git_ref, access).map(Revision::Commit)
        }
        Wanted::Commit(_) => Ok(resolved.revision.clone()),
    };
    // One repository for each remote: two processes must not fetch into it at once.
    let revisions = at_once(&facts.sources, again).into_iter().zip(&facts.sources);
    revisions.map(|(now, one)| relevant::resolved(ui, &facts.workspace, one.source.clone(), now?)).collect()
}

fn question(source: &Source) -> Option<(String, String)> {
    match &source.wanted {
        Wanted::Ref(git_ref) => Some((source.repository.to_string(), git_ref.to_string())),
        Wanted::Commit(_) => None,
    }
}
