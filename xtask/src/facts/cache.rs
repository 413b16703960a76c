//! What is known of the builder's cache: its records now, and the record of what earlier builds were made of.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::Shell;

use crate::facts::repository::Remote;
use crate::facts::{Facts, Revision, images, join, local, trees};
use crate::plan::Plan;
use crate::plan::predict::Cache;
use crate::plan::predict::recipe::{self, Known};
use crate::plan::predict::record::Record;
use crate::settings::Settings;
use crate::sys::{docker, files, process};
use crate::ui::Ui;

/// How long the builder may take to list its records.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a prediction is made from, as far as it could be found out.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Trees and base images.
    pub known: Known,
    /// Earlier builds.
    pub record: Record,
    /// The cache.
    pub cache: Option<BTreeSet<String>>,
}

/// Gathers it. Nothing here is needed for a build, so what cannot be found out is no failure.
pub fn gather(ui: &Ui, settings: &Settings, facts: &Facts, plan: &Plan) -> Evidence {
    thread::scope(|scope| {
        let cache = scope.spawn(|| records(ui, settings));
        let bases = scope.spawn(|| bases(ui, facts, plan));
        let trees: Vec<_> = facts
            .sources
            .iter()
            .map(|resolved| {
                let remote =
                    Remote { url: &resolved.source.repository, transports: &facts.workspace.config.transports };
                scope.spawn(move || match &resolved.revision {
                    Revision::Commit(commit) => trees::of_commit(ui, &facts.workspace.state, remote, commit, false),
                    Revision::Local(tree) => local::as_tree(tree),
                })
            })
            .collect();
        let found = facts
            .sources
            .iter()
            .zip(trees)
            .filter_map(|(resolved, tree)| Some((resolved.revision.to_string(), join(tree).ok()?)));
        let known = Known { trees: found.collect(), bases: join(bases) };
        Evidence { known, record: read(&facts.workspace.state, settings, facts), cache: join(cache) }
    })
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
pub fn records(ui: &Ui, settings: &Settings) -> Option<BTreeSet<String>> {
    let sh = Shell::new().ok()?;
    let finished = process::output(ui, docker::cache_records(&sh, settings.builder.as_ref()), DEADLINE).ok()?;
    let text = String::from_utf8(finished.stdout).ok().filter(|_| finished.status.success())?;
    let regular = text.lines().filter_map(|line| line.strip_suffix(" regular"));
    Some(regular.map(|id| id.trim_end_matches('*').to_owned()).collect())
}

impl Evidence {
    /// What the cache is, compared with what it was after the last build.
    pub fn cache(&self, facts: &Facts, plan: &Plan) -> Cache {
        match &self.cache {
            _ if plan.no_cache => Cache::Unused,
            None => Cache::Doubtful("the builder does not tell what is in its cache"),
            _ if self.record.is_empty() && is_first(facts, plan) => Cache::Kept,
            _ if self.record.is_empty() => Cache::Doubtful("nothing is known of earlier builds on this machine"),
            Some(_) if self.record.is_vague() => Cache::Doubtful("the builder did not tell what was in its cache"),
            Some(now) if self.record.cache.is_subset(now) => Cache::Kept,
            Some(now) if self.record.cache.is_disjoint(now) => Cache::Gone,
            Some(_) => Cache::Doubtful("the build cache was pruned since the last build"),
        }
    }
}

fn is_first(facts: &Facts, plan: &Plan) -> bool {
    plan.builds().all(|(service, _)| !facts.images.contains_key(&service.image))
}

/// The record of a project on the builder that is used.
fn path(state: &Utf8Path, settings: &Settings, facts: &Facts) -> Utf8PathBuf {
    let builder = settings.builder.as_ref().map_or("", |builder| builder.as_str());
    let digest = crate::plan::predict::mark::Mark::of(&[&settings.environment.engine, builder]).low;
    state.join(format!("built-{}-{digest:016x}.json", facts.project.name))
}

fn read(state: &Utf8Path, settings: &Settings, facts: &Facts) -> Record {
    let bytes = fs_err::read(path(state, settings, facts)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Writes the record; without it the next prediction knows less, and says so.
pub fn remember(settings: &Settings, facts: &Facts, record: &Record) {
    let state = &facts.workspace.state;
    let Ok(json) = serde_json::to_vec(record) else { return };
    let _ = files::write(&path(state, settings, facts), &json);
}
