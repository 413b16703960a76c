//! Which records of the build cache go.

use std::collections::BTreeSet;

use super::{Line, Policy};
use crate::facts::project::Project;
use crate::facts::store::{CacheRecord, Store};

/// Records to remove until the rest is within the limit: the least recently used first, those of kept stages last, and
/// none that another one is made from before that one.
pub(super) fn lines(store: &Store, project: &Project, policy: &Policy) -> Vec<Line> {
    let Some(limit) = policy.cache_limit else { return Vec::new() };
    let is_model = |record: &CacheRecord| {
        let kept = project.services.values().filter(|built| built.keep).filter_map(|built| built.closure.as_ref());
        let command = record.description.split_once("/bin/sh -c ").map_or("", |(_, command)| command.trim());
        let start: String = command.chars().take(200).collect();
        !start.is_empty() && kept.into_iter().any(|closure| closure.text.contains(&start))
    };
    let mut left: Vec<_> = store.cache.iter().collect();
    left.sort_by_key(|record| (is_model(record), record.used, &record.id));
    let mut total: u64 = store.cache.iter().filter(|record| !record.held).map(|record| record.size).sum();
    let mut lines = Vec::new();
    while total > limit {
        let parents: BTreeSet<&String> = left.iter().flat_map(|record| &record.parents).collect();
        let Some(index) = left.iter().position(|record| !record.held && !parents.contains(&record.id)) else { break };
        let record = left.remove(index);
        total -= record.size.min(total);
        lines.push(Line {
            remove: true,
            cache: true,
            id: record.id.clone(),
            name: record.description.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect(),
            bytes: record.size,
            age_s: policy.now.since(record.used).as_secs(),
            why: if is_model(record) {
                "build cache above the limit, a step of a kept stage"
            } else {
                "build cache above the limit"
            }
            .to_owned(),
        });
    }
    lines
}
