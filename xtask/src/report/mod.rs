//! What a run did: one value, from which every rendering is made.

pub mod figures;
pub mod human;
pub mod stages;
pub mod steps;
pub mod summary;
pub mod verdicts;

use camino::{Utf8Path, Utf8PathBuf};

use crate::sys::files;
use summary::Summary;

/// Reports that are kept.
const REPORTS: usize = 20;

/// Makes the place for reports, before anything happens that must be reported.
///
/// # Errors
/// Exit code 3 when it cannot be made.
pub fn prepare(state: &Utf8Path) -> anyhow::Result<()> {
    files::create_directory(&directory(state))
}

/// Writes a summary below `state`/reports.
///
/// # Errors
/// Exit code 3 when it cannot be written.
pub fn write(state: &Utf8Path, summary: &Summary) -> anyhow::Result<()> {
    let directory = directory(state);
    let path = directory.join(format!("{}-{}.json", summary.started.compact(), summary.project));
    files::write(&path, format!("{}\n", serde_json::to_string_pretty(summary)?).as_bytes())?;
    files::keep_newest(&directory, REPORTS)
}

/// The summaries of a project that can be read, the newest first.
pub fn before(state: &Utf8Path, project: &str) -> Vec<Summary> {
    let read = |path: Utf8PathBuf| Summary::parse(&fs_err::read(path).ok()?);
    let mut all: Vec<_> = files::newest(&directory(state), ".json").into_iter().filter_map(read).collect();
    all.retain(|summary| summary.project == project);
    all
}

fn directory(state: &Utf8Path) -> Utf8PathBuf {
    state.join("reports")
}
