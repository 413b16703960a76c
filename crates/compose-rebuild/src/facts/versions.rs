//! The versioned images of a service.

use std::time::Duration;

use crate::facts::image::Image;
use crate::facts::images;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName, Service, label};

/// An image that was built, verified and kept under a version of its own.
#[derive(Clone, Debug)]
pub struct Version {
    /// The versioned tag.
    pub name: String,
    /// The image.
    pub image: Image,
}

/// The versioned images of a service that this tool built for the project, in any order.
pub fn of_service(
    ui: &Ui,
    project: &ProjectName,
    service: &Service,
    current: &ImageRef,
) -> anyhow::Result<Vec<Version>> {
    let labels = [format!("{}={project}", label::PROJECT), format!("{}={service}", label::SERVICE)];
    let ids = docker::ask_lines(ui, Duration::from_secs(30), |sh| docker::images_with(sh, &labels))?;
    let versions = images::inspect_all(ui, &ids)?.into_iter().filter_map(|image| {
        let name = name_of(&image, current).filter(|name| image.repo_tags.contains(name))?;
        Some(Version { name, image })
    });
    Ok(versions.collect())
}

/// The name that an image has beside the mutable one.
fn name_of(image: &Image, mutable: &ImageRef) -> Option<String> {
    let tag = mutable.versioned_tag(image.label(label::CACHE_BUST)?);
    Some(mutable.with_tag(tag).ok()?.to_string())
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

    fn made(id: &str, created: &str) -> Image {
        let json = serde_json::json!({"Id": id, "Config": {"Labels": {label::CREATED: created}}});
        serde_json::from_value(json).expect("image")
    }

    #[test]
    fn a_version_is_named_by_its_bust_value() {
        let json = serde_json::json!({"Id": "1", "Config": {"Labels": {label::CACHE_BUST: "v1-abc"}}});
        let image: Image = serde_json::from_value(json).expect("image");
        let name = |mutable: &str| name_of(&image, &mutable.parse().expect("name"));
        assert_eq!(name("h:5000/a").as_deref(), Some("h:5000/a:v1-abc"));
        assert_eq!(name("docker.io/library/a:web").as_deref(), Some("a:web-v1-abc"));
        assert_eq!(name_of(&made("1", "x"), &"a".parse().expect("name")), None);
    }

    #[test]
    fn newer_is_what_was_made_later() {
        let version = |id, created| Version { name: format!("a:{id}"), image: made(id, created) };
        let all = [
            version("1", "2026-01-01T00:00:00Z"),
            version("2", "2026-01-02T00:00:00Z"),
            version("3", "2026-01-03T00:00:00Z"),
        ];
        let newer = |id: &str, created| newer(&all, &made(id, created)).map(|version| version.name.clone());
        assert_eq!(newer("1", "2026-01-01T00:00:00Z").as_deref(), Some("a:3"));
        assert_eq!(newer("3", "2026-01-03T00:00:00Z"), None);
        assert_eq!(newer("4", "2026-01-02T12:00:00Z").as_deref(), Some("a:3"));
    }
}
