//! Bringing images to a registry, and moving tags there.

pub mod goal;
pub mod settle;

use std::time::Duration;

use crate::error::Failure;
use crate::facts::image::Image;
use crate::facts::registry;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::ImageRef;

/// How long an upload may take; models are large and lines are slow.
pub const UPLOAD: Duration = Duration::from_secs(4 * 3600);

/// Uploads the image that the engine has under this name; the digest that it has in the registry, says who uploaded it.
pub fn upload(ui: &Ui, name: &ImageRef) -> anyhow::Result<String> {
    let mut finished = docker::push(name).output(ui, UPLOAD)?;
    if !finished.status.success() && finished.stderr.contains(docker::LOST_UPLOAD) {
        finished = docker::push(name).output(ui, UPLOAD)?;
    }
    let said = String::from_utf8_lossy(&finished.stdout);
    let digest = said.lines().rev().find_map(|line| line.split_once("digest: ")?.1.split_whitespace().next());
    let Some(digest) = digest.filter(|_| finished.status.success()) else {
        return Err(docker::registry_failure(&finished, name).into());
    };
    Ok(digest.to_owned())
}

/// What the registry has under a name, which must be the manifest with this digest.
pub fn read_back(ui: &Ui, name: &ImageRef, digest: &str) -> anyhow::Result<Image> {
    let found = registry::image(ui, name)?;
    is_there(found.as_ref(), name, digest)?;
    Ok(found.unwrap_or_default())
}

/// Checks that what the registry has under a name is the manifest with this digest.
pub fn is_there(found: Option<&Image>, name: &ImageRef, digest: &str) -> Result<(), Failure> {
    match found.map_or("nothing", |image| image.id.as_str()) {
        id if id == digest => Ok(()),
        id => Err(Failure::precondition(format!("`{name}` is {id} in the registry instead of {digest}"))
            .hint("something else pushes the same tags; run it again when that has ended")),
    }
}
