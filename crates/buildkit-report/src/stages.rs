//! The stages of a build, what was expected of each, and what it did.

use serde::{Deserialize, Serialize};

use crate::measure::seconds;
use crate::prediction::{Expected, StagePrediction};
use crate::steps::{Status, StepSummary};

/// What happened to one stage; times in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageSummary {
    /// The stage.
    pub stage: String,
    /// What it is called: its name, with its services where another stage has the same one.
    #[serde(default)]
    pub title: String,
    /// All services whose images need it.
    pub services: Vec<String>,
    /// What happened: the most that happened to one of its steps.
    pub status: Status,
    /// The steps that ran.
    pub ran: usize,
    /// The steps that came from the cache.
    pub cached: usize,
    /// How long its steps took.
    pub duration_ms: u64,
    /// The stages that it is made from, by their places in the list; all of them come before it.
    pub inputs: Vec<usize>,
    /// What was expected, when anything was.
    pub expected: Option<Expected>,
    /// Why that was expected.
    pub why: Option<String>,
    /// How long it was expected to take.
    pub expected_ms: Option<u64>,
    /// Whether what was expected happened; nothing when nothing was.
    pub as_expected: Option<bool>,
}

impl StageSummary {
    /// Whether a step is one of it: Dockerfiles of different services may have stages of the same name.
    pub fn has(&self, step: &StepSummary) -> bool {
        let of_service = || self.services.is_empty() || self.services.contains(&step.service);
        self.stage == step.stage && (step.service.is_empty() || of_service())
    }

    /// What was expected, with the time.
    pub fn prediction(&self) -> String {
        match (self.expected, self.expected_ms) {
            (Some(Expected::Runs), Some(time)) => format!("runs ~{}", seconds(time)),
            (expected, _) => expected.unwrap_or_default().word().to_owned(),
        }
    }

    /// What happened, and whether it was expected.
    pub fn actual(&self) -> String {
        let verdict = if self.as_expected == Some(false) { ", not as predicted" } else { "" };
        self.outcome() + verdict
    }

    /// What happened to it, with its time.
    pub fn outcome(&self) -> String {
        match self.duration_ms {
            0 => self.status.word().to_owned(),
            time => format!("{} {}", self.status.word(), seconds(time)),
        }
    }
}

/// The stages of these steps, each after those that it is made from, beside what was expected.
pub fn summed_up(steps: &[StepSummary], prediction: &[StagePrediction]) -> Vec<StageSummary> {
    let mut stages: Vec<StageSummary> = Vec::new();
    // A stage is known by its last step: by then everything that it is made from was there.
    for step in steps.iter().rev() {
        if !stages.iter().any(|stage| stage.has(step)) {
            let (stage, services) = (step.stage.clone(), step.services.clone());
            stages.push(StageSummary { stage, services, ..StageSummary::default() });
        }
    }
    stages.reverse();
    let place = |step: &StepSummary| stages.iter().rposition(|stage| stage.has(step)).unwrap_or(0);
    let places: Vec<usize> = steps.iter().map(place).collect();
    for (step, &number) in steps.iter().zip(&places) {
        // Stages with the same base share its step, which is named after one of them.
        let inputs = step.inputs.iter().filter(|&&input| !steps[input].is_base()).map(|&input| places[input]);
        let stage = &mut stages[number];
        stage.inputs.extend(inputs.filter(|&input| input < number));
        if !step.is_base() {
            stage.services.extend(step.services.iter().cloned());
        }
        // Nor is a base that was downloaded a step of the stage.
        let status = if step.is_base() && step.status() == Status::Ran { Status::Cached } else { step.status() };
        stage.status = stage.status.max(status);
        stage.ran += usize::from(!step.cached);
        stage.cached += usize::from(step.cached);
        stage.duration_ms = stage.duration_ms.saturating_add(step.duration_ms);
    }
    for stage in &mut stages {
        stage.inputs.sort_unstable();
        stage.inputs.dedup();
        stage.services.sort_unstable();
        stage.services.dedup();
    }
    let finished = steps.iter().all(|step| !matches!(step.status(), Status::Failed | Status::Canceled));
    for expected in prediction {
        let shares = |services: &[String]| services.iter().any(|service| expected.services.contains(service));
        let is_meant = |stage: &StageSummary| {
            let anyone = stage.services.is_empty() || expected.services.is_empty();
            stage.stage == expected.stage && (anyone || shares(&stage.services))
        };
        let number = stages.iter().position(is_meant).unwrap_or_else(|| {
            let (stage, services) = (expected.stage.clone(), expected.services.clone());
            stages.push(StageSummary { stage, services, ..StageSummary::default() });
            stages.len() - 1
        });
        compare(&mut stages[number], expected, finished);
    }
    give_titles(&mut stages);
    stages
}

