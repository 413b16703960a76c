//! The steps of a release, and which of them an earlier run has done.

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;

use crate::plan::release::files::Edit;
use crate::plan::release::version::subject;
use crate::plan::release::{Tags, tag_name};
use crate::value::Service;

/// A release, decided.
#[derive(Clone, Debug)]
pub struct Release {
    pub version: Version,
    /// The branch it is made on.
    pub branch: String,
    /// The files as it has them.
    pub edits: Vec<Edit>,
    /// The tags of its images.
    pub tags: BTreeMap<Service, Tags>,
    /// Whether it moves the tags of the compose file.
    pub latest: bool,
    /// Whether its Git tag is at the commit that is checked out: an earlier run, or another machine, came that far.
    pub cut: bool,
    /// Whether all images are there, under the name that never moves.
    pub built: bool,
    /// Whether all other names are at them.
    pub named: bool,
    /// Whether it is published.
    pub push: bool,
    /// Whether the remote has its Git tag.
    pub published: bool,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStep {
    /// The version and the heading are written.
    Write,
    /// The files are committed.
    Commit,
    /// The images are built and get the name that never moves.
    Build,
    /// The images get the names that move.
    Name,
    /// The Git tag is made.
    Tag,
    /// The images go to the registry.
    PushImages,
    /// Branch and tag go to the remote.
    PushGit,
}

/// A line of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What is done.
    pub step: ReleaseStep,
    /// In words.
    pub what: String,
    /// Whether it is done already.
    pub done: bool,
}

/// All steps, in the order in which they are done: what others see comes last, and what moves comes after what does not.
pub fn lines(release: &Release) -> Vec<Line> {
    let Release { version, branch, edits, tags, .. } = release;
    let names = |list: &[String], empty: &str| if list.is_empty() { empty.to_owned() } else { list.join(", ") };
    let changed: Vec<_> = edits.iter().filter(|edit| !edit.committed).map(|edit| edit.file.to_owned()).collect();
    let own: Vec<_> = tags.values().map(|tags| tags.own.to_string()).collect();
    let moving: Vec<_> = tags.values().flat_map(|tags| &tags.moving).map(ToString::to_string).collect();
    let line = |step, done, what| Line { step, what, done };
    let mut lines = vec![
        line(
            ReleaseStep::Write,
            edits.iter().all(|edit| edit.written),
            format!("write version {version} to {}", names(&changed, "no file: it is there")),
        ),
        line(ReleaseStep::Commit, changed.is_empty(), format!("commit it to `{branch}` as `{}`", subject(version))),
        line(ReleaseStep::Build, release.built, format!("build and verify {}", names(&own, ""))),
        line(ReleaseStep::Name, release.named, format!("tag them as {}", names(&moving, "nothing else"))),
        line(ReleaseStep::Tag, release.cut, format!("make the Git tag `{}`", tag_name(version))),
    ];
    if release.push {
        let what = format!("push {}, then {}", names(&own, ""), names(&moving, "nothing else"));
        lines.push(line(ReleaseStep::PushImages, false, what));
        let what = format!("push `{branch}` and `{}` together", tag_name(version));
        lines.push(line(ReleaseStep::PushGit, release.published, what));
    }
    lines
}
