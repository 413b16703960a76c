//! The summary of a run: what happened, step by step, and the figures that every rendering shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::events::Progress;
use crate::figures::Figures;
use crate::measure::milliseconds;
use crate::prediction::StagePrediction;
use crate::stages::{self, StageSummary};
use crate::steps::{self, BuiltService, Cause, StepSummary};
use crate::time::Timestamp;
use crate::upstream::Upstream;

/// The version of the format; it changes when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// What one run did; times in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The version of this format.
    pub schema: u32,
    /// The Compose project.
    pub project: String,
    /// The command that ran, for example `rebuild`.
    pub command: String,
    /// When the run started.
    pub started: Timestamp,
    /// From the start to the promotion, or until what was started is healthy, or to the failure.
    pub total_ms: u64,
    /// The part of it that the build took.
    pub build_ms: u64,
    /// Why the run failed.
    #[serde(default)]
    pub failure: Option<FailureSummary>,
    /// The services that were started and are healthy.
    #[serde(default)]
    pub healthy: Vec<String>,
    /// What went wrong in a build that succeeded.
    #[serde(default)]
    pub warnings: Vec<String>,
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
    /// The mutable tag.
    pub image: String,
    /// `fresh`, `reuse` or `build`.
    pub action: String,
    /// Why.
    pub why: String,
    /// The bust value.
    pub cache_bust: String,
    /// What it is made from.
    pub revision: String,
    /// What it was made from, source by source.
    #[serde(default)]
    pub sources: Vec<SourceSummary>,
    /// The other services and the base images that it is made from.
    #[serde(default)]
    pub made_from: Vec<String>,
}

/// What is taken of one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceSummary {
    /// The address of the repository.
    pub repository: String,
    /// What is followed there.
    pub wanted: String,
    /// The commit, or the digest of a directory in its place.
    pub revision: String,
}

/// What a build did.
#[derive(Clone, Debug)]
pub struct BuildRun<'a> {
    /// The services that were built.
    pub targets: Vec<BuiltService>,
    /// The steps.
    pub progress: &'a Progress,
    /// How long it took.
    pub elapsed: Duration,
    /// Where the complete log is.
    pub log: String,
    /// What went wrong although it succeeded.
    pub warnings: Vec<String>,
}

impl Summary {
    /// Adds what the build did, when something was built; `before` are earlier summaries of the project, the newest first.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use buildkit_report::events::Progress;
    /// use buildkit_report::summary::{BuildRun, Summary};
    /// use buildkit_report::terminal;
    ///
    /// let mut progress = Progress::default();
    /// progress.feed(br#"{"vertexes":[{"digest":"a","name":"[build 1/2] FROM debian","cached":true}]}"#);
    /// progress.feed(br#"{"vertexes":[{"digest":"b","inputs":["a"],"name":"[build 2/2] RUN make",
    ///     "started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:02Z"}]}"#);
    /// let elapsed = Duration::from_secs(3);
    /// let build = BuildRun { targets: Vec::new(), progress: &progress, elapsed, log: "build.log".to_owned(), warnings: Vec::new() };
    /// let run = Summary { project: "shop".to_owned(), command: "rebuild".to_owned(), ..Summary::default() };
    /// let summary = run.with_build(Some(build), &[]);
    /// assert_eq!((summary.figures.ran, summary.figures.cached), (1, 1));
    /// assert!(terminal::lines(&summary).iter().any(|line| line.contains("2.00s [build] RUN make")));
    /// ```
    pub fn with_build(self, mut build: Option<BuildRun<'_>>, before: &[Self]) -> Self {
        let earlier = before.iter().flat_map(|summary| &summary.steps);
        let steps =
            build.as_ref().map_or(Vec::new(), |build| steps::summed_up(build.progress, &build.targets, earlier));
        Self {
            schema: SCHEMA,
            build_ms: build.as_ref().map_or(0, |build| milliseconds(build.elapsed)),
            stages: stages::summed_up(&steps, &self.prediction),
            figures: Figures::of(&steps),
            steps,
            warnings: build.as_mut().map(|build| std::mem::take(&mut build.warnings)).unwrap_or_default(),
            log: build.map(|build| build.log),
            ..self
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
