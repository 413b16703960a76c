//! What the builds of this project were made of, so that the next one can be compared with them.

use std::collections::{BTreeMap, BTreeSet};

use buildkit_report::step::Step as Ran;
use serde::{Deserialize, Serialize};

use crate::foresight::predict::mark::Mark;
use crate::foresight::predict::model::{Simulated, SimulatedStep, Stages};

/// Most steps that are remembered; the oldest go first.
const REMEMBERED: usize = 4000;

/// What is known of the builder's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// The builder has everything that it had after the last build.
    Kept,
    /// The builder has nothing of that.
    Gone,
    /// The builder has a part of that, or nobody can tell.
    Doubtful(&'static str),
    /// The cache is not used.
    Unused,
}

/// What is remembered of the builds of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Marks of steps that the builder has, the newest last.
    seen: Vec<u64>,
    /// Marks of steps that the builder may have: of builds that did not end well, or from before it threw something away.
    attempted: BTreeSet<u64>,
    /// What the stages of the last build were made from: a name and a mark each, by service and stage.
    last: BTreeMap<String, BTreeMap<String, u64>>,
    /// How long steps took when they ran, in milliseconds, by stage and instruction.
    durations: BTreeMap<u64, u64>,
    /// The records of the build cache after the last build.
    pub cache: BTreeSet<String>,
}

impl Record {
    /// Whether any build was remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.attempted.is_empty()
    }

    /// Whether the builder did not tell what was in its cache after the last build.
    pub fn is_vague(&self) -> bool {
        !self.seen.is_empty() && self.cache.is_empty()
    }

    /// Whether the builder has a step with this mark.
    pub fn has(&self, mark: u64) -> bool {
        self.seen.contains(&mark)
    }

    /// Whether it may have.
    pub fn may_have(&self, mark: u64) -> bool {
        self.has(mark) || self.attempted.contains(&mark)
    }

    /// Whether nobody can say if the builder has exactly this step.
    pub fn doubts(&self, step: &SimulatedStep) -> bool {
        step.mark.high.is_some_and(|high| !self.has(high) && self.attempted.contains(&high))
    }

    /// What the builder has becomes what it may have.
    fn doubt(&mut self) {
        self.attempted.extend(self.seen.drain(..));
        while self.attempted.len() > REMEMBERED {
            self.attempted.pop_first();
        }
    }

    /// What a stage of a service was made from.
    pub fn last(&self, services: &BTreeSet<String>, stage: &str) -> Option<&BTreeMap<String, u64>> {
        services.iter().find_map(|service| self.last.get(&format!("{service} {stage}")))
    }

    /// How long a step took.
    pub fn duration(&self, stage: &str, step: &SimulatedStep) -> Option<u64> {
        self.durations.get(&name(stage, &step.text)).copied()
    }

    /// The record of a builder that is about to build these stages.
    pub fn attempted(&self, stages: &Stages) -> Self {
        let attempted = self.attempted.iter().copied().chain(marks(stages)).collect();
        Self { attempted, ..self.clone() }
    }

    /// Remembers what was built with this cache, and how long its steps took; `records` are those of the builder now.
    pub fn built(&mut self, stages: &Stages, ran: &[Ran], cache: Cache, records: BTreeSet<String>) {
        match cache {
            Cache::Kept => {}
            Cache::Gone => (self.seen, self.attempted) = Default::default(),
            Cache::Doubtful(_) | Cache::Unused => self.doubt(),
        }
        let new: BTreeSet<u64> = marks(stages).collect();
        self.seen.retain(|mark| !new.contains(mark));
        self.attempted.retain(|mark| !new.contains(mark));
        self.seen.extend(new);
        self.seen.drain(..self.seen.len().saturating_sub(REMEMBERED));
        self.cache = records;
        for (services, stage) in stages {
            let made_from = made_from(stage);
            for service in services {
                self.last.insert(format!("{service} {}", stage.name), made_from.clone());
            }
            self.durations.extend(durations(stage, ran));
        }
    }
}

/// What a stage is made from: the name and the mark of each cause, all its steps together.
pub fn made_from(stage: &Simulated) -> BTreeMap<String, u64> {
    let mut together: BTreeMap<String, Mark> = BTreeMap::new();
    for (cause, mark) in stage.steps.iter().flat_map(|step| &step.causes) {
        let entry = together.entry(cause.to_string()).or_insert(*mark);
        if *entry != *mark {
            *entry = entry.and(*mark);
        }
    }
    together.into_iter().map(|(name, mark)| (name, mark.high.unwrap_or(mark.low))).collect()
}

fn marks(stages: &Stages) -> impl Iterator<Item = u64> {
    let steps = stages.iter().flat_map(|(_, stage)| &stage.steps);
    steps.flat_map(|step| [Some(step.mark.low), step.mark.high]).flatten()
}

fn name(stage: &str, text: &str) -> u64 {
    Mark::of(&[stage, text]).low
}

/// The number of a step in its stage: 2 for `[service stage 2/5] RUN ...`.
fn number(name: &str) -> Option<u32> {
    name.split_once("] ")?.0.rsplit(' ').next()?.split_once('/')?.0.parse().ok()
}

/// How long the steps of a stage took that ran. Names are rewritten by the builder, the order is not.
fn durations(stage: &Simulated, ran: &[Ran]) -> Vec<(u64, u64)> {
    let mut found: Vec<(u32, &Ran)> = ran
        .iter()
        .filter_map(|step| {
            let place = step.place().filter(|place| place.stage == stage.name)?;
            (!place.instruction.starts_with("FROM ")).then_some((number(&step.name)?, step))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.dedup_by_key(|(number, _)| *number);
    let steps: Vec<&SimulatedStep> = stage.steps.iter().filter(|step| !step.text.is_empty()).collect();
    if steps.len() != found.len() {
        return Vec::new();
    }
    let pairs = steps.into_iter().zip(found).filter(|(_, (_, ran))| !ran.cached);
    pairs.map(|(step, (_, ran))| (name(&stage.name, &step.text), ran.milliseconds())).collect()
}
