//! How long the last builds took.

use crate::measure::seconds;
use crate::summary::Summary;
use crate::text::html;

const HEIGHT: f64 = 110.0;
/// Room for the figures above and the dates below.
const ABOVE: f64 = 18.0;
const BELOW: f64 = 20.0;
/// Most builds that are shown.
const MOST: usize = 20;

/// This build and those before it, the oldest first.
pub(super) fn draw(summary: &Summary, before: &[Summary]) -> String {
    let mut builds: Vec<_> = std::iter::once(summary).chain(before).take(MOST).collect();
    builds.reverse();
    let most = builds.iter().map(|build| build.total_ms).max().unwrap_or(0).max(1);
    let width = 100.0 / builds.len().max(8) as f64;
    // The day, or where all are of one day the time.
    let is_day = builds.iter().any(|build| build.when().get(..10) != summary.when().get(..10));
    let label = if is_day { 5..10 } else { 11..16 };
    let mut svg = format!(
        "<svg class=\"trend\" width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"How long the last builds took\">",
        HEIGHT + ABOVE + BELOW
    );
    for (number, build) in builds.iter().enumerate() {
        // On a phone there is room for every third label.
        let last = if number + 1 == builds.len() { " last" } else { "" };
        let more = if builds.len() > 8 && (builds.len() - 1 - number) % 3 > 0 { " more" } else { "" };
        let class = match (&build.failure, number + 1 == builds.len()) {
            (Some(_), _) => "failed",
            (None, true) => "critical",
            (None, false) => "beside",
        };
        let height = (build.total_ms as f64 / most as f64 * HEIGHT).max(2.0);
        let x = number as f64 * width;
        let y = ABOVE + HEIGHT - height;
        let middle = x + width / 2.0;
        svg += &format!(
            "<g class=\"{class}{more}{last}\"><title>{} on {}: {}, {} ran, {} cached</title>\
             <rect x=\"{:.2}%\" y=\"{y:.1}\" width=\"{:.2}%\" height=\"{height:.1}\" rx=\"3\"/>\
             <text x=\"{middle:.2}%\" y=\"{:.1}\">{}</text><text class=\"date\" x=\"{middle:.2}%\" y=\"{:.1}\">{}</text></g>",
            html(&build.command),
            build.when(),
            seconds(build.total_ms),
            build.figures.ran,
            build.figures.cached,
            x + width * 0.14,
            width * 0.72,
            y - 5.0,
            short(build.total_ms),
            HEIGHT + ABOVE + 15.0,
            build.when().get(label.clone()).unwrap_or_default()
        );
    }
    svg + "</svg>"
}

/// A time in few characters.
fn short(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{:.1}s", ms as f64 / 1000.0),
        10_000..60_000 => format!("{}s", ms / 1000),
        _ => format!("{}m", ms / 60_000),
    }
}
