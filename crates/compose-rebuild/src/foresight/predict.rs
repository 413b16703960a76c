//! What a build is expected to do, stage by stage, and how long it should take.
//!
//! BuildKit keys a step by its lines, the values that it takes, what stands before it, and the content that it copies.
//! `stages` gives every step a mark made from the same things, out of the Dockerfile and the trees of the commits; `record`
//! has the marks of earlier builds. A step whose mark was there before comes from the cache.

pub mod cause;
mod checkout;
mod instructions;
mod layers;
pub mod mark;
pub mod model;
pub mod recipe;
pub mod record;
mod stages;
mod touched;
mod tree;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use buildkit_report::prediction::{Expected, Longest, StagePrediction};
use buildkit_report::text::plain;
use buildkit_report::upstream::Upstream;
use serde::Serialize;

use crate::plan::Plan;
use model::{Simulated, SimulatedStep, Stages};
use record::{Cache, Record};

/// A plan with what is foreseen of it.
#[derive(Clone, Debug, Serialize)]
pub struct Foreseen<'a> {
    #[serde(flatten)]
    pub plan: &'a Plan,
    /// What is expected of each stage.
    pub prediction: Vec<StagePrediction>,
    /// How long the build should take, in milliseconds; nothing without a report to learn from.
    pub expected_ms: Option<u64>,
    /// What changed upstream.
    pub upstream: Vec<Upstream>,
}

/// How long the slowest chain of stages should take that run, in milliseconds; nothing without a report to learn from.
pub fn critical(prediction: &[StagePrediction], stages: &Stages) -> Option<u64> {
    let own = |stage: &Simulated| prediction.iter().find(|one| one.stage == stage.name).and_then(|one| one.expected_ms);
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    // A stage comes after those that it needs.
    for (_, stage) in stages {
        let before = stage.after.iter().filter_map(|name| ends.get(name.as_str())).max().copied().unwrap_or(0);
        let end = ends.entry(&stage.name).or_default();
        *end = (*end).max(before + own(stage).unwrap_or(0));
    }
    prediction.iter().any(|one| one.expected_ms.is_some()).then(|| ends.into_values().max()).flatten()
}

/// What is expected of each stage.
pub fn predict(stages: &Stages, record: &Record, cache: Cache) -> Vec<StagePrediction> {
    let news: Vec<_> = stages.iter().map(|(_, stage)| first_new(stage, record, cache)).collect();
    let runs = |new: &Option<(usize, Expected)>| matches!(new, Some((_, Expected::Runs)));
    let running = stages.iter().zip(&news).filter(|(_, new)| runs(new)).map(|((_, stage), _)| stage.name.as_str());
    let running: BTreeSet<&str> = running.collect();
    stages
        .iter()
        .zip(news)
        .filter(|((_, stage), _)| stage.steps.iter().any(is_named))
        .map(|((services, stage), new)| {
            let expected = new.map_or(Expected::Cached, |(_, expected)| expected);
            let steps = new.map_or(&[][..], |(at, _)| &stage.steps[at..]);
            let known: Vec<(&SimulatedStep, u64)> =
                steps.iter().filter_map(|step| Some((step, record.duration(&stage.name, step)?))).collect();
            let longest = known.iter().max_by_key(|(_, ms)| *ms);
            StagePrediction {
                stage: stage.name.clone(),
                services: services.iter().cloned().collect(),
                expected,
                why: why::words(stage, services, expected, record, cache, &running),
                expected_ms: (expected == Expected::Runs && !known.is_empty())
                    .then(|| known.iter().map(|(_, ms)| ms).sum()),
                longest: longest
                    .filter(|_| expected == Expected::Runs)
                    .map(|(step, ms)| Longest { step: brief(&step.text), ms: *ms }),
            }
        })
        .collect()
}

/// A step that the builder shows; what a stage starts from is not.
fn is_named(step: &SimulatedStep) -> bool {
    !step.text.is_empty()
}

/// The first step that does not come from the cache for sure, and what is expected of it.
fn first_new(stage: &Simulated, record: &Record, cache: Cache) -> Option<(usize, Expected)> {
    let of = |step: &SimulatedStep| match cache {
        _ if stage.uncached => Expected::Runs,
        Cache::Gone | Cache::Unused => Expected::Runs,
        _ if !record.may_have(step.mark.low) => Expected::Runs,
        Cache::Kept if step.mark.high.is_some_and(|high| record.has(high)) => Expected::Cached,
        _ => Expected::Unknown,
    };
    let named = || stage.steps.iter().enumerate().filter(|(_, step)| is_named(step));
    let new = |wanted: Expected| named().find(|(_, step)| of(step) == wanted).map(|(at, _)| (at, wanted));
    new(Expected::Runs).or_else(|| new(Expected::Unknown))
}

/// An instruction on one short line, without what hides what it is about.
fn brief(text: &str) -> String {
    plain(text.strip_prefix("RUN ").unwrap_or(text), 60)
}

#[cfg(test)]
mod tests;
