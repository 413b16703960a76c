//! The results as a page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::ROOT;
use crate::lists::{self, Proof};
use crate::results::{Figure, Results, Run};

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
    let ended: Option<Vec<bool>> = own.iter().map(|name| Some(run?.tests.get(**name)?.right)).collect();
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

/// The measurements of one name in each part that has some.
fn measured<'a>(results: &'a Results, what: &str) -> Vec<(&'a str, &'a [Figure])> {
    let runs = results.runs.iter().filter_map(|(part, run)| Some((part.as_str(), run.figures.get(what)?.as_slice())));
    runs.collect()
}

/// Numbers of several measurements, added up.
fn sums<const N: usize>(figures: &[Figure], fields: [&str; N]) -> [u64; N] {
    fields.map(|field| figures.iter().filter_map(|figure| figure.value[field].as_u64()).sum())
}

fn stopped(page: &mut String, results: &Results) -> Result<()> {
    writeln!(
        page,
        "## Stopped at random\n\n\
         Rebuilds of two services are stopped at moments from a seed: a third of them anywhere in the run, a third from the\n\
         end of the build's steps, a third from the end of the verification, when tags move. After each, an ordinary\n\
         `rebuild` must bring the pushed commit into both images and leave no staged tag, container or file.\n"
    )?;
    let head = "stopped | before tags moved | between two tags | after | left something | a tag | a container | next run right";
    let cells = |figures| {
        let fields = ["before", "apart", "after", "left_something", "left_tags", "left_containers"];
        let [stopped, wrong] = sums(figures, ["stopped", "wrong"]);
        let between = sums(figures, fields).map(|sum| sum.to_string()).join(" | ");
        format!("{stopped} | {between} | {}", stopped - wrong)
    };
    writeln!(page, "| kill -9 | {head} |\n|---|---|---|---|---|---|---|---|---|")?;
    for (part, figures) in measured(results, "kills") {
        writeln!(page, "| {part} | {} |", cells(figures))?;
    }
    let latency = "until it ended, median | longest | within a second";
    writeln!(page, "\n| Ctrl-C | {head} | {latency} |\n|---|---|---|---|---|---|---|---|---|---|---|---|")?;
    for (part, figures) in measured(results, "interrupts") {
        let texts = figures.iter().filter_map(|figure| figure.value["ms"].as_str());
        let mut ms: Vec<u64> = texts.flat_map(str::split_whitespace).map(str::parse).collect::<Result<_, _>>()?;
        ms.sort_unstable();
        let [median, longest] = [ms.len() / 2, ms.len().saturating_sub(1)].map(|at| ms.get(at).copied().unwrap_or(0));
        let within = ms.iter().filter(|ms| **ms <= 1000).count();
        writeln!(page, "| {part} | {} | {median} ms | {longest} ms | {within} |", cells(figures))?;
    }
    writeln!(
        page,
        "\n## Everything at once\n\n\
         Eight rebuilds run at the same time in two checkouts of a project, two of them with `--up`, beside a loop that\n\
         pushes, one that prunes, one that reads where the tags are, and images, containers and a volume of others. Wrong\n\
         is a run that fails, a tag that is gone, goes back or means no commit that was pushed, and an image, a container\n\
         or a tag that is not of the last commit in the end.\n\n\
         | | seconds | rebuilds | with `--up` | brought a new commit | prunes | pushes | tags read | wrong | of others, touched |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    )?;
    for (part, figures) in measured(results, "storm") {
        let fields = ["seconds", "rebuilds", "ups", "promoted", "prunes", "pushes", "reads", "wrong", "touched"];
        writeln!(page, "| {part} | {} |", sums(figures, fields).map(|sum| sum.to_string()).join(" | "))?;
    }
    writeln!(page, "\n## Memory\n\n| a build that prints | lines of | peak memory of the tool |\n|---|---|---|")?;
    for figure in measured(results, "memory").into_iter().flat_map(|(_, figures)| figures) {
        let [log, line, peak] = sums(std::slice::from_ref(figure), ["log_mb", "line_kb", "peak_kb"]);
        writeln!(page, "| {log} MB | {line} kB | {} MB |", peak / 1000)?;
    }
    writeln!(page)?;
    Ok(())
}

fn inputs(page: &mut String, results: &Results) -> Result<()> {
    let run = results.runs.get("inputs");
    writeln!(page, "## Random inputs\n\n| parser | properties | inputs | result |\n|---|---|---|---|")?;
    let mut all = 0;
    for parser in lists::parsers()? {
        let ran: Vec<_> = parser.tests.iter().filter_map(|name| run?.tests.get(*name)).collect();
        let inputs: u64 = ran.iter().map(|ended| ended.inputs).sum();
        let result = match (ran.is_empty(), ran.iter().all(|ended| ended.right)) {
            (true, _) => "not run",
            (_, true) => "nothing found",
            (_, false) => "**failed**",
        };
        all += inputs;
        writeln!(page, "| {} | {} | {inputs} | {result} |", parser.name, parser.tests.len())?;
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
    let run = results.runs.get("protections");
    for protection in lists::protections()? {
        let end = match run.and_then(|run| run.tests.get(protection.name)).map(|ended| ended.right) {
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

/// Which commits were tested, and with what.
fn provenance(page: &mut String, results: &Results) -> Result<()> {
    writeln!(page, "## What was run\n\n| part | commit | tests | with |\n|---|---|---|---|")?;
    for (part, run) in &results.runs {
        let mut tests: BTreeMap<&str, usize> = BTreeMap::new();
        let figures = run.figures.values().flatten().map(|figure| (&figure.commit, 0));
        for (commit, count) in run.tests.values().map(|ended| (&ended.commit, 1)).chain(figures) {
            *tests.entry(commit).or_default() += count;
        }
        for (commit, count) in tests {
            writeln!(page, "| {part} | `{commit}` | {count} | {} |", run.versions.join(", "))?;
        }
    }
    Ok(())
}
