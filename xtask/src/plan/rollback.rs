//! Which versions are there to go back to.

use std::collections::BTreeMap;

use crate::value::time::Timestamp;
use serde::Serialize;

use crate::facts::compose::Project;
use crate::facts::store::Store;
use crate::plan::label;
use crate::value::{CacheBust, ImageRef, Service};

/// A version that every service of the project has an image of.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// The bust value, which is the name of the version.
    pub cache_bust: CacheBust,
    /// What it was made from.
    pub revision: String,
    /// When the newest of its images was made.
    pub created: Timestamp,
    /// Bytes of its largest image.
    pub bytes: u64,
    /// Whether the mutable tags point to it now.
    pub current: bool,
    /// The image of each service, by ID.
    pub images: BTreeMap<Service, String>,
}

/// The versions of a project, the newest first. Kept services have none: what they hold does not follow the code.
pub fn versions(store: &Store, project: &Project) -> Vec<Version> {
    let wanted: Vec<_> = project.services.iter().filter(|(_, built)| !built.keep).collect();
    let mut found: BTreeMap<&str, Vec<(&Service, &String)>> = BTreeMap::new();
    for (id, image) in &store.images {
        let Some(value) = image.label(label::CACHE_BUST) else { continue };
        let own = image.label(label::PROJECT) == Some(project.name.as_str());
        let service = wanted.iter().find(|(service, built)| {
            let name = ImageRef { repository: built.image.repository.clone(), tag: versioned_tag(&built.image, value) };
            own && image.label(label::SERVICE) == Some(service.as_str()) && image.tags.contains(&name)
        });
        if let Some((service, _)) = service {
            found.entry(value).or_default().push((service, id));
        }
    }
    let complete = found.into_iter().filter(|(_, images)| images.len() == wanted.len());
    let mut versions: Vec<_> = complete
        .filter_map(|(value, images)| {
            let newest = images.iter().map(|(_, id)| &store.images[*id]).max_by_key(|image| image.created)?;
            let current =
                images.iter().all(|(service, id)| store.images[*id].tags.contains(&project.services[*service].image));
            Some(Version {
                cache_bust: value.parse().ok()?,
                revision: newest.label(label::REVISION).unwrap_or_default().to_owned(),
                created: newest.created,
                bytes: images.iter().map(|(_, id)| store.images[*id].size).max().unwrap_or(0),
                current,
                images: images.into_iter().map(|(service, id)| (service.clone(), id.clone())).collect(),
            })
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.created));
    versions
}

/// The tag that a version of an image has beside its mutable one.
pub fn versioned_tag(image: &ImageRef, value: &str) -> String {
    match image.tag.as_str() {
        "latest" => value.to_owned(),
        other => format!("{other}-{value}"),
    }
}
