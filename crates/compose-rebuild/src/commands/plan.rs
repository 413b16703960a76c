//! `plan`: what a rebuild would do, why, and how long it should take. Also what `rebuild` foresees of itself.

use std::collections::BTreeSet;

use super::{Context, Run};
use crate::build::Outcome;
use crate::cli;
use crate::facts::history::{self, Relation};
use crate::facts::repository::Remote;
use crate::facts::{Facts, cache};
use crate::plan::Plan;
use crate::plan::predict::record::{Record, Stages};
use crate::plan::predict::{self, Cache, Foreseen, StagePrediction, recipe};
use crate::plan::upstream::{self, Moved, Upstream};
use crate::report;
use crate::sys::threads::both;

/// Runs the command.
///
/// # Errors
/// Those of gathering facts and planning.
pub fn run(context: &Context, options: &cli::Plan) -> anyhow::Result<()> {
    let (facts, plan) = Run::of_rebuild(context, &options.build, options.local.clone(), false)?.gather()?;
    show(context, &facts, &plan);
    Ok(())
}

/// Prints a plan with what is foreseen of it.
pub(super) fn show(context: &Context, facts: &Facts, plan: &Plan) {
    let records = || cache::records(&context.ui, &context.settings);
    let (records, mut foresight) = both(records, || Foresight::gather(context, facts, plan));
    foresight.look(facts, plan, records.as_ref());
    report::plan::show(&context.ui, &foresight.of(plan));
}

/// What is known of a build beside its plan.
pub(super) struct Foresight {
    record: Record,
    stages: Stages,
    upstream: Vec<Upstream>,
    cache: Cache,
    prediction: Vec<StagePrediction>,
}

impl Foresight {
    /// Asks everything but the builder at the same time; what nobody answers is left out.
    fn gather(context: &Context, facts: &Facts, plan: &Plan) -> Self {
        let (upstream, known) = both(|| upstream(context, facts, plan), || cache::known(&context.ui, facts, plan));
        let stages = recipe::stages(facts, plan, &known);
        let record = cache::recall(&context.settings, facts);
        Self { record, stages, upstream, cache: Cache::Unused, prediction: Vec::new() }
    }

    /// The same for a build that begins now, written down: should it not end well, nobody knows how far it came.
    pub(super) fn begin(context: &Context, facts: &Facts, plan: &Plan) -> Self {
        let foresight = Self::gather(context, facts, plan);
        cache::remember(&context.settings, facts, &foresight.record.attempted(&foresight.stages));
        foresight
    }

    /// Compares the builder's records with those of the last build, which tells what it will have, or had: a record that
    /// is gone never comes back, and a new one takes the place of none.
    fn look(&mut self, facts: &Facts, plan: &Plan, records: Option<&BTreeSet<String>>) {
        self.cache = cache::state(&self.record, records, facts, plan);
        self.prediction = predict::predict(&self.stages, &self.record, self.cache);
    }

    /// Looks at the cache only now, when the builder has nothing else to do, and writes down what was built.
    pub(super) fn end(&mut self, context: &Context, facts: &Facts, plan: &Plan, outcome: &Outcome) {
        let records = cache::records(&context.ui, &context.settings);
        self.look(facts, plan, records.as_ref());
        if outcome.failure.is_none() {
            self.record.built(&self.stages, outcome.progress.steps(), self.cache, records.unwrap_or_default());
            cache::remember(&context.settings, facts, &self.record);
        }
    }

    /// It beside the plan.
    pub(super) fn of<'a>(&self, plan: &'a Plan) -> Foreseen<'a> {
        Foreseen::new(plan, self.prediction.clone(), &self.stages, self.upstream.clone())
    }
}

/// The commits between the images and what is built now.
fn upstream(context: &Context, facts: &Facts, plan: &Plan) -> Vec<Upstream> {
    let one = |moved: Moved<'_>| {
        let remote = Remote { url: &moved.source.repository, transports: &facts.workspace.config.transports };
        let relation = history::relation(&context.ui, &facts.workspace.state, remote, &moved.from, moved.to);
        Upstream::new(moved, relation.unwrap_or(Relation::Unknown))
    };
    upstream::moved(facts, plan).into_iter().map(one).collect()
}
