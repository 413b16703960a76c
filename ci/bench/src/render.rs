//! The results as README.md, docs/bench.md and docs/bench.svg show them.

use anyhow::{Context as _, Result};
use camino::Utf8Path;

use crate::contenders::{CONTENDERS, XTASK};
use crate::results::{Growth, Measured, Profile, Results, Scenario};
use crate::scenarios::EMPTY;
use crate::{aims, chart};

/// What is between these lines of a document is made from the results.
const MARKERS: [&str; 2] = ["<!-- measured -->\n", "<!-- /measured -->\n"];

/// A file of the repository and how it is made from the results.
type Part = (&'static str, fn(&Results) -> String);

const PARTS: [Part; 2] = [("README.md", overview), ("docs/bench.md", details)];

/// Writes the results into the documents.
pub(crate) fn write(root: &Utf8Path, results: &Results) -> Result<()> {
    fs_err::write(root.join("docs/bench.svg"), chart::svg(results))?;
    for (name, render) in PARTS {
        let path = root.join(name);
        let text = fs_err::read_to_string(&path)?;
        let measured = measured(&text).with_context(|| format!("`{path}` has no place for the results"))?;
        let (before, after) = (measured.start, measured.end);
        fs_err::write(path, format!("{}{}{}", &text[..before], render(results), &text[after..]))?;
    }
    Ok(())
}

/// Where the results are in a document.
fn measured(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find(MARKERS[0])? + MARKERS[0].len();
    Some(start..start + text[start..].find(MARKERS[1])?)
}

/// The medians of all contenders.
fn overview(results: &Results) -> String {
    if results.scenarios.is_empty() {
        return "Not measured yet: `cargo sandbox cargo run --package bench` does it.\n".to_owned();
    }
    let titles = CONTENDERS.iter().map(|contender| contender.title);
    // What only some took part in is among the details.
    let complete = results.scenarios.iter().filter(|scenario| scenario.contenders.len() == CONTENDERS.len());
    let rows = complete.map(|scenario| {
        let cells = CONTENDERS.iter().map(|contender| scenario.of(contender.name).map_or(String::new(), cell));
        [scenario.name.clone()].into_iter().chain(cells).collect()
    });
    let empty = results.scenarios.iter().find(|one| one.name == EMPTY);
    let empty = empty.and_then(|scenario| scenario.of(XTASK)).map_or(f64::NAN, |tool| tool.median_s);
    format!(
        "{}\nA backend push adds {} to the image. The tool takes {} of memory at most. An empty\nrunner is up to date after \
         {} with the binary of a release, and after {:.0} s if it compiles the tool.\n",
        table([""].into_iter().chain(titles).map(str::to_owned).collect(), rows.collect()),
        bytes(results.image.push_bytes as f64),
        bytes(results.peak_bytes()),
        chart::seconds(empty),
        empty + results.cold_compile_s,
    )
}

fn cell(measured: &Measured) -> String {
    let time = chart::seconds(measured.median_s);
    match (measured.right, measured.contender == XTASK) {
        (false, _) => format!("~~{time}~~ stale"),
        (true, true) => format!("**{time}**"),
        (true, false) => time,
    }
}

/// Everything else.
fn details(results: &Results) -> String {
    let scenarios = results.scenarios.iter().map(of_scenario).collect::<String>();
    let profiles = results.profiles.iter().map(of_profile).collect::<String>();
    let layers = results.image.layers.iter().map(|layer| {
        let made_by = if layer.made_by.is_empty() { "the base image" } else { &layer.made_by };
        vec![bytes(layer.bytes as f64), format!("`{}`", made_by.replace('|', "\\|").replace('`', ""))]
    });
    let growth = results.scale.iter().map(|growth| {
        let Growth { what, points, exponent } = growth;
        let each =
            |show: &dyn Fn(&crate::results::Point) -> String| points.iter().map(show).collect::<Vec<_>>().join(", ");
        let sizes = each(&|point| point.size.to_string());
        let memory = each(&|point| format!("{:.0}", point.peak_kb as f64 / 1024.0));
        let (cpu, wall) = (each(&|point| format!("{:.2}", point.cpu_s)), each(&|point| format!("{:.2}", point.wall_s)));
        vec![what.clone(), sizes, cpu, wall, memory, format!("{exponent:.2}")]
    });
    let aims = aims::all(results).into_iter().map(|(aim, measured, reached)| {
        vec![aim.to_owned(), measured, if reached { "yes" } else { "**no**" }.to_owned()]
    });
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    format!(
        "### What is to be reached\n\n{}\n{scenarios}### The image\n\nFrom `docker run` to the first answer of `/health`: {}. A backend push makes layers of {} anew.\n\n{}\n\
         {profiles}### The tool as work grows\n\n{}",
        table(words(&["aim", "measured", "reached"]), aims.collect()),
        chart::seconds(results.image.health_s),
        bytes(results.image.push_bytes as f64),
        table(words(&["layer", "made by"]), layers.collect()),
        table(words(&["what grows", "sizes", "processor s", "wall s", "MB", "exponent"]), growth.collect()),
    )
}

fn of_scenario(scenario: &Scenario) -> String {
    let head = [
        "",
        "median",
        "fastest to slowest",
        "runs",
        "times the tool",
        "steps",
        "from the hub",
        "to the registry",
        "from it",
        "new on disk",
        "code",
    ];
    let row = |measured: &Measured| {
        let title = CONTENDERS.iter().find(|contender| contender.name == measured.contender).map_or("", |it| it.title);
        let range = [measured.fastest_s, measured.slowest_s].map(chart::seconds).join(" to ");
        vec![
            title.to_owned(),
            chart::seconds(measured.median_s),
            range,
            measured.runs.to_string(),
            format!("{:.2}", measured.ratio),
            measured.steps.to_string(),
            bytes(measured.hub_bytes as f64),
            bytes(measured.registry_bytes.0 as f64),
            bytes(measured.registry_bytes.1 as f64),
            bytes(measured.disk_bytes as f64),
            if measured.right { "right" } else { "**stale**" }.to_owned(),
        ]
    };
    let rows = scenario.contenders.iter().map(row).collect();
    format!("### {}\n\n{}\n", scenario.name, table(head.map(str::to_owned).to_vec(), rows))
}

/// Bars over the time of the run: those beside each other overlap.
fn of_profile(profile: &Profile) -> String {
    const COLUMNS: f64 = 60.0;
    let column = |seconds: f64| (seconds / profile.total_s * COLUMNS).floor() as usize;
    let rows = profile.processes.iter().map(|process| {
        let (from, to) = (column(process.from_s), column(process.to_s));
        let bar = format!("{}{}", " ".repeat(from), "█".repeat((to - from).max(1)));
        let ms = (process.to_s - process.from_s) * 1000.0;
        format!("{:<32} {ms:>5.0} ms {bar}\n", process.command)
    });
    let total = profile.total_s * 1000.0;
    let rows = rows.collect::<String>();
    format!("### Where the time goes: {}\n\n```text\n{rows}{:<32} {total:>5.0} ms\n```\n\n", profile.name, "all")
}

fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    line(&head) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}

/// An amount that people read.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        // An engine that collects garbage meanwhile has less than before.
        ..0.0 => format!("-{}", self::bytes(-bytes)),
        0.0..1e3 => format!("{bytes:.0} B"),
        1e3..1e6 => format!("{:.0} kB", bytes / 1e3),
        _ => format!("{:.0} MB", bytes / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_show_the_committed_results() {
        let root = Utf8Path::new(crate::ROOT);
        let results = Results::read(root).expect("docs/bench.json");
        let read = |name: &str| fs_err::read_to_string(root.join(name)).expect("a document");
        let again = "write them again: cargo run --package bench render";
        for (name, render) in PARTS {
            let text = read(name);
            let shown = &text[measured(&text).expect("a place for the results")];
            assert_eq!(shown, render(&results), "{name} does not show the results; {again}");
        }
        assert_eq!(read("docs/bench.svg"), chart::svg(&results), "docs/bench.svg does not show the results; {again}");
    }
}
