//! When each step ran: positions are shares of the width, so that the drawing fits every screen and its text keeps its size.

use crate::measure::seconds;
use crate::steps::{Status, StepSummary};
use crate::summary::Summary;
use crate::text::html;

/// Most steps that are drawn.
const MOST: usize = 100;
/// Height of a step and of the axis.
const ROW: usize = 36;
const AXIS: usize = 22;

/// The steps that ran, in their order.
pub(super) fn draw(summary: &Summary) -> String {
    let mut longest = summary.longest_first();
    longest.retain(|step| !step.cached);
    let ran = longest.len();
    let shortest = longest.get(MOST - 1).map_or(0, |step| step.duration_ms);
    let mut steps: Vec<_> = summary.steps.iter().enumerate().filter(|(_, step)| !step.cached).collect();
    steps.retain(|(_, step)| step.duration_ms >= shortest);
    steps.truncate(MOST);
    if steps.is_empty() {
        return "<p class=\"note\">No step ran.</p>".to_owned();
    }
    let end = steps.iter().map(|(_, step)| step.start_ms.saturating_add(step.duration_ms)).max().unwrap_or(0).max(1);
    let height = AXIS + ROW * steps.len();
    let mut svg = format!(
        "<svg class=\"timeline\" width=\"100%\" height=\"{height}\" role=\"img\" aria-label=\"When each step ran\">"
    );
    let tick = tick(end);
    for at in (0..=end / tick).map(|number| number * tick) {
        let x = share(at, end);
        let anchor = if x > 92.0 { " class=\"end\"" } else { "" };
        svg += &format!(
            "<line x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{AXIS}\" y2=\"{height}\"/><text x=\"{x:.2}%\" y=\"14\"{anchor}>{}</text>",
            axis(at, tick)
        );
    }
    for (row, (index, step)) in steps.into_iter().enumerate() {
        svg += &bar(step, AXIS + ROW * row, end, summary.figures.critical.contains(&index));
    }
    let more = if ran > MOST { format!(" The {MOST} longest of {ran} steps are drawn.") } else { String::new() };
    let failed = if summary.failure.is_some() { "<span class=\"failed\">failed</span>" } else { "" };
    format!(
        "{svg}</svg><p class=\"legend\"><span class=\"critical\">on the critical path</span>\
         <span class=\"beside\">beside it</span>{failed}{more}</p>"
    )
}

fn bar(step: &StepSummary, y: usize, end: u64, critical: bool) -> String {
    let class = match (step.status(), critical) {
        (Status::Failed, _) => "failed",
        (_, true) => "critical",
        (_, false) => "beside",
    };
    let (x, width) = (share(step.start_ms, end), share(step.duration_ms, end).max(0.4));
    format!(
        "<g class=\"{class}\"><title>{}</title><foreignObject y=\"{y}\" width=\"80%\" height=\"20\"><div class=\"cut\">{}</div></foreignObject>\
         <text class=\"end\" x=\"100%\" y=\"{}\">{}</text>\
         <rect x=\"{:.2}%\" y=\"{}\" width=\"{width:.2}%\" height=\"10\" rx=\"3\"/></g>",
        html(&step.name),
        html(&step.title()),
        y + 15,
        seconds(step.duration_ms),
        x.min(99.6),
        y + 20
    )
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// A round distance of which a few fit: 1, 2, 10, 20, 100 and so on.
fn tick(end: u64) -> u64 {
    let factors = [2, 5].into_iter().cycle();
    let ticks = factors.scan(1, |tick: &mut u64, factor| Some(std::mem::replace(tick, tick.saturating_mul(factor))));
    ticks.take(40).find(|tick| end / tick <= 5).unwrap_or(end)
}

fn axis(at: u64, tick: u64) -> String {
    if tick.is_multiple_of(1000) { format!("{} s", at / 1000) } else { seconds(at) }
}
