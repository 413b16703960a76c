//! The disk that the engine keeps images on, as far as it is one of this machine.

use std::time::Duration;

use serde_json::Value;

use crate::error::Failure;
use crate::facts::image::Images;
use crate::sys::{disk, docker};
use crate::ui::Ui;
use crate::value::measure;

/// Where containerd keeps images, unless somebody configured another place.
const CONTAINERD: &str = "/var/lib/containerd";
/// Where a containerd listens that the system started, below `/run` or `/var/run`.
const SYSTEM: &str = "/run/containerd/containerd.sock";
/// Free space below which no build starts, in bytes.
const DISK_FLOOR: u64 = 1 << 30;

/// Whether there is room for a build at all.
pub fn preflight(ui: &Ui, images: &Images) -> anyhow::Result<()> {
    match free(ui, images)? {
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

/// The directory of images and the bytes that are free there, by these images if one tells, else by the engine.
fn free(ui: &Ui, images: &Images) -> anyhow::Result<Option<(String, u64)>> {
    if !docker::is_here() {
        return Ok(None);
    }
    if let Some(directory) = images.values().find_map(|image| image.data_directory.as_ref()) {
        return Ok(disk::free(directory).map(|free| (directory.clone(), free)));
    }
    let info = docker::info().ask(ui, Duration::from_secs(30))?;
    Ok(free_by(&docker::json(info.as_bytes())?))
}

/// The directory of images and the bytes that are free there, by what the engine says about itself.
pub fn free_by(info: &Value) -> Option<(String, u64)> {
    let directory = directory(info).filter(|_| docker::is_here())?;
    Some((directory.to_owned(), disk::free(directory)?))
}

/// An engine with containerd's image store has images where containerd keeps them: one that the engine started itself has
/// them below the engine's own directory.
fn directory(info: &Value) -> Option<&str> {
    let has_store = info["DriverStatus"].to_string().contains("io.containerd.snapshotter");
    let is_of_system = info["Containerd"]["Address"].as_str().is_some_and(|address| address.ends_with(SYSTEM));
    if has_store && is_of_system { Some(CONTAINERD) } else { info["DockerRootDir"].as_str() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_where_their_store_is() {
        let of = |status: &str, address: &str| {
            let containerd = serde_json::json!({"Address": address});
            let info =
                serde_json::json!({"DriverStatus": [["x", status]], "DockerRootDir": "/r", "Containerd": containerd});
            directory(&info).map(str::to_owned)
        };
        let (classic, store) = ("extfs", "io.containerd.snapshotter.v1");
        let (system, own) = ("/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock");
        assert_eq!(of(store, system).as_deref(), Some(CONTAINERD));
        for (status, address) in [(store, own), (classic, system), (classic, own)] {
            assert_eq!(of(status, address).as_deref(), Some("/r"), "{status} {address}");
        }
        assert_eq!(directory(&serde_json::json!({})), None);
    }
}
