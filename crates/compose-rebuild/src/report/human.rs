//! Plans and summaries in words.

use std::collections::BTreeMap;

use buildkit_report::summary::Summary;

use crate::facts::found::Unwatched;
use crate::plan::{Action, Plan, ServicePlan};
use crate::ui::{Ui, plain};
use crate::value::{measure, short};

/// How many lines may say the same of one thing each.
const FEW: usize = 3;

/// The items in their order, those together of which one line can say it, because more than a few have the same key; each on
/// its own for those who asked for more.
pub fn groups<'a, T, K: Ord>(ui: &Ui, all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<Vec<&'a T>> {
    larger_groups(if ui.is_verbose() { usize::MAX } else { FEW }, all, key)
}

/// The items in their order, those together that have the same key, unless they are that few.
fn larger_groups<'a, T, K: Ord>(few: usize, all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<Vec<&'a T>> {
    let mut equal: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    all.iter().enumerate().for_each(|(at, one)| equal.entry(key(one)).or_default().push(at));
    let each = |group: Vec<usize>| match group.len() <= few {
        true => group.into_iter().map(|at| vec![at]).collect(),
        false => vec![group],
    };
    let mut groups: Vec<_> = equal.into_values().flat_map(each).collect();
    groups.sort();
    groups.into_iter().map(|group| group.into_iter().map(|at| &all[at]).collect()).collect()
}

/// The names of a few, or how many there are.
pub fn names_or_count<T>(group: &[&T], name: impl Fn(&T) -> String, noun: &str) -> String {
    match group.len() <= FEW {
        true => group.iter().map(|one| name(one)).collect::<Vec<_>>().join(", "),
        false => measure::counted(group.len(), noun),
    }
}

/// What the services are, before anything happens or because nothing has to.
pub fn services(ui: &Ui, plan: &Plan) {
    for group in alike(ui, plan) {
        let service = group[0];
        let names = names_or_count(&group, |one| one.service.to_string(), "service");
        let about = format!("{names} ({})", service.why);
        match &service.action {
            Action::Fresh => ui.status("Fresh", &about),
            Action::Held => ui.status("Held", &about),
            Action::Shared(_) => ui.status("Shared", &about),
            Action::Reuse(_) => ui.status("Keeping", &about),
            Action::Build(_) => {
                ui.status("Building", &format!("{names} {} ({})", service.cache_bust, service.why));
                for line in several(service) {
                    ui.status("Source", &line);
                }
            }
        }
    }
    warnings(ui, plan);
}

/// The services of a plan, those together with which the same happens for the same reason.
pub fn alike<'a>(ui: &Ui, plan: &'a Plan) -> Vec<Vec<&'a ServicePlan>> {
    groups(ui, &plan.services, |one| (one.action.name(), &one.cache_bust, &one.why, several(one)))
}

/// What a plan is to be taken with.
pub fn warnings(ui: &Ui, plan: &Plan) {
    if let Some(doubt) = &plan.doubt {
        ui.warning(doubt);
    }
    if plan.holds() {
        ui.status("Note", "the next newer commit ends this; `cargo xtask rebuild --forward` goes there now");
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
    for group in larger_groups(1, all, |one| Unwatched { service: all[0].service.clone(), ..one.clone() }) {
        let Unwatched { place, repository, why, cure, .. } = group[0];
        let names = names_or_count(&group, |one| format!("`{}`", one.service), "service");
        ui.warning(&format!("a push to {repository} is not noticed in {names} ({place}): {why}; {cure}"));
    }
}

/// Characters of a step's title that fit beside its verb and its time on a terminal of 100 columns.
const TITLE: usize = 72;

/// Steps that were rebuilt of which each has a line, the longest ones.
const STEPS: usize = 10;

/// The steps that were rebuilt, with their times, and how many were cached; which these were, for those who asked for more.
pub fn steps(ui: &Ui, summary: &Summary) {
    let ran: Vec<_> = summary.longest_first().into_iter().filter(|step| !step.cached).collect();
    let (longest, others) = ran.split_at(if ui.is_verbose() { ran.len() } else { STEPS.min(ran.len()) });
    for step in &summary.steps {
        let title = plain(&step.title(), TITLE);
        if step.cached {
            ui.detail("Cached", &title);
        } else if longest.iter().any(|one| std::ptr::eq(*one, step)) {
            ui.status("Rebuilt", &format!("{title} ({})", measure::seconds(step.duration_ms)));
        }
        ui.message("step", step);
    }
    if let [longest, ..] = others {
        let (steps, each) = (measure::counted(others.len(), "other step"), measure::seconds(longest.duration_ms));
        ui.status("Rebuilt", &format!("{steps} (at most {each} each)"));
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
