//! The medians as a chart: one row a scenario, one dot a contender, each on a line of its own, on a logarithmic axis.

use crate::contenders::{CONTENDERS, XTASK};
use crate::results::{Results, Scenario};

/// Colours of the contenders in their order, for light and for dark pages.
const COLOURS: [(&str, &str); CONTENDERS.len()] = [
    ("#b35900", "#f0a94a"),
    ("#8250df", "#c297ff"),
    ("#0969da", "#6cb6ff"),
    ("#6e7781", "#8b949e"),
    ("#bf3989", "#ff80c8"),
    ("#1a7f37", "#56d364"),
];
const WIDTH: usize = 980;
const ROW: usize = 52;
/// Distance of the lines of two contenders within a row.
const LANE: usize = 7;
/// Where the axis begins and ends, and what it shows there in seconds.
const AXIS: ((f64, f64), (f64, f64)) = ((410.0, 880.0), (0.1, 100.0));
const TOP: usize = 114;

/// The chart; colours follow the theme of the reader.
pub(crate) fn svg(results: &Results) -> String {
    let height = TOP + ROW * results.scenarios.len() + 16;
    let colours = |dark: bool| {
        let one = |(number, (light, other)): (usize, &(&str, &str))| {
            let colour = if dark { other } else { light };
            format!(".c{number}{{fill:{colour};stroke:{colour}}}")
        };
        COLOURS.iter().enumerate().map(one).collect::<String>()
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"Seconds that each way to rebuild takes\">\n<style>.bg{{fill:#fbfbf9;stroke:#d5d5d0}}\
         text{{font:13px system-ui,sans-serif;fill:#24292f}}.axis{{stroke:#d5d5d0}}{}.stale{{fill:none}}\
         @media(prefers-color-scheme:dark){{.bg{{fill:#14171c;stroke:#30363d}}text{{fill:#d6dbe1}}.axis{{stroke:#30363d}}{}\
         .stale{{fill:none}}}}</style>\n<rect class=\"bg\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        colours(false),
        colours(true),
        WIDTH - 1,
        height - 1
    );
    for (number, contender) in CONTENDERS.iter().enumerate() {
        let (x, y) = (24 + number % 3 * 230, 24 + number / 3 * 22);
        svg += &format!("<circle class=\"c{number}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>");
        svg += &text(x + 12, y + 4, "start", &contender.title.replace('`', ""));
    }
    svg += "<circle class=\"c3 stale\" cx=\"714\" cy=\"24\" r=\"5\"/>";
    svg += &text(726, 28, "start", "hollow: the image was stale");
    for tick in [0.1, 1.0, 10.0, 100.0] {
        let x = place(tick);
        svg += &format!("<line class=\"axis\" x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{}\" y2=\"{}\"/>", TOP - 8, height - 12);
        svg += &text(x as usize, TOP - 14, "middle", &format!("{tick} s"));
    }
    svg += &text(880, TOP - 34, "end", "logarithmic scale: each line is ten times the one before");
    for (number, scenario) in results.scenarios.iter().enumerate() {
        let y = TOP + ROW * number;
        svg += &format!("<line class=\"axis\" x1=\"24\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>", WIDTH - 24);
        svg += &row(scenario, y + ROW / 2);
    }
    svg + "\n</svg>\n"
}

fn row(scenario: &Scenario, y: usize) -> String {
    let mut row = text(24, y + 4, "start", &scenario.name.replace('`', ""));
    for (number, contender) in CONTENDERS.iter().enumerate() {
        let Some(measured) = scenario.of(contender.name) else { continue };
        let (radius, stale) = (if contender.name == XTASK { 6 } else { 4 }, if measured.right { "" } else { " stale" });
        let (x, y) = (place(measured.median_s), y + LANE * number - LANE * (CONTENDERS.len() - 1) / 2);
        row += &format!("<circle class=\"c{number}{stale}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"{radius}\"/>");
    }
    let time = scenario.of(XTASK).map_or(String::new(), |tool| seconds(tool.median_s));
    row + &text(WIDTH - 24, y + 4, "end", &time) + "\n"
}

/// Where a time is on the axis.
fn place(seconds: f64) -> f64 {
    let ((left, right), (least, most)) = AXIS;
    left + (right - left) * (seconds.clamp(least, most) / least).ln() / (most / least).ln()
}

fn text(x: usize, y: usize, anchor: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>")
}

/// A time with as many digits as it deserves.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}
