//! What a run did: one value, from which every rendering is made.

pub mod human;
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
    files::create_directory(&state.join("reports"))
}

/// Writes a summary below `state`/reports.
///
/// # Errors
/// Exit code 3 when it cannot be written.
pub fn write(state: &Utf8Path, summary: &Summary) -> anyhow::Result<()> {
    let directory = state.join("reports");
    let path = directory.join(format!("{}-{}.json", summary.started.compact(), summary.project));
    files::write(&path, format!("{}\n", serde_json::to_string_pretty(summary)?).as_bytes())?;
    files::keep_newest(&directory, REPORTS)
}

/// The newest summary of a project that a command of this name wrote, if there is one that can be read.
pub fn last(state: &Utf8Path, project: &str, command: &str) -> Option<Summary> {
    let entries = state.join("reports").read_dir_utf8().ok()?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.into_path())).collect();
    paths.sort();
    let read = |path: &Utf8PathBuf| serde_json::from_slice::<Summary>(&fs_err::read(path).ok()?).ok();
    paths.iter().rev().filter_map(read).find(|summary| summary.project == project && summary.command == command)
}
