//! Runs the tests behind every fault that the tool must survive, and writes down what happened:
//! `cargo run --package faults [PART [WORD]...]`.
//!
//! Parts are `fakes` (tests without an engine), `classic` and `containerd` (tests on a real engine with this image store),
//! `inputs` (random inputs for every parser), `protections` (each is removed once, and a test must fail) and `render`;
//! without any, all of them run. Words select tests, inputs or protections whose names have one of them. FAULTS_KILLS says
//! how many runs are stopped at random, FAULTS_SECONDS how long everything happens at once, FAULTS_SEED which moments are
//! taken, and FAULTS_INPUTS how many inputs each property gets.
//!
//! The results go to docs/reliability.json, and from there to docs/reliability.md. Each names its commit and stays until it
//! is tried again; figures of several seeds at one commit add up.

mod lists;
mod page;
mod protections;
mod results;
mod run;

use anyhow::{Result, bail};

/// The directory of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PARTS: [&str; 6] = ["fakes", "classic", "containerd", "inputs", "protections", "render"];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (part, words) = match words.split_first() {
        Some((part, words)) => (Some(part.as_str()), words),
        None => (None, &[][..]),
    };
    if let Some(unknown) = part.filter(|part| !PARTS.contains(part)) {
        bail!("`{unknown}` is none of {}", PARTS.join(", "));
    }
    let mut failed = Vec::new();
    for part in PARTS.iter().filter(|name| part.is_none_or(|part| part == **name)) {
        failed.extend(match *part {
            "render" => Vec::new(),
            "protections" => protections::try_all(words)?,
            "inputs" => run::inputs(words)?,
            part => run::faults(part, words)?,
        });
        results::change(page::write)?;
    }
    if !failed.is_empty() {
        bail!("not as it must be:\n{}", failed.join("\n"));
    }
    Ok(())
}
