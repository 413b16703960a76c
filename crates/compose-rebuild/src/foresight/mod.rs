//! What a build will do, stage by stage, from facts that are gathered while it runs already: nothing here is needed for it.
//!
//! Only this file and `cache` have effects; `upstream` and `predict` decide from values.

mod cache;
pub mod predict;
pub mod upstream;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use buildkit_report::prediction::StagePrediction;
use buildkit_report::upstream::Upstream;

use crate::build::Outcome;
use crate::error::{Failure, exit_code};
use crate::facts::Facts;
use crate::facts::history::{self, Relation};
use crate::facts::repository::Remote;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::sys::threads::both;
use crate::ui::Ui;
use predict::Foreseen;
use predict::model::Stages;
use predict::record::{Cache, Record};
use upstream::Moved;

/// Lines that a failed build says of what is new in one source: where from and to, and its newest commits.
const NEWS: usize = 4;

/// What is known of a build beside its plan.
pub struct Foresight {
    record: Record,
    stages: Stages,
    upstream: Vec<Upstream>,
    cache: Cache,
    prediction: Vec<StagePrediction>,
}

impl Foresight {
    /// What would be foreseen of a build that began now.
    pub fn now(ui: &Ui, settings: &Settings, facts: &Facts, plan: &Plan) -> Self {
        // Where nothing is built, the builder is not asked.
        let records = || plan.builds().next().and_then(|_| cache::records(ui, settings));
        let (records, mut foresight) = both(records, || Self::gather(ui, settings, facts, plan));
        foresight.look(facts, plan, records.as_ref());
        foresight
    }

    /// Asks everything but the builder at the same time; what nobody answers is left out.
    fn gather(ui: &Ui, settings: &Settings, facts: &Facts, plan: &Plan) -> Self {
        let (upstream, known) = both(|| upstream(ui, facts, plan), || cache::known(ui, facts, plan));
        let stages = known.stages();
        let record = cache::recall(settings, facts);
        Self { record, stages, upstream, cache: Cache::Unused, prediction: Vec::new() }
    }

    /// What is foreseen of a build that begins now, written down: should it not end well, nobody knows how far it came.
    /// Whoever waits for it is told how long it should take if the builder still has its cache.
    pub fn begin(ui: &Ui, settings: &Settings, facts: &Facts, plan: &Plan, expected: &OnceLock<Duration>) -> Self {
        let foresight = Self::gather(ui, settings, facts, plan);
        let prediction = predict::predict(&foresight.stages, &foresight.record, Cache::Kept);
        if let Some(ms) = predict::critical(&prediction, &foresight.stages) {
            let _ = expected.set(Duration::from_millis(ms));
        }
        cache::remember(settings, facts, &foresight.record.attempted(&foresight.stages));
        foresight
    }

    /// Compares the builder's records with those of the last build, which tells what it will have, or had: a record that
    /// is gone never comes back, and a new one takes the place of none.
    fn look(&mut self, facts: &Facts, plan: &Plan, records: Option<&BTreeSet<String>>) {
        self.cache = cache::state(&self.record, records, facts, plan);
        self.prediction = predict::predict(&self.stages, &self.record, self.cache);
    }

    /// Looks at the cache only now, when the builder has nothing else to do, and writes down what was built.
    pub fn end(&mut self, ui: &Ui, settings: &Settings, facts: &Facts, plan: &Plan, outcome: &Outcome) {
        let records = cache::records(ui, settings);
        self.look(facts, plan, records.as_ref());
        if outcome.failure.is_none() {
            self.record.built(&self.stages, outcome.progress.steps(), self.cache, records.unwrap_or_default());
            cache::remember(settings, facts, &self.record);
        }
    }

    /// An error of a build with the commits that are new in it, where a step failed.
    pub fn blame(&self, error: anyhow::Error) -> anyhow::Error {
        let mut failure = match error.downcast::<Failure>() {
            Ok(failure) if failure.code == exit_code::STEP => failure,
            Ok(failure) => return failure.into(),
            Err(error) => return error,
        };
        let news = self.upstream.iter().flat_map(|one| one.lines().into_iter().take(NEWS));
        let news: String = news.map(|line| format!("\n      {line}")).collect();
        let end = failure.cause.find('\n').unwrap_or(failure.cause.len());
        failure.cause.insert_str(end, &news);
        failure.into()
    }

    /// The plan with what is foreseen of it.
    pub fn of<'a>(&self, plan: &'a Plan) -> Foreseen<'a> {
        let expected_ms = predict::critical(&self.prediction, &self.stages);
        Foreseen { plan, prediction: self.prediction.clone(), expected_ms, upstream: self.upstream.clone() }
    }
}

/// The commits between the images and what is built now.
fn upstream(ui: &Ui, facts: &Facts, plan: &Plan) -> Vec<Upstream> {
    let one = |moved: Moved<'_>| {
        let remote = Remote::new(ui, &facts.workspace, &moved.source.repository);
        let relation = history::relation(remote, &moved.from, moved.to);
        upstream::way(moved, relation.unwrap_or(Relation::Unknown))
    };
    upstream::moved(facts, plan).into_iter().map(one).collect()
}
