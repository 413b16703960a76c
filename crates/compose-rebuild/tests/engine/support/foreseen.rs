//! What was foreseen of each stage, beside what the builder did.

use std::collections::BTreeMap;

use serde_json::Value;

use super::World;

/// Stages that were foreseen, counted over many builds.
#[derive(Default)]
pub(crate) struct Tally {
    builds: usize,
    stages: usize,
    wrong: Vec<String>,
    /// Stages that ran although the cache was expected.
    missed: Vec<String>,
}

impl Tally {
    /// Plans, rebuilds and compares; returns the plan.
    #[track_caller]
    pub(crate) fn check(&mut self, world: &World, name: &str, args: &[&str]) -> Value {
        let outcome = world.xtask([&["plan", "--message-format", "json"], args].concat()).ok();
        let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
        self.count(name, &plan["prediction"], &world.build(&[&["rebuild"], args].concat()));
        plan
    }

    /// Rebuilds, and compares what the run foresaw itself.
    #[track_caller]
    pub(crate) fn check_alone(&mut self, world: &World, name: &str) {
        let report = world.build(&["rebuild"]);
        self.count(name, &report["prediction"], &report);
    }

    /// What a plan expects of a stage.
    pub(crate) fn expected<'a>(plan: &'a Value, stage: &str) -> &'a str {
        let all = plan["prediction"].as_array().unwrap();
        all.iter().find(|one| one["stage"] == stage).unwrap()["expected"].as_str().unwrap()
    }

    fn count(&mut self, name: &str, prediction: &Value, report: &Value) {
        let mut ran: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        for step in report["steps"].as_array().into_iter().flatten() {
            let text = |field: &str| step[field].as_str().unwrap();
            // A base image is never called cached, and one that stages share is named after any of them.
            if !text("name").starts_with("FROM ") {
                *ran.entry((text("service"), text("stage"))).or_default() |= step["cached"] == false;
            }
        }
        let foreseen: Vec<&Value> = prediction.as_array().unwrap().iter().collect();
        for ((service, stage), ran) in ran {
            let of = |one: &&&Value| {
                one["stage"] == stage
                    && one["services"].as_array().unwrap().iter().any(|s| service.is_empty() || s == service)
            };
            let one = foreseen.iter().find(of).map_or(&Value::Null, |one| one);
            let expected = one["expected"].as_str().unwrap_or("nothing");
            self.stages += 1;
            let line = format!("{name}: {stage} of {service}: {expected} ({}), but ran: {ran}", one["why"]);
            if expected == "cached" && ran {
                self.missed.push(line.clone());
            }
            if expected != if ran { "runs" } else { "cached" } {
                self.wrong.push(line);
            }
        }
        self.builds += 1;
    }

    /// Prints the figures, and fails when too little was right or a stage ran that was said to be cached.
    #[track_caller]
    #[allow(clippy::print_stdout, reason = "the figure is what the test is for")]
    pub(crate) fn finish(self, least: f64) {
        let right = self.stages - self.wrong.len();
        let share = right as f64 / self.stages as f64;
        println!("{right} of {} stages as foreseen in {} builds: {:.1} %", self.stages, self.builds, share * 100.0);
        self.wrong.iter().for_each(|line| println!("  {line}"));
        assert!(self.missed.is_empty(), "said to be cached: {:#?}", self.missed);
        assert!(share >= least, "{:#?}", self.wrong);
    }
}

impl World {
    /// A run that builds, and its report; nothing when there was nothing to build.
    #[track_caller]
    fn build(&self, args: &[&str]) -> Value {
        let reports = self.project().join("target/xtask/reports");
        let _ = std::fs::remove_dir_all(&reports);
        self.xtask(args.to_vec()).ok();
        if reports.exists() { self.report() } else { Value::Null }
    }
}
