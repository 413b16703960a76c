//! Runs tests by their names, and reads from libtest how each ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::lists::{self, Proof};
use crate::results::{self, Ended, Figure};
use crate::{ROOT, lists::Parser};

/// The suites, each with what cargo calls it.
const SUITES: [(&str, &[&str]); 6] = [
    ("cli", &["--package", "compose-rebuild", "--test", "cli"]),
    ("lib", &["--package", "compose-rebuild", "--lib"]),
    ("reader", &["--package", "dockerfile-reader", "--lib"]),
    ("corpus", &["--package", "dockerfile-reader", "--test", "corpus"]),
    ("events", &["--package", "buildkit-report", "--test", "properties"]),
    ("engine", &["--package", "compose-rebuild", "--features", "engine", "--test", "engine"]),
];

/// Says with what the tests run, then becomes them.
const WITH: &str = "docker version --format 'version: Docker {{.Server.Version}}' &&
    docker buildx version | sed 's/^/version: /' &&
    docker compose version | sed 's/^/version: /' && exec \"$@\"";

/// The tests of the matrix that belong to this part.
pub(crate) fn faults(part: &str, words: &[String]) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for fault in lists::faults()? {
        if let Proof::Tests(tests) = fault.proof {
            names.extend(tests);
        }
    }
    names.retain(|name| name.starts_with("engine::") != (part == "fakes"));
    run_all(part, names, words, 0)
}

/// The properties, with as many inputs each as FAULTS_INPUTS says.
pub(crate) fn inputs(words: &[String]) -> Result<Vec<String>> {
    let inputs = std::env::var("FAULTS_INPUTS").unwrap_or_else(|_| "1000".to_owned());
    let names = lists::parsers()?.iter().flat_map(|Parser { tests, .. }| tests.clone()).collect();
    run_all("inputs", names, words, inputs.parse().context("FAULTS_INPUTS")?)
}

fn run_all(part: &str, names: BTreeSet<&str>, words: &[String], inputs: u64) -> Result<Vec<String>> {
    let commit = results::commit()?;
    let mut failed = Vec::new();
    for (suite, cargo) in SUITES {
        let wanted = |name: &&str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
        let of = |name: &'_ str| name.strip_prefix(suite).and_then(|name| name.strip_prefix("::")).map(str::to_owned);
        let tests: Vec<String> = names.iter().copied().filter(wanted).filter_map(of).collect();
        if tests.is_empty() {
            continue;
        }
        // What does not end this time has no result.
        results::change(|results| {
            let run = results.runs.entry(part.to_owned()).or_default();
            run.tests.retain(|name, _| !tests.iter().any(|test| *name == format!("{suite}::{test}")));
            Ok(())
        })?;
        let figures = format!("{ROOT}/target/faults-figures-{part}");
        let _ = fs_err::remove_file(&figures);
        let mut command = Command::new("cargo");
        if suite == "engine" {
            command.args(["--locked", "sandbox", "bash", "-c", WITH, "faults", "cargo"]).env("SANDBOX_STORE", part);
        }
        command.args(["test", "--locked"]).args(cargo).args(["--", "--exact"]).args(&tests);
        if suite == "engine" {
            command.arg("--test-threads=1");
        }
        command.current_dir(ROOT).env("FAULTS_FIGURES", &figures);
        if inputs > 0 {
            command.env("PROPTEST_CASES", inputs.to_string());
        }
        let (ended, versions) = listen(&mut command)?;
        let mut tried = BTreeMap::new();
        for test in tests {
            let passed = ended.get(&test).with_context(|| format!("`{suite}::{test}` did not run"));
            let name = format!("{suite}::{test}");
            match passed {
                Ok(passed) => {
                    if !passed {
                        failed.push(format!("{part}: {name}"));
                    }
                    tried.insert(name, Ended { right: *passed, commit: commit.clone(), inputs });
                }
                Err(error) => failed.push(format!("{part}: {error:#}")),
            }
        }
        let figures = fs_err::read_to_string(&figures).unwrap_or_default();
        results::change(|results| {
            let run = results.runs.entry(part.to_owned()).or_default();
            run.tests.extend(tried);
            if !versions.is_empty() {
                run.versions = versions;
            }
            for line in figures.lines() {
                let mut figure: Value = serde_json::from_str(line)?;
                let value = figure["value"].take();
                let what = figure["what"].as_str().context("a figure without a name")?;
                run.measured(what, Figure { commit: commit.clone(), value });
            }
            Ok(())
        })?;
    }
    Ok(failed)
}

/// Runs one test alone; whether it passed, or nothing when it did not run.
pub(crate) fn alone(directory: &str, name: &str) -> Result<Option<bool>> {
    let (suite, test) = name.split_once("::").context("a test has a suite")?;
    let cargo = SUITES.iter().find(|(known, _)| *known == suite).context("a suite of these")?.1;
    let mut command = Command::new("cargo");
    if suite == "engine" {
        command.args(["--locked", "sandbox", "cargo"]);
    }
    command.args(["test", "--locked"]).args(cargo).args(["--", "--exact", test]).current_dir(directory);
    // Programs of both have the same names.
    command.env("CARGO_TARGET_DIR", format!("{ROOT}/target/faults-target"));
    Ok(listen(&mut command)?.0.get(test).copied())
}

/// Shows what a run prints, and returns how each test ended and the lines that name versions.
fn listen(command: &mut Command) -> Result<(BTreeMap<String, bool>, Vec<String>)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cargo")?;
    let stdout = child.stdout.take().context("a pipe")?;
    let (mut ended, mut versions, mut open) = (BTreeMap::new(), Vec::new(), None);
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        show(&line);
        if let Some(version) = line.strip_prefix("version: ") {
            versions.push(version.to_owned());
        }
        // What a test prints may come between its name and its end.
        let named = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "));
        let end = match named {
            Some((name, end)) => {
                open = Some(name.to_owned());
                end
            }
            None => line.as_str(),
        };
        if let (true, Some(name)) = (matches!(end, "ok" | "FAILED"), open.as_ref()) {
            ended.insert(name.clone(), end == "ok");
        }
    }
    let status = child.wait()?;
    ensure!(!status.success() || ended.values().all(|passed| *passed), "libtest was read wrongly");
    Ok((ended, versions))
}

#[allow(clippy::print_stdout, reason = "what runs is shown")]
fn show(line: &str) {
    println!("{line}");
}
