//! What a release is: its version, the tags of its images, the files that it changes, and what stands in its way.

pub mod checks;
pub mod files;
pub mod steps;
pub mod version;

use std::collections::{BTreeMap, HashMap};

use semver::Version;

use crate::error::Failure;
use crate::project::Project;
use crate::value::{ImageRef, Service};

/// The names that the images of a release get, beside those they have anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseNames {
    /// The name that never moves: the whole version.
    pub own: String,
    /// The names that move from release to release: `1.2` and `1`.
    pub lines: Vec<String>,
    /// Whether it is the newest of all, which `latest` means.
    pub latest: bool,
}

/// The names of a version beside the other versions that exist.
///
/// A name moves only forward: not to a version that is older than another one of its line, and never to a pre-release.
/// `0` is no line, because under 0 every minor version may break what was before: nobody can follow it safely.
pub fn names(version: &Version, existing: &[Version]) -> ReleaseNames {
    let newest = |line: &dyn Fn(&Version) -> bool| {
        version.pre.is_empty() && !existing.iter().any(|other| other.pre.is_empty() && line(other) && other > version)
    };
    let major = |other: &Version| other.major == version.major;
    let mut lines = Vec::new();
    if newest(&|other| major(other) && other.minor == version.minor) {
        lines.push(format!("{}.{}", version.major, version.minor));
    }
    if version.major > 0 && newest(&major) {
        lines.push(version.major.to_string());
    }
    ReleaseNames { own: version.to_string().replace('+', "_"), lines, latest: newest(&|_| true) }
}

/// The tags of one image of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The one that never moves.
    pub own: ImageRef,
    /// The tags that move, the name of the compose file last.
    pub moving: Vec<ImageRef>,
}

/// The tags of every service's image: beside `repo:latest` stands `repo:1.2.3`, beside `repo:other` stands
/// `repo:other-1.2.3`.
///
/// # Errors
/// Exit code 2 for a version that is too long for a tag, 3 when a tag would belong to two services.
pub fn tags(project: &Project, names: &ReleaseNames) -> Result<BTreeMap<Service, Tags>, Failure> {
    let mut owners: HashMap<ImageRef, &Service> =
        project.services.iter().map(|(service, built)| (built.image.clone(), service)).collect();
    let mut tags = BTreeMap::new();
    for (service, built) in &project.services {
        let beside = |name: &String| built.image.with_tag(built.image.versioned_tag(name));
        let own = beside(&names.own)?;
        let mut moving = names.lines.iter().map(beside).collect::<Result<Vec<_>, _>>()?;
        moving.extend(names.latest.then(|| built.image.clone()));
        for tag in moving.iter().chain([&own]) {
            if let Some(other) = owners.insert(tag.clone(), service).filter(|other| *other != service) {
                return Err(Failure::precondition(format!("services `{other}` and `{service}` would share `{tag}`"))
                    .kept("nothing was changed")
                    .hint("give one of them another `image` in the compose file"));
            }
        }
        tags.insert(service.clone(), Tags { own, moving });
    }
    Ok(tags)
}

/// The name of a version's Git tag.
pub fn tag_name(version: &Version) -> String {
    format!("v{version}")
}

/// The version that a tag releases, seen from the name that the compose file gives to the same image.
pub fn version_of(tag: &ImageRef, mutable: &ImageRef) -> Option<Version> {
    let name = match mutable.tag.as_str() {
        _ if tag.repository != mutable.repository => None,
        "latest" => Some(tag.tag.as_str()),
        other => tag.tag.strip_prefix(other)?.strip_prefix('-'),
    };
    name?.replacen('_', "+", 1).parse().ok()
}

#[cfg(test)]
mod tests;
