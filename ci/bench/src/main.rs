//! Measures the tool against what people would use instead, alternately in one run, and its own cost as work grows:
//! `cargo sandbox cargo run --package bench [PART...]`. Parts are `contenders`, `image`, `profile`, `compile` and `scale`; without any,
//! all are measured. The results go to docs/bench.json, and from there to README.md and docs/bench.svg; `render` does only that.
//!
//! Machines differ and are shared, so only medians and ratios of one run mean something.

mod aims;
mod chart;
mod contenders;
mod engine;
mod image;
mod profile;
mod render;
mod results;
mod run;
mod scale;
mod scenarios;
mod world;

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail};
use camino::Utf8Path;
use results::Results;
use sandbox::Sandbox;

/// The directory of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn main() -> Result<()> {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let parts: Vec<String> = words.collect();
    if name.ends_with("/git") || name == "git" {
        return Ok(std::io::stdout().write_all(world::answer_as_git(&parts)?.as_bytes())?);
    }
    const PARTS: [&str; 6] = ["contenders", "image", "profile", "compile", "scale", "render"];
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("`{unknown}` is none of {}", PARTS.join(", "));
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let root = Utf8Path::new(ROOT).canonicalize_utf8()?;
    // Whatever is measured, compiling the tool is no part of it. What the fakes need would make another program of it.
    for target in ["--bin=compose-rebuild", "--example=fake"] {
        let mut cargo = Command::new("cargo");
        run::read(cargo.args(["build", "--quiet", "--package", "compose-rebuild", target]).current_dir(&root))?;
    }
    let mut results = Results::read(&root)?;
    if ["contenders", "image", "profile"].into_iter().any(wants) {
        let sandbox = Sandbox::current()?.context("run it in the sandbox: cargo sandbox cargo run --package bench")?;
        if wants("contenders") {
            results.scenarios = scenarios::measure(&sandbox, &root)?;
        }
        if wants("image") {
            results.image = image::measure(&sandbox, &root)?;
        }
        if wants("profile") {
            results.profiles = profile::measure(&sandbox, &root)?;
        }
    }
    if wants("compile") {
        results.cold_compile_s = scale::cold_compile(&root)?;
    }
    if wants("scale") {
        results.scale = scale::measure()?;
    }
    results.write(&root)?;
    render::write(&root, &results)
}
