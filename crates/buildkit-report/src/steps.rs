//! The steps of a build: what BuildKit said about each, put into an order in which causes come first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::events::Progress;
use crate::measure::milliseconds;
use crate::step::{Step, StepPlace, title};
use crate::time::Timestamp;

/// What happened to one step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepSummary {
    /// The service whose build named it; empty when only one was built.
    pub service: String,
    /// All services whose images need it.
    #[serde(default)]
    pub services: Vec<String>,
    /// The stage.
    pub stage: String,
    /// The instruction.
    pub name: String,
    /// Whether its result came from the cache.
    pub cached: bool,
    /// Why it ran.
    #[serde(default)]
    pub cause: Cause,
    /// The steps that it is made from, by their places in the list; all of them come before it.
    #[serde(default)]
    pub inputs: Vec<usize>,
    /// When it started, after the first one did.
    #[serde(default)]
    pub start_ms: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// How long it took the last time that it ran, when it came from the cache and a report knows.
    #[serde(default)]
    pub last_ms: Option<u64>,
    /// The bytes that it downloaded.
    #[serde(default)]
    pub bytes: u64,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// The end of its log, when it failed.
    #[serde(default)]
    pub tail: Vec<String>,
}

/// Why a step ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The step did not run.
    #[default]
    Cached,
    /// Nothing that it is made from ran: its own line, an argument, or what it reads from outside changed.
    Root,
    /// Some of its inputs ran: their positions among the steps.
    Inputs(Vec<usize>),
}

impl StepSummary {
    /// What happened, in a word.
    pub fn status(&self) -> Status {
        match &self.error {
            Some(error) if error.contains("context canceled") => Status::Canceled,
            Some(_) => Status::Failed,
            None if self.cached => Status::Cached,
            None => Status::Ran,
        }
    }

    /// Whether it is the base of a stage.
    pub fn is_base(&self) -> bool {
        self.name.starts_with("FROM ")
    }

    /// Stage and instruction on one line.
    pub fn title(&self) -> String {
        title(&self.stage, &self.name)
    }
}

/// What happened to a step or a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The step had nothing to do in this build.
    #[default]
    Absent,
    /// The step came from the cache.
    Cached,
    /// The step stopped because another one failed.
    Canceled,
    /// The step ran.
    Ran,
    /// The step failed.
    Failed,
}

impl Status {
    /// The word without spaces, as a class of HTML.
    pub fn class(self) -> &'static str {
        if self == Self::Absent { "absent" } else { self.word() }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "not built",
            Self::Cached => "cached",
            Self::Canceled => "canceled",
            Self::Ran => "ran",
            Self::Failed => "failed",
        }
    }
}

/// A service that is built.
#[derive(Clone, Debug, Default)]
pub struct BuiltService {
    /// What the names of its steps call it.
    pub name: String,
    /// The service.
    pub service: String,
    /// The Dockerfile; stages of different ones may have the same name.
    pub dockerfile: String,
    /// The stages that its image needs, in lower case.
    pub stages: BTreeSet<String>,
}

/// The target whose build named a step; when one is built alone, no name says so.
fn named<'t>(targets: &'t [BuiltService], place: &StepPlace<'_>) -> Option<&'t BuiltService> {
    match (place.service, targets) {
        (None, [one]) => Some(one),
        (name, _) => targets.iter().find(|target| Some(target.name.as_str()) == name),
    }
}

/// The services whose images need the stage of a target.
fn services(targets: &[BuiltService], named: Option<&BuiltService>, stage: &str) -> Vec<String> {
    let Some(named) = named else { return Vec::new() };
    let stage = stage.to_lowercase();
    let shares = |target: &BuiltService| target.dockerfile == named.dockerfile && target.stages.contains(&stage);
    let needs = targets.iter().filter(|target| target.name == named.name || shares(target));
    needs.map(|target| target.service.clone()).collect()
}

/// How long steps took when they last ran, in milliseconds, by stage and instruction.
type Times<'a> = BTreeMap<(&'a str, &'a str), u64>;

/// The times of earlier steps, the newest first.
fn times<'a>(earlier: impl IntoIterator<Item = &'a StepSummary>) -> Times<'a> {
    let mut times = Times::new();
    for step in earlier {
        let time = if step.status() == Status::Ran { Some(step.duration_ms) } else { step.last_ms };
        if let Some(time) = time {
            times.entry((step.stage.as_str(), step.name.as_str())).or_insert(time);
        }
    }
    times
}

/// The steps of the user's, each after those that it is made from; `earlier` are steps of earlier builds, the newest first.
pub fn summed_up<'a>(
    progress: &Progress,
    targets: &[BuiltService],
    earlier: impl IntoIterator<Item = &'a StepSummary>,
) -> Vec<StepSummary> {
    let times = times(earlier);
    let all = progress.steps();
    let first = all.iter().filter_map(|step| step.started).min();
    let last = all.iter().filter_map(|step| step.completed.max(step.started)).max();
    let mut numbers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut steps: Vec<StepSummary> = Vec::new();
    for index in ordered(all) {
        let inputs = all[index].inputs.iter().filter_map(|input| numbers.get(input)).flatten().copied().collect();
        let Some(mut step) = one(&all[index], targets, &times) else {
            // What is made from a step that is not listed is made from what that one is made from.
            numbers.insert(index, inputs);
            continue;
        };
        step.inputs = inputs;
        if !step.cached {
            let ran: Vec<_> = step.inputs.iter().copied().filter(|&input| !steps[input].cached).collect();
            step.cause = if ran.is_empty() { Cause::Root } else { Cause::Inputs(ran) };
        }
        let between = |from, to: Option<Timestamp>| to.zip(from).map_or(0, |(to, from)| milliseconds(to.since(from)));
        step.start_ms = between(first, all[index].started);
        if all[index].is_running() {
            step.duration_ms = between(all[index].started, last);
        }
        numbers.insert(index, vec![steps.len()]);
        steps.push(step);
    }
    share_services(&mut steps);
    steps
}

