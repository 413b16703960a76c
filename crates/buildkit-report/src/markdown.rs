//! The summary that a CI system shows beside a run.

use crate::measure::seconds;
use crate::steps::Status;
use crate::summary::Summary;
use crate::text::markdown;

/// Most steps that are listed: GitHub takes a megabyte.
const MOST: usize = 100;

/// The summary as Markdown.
pub fn page(summary: &Summary) -> String {
    let figures = &summary.figures;
    let word = if summary.failure.is_some() { "failed" } else { "done" };
    let mut text = format!("### {} of {}: {word}\n\n", markdown(&summary.command), markdown(&summary.project));
    text += &format!(
        "{} in total, {} of it the build; {} of {} steps came from the cache ({} %); critical path {}; saved {}.\n\n",
        seconds(summary.total_ms),
        seconds(summary.build_ms),
        figures.cached,
        summary.steps.len(),
        figures.cached_share(summary.steps.len()),
        seconds(figures.critical_ms),
        figures.saved()
    );
    if let Some(failure) = &summary.failure {
        text += &format!("**Exit code {}**: {}\n\n", failure.code, markdown(&failure.cause));
    }
    if !summary.healthy.is_empty() {
        text += &format!("Started, and healthy: {}\n\n", markdown(&summary.healthy.join(", ")));
    }
    for warning in &summary.warnings {
        text += &format!("**Warning**: {}\n\n", markdown(warning));
    }
    text += "| service | action | value | why |\n|---|---|---|---|\n";
    for service in &summary.services {
        let cells = [&service.service, &service.action, &service.cache_bust, &service.why].map(|cell| markdown(cell));
        text += &format!("| {} |\n", cells.join(" | "));
    }
    if !summary.stages.is_empty() {
        text += "\n| stage | predicted | actual |\n|---|---|---|\n";
    }
    for stage in summary.stages.iter().take(MOST) {
        text += &format!("| {} | {} | {} |\n", markdown(&stage.title), stage.prediction(), stage.actual());
    }
    let mut steps = summary.longest_first();
    steps.retain(|step| !step.cached);
    if !steps.is_empty() {
        text += "\n| step that ran | time | why |\n|---|---|---|\n";
    }
    for step in steps.iter().take(MOST) {
        let why = summary.because(step).unwrap_or_default();
        text += &format!("| {} | {} | {} |\n", markdown(&step.title()), seconds(step.duration_ms), markdown(&why));
    }
    if steps.len() > MOST {
        text += &format!("\n{} more steps ran.\n", steps.len() - MOST);
    }
    for step in summary.steps.iter().filter(|step| step.status() == Status::Failed) {
        let lines: Vec<_> = step.tail.iter().map(|line| markdown(line)).collect();
        text += &format!("\n**{}** failed:<br>\n{}\n", markdown(&step.title()), lines.join("<br>\n"));
    }
    text + "\n"
}
