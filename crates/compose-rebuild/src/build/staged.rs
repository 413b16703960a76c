//! What a build leaves behind until it is promoted: staged tags and a copy of a local tree. A marker file says that they may
//! be there, so that the next run removes what a killed one left; which they are is asked from the engine.

use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};

use crate::facts::source::Local;
use crate::sys::process::Finished;
use crate::sys::{docker, files};
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName};

/// Staged things of one run; dropping them removes them.
#[derive(Debug)]
pub struct Staged<'a> {
    ui: &'a Ui,
    project: ProjectName,
    marker: Utf8PathBuf,
    tree: Utf8PathBuf,
    images: Vec<ImageRef>,
}

impl<'a> Staged<'a> {
    /// Marks that this run is about to stage these images, and removes the copy of a local tree that a killed one left.
    pub fn begin(ui: &'a Ui, state: &Utf8Path, project: &ProjectName, images: Vec<ImageRef>) -> anyhow::Result<Self> {
        files::create_directory(state)?;
        let tree = state.join(format!("local-{project}"));
        files::remove_tree(&tree)?;
        let marker = marker(state, project);
        files::write(&marker, b"")?;
        Ok(Self { ui, project: project.clone(), marker, tree, images })
    }

    /// Removes what killed runs of the project left in the engine, which says by label and form what that is.
    pub fn remove_left(&self) {
        let is_left = |image: &ImageRef| image.is_staged() && !self.images.contains(image);
        let removed = remove_containers(self.ui, &self.project).and_then(|()| {
            let tags = done(docker::project_tags(&self.project).cleanup(self.ui)?)?;
            let left: Vec<_> = tags.lines().filter_map(|line| line.parse().ok()).filter(is_left).collect();
            untag(self.ui, &left)
        });
        if let Err(error) = removed {
            self.ui.warning(&format!("what an earlier run staged could not be removed: {error:#}"));
        }
    }

    /// Copies a local tree, so that what Git ignores stays out of the build.
    pub fn copy_tree(&self, tree: &Local) -> anyhow::Result<&Utf8Path> {
        fs_err::create_dir_all(&self.tree)?;
        for file in &tree.files {
            let (from, to) = (tree.root.join(file), self.tree.join(file));
            if let Some(parent) = to.parent() {
                fs_err::create_dir_all(parent)?;
            }
            if from.is_symlink() {
                symlink(from.read_link_utf8()?, &to)?;
            } else {
                fs_err::copy(&from, &to)?;
            }
        }
        Ok(&self.tree)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // A container that an interrupted verification made without learning its name holds on to its image.
        let removed = files::remove_tree(&self.tree).and_then(|()| {
            untag(self.ui, &self.images).or_else(|_| {
                remove_containers(self.ui, &self.project)?;
                untag(self.ui, &self.images)
            })
        });
        match removed {
            Ok(()) => drop(fs_err::remove_file(&self.marker)),
            Err(_) => self.ui.warning("staged images could not be removed; the next run tries again"),
        }
    }
}

/// Whether a run of the project was killed before it removed what it staged.
pub fn is_left(state: &Utf8Path, project: &ProjectName) -> bool {
    marker(state, project).symlink_metadata().is_ok()
}

/// The file that exists as long as something may be staged; nothing is read from it.
pub fn marker(state: &Utf8Path, project: &ProjectName) -> Utf8PathBuf {
    state.join(format!("staged-{project}"))
}

/// Takes staged tags away.
fn untag(ui: &Ui, images: &[ImageRef]) -> anyhow::Result<()> {
    if images.is_empty() { Ok(()) } else { done(docker::untag(images).cleanup(ui)?).map(drop) }
}

/// Removes the containers that verification left; none of them ever ran.
fn remove_containers(ui: &Ui, project: &ProjectName) -> anyhow::Result<()> {
    let listed = done(docker::leftover_containers(project).cleanup(ui)?)?;
    let left: Vec<_> = listed.lines().map(str::to_owned).collect();
    if left.is_empty() { Ok(()) } else { done(docker::remove_containers(&left).cleanup(ui)?).map(drop) }
}

/// What the engine answered; what somebody else removed in the meantime is gone, as it should be.
fn done(finished: Finished) -> anyhow::Result<String> {
    let is_absent = |line: &str| line.to_lowercase().contains("no such");
    match finished.status.success() || finished.stderr.lines().all(is_absent) {
        true => Ok(finished.text()),
        false => Err(docker::failure(&finished).into()),
    }
}
