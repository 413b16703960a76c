//! The results as a page of the documentation.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::ROOT;
use crate::lists::{self, Proof};
use crate::results::{Results, Run};

const FILE: &str = "docs/reliability.md";
const MARK: &str = "<!-- results -->\n";
/// The parts in which faults are tried, with what the page calls them.
const PARTS: [(&str, &str); 3] = [("fakes", "fakes"), ("classic", "classic"), ("containerd", "containerd")];

/// Replaces what stands behind the mark.
pub(crate) fn write(results: &mut Results) -> Result<()> {
    let path = format!("{ROOT}/{FILE}");
    let text = fs_err::read_to_string(&path)?;
    let (intro, _) = text.split_once(MARK).with_context(|| format!("{FILE} has no mark"))?;
    fs_err::write(&path, format!("{intro}{MARK}{}", render(results)?))?;
    Ok(())
}

fn render(results: &Results) -> Result<String> {
    let mut page = String::new();
    faults(&mut page, results)?;
    stopped(&mut page, results)?;
    inputs(&mut page, results)?;
    protections(&mut page, results)?;
    provenance(&mut page, results)?;
    Ok(page)
}

/// What these tests say in a part: nothing when none belongs to it.
fn outcome(run: Option<&Run>, part: &str, tests: &[&str]) -> Option<Option<bool>> {
    let own: Vec<_> = tests.iter().filter(|name| name.starts_with("engine::") != (part == "fakes")).collect();
    if own.is_empty() {
        return None;
    }
    let ended: Option<Vec<bool>> = own.iter().map(|name| run?.tests.get(**name).copied()).collect();
    Some(ended.map(|ended| ended.into_iter().all(|passed| passed)))
}

fn faults(page: &mut String, results: &Results) -> Result<()> {
    let faults = lists::faults()?;
    let (mut survived, mut not_tried, mut failed, mut open) = (0, 0, 0, 0);
    let mut table = String::new();
    for fault in &faults {
        let mut cells = Vec::new();
        let proof = match &fault.proof {
            Proof::NotTried(reason) => {
                not_tried += 1;
                cells.extend(["", "", ""]);
                format!("not tried: {reason}")
            }
            Proof::Tests(tests) => {
                let ends = PARTS.map(|(part, _)| outcome(results.runs.get(part), part, tests));
                let ran: Vec<bool> = ends.iter().filter_map(|end| end.flatten()).collect();
                match (ran.is_empty(), ran.iter().all(|passed| *passed)) {
                    (true, _) => open += 1,
                    (_, true) => survived += 1,
                    (_, false) => failed += 1,
                }
                cells.extend(ends.map(|end| match end {
                    None => "",
                    Some(None) => "not run",
                    Some(Some(true)) => "survived",
                    Some(Some(false)) => "**failed**",
                }));
                tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>")
            }
        };
        writeln!(table, "| {} | {} | {} | {} | {proof} |", fault.number, fault.fault, fault.must, cells.join(" | "))?;
    }
    writeln!(page, "## Faults\n")?;
    writeln!(
        page,
        "Of {} faults {survived} were survived in every run that tried them, {failed} were not, {open} have tests that\n\
         were not run, and {not_tried} are not tried.\n",
        faults.len()
    )?;
    let heads = PARTS.map(|(_, head)| head).join(" | ");
    writeln!(page, "| | fault | what must happen | {heads} | proof |\n|---|---|---|---|---|---|---|\n{table}")?;
    Ok(())
}

/// Rows of a table, one for each part that has this figure.
fn rows(page: &mut String, results: &Results, figure: &str, fields: &[&str]) -> Result<()> {
    for (part, run) in &results.runs {
        if let Some(value) = run.figures.get(figure) {
            let cells: Vec<String> = fields.iter().map(|field| value[*field].to_string()).collect();
            writeln!(page, "| {part} | {} |", cells.join(" | "))?;
        }
    }
    Ok(())
}

