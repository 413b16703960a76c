//! What a build leaves behind until it is promoted: staged tags and a copy of a local tree. A marker file names them, so
//! that the next run removes what a killed one left.

use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::Shell;

use crate::facts::source::Local;
use crate::plan::Plan;
use crate::sys::{docker, files, process};
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
    /// Removes what a killed run left, then writes down what this one is about to stage.
    pub fn begin(ui: &'a Ui, state: &Utf8Path, plan: &Plan) -> anyhow::Result<Self> {
        files::create_directory(state)?;
        let marker = state.join(format!("staged-{}", plan.project));
        let tree = state.join(format!("local-{}", plan.project));
        if let Ok(left) = fs_err::read_to_string(&marker) {
            let images = left.lines().filter_map(|line| line.parse().ok()).collect();
            remove_containers(ui, &plan.project)?;
            drop(Self { ui, project: plan.project.clone(), marker: marker.clone(), tree: tree.clone(), images });
        }
        let images: Vec<_> = plan.builds().map(|(_, build)| build.staged.clone()).collect();
        let lines: String = images.iter().map(|image| format!("{image}\n")).collect();
        files::write(&marker, lines.as_bytes())?;
        Ok(Self { ui, project: plan.project.clone(), marker, tree, images })
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
        let _ = fs_err::remove_dir_all(&self.tree);
        // A container that an interrupted verification made without learning its name holds on to its image.
        let gone = untag(self.ui, &self.images)
            || (remove_containers(self.ui, &self.project).is_ok() && untag(self.ui, &self.images));
        if gone {
            let _ = fs_err::remove_file(&self.marker);
        } else {
            self.ui.warning("staged images could not be removed; the next run tries again");
        }
    }
}

/// Takes staged tags away; whether none is left.
fn untag(ui: &Ui, images: &[ImageRef]) -> bool {
    let Ok(sh) = Shell::new() else { return false };
    let is_absent = |line: &str| line.to_lowercase().contains("no such image");
    images.is_empty()
        || process::cleanup(ui, docker::untag(&sh, images))
            .is_ok_and(|done| done.status.success() || done.stderr.lines().all(is_absent))
}

/// Removes the containers that verification left; none of them ever ran.
fn remove_containers(ui: &Ui, project: &ProjectName) -> anyhow::Result<()> {
    let sh = Shell::new()?;
    let listed = process::cleanup(ui, docker::leftover_containers(&sh, project))?;
    let left: Vec<_> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
    if !left.is_empty() {
        process::cleanup(ui, docker::remove_containers(&sh, &left))?;
    }
    Ok(())
}
