//! A summary on the terminal.

use crate::measure::{bytes, counted, seconds};
use crate::steps::{Status, StepSummary};
use crate::summary::Summary;
use crate::text::plain;

/// Width of a bar that takes the whole build, in characters.
const BAR: usize = 24;
/// Width of the name of a step, in characters.
const NAME: usize = 62;

/// All lines.
pub fn lines(summary: &Summary) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {} on {}, {} ({} of it the build){}",
        summary.project,
        summary.command,
        summary.when(),
        seconds(summary.total_ms),
        seconds(summary.build_ms),
        if summary.failure.is_some() { ", failed" } else { "" }
    )];
    for service in &summary.services {
        lines.push(format!("{:>12} {} {}: {}", service.action, service.service, service.cache_bust, service.why));
    }
    lines.extend(summary.warnings.iter().map(|warning| format!("{:>12} {}", "warning", plain(warning, 500))));
    lines.push(String::new());
    lines.extend(steps(summary));
    lines.push(String::new());
    lines.extend(figures(summary));
    lines.push(String::new());
    lines.extend(stages(summary));
    for step in summary.steps.iter().filter(|step| step.status() == Status::Failed) {
        lines.extend([String::new(), format!("{} failed:", step.title())]);
        lines.extend(step.tail.iter().map(|line| format!("    {line}")));
    }
    lines
}

/// A bar for every step, the longest first.
fn steps(summary: &Summary) -> Vec<String> {
    let steps = summary.longest_first();
    let longest = steps.iter().map(|step| step.duration_ms).max().unwrap_or(0).max(1);
    let line = |step: &StepSummary| {
        let name = plain(&step.title(), NAME - 1);
        let time = match step.status() {
            Status::Cached => "cached".to_owned(),
            Status::Ran => seconds(step.duration_ms),
            other => format!("{} {}", other.word(), seconds(step.duration_ms)),
        };
        // Any step that ran has a bar.
        let share = u128::from(step.duration_ms) * BAR as u128 / u128::from(longest);
        let bar = if step.cached { String::new() } else { "█".repeat(usize::try_from(share).unwrap_or(BAR).max(1)) };
        let gap = NAME.saturating_sub(name.chars().count());
        format!("{time:>14} {name}{:gap$} {bar}", "").trim_end().to_owned()
    };
    let why = |step: &StepSummary| summary.because(step).map(|why| format!("{:>14} {why}", ""));
    steps.into_iter().flat_map(|step| std::iter::once(line(step)).chain(why(step))).collect()
}

fn figures(summary: &Summary) -> Vec<String> {
    let figures = &summary.figures;
    let count = summary.steps.len();
    let mut lines = vec![format!(
        "{:>14} {} of {count} steps ({} %)",
        "from the cache",
        figures.cached,
        figures.cached_share(count)
    )];
    let critical: Vec<_> = figures.critical.iter().filter_map(|&index| summary.steps.get(index)).collect();
    lines.push(format!(
        "{:>14} {}: {} in a row",
        "critical path",
        seconds(figures.critical_ms),
        counted(critical.len(), "step")
    ));
    for step in critical {
        lines.push(format!("{:>14} {}", seconds(step.duration_ms), plain(&step.title(), NAME)));
    }
    lines.push(format!("{:>14} {}", "saved", figures.saved()));
    if figures.bytes > 0 {
        lines.push(format!("{:>14} {}", "downloaded", bytes(figures.bytes)));
    }
    lines
}

/// What was predicted of every stage beside what it did.
fn stages(summary: &Summary) -> Vec<String> {
    let width = |name: &str| name.chars().count();
    let names = summary.stages.iter().map(|stage| width(&stage.title)).max().unwrap_or(0).max(14);
    let line = |[stage, predicted, actual]: [&str; 3]| format!("{stage:>names$} {predicted:<18} {actual}");
    let mut lines = vec![line(["stage", "predicted", "actual"])];
    lines.extend(summary.stages.iter().map(|stage| line([&stage.title, &stage.prediction(), &stage.actual()])));
    lines
}
