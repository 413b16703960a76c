//! Whether the engine has room for a build.

use crate::error::Failure;
use crate::facts::{Facts, disk};
use crate::ui::Ui;
use crate::value::measure;

/// Free space below which no build starts, in bytes.
const DISK_FLOOR: u64 = 1 << 30;

/// Whether there is room for a build at all.
pub(super) fn preflight(ui: &Ui, facts: &Facts) -> anyhow::Result<()> {
    match disk::free(ui, &facts.images)? {
        Some((directory, free)) if free < DISK_FLOOR => Err(Failure::precondition(format!(
            "the disk of the Docker engine is almost full: {} free in `{directory}`",
            measure::bytes(free)
        ))
        .kept("nothing was changed")
        .hint("free 1 GB or more: `docker builder prune` removes build cache; the kept model stays")
        .into()),
        _ => Ok(()),
    }
}