/// Calls stages by their names; the only stage of a Dockerfile needs none.
fn give_titles(stages: &mut [StageSummary]) {
    for index in 0..stages.len() {
        let stage = &stages[index];
        let name = if stage.stage.is_empty() { "the only stage" } else { &stage.stage };
        let is_alone = stages.iter().filter(|other| other.stage == stage.stage).count() == 1;
        let title = if is_alone { name.to_owned() } else { format!("{name} ({})", stage.services.join(", ")) };
        stages[index].title = title;
    }
}

/// Puts what was expected beside what happened. A stage that failed, was not finished or was not reached because another one
/// failed tells nothing about it.
fn compare(stage: &mut StageSummary, expected: &StagePrediction, finished: bool) {
    stage.expected = Some(expected.expected);
    stage.why = Some(expected.why.clone());
    stage.expected_ms = expected.expected_ms;
    stage.as_expected = match (expected.expected, stage.status) {
        (Expected::Unknown, _) | (_, Status::Canceled | Status::Failed) => None,
        (Expected::Runs, Status::Absent) if !finished => None,
        (Expected::Runs, status) => Some(status == Status::Ran),
        (Expected::Cached, status) => Some(matches!(status, Status::Cached | Status::Absent)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stage: &str, cached: bool, inputs: &[usize]) -> StepSummary {
        let duration_ms = if cached { 0 } else { 10 };
        StepSummary { stage: stage.to_owned(), cached, duration_ms, inputs: inputs.to_vec(), ..StepSummary::default() }
    }

    fn expected(stage: &str, expected: Expected) -> StagePrediction {
        let (why, expected_ms, longest) = ("told".to_owned(), Some(7), None);
        StagePrediction { stage: stage.to_owned(), services: Vec::new(), expected, why, expected_ms, longest }
    }

    #[test]
    fn a_stage_is_what_its_steps_are_and_comes_after_its_inputs() {
        // The first step of `final` is its base, long before what is copied from `source`.
        let steps = [
            step("final", true, &[]),
            step("source", true, &[]),
            step("source", false, &[1]),
            step("final", false, &[0, 2]),
        ];
        let prediction = [
            expected("source", Expected::Cached),
            expected("final", Expected::Runs),
            expected("kept", Expected::Cached),
        ];
        let stages = summed_up(&steps, &prediction);
        let short: Vec<_> = stages.iter().map(|s| (s.stage.as_str(), s.status, s.ran, s.as_expected)).collect();
        assert_eq!(
            short,
            [
                ("source", Status::Ran, 1, Some(false)),
                ("final", Status::Ran, 1, Some(true)),
                ("kept", Status::Absent, 0, Some(true)),
            ]
        );
        let base = StepSummary { name: "FROM image".to_owned(), ..step("copied", false, &[]) };
        let downloaded = summed_up(&[base, step("copied", true, &[0])], &[expected("copied", Expected::Cached)]);
        assert_eq!((downloaded[0].status, downloaded[0].as_expected), (Status::Cached, Some(true)));
        assert_eq!(
            (stages[1].inputs.as_slice(), stages[1].duration_ms, stages[1].expected_ms),
            (&[0][..], 10, Some(7))
        );
    }

    #[test]
    fn stages_of_different_dockerfiles_may_have_the_same_name() {
        let of_service = |service: &str, cached| StepSummary {
            service: service.to_owned(),
            services: vec![service.to_owned()],
            ..step("builder", cached, &[])
        };
        let told =
            |service: &str, what| StagePrediction { services: vec![service.to_owned()], ..expected("builder", what) };
        let steps = [of_service("api", true), of_service("web", false), of_service("api", true)];
        let stages = summed_up(&steps, &[told("web", Expected::Runs), told("api", Expected::Cached)]);
        let short: Vec<_> = stages.iter().map(|s| (s.title.as_str(), s.status, s.as_expected)).collect();
        assert_eq!(short, [("builder (web)", Status::Ran, Some(true)), ("builder (api)", Status::Cached, Some(true))]);
    }
}