/// Whoever needs a step needs its inputs.
fn share_services(steps: &mut [StepSummary]) {
    for index in (0..steps.len()).rev() {
        for input in steps[index].inputs.clone() {
            let (before, from) = steps.split_at_mut(index);
            let (services, others) = (&mut before[input].services, &from[0].services);
            let new: Vec<_> = others.iter().filter(|service| !services.contains(service)).cloned().collect();
            services.extend(new);
        }
        steps[index].services.sort_unstable();
    }
}

/// A step of the user's that BuildKit got to.
fn one(step: &Step, targets: &[BuiltService], times: &Times<'_>) -> Option<StepSummary> {
    let place = step.place()?;
    if step.started.is_none() && !step.cached && step.error.is_none() {
        return None;
    }
    // BuildKit never calls a `FROM` cached; one that downloaded nothing is.
    let bytes = step.bytes();
    let cached = step.cached || (place.instruction.starts_with("FROM ") && bytes == 0 && step.error.is_none());
    let name = place.instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    let last_ms = times.get(&(place.stage, name.as_str())).copied().filter(|_| cached);
    let unfinished = (step.is_running() && !cached).then(|| "context canceled: it did not end".to_owned());
    let error = step.error.clone().or(unfinished);
    let target = named(targets, &place);
    Some(StepSummary {
        service: place.service.map(|name| target.map_or(name, |target| &target.service)).unwrap_or_default().to_owned(),
        services: services(targets, target, place.stage),
        stage: place.stage.to_owned(),
        name,
        cached,
        duration_ms: if cached { 0 } else { step.milliseconds() },
        last_ms,
        bytes,
        tail: if error.is_some() { step.tail.iter().cloned().collect() } else { Vec::new() },
        error,
        ..StepSummary::default()
    })
}

/// The numbers of all steps by their start, but inputs always first.
fn ordered(steps: &[Step]) -> Vec<usize> {
    let mut by_start: Vec<usize> = (0..steps.len()).collect();
    by_start.sort_by_key(|&index| (steps[index].started.is_none(), steps[index].started));
    let mut seen = vec![false; steps.len()];
    let mut order = Vec::with_capacity(steps.len());
    for first in by_start {
        let mut open = if seen[first] { Vec::new() } else { vec![first] };
        while let Some(&at) = open.last() {
            seen[at] = true;
            match steps[at].inputs.iter().find(|&&input| !seen[input]) {
                Some(&input) => open.push(input),
                None => order.extend(open.pop()),
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_halves_of_a_linked_copy_are_one_step() {
        let mut progress = Progress::default();
        let vertex = |digest: &str, inputs: &str, name: &str| {
            format!(
                r#"{{"digest":"{digest}","inputs":[{inputs}],"name":"[s {name}","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z"}}"#
            )
        };
        let all = [
            vertex("a", "", "1/3] RUN a"),
            vertex("b", "", "2/3] COPY --link x y"),
            vertex("c", r#""a","b""#, "2/3] LINK COPY --link x y"),
            vertex("d", r#""c""#, "3/3] RUN d"),
        ];
        progress.feed(format!(r#"{{"vertexes":[{}]}}"#, all.join(",")).as_bytes());
        let steps = summed_up(&progress, &[], []);
        assert_eq!(
            steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(),
            ["RUN a", "COPY --link x y", "RUN d"]
        );
        assert_eq!(steps[2].cause, Cause::Inputs(vec![0, 1]));
    }

    #[test]
    fn services_of_one_dockerfile_share_the_stages_that_both_need() {
        let target = |name: &str, dockerfile: &str| {
            let (service, stages) = (name.replace('_', "."), BTreeSet::from(["base".to_owned()]));
            BuiltService { name: name.to_owned(), service, dockerfile: dockerfile.to_owned(), stages }
        };
        let targets = [target("web_1", "a"), target("api", "a"), target("other", "b")];
        let steps = |events: &str, targets: &[BuiltService]| {
            let mut progress = Progress::default();
            progress.feed(events.as_bytes());
            let steps = summed_up(&progress, targets, []);
            steps.into_iter().map(|step| (step.service, step.services.join(" "))).collect::<Vec<_>>()
        };
        let named = r#"{"vertexes":[{"digest":"a","name":"[web_1 BASE 1/2] RUN x","cached":true},
            {"digest":"b","name":"[web_1 own 1/1] RUN x","cached":true}]}"#;
        let pair = |service: &str, services: &str| (service.to_owned(), services.to_owned());
        assert_eq!(steps(named, &targets), [pair("web.1", "api web.1"), pair("web.1", "web.1")]);
        let alone = r#"{"vertexes":[{"digest":"a","name":"[base 1/2] RUN x","cached":true}]}"#;
        assert_eq!(steps(alone, &targets[..1]), [pair("", "web.1")]);
        assert_eq!(steps(alone, &targets), [pair("", "")]);
    }
}
