//! `report`: what the last build did.

use buildkit_report::summary::Summary;
use buildkit_report::{html, terminal, trace};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Context, kept};
use crate::cli;
use crate::error::Failure;
use crate::facts::{compose, workspace};
use crate::sys::files;

/// The report as data.
#[derive(Serialize)]
struct Message<'a> {
    report: &'a Utf8Path,
    written: Vec<&'a Utf8PathBuf>,
    summary: &'a Summary,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1 when no build is on record, 3 when a page cannot be written.
pub fn run(context: &Context, options: &cli::Report) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let state = workspace::read(ui, settings.directory())?.state;
    // Several projects may share the directory; where Compose does not answer, the last build of any of them counts.
    let project = compose::read(ui, settings.selection(&[])).ok().map(|project| project.name.to_string());
    let is_meant = |(_, summary): &(_, Summary)| project.as_ref().is_none_or(|name| summary.project == *name);
    let mut all = kept::all(ui, &state).filter(is_meant);
    let Some((path, last)) = all.next() else {
        return Err(Failure::no("no build is on record").hint("make one: `cargo xtask rebuild`").into());
    };
    let mut files = Vec::new();
    if options.html {
        let before: Vec<_> =
            all.map(|(_, summary)| summary).filter(|summary| summary.project == last.project).collect();
        files.push((path.with_extension("html"), ui.named(html::page(&last, &before, "cargo xtask report --html"))));
    }
    if options.trace {
        files.push((path.with_extension("trace"), trace::trace(&last).to_string()));
    }
    for (path, text) in &files {
        files::write(path, text.as_bytes())?;
        ui.data(path.as_str());
    }
    if files.is_empty() {
        terminal::lines(&last).iter().for_each(|line| ui.data(line));
    }
    let written: Vec<_> = files.iter().map(|(path, _)| path).collect();
    ui.message("report", &Message { report: &path, written, summary: &last });
    Ok(())
}
