//! `plan`: what a rebuild would do, why, and how long it should take. Also what `rebuild` foresees of itself.

use std::thread;

use super::{Context, Run};
use crate::build::Outcome;
use crate::cli;
use crate::facts::cache;
use crate::facts::history::{self, Relation};
use crate::facts::repository::Remote;
use crate::facts::{Facts, join};
use crate::plan::Plan;
use crate::plan::predict::recipe;
use crate::plan::predict::record::{Record, Stages};
use crate::plan::predict::{self, Cache, Foreseen, StagePrediction};
use crate::plan::upstream::{self, Upstream};
use crate::report;

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
    report::plan::show(&context.ui, &Foresight::gather(context, facts, plan).of(plan));
}

/// What is known of a build before it begins.
pub(super) struct Foresight {
    record: Record,
    stages: Stages,
    cache: Cache,
    prediction: Vec<StagePrediction>,
    upstream: Vec<Upstream>,
}

impl Foresight {
    /// Asks everything at the same time; what nobody answers is left out.
    pub(super) fn gather(context: &Context, facts: &Facts, plan: &Plan) -> Self {
        thread::scope(|scope| {
            let upstream = scope.spawn(|| upstream(context, facts, plan));
            let evidence = cache::gather(&context.ui, &context.settings, facts, plan);
            let stages = recipe::stages(facts, plan, &evidence.known);
            let cache = evidence.cache(facts, plan);
            let prediction = predict::predict(&stages, &evidence.record, cache);
            Self { record: evidence.record, stages, cache, prediction, upstream: join(upstream) }
        })
    }

    /// It beside the plan.
    pub(super) fn of<'a>(&self, plan: &'a Plan) -> Foreseen<'a> {
        Foreseen::new(plan, self.prediction.clone(), &self.stages, self.upstream.clone())
    }

    /// The same, written down, because it is built now: should it not end well, nobody knows how far it came.
    pub(super) fn begin(context: &Context, facts: &Facts, plan: &Plan) -> Self {
        let mut foresight = Self::gather(context, facts, plan);
        foresight.record.attempt(&foresight.stages, foresight.cache);
        cache::remember(&context.settings, facts, &foresight.record);
        foresight
    }

    /// Writes down that it was built.
    pub(super) fn end(&mut self, context: &Context, facts: &Facts, outcome: &Outcome) {
        let records = cache::records(&context.ui, &context.settings).unwrap_or_default();
        self.record.built(&self.stages, outcome.progress.steps(), records);
        cache::remember(&context.settings, facts, &self.record);
    }
}

/// The commits between the images and what is built now.
fn upstream(context: &Context, facts: &Facts, plan: &Plan) -> Vec<Upstream> {
    let moved = upstream::moved(facts, plan);
    let one = |((index, from, to), services): ((usize, _, _), _)| {
        let source = &facts.sources[index].source;
        let remote = Remote { url: &source.repository, transports: &facts.workspace.config.transports };
        let relation = history::relation(&context.ui, &facts.workspace.state, remote, &from, &to);
        Upstream::new(source.describe(), services, &from, &to, relation.unwrap_or(Relation::Unknown))
    };
    moved.into_iter().map(one).collect()
}
