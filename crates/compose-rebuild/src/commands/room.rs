//! Whether the engine has room for a build.

use std::time::Duration;

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::image::Image;
use crate::sys::{disk, docker};
use crate::ui::Ui;
use crate::value::measure;

/// Free space below which no build starts, in bytes.
const DISK_FLOOR: u64 = 1 << 30;

/// Whether there is room for a build at all.
pub(super) fn preflight(ui: &Ui, facts: &Facts) -> anyhow::Result<()> {
    // Any image says where the data is; only without one the engine has to be asked, which takes longer.
    let directory = match facts.images.values().find_map(Image::data_directory) {
        Some(directory) => directory.to_owned(),
        None => docker::data_root().ask(ui, Duration::from_secs(30))?.trim().to_owned(),
    };
    match disk::free(&directory) {
        Some(free) if free < DISK_FLOOR => Err(Failure::precondition(format!(
            "the disk of the Docker engine is almost full: {} free in `{directory}`",
            measure::bytes(free)
        ))
        .kept("nothing was changed")
        .hint("free 1 GB or more: `docker builder prune` removes build cache; the kept model stays")
        .into()),
        _ => Ok(()),
    }
}
