//! A plan with what is foreseen of it.

use buildkit_report::prediction::{Longest, StagePrediction};

use crate::foresight::predict::Foreseen;
use crate::report::human::{several, warnings};
use crate::ui::Ui;
use crate::value::measure::seconds;

/// Writes it as data.
pub fn show(ui: &Ui, foreseen: &Foreseen<'_>) {
    for service in &foreseen.plan.services {
        let verb = service.action.name();
        ui.data(&format!("{verb:>12} {} {} ({}): {}", service.service, service.cache_bust, service.image, service.why));
        for line in several(service) {
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
    let width = foreseen.prediction.iter().map(|one| one.stage.chars().count()).max().unwrap_or(0);
    for stage in &foreseen.prediction {
        ui.data(&format!("{:>12} {:width$} {}", stage.expected.word(), stage.stage, about(stage)));
    }
    if let Some(ms) = foreseen.expected_ms {
        let longest = foreseen.prediction.iter().filter_map(|stage| stage.longest.as_ref()).max_by_key(|one| one.ms);
        ui.data(&format!("{:>12} {}", "time", time(ms, longest)));
    }
    ui.message("plan", foreseen);
}

fn about(stage: &StagePrediction) -> String {
    match stage.expected_ms {
        Some(ms) => format!("{}; {}", stage.why, time(ms, stage.longest.as_ref())),
        None => stage.why.clone(),
    }
}

/// `~19 s; 17 s of it `npm run build``.
fn time(ms: u64, longest: Option<&Longest>) -> String {
    let of_it = longest.filter(|one| one.ms < ms || one.ms > 1000);
    let of_it = of_it.map(|one| format!("; {} of it `{}`", seconds(one.ms), one.step));
    format!("~{}{}", seconds(ms), of_it.unwrap_or_default())
}
