//! Plans and summaries in words.

use buildkit_report::summary::Summary;

use crate::facts::found::Unwatched;
use crate::plan::{Action, Plan, ServicePlan};
use crate::ui::{Ui, plain};
use crate::value::{measure, short};

/// What the services are, before anything happens or because nothing has to.
pub fn services(ui: &Ui, plan: &Plan) {
    for service in &plan.services {
        let about = format!("{} ({})", service.service, service.why);
        match &service.action {
            Action::Fresh => ui.status("Fresh", &about),
            Action::Held => ui.status("Held", &about),
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
    warnings(ui, plan);
}

/// What a plan is to be taken with.
pub fn warnings(ui: &Ui, plan: &Plan) {
    if let Some(doubt) = &plan.doubt {
        ui.warning(doubt);
    }
    if plan.holds() {
        ui.status("Note", "the next commit goes forward by itself; `cargo xtask rebuild --forward` goes there now");
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

/// Characters of a step's title that fit beside its verb and its time on a terminal of 100 columns.
const TITLE: usize = 72;

/// Each step that was rebuilt, with its time, and how many were cached; which these were, for those who asked for more.
pub fn steps(ui: &Ui, summary: &Summary) {
    for step in &summary.steps {
        let title = plain(&step.title(), TITLE);
        match step.cached {
            true => ui.detail("Cached", &title),
            false => ui.status("Rebuilt", &format!("{title} ({})", measure::seconds(step.duration_ms))),
        }
        ui.message("step", step);
    }
    for warning in &summary.warnings {
        ui.warning(&plain(warning, 500));
    }
    match summary.figures.cached {
        0 => {}
        1 => ui.status("Cached", "1 step"),
        cached => ui.status("Cached", &format!("{cached} steps")),
    }
}

/// How a run ended, for people who were not there.
pub fn sentence(summary: &Summary) -> String {
    let Summary { project, command, total_ms, healthy, .. } = summary;
    if let Some(failure) = &summary.failure {
        let cause = failure.cause.lines().next().unwrap_or_default();
        return format!("{project}: {command} failed with exit code {}: {}", failure.code, plain(cause, 300));
    }
    let moved = summary.services.iter().filter(|service| matches!(service.action.as_str(), "build" | "reuse"));
    let mut what: Vec<_> = moved.map(|service| format!("{} {}", service.service, service.cache_bust)).collect();
    if !healthy.is_empty() {
        what.push(format!("started {}", healthy.join(", ")));
    }
    format!("{project}: {command} finished in {}: {}", measure::seconds(*total_ms), what.join(", "))
}

/// The last line of a run.
pub fn finished(ui: &Ui, summary: &Summary) {
    let (rebuilt, cached) = (summary.figures.ran, summary.figures.cached);
    let what = match summary.services.iter().any(|service| service.action == "build") {
        true => {
            let steps = measure::counted(rebuilt, "step");
            format!("{steps} rebuilt, {cached} cached, build {}", measure::seconds(summary.build_ms))
        }
        false => "nothing to build".to_owned(),
    };
    let all = format!("{} in {} ({what})", summary.command, measure::seconds(summary.total_ms));
    ui.status("Finished", &all);
    ui.annotate("notice", &all);
    ui.message(
        "finished",
        &serde_json::json!({
            "command": summary.command, "project": summary.project, "total_ms": summary.total_ms,
            "build_ms": summary.build_ms, "rebuilt": rebuilt, "cached": cached, "healthy": summary.healthy,
            "warnings": summary.warnings,
            "log": summary.log,
        }),
    );
}