fn stopped(page: &mut String, results: &Results) -> Result<()> {
    writeln!(page, "## Stopped at random\n")?;
    writeln!(
        page,
        "Rebuilds of two services are stopped at moments from a seed. After each, an ordinary `rebuild` must build the\n\
         pushed commit into both images and leave no staged tag, container or file.\n"
    )?;
    writeln!(page, "| kill -9 | stopped | tags apart until the next run | next run right |\n|---|---|---|---|")?;
    rows(page, results, "kills", &["stopped", "apart_until_next_run", "next_run_right"])?;
    writeln!(
        page,
        "\n| Ctrl-C | stopped | tags apart | next run right | until it ended, median | longest |\n|---|---|---|---|---|---|"
    )?;
    for (part, run) in &results.runs {
        if let Some(value) = run.figures.get("interrupts") {
            let [stopped, apart, right, median, longest] =
                ["stopped", "apart", "next_run_right", "median_ms", "longest_ms"].map(|field| value[field].to_string());
            writeln!(page, "| {part} | {stopped} | {apart} | {right} | {median} ms | {longest} ms |")?;
        }
    }
    writeln!(page, "\n| a build that prints | lines of | peak memory of the tool |\n|---|---|---|")?;
    for run in results.runs.values() {
        for value in run.figures.iter().filter(|(name, _)| name.starts_with("memory")).map(|(_, value)| value) {
            let number = |field: &str| value[field].as_u64().unwrap_or_default();
            let peak = number("peak_kb") / 1000;
            writeln!(page, "| {} MB | {} kB | {peak} MB |", number("log_mb"), number("line_kb"))?;
        }
    }
    writeln!(page)?;
    Ok(())
}

fn inputs(page: &mut String, results: &Results) -> Result<()> {
    let run = results.runs.get("inputs");
    let cases = run.and_then(|run| run.figures.get("cases")).and_then(Value::as_u64).unwrap_or_default();
    writeln!(page, "## Random inputs\n\n| parser | properties | inputs | result |\n|---|---|---|---|")?;
    let mut all = 0;
    for parser in lists::parsers()? {
        let ran = parser.tests.iter().filter_map(|name| run?.tests.get(*name));
        let (count, passed) = ran.fold((0, true), |(count, all), passed| (count + 1, all && *passed));
        let result = match (count, passed) {
            (0, _) => "not run",
            (_, true) => "nothing found",
            (_, false) => "**failed**",
        };
        all += count * cases;
        writeln!(page, "| {} | {} | {} | {result} |", parser.name, parser.tests.len(), count * cases)?;
    }
    writeln!(page, "\n{all} inputs in all.\n")?;
    Ok(())
}

fn protections(page: &mut String, results: &Results) -> Result<()> {
    writeln!(
        page,
        "## Protections\n\nEach was removed once from a copy of the sources, in which the test beside it had to fail.\n"
    )?;
    writeln!(page, "| protection | where | test | without it |\n|---|---|---|---|")?;
    for protection in lists::protections()? {
        let end = match results.protections.get(protection.name) {
            None => "not tried",
            Some(true) => "fails",
            Some(false) => "**passes**",
        };
        let file = protection.file.strip_prefix("crates/compose-rebuild/src/").unwrap_or(protection.file);
        writeln!(page, "| {} | `{file}` | `{}` | {end} |", protection.name, protection.test)?;
    }
    writeln!(page)?;
    Ok(())
}

fn provenance(page: &mut String, results: &Results) -> Result<()> {
    writeln!(page, "## What was run\n\n| part | commit | tests | with |\n|---|---|---|---|")?;
    for (part, run) in &results.runs {
        writeln!(page, "| {part} | `{}` | {} | {} |", run.commit, run.tests.len(), run.versions.join(", "))?;
    }
    if !results.protections_at.is_empty() {
        writeln!(page, "| protections | `{}` | {} | |", results.protections_at, results.protections.len())?;
    }
    Ok(())
}
