//! Plans and summaries in words.

use crate::facts::found::Unwatched;
use crate::plan::{Action, Plan, ServicePlan};
use crate::report::summary::Summary;
use crate::ui::Ui;
use crate::value::short;

/// What the services are, before anything happens or because nothing has to.
pub fn services(ui: &Ui, plan: &Plan) {
    for service in &plan.services {
        let about = format!("{} ({})", service.service, service.why);
        match &service.action {
            Action::Fresh => ui.status("Fresh", &about),
            Action::Shared(_) => ui.status("Shared", &about),
            Action::Reuse(_) => ui.status("Keeping", &about),
            Action::Build(_) => {
                ui.status("Building", &format!("{} {} ({})", service.service, service.cache_bust, service.why));
                for line in several(service) {
                    ui.status("Source", &line);
                }
            }
        }
    }
    unwatched(ui, &plan.unwatched);
}

/// The sources of a service, a line each, where there are several.
pub fn several(service: &ServicePlan) -> Vec<String> {
    let sources = service.sources.iter().filter(|_| service.sources.len() > 1);
    sources.map(|source| format!("{} {} {}", source.repository, source.wanted, short(&source.revision))).collect()
}

/// Says which code nobody watches, so that "fresh" is not taken for more than it is.
pub fn unwatched(ui: &Ui, all: &[Unwatched]) {
    for Unwatched { service, place, repository, why, cure } in all {
        ui.warning(&format!("a push to {repository} is not noticed in `{service}` ({place}): {why}; {cure}"));
    }
}

/// Each step, rebuilt or cached, with its time.
pub fn steps(ui: &Ui, summary: &Summary) {
    for step in &summary.steps {
        match step.cached {
            true => ui.status("Cached", &step.title()),
            false => ui.status("Rebuilt", &format!("{} ({})", step.title(), seconds(step.duration_ms))),
        }
        ui.message("step", step);
    }
}

/// The last line of a run.
pub fn finished(ui: &Ui, summary: &Summary) {
    let (rebuilt, cached) = (summary.figures.ran, summary.figures.cached);
    let what = match summary.services.iter().any(|service| service.action == "build") {
        true => format!("{rebuilt} steps rebuilt, {cached} cached, build {}", seconds(summary.build_ms)),
        false => "nothing to build".to_owned(),
    };
    let all = format!("{} in {} ({what})", summary.command, seconds(summary.total_ms));
    ui.status("Finished", &all);
    ui.annotate("notice", &all);
    ui.message(
        "finished",
        &serde_json::json!({
            "command": summary.command, "project": summary.project, "total_ms": summary.total_ms,
            "build_ms": summary.build_ms, "rebuilt": rebuilt, "cached": cached, "log": summary.log,
        }),
    );
}

/// Milliseconds as seconds for people.
pub fn seconds(milliseconds: u64) -> String {
    match milliseconds {
        0..60_000 => format!("{:.2}s", milliseconds as f64 / 1000.0),
        _ => format!("{}m {:02}s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// Seconds for people, in their largest unit.
pub fn age(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Bytes for people, in units of 1000 as Docker shows them.
pub fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(seconds(1234), "1.23s");
        assert_eq!(seconds(61_500), "1m 01s");
        assert_eq!([59, 3599, 86_399, 86_400].map(age), ["59s", "59m", "23h", "1d"]);
        assert_eq!(bytes(0), "0.0 kB");
        assert_eq!(bytes(3_210_000_000), "3.2 GB");
    }
}
