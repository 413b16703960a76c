//! The versioned images of a service.

use std::time::Duration;

use xshell::Shell;

use crate::facts::images::{self, Image};
use crate::plan::label;
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName, Service};

/// An image that was built, verified and kept under a version of its own.
#[derive(Clone, Debug)]
pub struct Version {
    /// The versioned tag.
    pub name: String,
    /// The image.
    pub image: Image,
}

/// The versioned images of a service that this tool built for the project, in any order.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn of_service(
    ui: &Ui,
    project: &ProjectName,
    service: &Service,
    current: &ImageRef,
) -> anyhow::Result<Vec<Version>> {
    let sh = Shell::new()?;
    let labels = [format!("{}={project}", label::PROJECT), format!("{}={service}", label::SERVICE)];
    let listed = process::output(ui, docker::images_with(&sh, &labels), Duration::from_secs(30))?;
    if !listed.status.success() {
        return Err(docker::failure(&listed).into());
    }
    let mut ids: Vec<_> = String::from_utf8_lossy(&listed.stdout).split_whitespace().map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    let repository = current.familiar();
    let repository = repository.rsplit_once(':').map_or("", |(repository, _)| repository);
    let found = images::inspect_ids(ui, &ids)?;
    let versions = found.into_iter().flat_map(|(names, image)| {
        let own = names.into_iter().filter(|name| is_version(name, repository, &current.tag));
        own.map(|name| Version { name, image: image.clone() }).collect::<Vec<_>>()
    });
    Ok(versions.collect())
}

/// Whether a name is a versioned tag: of the same repository, neither the mutable tag nor one with another meaning.
fn is_version(name: &str, repository: &str, mutable: &str) -> bool {
    match name.rsplit_once(':') {
        Some((of, tag)) => {
            of == repository && tag != mutable && !tag.starts_with("staged-") && !tag.starts_with("keep-")
        }
        None => false,
    }
}

/// The newest version that was made after `current`, which is not it under another name.
pub fn newer<'v>(versions: &'v [Version], current: &Image) -> Option<&'v Version> {
    // Times are all written in the same form and zone, so their order is that of the text.
    let made = |image: &'v Image| image.label(label::CREATED).unwrap_or_default().to_owned();
    let than = current.label(label::CREATED).unwrap_or_default();
    let others =
        versions.iter().filter(|version| version.image.id != current.id && made(&version.image).as_str() > than);
    others.max_by_key(|version| made(&version.image))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, created: &str) -> Image {
        let json = serde_json::json!({"Id": id, "Config": {"Labels": {label::CREATED: created}}});
        serde_json::from_value(json).expect("image")
    }

    #[test]
    fn only_versioned_tags_of_the_same_repository_count() {
        for (name, is) in [
            ("h:5000/a:v1-abc", true),
            ("h:5000/a:latest", false),
            ("h:5000/a:staged-1", false),
            ("h:5000/a:keep-1", false),
            ("b:v1", false),
            ("none", false),
        ] {
            assert_eq!(is_version(name, "h:5000/a", "latest"), is, "{name}");
        }
    }

    #[test]
    fn newer_is_what_was_made_later() {
        let version = |id, created| Version { name: format!("a:{id}"), image: image(id, created) };
        let all = [
            version("1", "2026-01-01T00:00:00Z"),
            version("2", "2026-01-02T00:00:00Z"),
            version("3", "2026-01-03T00:00:00Z"),
        ];
        let newer = |id: &str, created| newer(&all, &image(id, created)).map(|version| version.name.clone());
        assert_eq!(newer("1", "2026-01-01T00:00:00Z").as_deref(), Some("a:3"));
        assert_eq!(newer("3", "2026-01-03T00:00:00Z"), None);
        assert_eq!(newer("4", "2026-01-02T12:00:00Z").as_deref(), Some("a:3"));
    }
}
