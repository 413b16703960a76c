//! A plan with what is foreseen of it.

use buildkit_report::prediction::{Longest, StagePrediction};

use crate::foresight::predict::Foreseen;
use crate::plan::ServicePlan;
use crate::report::human::{alike, groups, names_or_count, several, warnings};
use crate::ui::Ui;
use crate::value::measure::seconds;

/// Writes it as data.
pub fn show(ui: &Ui, foreseen: &Foreseen<'_>) {
    for group in alike(ui, foreseen.plan) {
        let ServicePlan { service, cache_bust, image, why, action, .. } = group[0];
        let what = match group.len() {
            1 => format!("{service} {cache_bust} ({image})"),
            many => format!("{many} services {cache_bust}"),
        };
        ui.data(&format!("{:>12} {what}: {why}", action.name()));
        for line in several(group[0]) {
            ui.data(&format!("{:>12} {line}", "from"));
        }
    }
    warnings(ui, foreseen.plan);
    for line in foreseen.upstream.iter().flat_map(|one| one.lines()) {
        ui.data(&format!("{:>12} {line}", ""));
    }
    for one in &foreseen.plan.idle {
        ui.data(&format!(
            "{:>12} {:.12}..{:.12} of {} for {}",
            "idle",
            one.from,
            one.to,
            one.name,
            one.services.join(", ")
        ));
        for line in one.commit_lines() {
            ui.data(&format!("{:>12} {line}", ""));
        }
    }
    let stages = groups(ui, &foreseen.prediction, |one| (one.expected.word(), &one.why));
    let stages: Vec<_> =
        stages.iter().map(|group| (names_or_count(group, |one| one.stage.clone(), "stage"), group)).collect();
    let width = stages.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, group) in &stages {
        ui.data(&format!("{:>12} {name:width$} {}", group[0].expected.word(), about(group)));
    }
    if let Some(ms) = foreseen.expected_ms {
        let longest = foreseen.prediction.iter().filter_map(|stage| stage.longest.as_ref()).max_by_key(|one| one.ms);
        ui.data(&format!("{:>12} {}", "time", time(ms, longest)));
    }
    ui.message("plan", foreseen);
}

fn about(stages: &[&StagePrediction]) -> String {
    let why = &stages[0].why;
    match (stages, stages.iter().filter_map(|stage| stage.expected_ms).max()) {
        ([stage], Some(ms)) => format!("{why}; {}", time(ms, stage.longest.as_ref())),
        (_, Some(ms)) => format!("{why}; at most {}", time(ms, None)),
        (_, None) => why.clone(),
    }
}

/// `~19 s; 17 s of it `npm run build``.
fn time(ms: u64, longest: Option<&Longest>) -> String {
    let of_it = longest.filter(|one| one.ms < ms || one.ms > 1000);
    let of_it = of_it.map(|one| format!("; {} of it `{}`", seconds(one.ms), one.step));
    format!("~{}{}", seconds(ms), of_it.unwrap_or_default())
}
