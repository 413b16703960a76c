//! What is known of the builder's cache: its records now, and the record of what earlier builds were made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;

use crate::facts::repository::Remote;
use crate::facts::source::{Resolved, Revision};
use crate::facts::{Facts, images, trees};
use crate::foresight::predict::recipe::{self, Known};
use crate::foresight::predict::record::{Cache, Record};
use crate::plan::Plan;
use crate::settings::Settings;
use crate::sys::threads::{at_once, both};
use crate::sys::{docker, files};
use crate::ui::Ui;

/// How long the builder may take to list its records.
const DEADLINE: Duration = Duration::from_secs(20);

/// Trees and base images, as far as they could be found out: nothing here is needed for a build.
pub(super) fn known<'a>(ui: &Ui, facts: &'a Facts, plan: &'a Plan) -> Known<'a> {
    let tree = |Resolved { source, revision, .. }: &Resolved| {
        let remote = Remote::new(ui, &facts.workspace, &source.repository);
        let tree = match revision {
            Revision::Commit(commit) => trees::of_commit(remote, commit, false).ok()?,
            Revision::Local(local) => local.tree.clone(),
        };
        Some((revision.to_string(), tree))
    };
    let (bases, trees) = both(|| bases(ui, facts, plan), || at_once(&facts.sources, tree));
    Known { facts, plan, trees: trees.into_iter().flatten().collect(), bases }
}

/// The IDs of the base images that are on this machine.
fn bases(ui: &Ui, facts: &Facts, plan: &Plan) -> BTreeMap<String, String> {
    if plan.pull {
        return BTreeMap::new();
    }
    let names = recipe::bases(facts, plan);
    let wanted: Vec<_> = names.iter().filter_map(|name| Some((name, name.parse().ok()?))).collect();
    let refs: Vec<_> = wanted.iter().map(|(_, image)| image).cloned().collect();
    let found = images::inspect(ui, &refs).unwrap_or_default();
    wanted.into_iter().filter_map(|(name, image)| Some((name.clone(), found.get(&image)?.id.clone()))).collect()
}

/// The IDs of the results that the builder has; nothing when it does not tell.
pub(super) fn records(ui: &Ui, settings: &Settings) -> Option<BTreeSet<String>> {
    let finished = docker::cache_records(settings.builder.as_ref()).output(ui, DEADLINE).ok()?;
    let text = String::from_utf8(finished.stdout).ok().filter(|_| finished.status.success())?;
    let regular = text.lines().filter_map(|line| line.strip_suffix(" regular"));
    Some(regular.map(|id| id.trim_end_matches('*').to_owned()).collect())
}

/// What the cache is, compared with what it was after the last build.
pub(super) fn state(record: &Record, now: Option<&BTreeSet<String>>, facts: &Facts, plan: &Plan) -> Cache {
    match now {
        _ if plan.no_cache => Cache::Unused,
        None => Cache::Doubtful("the builder does not tell what is in its cache"),
        _ if record.is_empty() && is_first(facts, plan) => Cache::Kept,
        _ if record.is_empty() => Cache::Doubtful("nothing is known of earlier builds on this machine"),
        Some(_) if record.is_vague() => Cache::Doubtful("the builder did not tell what was in its cache"),
        Some(now) if record.cache.is_subset(now) => Cache::Kept,
        Some(now) if record.cache.is_disjoint(now) => Cache::Gone,
        Some(_) => Cache::Doubtful("the build cache was pruned since the last build"),
    }
}

fn is_first(facts: &Facts, plan: &Plan) -> bool {
    plan.builds().all(|(service, _)| !facts.images.contains_key(&service.image))
}

/// The record of a project on the builder that is used.
fn path(settings: &Settings, facts: &Facts) -> Utf8PathBuf {
    let builder = settings.builder.as_ref().map_or("", |builder| builder.as_str());
    let digest = crate::foresight::predict::mark::Mark::of(&[&settings.environment.engine, builder]).low;
    facts.workspace.state.join(format!("built-{}-{digest:016x}.json", facts.project.name))
}

/// The record that the last build left.
pub(super) fn recall(settings: &Settings, facts: &Facts) -> Record {
    let bytes = files::read(&path(settings, facts), files::STATE_LIMIT).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Writes the record; without it the next prediction knows less, and says so.
pub(super) fn remember(settings: &Settings, facts: &Facts, record: &Record) {
    let Ok(json) = serde_json::to_vec(record) else { return };
    let _ = files::write(&path(settings, facts), &json);
}
