//! The summary of a build.

use std::time::Duration;

use crate::value::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::build::Outcome;
use crate::build::events::Step;
use crate::plan::predict::StagePrediction;
use crate::plan::{Action, Plan};
use crate::ui::SCHEMA;

/// What one run did; times in milliseconds.
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
    /// From the start to the promotion.
    pub total_ms: u64,
    /// The part of it that the build took.
    pub build_ms: u64,
    /// The services of the run.
    pub services: Vec<ServiceSummary>,
    /// What was expected of each stage before; empty when nobody could say.
    #[serde(default)]
    pub prediction: Vec<StagePrediction>,
    /// The steps of the build, in the order in which they started.
    pub steps: Vec<StepSummary>,
    /// The complete log, when something was built.
    pub log: Option<String>,
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
}

/// What happened to one step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepSummary {
    /// The service whose build named it; empty when only one was built.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// The instruction.
    pub name: String,
    /// Whether its result came from the cache.
    pub cached: bool,
    /// How long it took.
    pub duration_ms: u64,
}

impl Summary {
    /// Sums up a run; `outcome` is missing when nothing had to be built.
    pub fn new(command: &str, plan: &Plan, outcome: Option<&Outcome>, started: Timestamp, total: Duration) -> Self {
        let services = plan.services.iter().map(|plan| ServiceSummary {
            service: plan.service.to_string(),
            image: plan.image.to_string(),
            action: plan.action.name().to_owned(),
            why: plan.why.clone(),
            cache_bust: plan.cache_bust.to_string(),
            revision: plan.revision.clone(),
        });
        let mut steps: Vec<&Step> = outcome.map(|o| o.progress.steps().iter().collect()).unwrap_or_default();
        steps.sort_by_key(|step| step.started);
        Self {
            schema: SCHEMA,
            project: plan.project.to_string(),
            command: command.to_owned(),
            started,
            total_ms: milliseconds(total),
            build_ms: outcome.map_or(0, |outcome| milliseconds(outcome.elapsed)),
            services: services.collect(),
            prediction: Vec::new(),
            steps: steps.into_iter().filter_map(StepSummary::of).collect(),
            log: outcome.map(|outcome| outcome.log.to_string()),
        }
    }
}

impl StepSummary {
    fn of(step: &Step) -> Option<Self> {
        let place = step.place()?;
        // BuildKit never calls a `FROM` cached; one that downloaded nothing is.
        let cached = step.cached || (place.instruction.starts_with("FROM ") && !step.transferred);
        Some(Self {
            service: place.service.unwrap_or_default().to_owned(),
            stage: place.stage.to_owned(),
            name: place.instruction.split_whitespace().collect::<Vec<_>>().join(" "),
            cached,
            duration_ms: if cached { 0 } else { step.milliseconds() },
        })
    }
}

impl Action {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reuse(_) => "reuse",
            Self::Build(_) => "build",
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
