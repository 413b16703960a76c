//! Why a stage is expected to run or not, in words.

use std::collections::BTreeSet;

use buildkit_report::prediction::Expected;

use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::model::Simulated;
use crate::foresight::predict::record::{self, Cache, Record};

/// What is another thing than in the last build, or what nobody can know; `running` are the stages that run.
pub(super) fn words(
    stage: &Simulated,
    services: &BTreeSet<String>,
    expected: Expected,
    record: &Record,
    cache: Cache,
    running: &BTreeSet<&str>,
) -> String {
    match (cache, expected) {
        _ if stage.uncached => return "the compose file wants it built without the cache".to_owned(),
        (Cache::Unused, _) => return "everything was asked for".to_owned(),
        (Cache::Gone, _) => return "the build cache is empty".to_owned(),
        (Cache::Doubtful(why), Expected::Unknown) => return why.to_owned(),
        _ => {}
    }
    let causes = || stage.steps.iter().flat_map(|step| &step.causes);
    let Some(last) = record.last(services, &stage.name) else {
        return if expected == Expected::Cached { "built before" } else { "first build" }.to_owned();
    };
    let made_from = record::made_from(stage);
    let is_new = |cause: &Cause| made_from.get(&cause.to_string()) != last.get(&cause.to_string());
    let changed: BTreeSet<&Cause> = causes().map(|(cause, _)| cause).filter(|cause| is_new(cause)).collect();
    let doubtful: BTreeSet<String> =
        causes().filter(|(_, mark)| mark.high.is_none()).map(|(cause, _)| cause.doubtful()).collect();
    match expected {
        Expected::Runs if changed.is_empty() => Cause::Lines.changed(),
        Expected::Runs => changes(&changed, running),
        Expected::Unknown if !doubtful.is_empty() => doubtful.into_iter().collect::<Vec<_>>().join(", "),
        Expected::Unknown if changed.is_empty() || stage.steps.iter().any(|step| record.doubts(step)) => {
            "it may be in the cache, from a build that did not end well or long ago".to_owned()
        }
        Expected::Unknown => format!("it depends on what is copied: {}", changes(&changed, running)),
        Expected::Cached if !changed.is_empty() => "built like this before".to_owned(),
        Expected::Cached => {
            let files: BTreeSet<String> = causes()
                .map(|(cause, _)| cause)
                .filter(|cause| matches!(cause, Cause::Files(_)))
                .map(Cause::to_string)
                .collect();
            if files.is_empty() { "nothing changed".to_owned() } else { format!("{} unchanged", names(files)) }
        }
    }
}

/// What changed, in words.
fn changes(changed: &BTreeSet<&Cause>, running: &BTreeSet<&str>) -> String {
    let (plain, special): (Vec<&Cause>, Vec<&Cause>) = changed.iter().partition(|cause| cause.is_plain());
    let mut words: Vec<String> = special
        .into_iter()
        .map(|cause| match cause {
            Cause::Input(stage) if running.contains(stage.as_str()) => format!("input `{stage}` runs"),
            cause => cause.changed(),
        })
        .collect();
    if !plain.is_empty() {
        words.push(format!("{} changed", names(plain.into_iter().map(|cause| cause.to_string()))));
    }
    words.join(", ")
}

/// Names, three at most.
fn names(all: impl IntoIterator<Item = String>) -> String {
    let mut all: Vec<String> = all.into_iter().collect();
    let more = all.len().saturating_sub(3);
    all.truncate(3);
    if more > 0 { format!("{} and {more} more", all.join(", ")) } else { all.join(", ") }
}
