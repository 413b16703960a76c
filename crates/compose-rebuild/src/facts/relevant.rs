//! The newest commit of a branch that changed any of the files that matter.

use crate::error::{CONFIGURATION, Failure};
use crate::facts::history::{self, Relation};
use crate::facts::repository::{DEPTHS, Remote, Repository, TREES};
use crate::facts::source::{Idle, Resolved, Revision, Source, Wanted};
use crate::facts::workspace::Workspace;
use crate::sys::git;
use crate::ui::Ui;
use crate::value::{Commit, show};

/// A source with what is built of it: of a branch the newest commit that changed one of the source's paths.
///
/// # Errors
/// Exit code 2 when no file matches the paths, 3 when the remote does not serve the history.
pub fn resolved(ui: &Ui, workspace: &Workspace, source: Source, revision: Revision) -> anyhow::Result<Resolved> {
    let tip = match (&source.wanted, &revision) {
        (Wanted::Ref(_), Revision::Commit(tip)) if !source.paths.specs.is_empty() => tip.clone(),
        _ => return Ok(Resolved { source, revision, idle: None }),
    };
    let repository = Repository::open(TREES, Remote::new(ui, workspace, &source.repository), &tip)?;
    let Some(newest) = newest(ui, &repository, &source, &tip)? else {
        return Ok(Resolved { source, revision, idle: None });
    };
    let idle = match history::compare(&repository, &newest, &tip)? {
        Some(Relation::Behind { by: count @ 1.., missed: commits }) => Some(Idle { tip, count, commits }),
        _ => None,
    };
    Ok(Resolved { source, revision: Revision::Commit(newest), idle })
}

/// The newest commit that changed anything, or nothing when the remote does not let it be found.
fn newest(ui: &Ui, repository: &Repository<'_>, source: &Source, tip: &Commit) -> anyhow::Result<Option<Commit>> {
    let mut found = look(repository, source, tip)?;
    for depth in repository.depths() {
        if let Found::Commit(newest) = found {
            return Ok(Some(newest));
        }
        if !repository.fetch_trees(tip, depth?)? {
            ui.warning(&format!(
                "every push to {} counts: its server does not support filters, without which `paths` would need all \
                 files of all commits",
                source.repository
            ));
            return Ok(None);
        }
        found = look(repository, source, tip)?;
    }
    match found {
        Found::Commit(newest) => Ok(Some(newest)),
        Found::NoFile => {
            Err(Failure::usage(format!("`paths` of {} match no file of {}", show(&source.name), source.repository))
                .kept("nothing was changed")
                .hint(format!("correct them in {CONFIGURATION}; they are paths from the root of the repository"))
                .into())
        }
        Found::TooOld => {
            ui.warning(&format!(
                "the newest {} commits of {} change none of the `paths` of {}, so every commit counts",
                DEPTHS[1],
                source.repository,
                show(&source.name)
            ));
            Ok(None)
        }
    }
}

/// What the commits say that are here.
enum Found {
    /// The newest commit that changed something.
    Commit(Commit),
    /// None of them did, and what is before them is not here, or none is here at all.
    TooOld,
    /// There is no file that matters.
    NoFile,
}

fn look(repository: &Repository<'_>, source: &Source, tip: &Commit) -> anyhow::Result<Found> {
    let Some(line) = repository.ask(|path| git::newest_change(path, tip, &source.paths.specs))? else {
        return Ok(Found::TooOld);
    };
    match str::from_utf8(&line).unwrap_or_default().trim() {
        "" => Ok(Found::NoFile),
        // All files of the oldest commit that is here look as if it had added them.
        commit => match commit.parse()? {
            commit if repository.is_cut_at(&commit)? => Ok(Found::TooOld),
            commit => Ok(Found::Commit(commit)),
        },
    }
}
