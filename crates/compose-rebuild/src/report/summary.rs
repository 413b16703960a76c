//! The summary of a run: what happened, step by step, and the figures that every rendering shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::build::Outcome;
use crate::error::Failure;
use crate::foresight::predict::{Foreseen, StagePrediction};
use crate::foresight::upstream::Upstream;
use crate::plan::{Action, Plan, SourcePlan};
use crate::project::Project;
use crate::report::figures::Figures;
use crate::report::stages::{self, StageSummary};
use crate::report::steps::{self, Cause, StepSummary};
use crate::ui::SCHEMA;
use crate::value::time::Timestamp;

/// What one run did; times in milliseconds. `docs/report.schema.json` describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The version of this format.
    pub schema: u32,
    /// The Compose project.
    pub project: String,
    /// `rebuild` or `full`.
    pub command: String,
    /// When the run started.
    pub started: Timestamp,
    /// From the start to the promotion, or to the failure.
    pub total_ms: u64,
    /// The part of it that the build took.
    pub build_ms: u64,
    /// Why the run failed.
    #[serde(default)]
    pub failure: Option<FailureSummary>,
    /// The services of the run.
    pub services: Vec<ServiceSummary>,
    /// What was expected of each stage before; empty when nobody could say.
    #[serde(default)]
    pub prediction: Vec<StagePrediction>,
    /// The stages of the build, each after those that it is made from.
    #[serde(default)]
    pub stages: Vec<StageSummary>,
    /// What changed upstream since the images before.
    #[serde(default)]
    pub upstream: Vec<Upstream>,
    /// The steps of the build, each after those that it is made from.
    pub steps: Vec<StepSummary>,
    /// What follows from the steps.
    #[serde(default)]
    pub figures: Figures,
    /// The complete log, when something was built.
    pub log: Option<String>,
}

/// How a run failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureSummary {
    /// The exit code.
    pub code: u8,
    /// The cause.
    pub cause: String,
}

/// What happened to one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceSummary {
    /// The service.
    pub service: String,
    /// Its mutable tag.
    pub image: String,
    /// `fresh`, `reuse` or `build`.
    pub action: String,
    /// Why.
    pub why: String,
    /// The bust value.
    pub cache_bust: String,
    /// What it is made from.
    pub revision: String,
    /// The same, source by source.
    #[serde(default)]
    pub sources: Vec<SourcePlan>,
}

/// Everything that a summary is made of.
#[derive(Debug)]
pub struct Run<'a> {
    /// `rebuild` or `full`.
    pub command: &'a str,
    /// What Compose builds.
    pub project: &'a Project,
    /// What was planned.
    pub plan: &'a Plan,
    /// What was foreseen, when something was built.
    pub foreseen: Option<Foreseen<'a>>,
    /// What the build did, when something was built.
    pub outcome: Option<&'a Outcome>,
    /// How the run failed.
    pub failure: Option<&'a Failure>,
    /// Earlier summaries of the project, the newest first.
    pub before: &'a [Summary],
    /// When the run started.
    pub started: Timestamp,
    /// How long it took.
    pub total: Duration,
}

impl Summary {
    /// Sums up a run.
    pub fn new(run: Run<'_>) -> Self {
        let services = run.plan.services.iter().map(|plan| ServiceSummary {
            service: plan.service.to_string(),
            image: plan.image.to_string(),
            action: plan.action.name().to_owned(),
            why: plan.why.clone(),
            cache_bust: plan.cache_bust.to_string(),
            revision: plan.revision.clone(),
            sources: plan.sources.clone(),
        });
        let foreseen = run.foreseen.map(|foreseen| (foreseen.prediction, foreseen.upstream));
        let (prediction, upstream) = foreseen.unwrap_or_default();
        let steps = run.outcome.map_or(Vec::new(), |outcome| {
            steps::of(&outcome.progress, &steps::Context::new(run.project, run.plan, run.before))
        });
        Self {
            schema: SCHEMA,
            project: run.plan.project.to_string(),
            command: run.command.to_owned(),
            started: run.started,
            total_ms: milliseconds(run.total),
            build_ms: run.outcome.map_or(0, |outcome| milliseconds(outcome.elapsed)),
            failure: run.failure.map(|failure| FailureSummary { code: failure.code, cause: failure.cause.clone() }),
            services: services.collect(),
            stages: stages::of(&steps, &prediction),
            prediction,
            upstream,
            figures: Figures::of(&steps),
            steps,
            log: run.outcome.map(|outcome| outcome.log.to_string()),
        }
    }

    /// Why a step ran, in words; nothing when it did not.
    pub fn because(&self, step: &StepSummary) -> Option<String> {
        match &step.cause {
            Cause::Cached => None,
            Cause::Root => {
                let stage = self.stages.iter().find(|stage| stage.has(step) && stage.as_expected == Some(true));
                let why = stage.and_then(|stage| stage.why.as_ref()).map_or(String::new(), |why| format!(": {why}"));
                Some(format!("first in its chain{why}"))
            }
            Cause::Inputs(inputs) => {
                let first = inputs.first().and_then(|&input| self.steps.get(input))?;
                let more = if inputs.len() > 1 { format!(" and {} more", inputs.len() - 1) } else { String::new() };
                Some(format!("because {}{more} ran", first.title()))
            }
        }
    }

    /// When the run started, as people read it.
    pub fn when(&self) -> String {
        let time = self.started.to_string();
        format!("{} UTC", time.split('.').next().unwrap_or(&time).replace('T', " "))
    }

    /// The steps, the longest first, cached ones last.
    pub fn longest_first(&self) -> Vec<&StepSummary> {
        let mut steps: Vec<_> = self.steps.iter().collect();
        steps.sort_by_key(|step| (step.cached, std::cmp::Reverse(step.duration_ms)));
        steps
    }

    /// Reads a summary; nothing when it is none, or one of another version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let summary: Self = serde_json::from_slice(bytes).ok()?;
        let above = |inputs: &[usize], own: usize| inputs.iter().all(|&input| input < own);
        let sound = summary.schema == SCHEMA
            && summary.steps.iter().enumerate().all(|(own, step)| above(&step.inputs, own))
            && summary.stages.iter().enumerate().all(|(own, stage)| above(&stage.inputs, own))
            && above(&summary.figures.critical, summary.steps.len());
        sound.then_some(summary)
    }
}

impl Action {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Shared(_) => "shared",
            Self::Reuse(_) => "reuse",
            Self::Build(_) => "build",
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
