//! The reports that are kept below the target directory.

use buildkit_report::summary::Summary;
use camino::{Utf8Path, Utf8PathBuf};

use crate::sys::files;
use crate::ui::Ui;

/// Reports that are kept.
const REPORTS: usize = 20;
/// Longest report that is read, in bytes; one of 20,000 steps is shorter.
const REPORT_LIMIT: u64 = 64 << 20;

/// Makes the place for reports, before anything happens that must be reported.
pub(super) fn prepare(state: &Utf8Path) -> anyhow::Result<()> {
    files::create_directory(&directory(state))
}

/// Writes a summary below `state`/reports.
pub(super) fn write(state: &Utf8Path, summary: &Summary) -> anyhow::Result<()> {
    let directory = directory(state);
    let path = directory.join(format!("{}-{}.json", summary.started.compact(), summary.project));
    files::write(&path, format!("{:#}\n", serde_json::to_value(summary)?).as_bytes())?;
    files::keep_newest(&directory, REPORTS)
}

/// All summaries with their files, the newest first; says which cannot be read, and reads them as they are asked for.
pub(super) fn all(ui: &Ui, state: &Utf8Path) -> impl Iterator<Item = (Utf8PathBuf, Summary)> {
    let read = move |path: Utf8PathBuf| match files::read(&path, REPORT_LIMIT).as_deref().map(Summary::parse) {
        Ok(Some(summary)) => Some((path, summary)),
        _ => {
            ui.warning(&format!("`{path}` is not a report of this version and is left out"));
            None
        }
    };
    files::newest(&directory(state), ".json").into_iter().filter_map(read)
}

/// The summaries of a project, the newest first.
pub(super) fn before(ui: &Ui, state: &Utf8Path, project: &str) -> Vec<Summary> {
    all(ui, state).map(|(_, summary)| summary).filter(|summary| summary.project == project).collect()
}

fn directory(state: &Utf8Path) -> Utf8PathBuf {
    state.join("reports")
}
