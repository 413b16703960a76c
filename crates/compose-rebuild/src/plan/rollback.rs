//! Which versions are there to go back to.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::store::{Inventory, Stored};
use crate::plan::hold;
use crate::project::{Project, key};
use crate::value::time::Timestamp;
use crate::value::{CacheBust, ImageRef, Service, label};
use serde::Serialize;

/// A version that every service made from its code has an image of.
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
    /// Whether no run goes to it by itself.
    pub bad: bool,
    /// The image of each service, by ID.
    pub images: BTreeMap<Service, String>,
}

/// An image of a service under the name of a version.
struct Versioned<'a> {
    service: &'a Service,
    value: &'a str,
    id: &'a String,
    image: &'a Stored,
}

impl Versioned<'_> {
    fn repositories(&self) -> BTreeSet<&str> {
        self.image.label(label::SOURCE).unwrap_or_default().split_whitespace().collect()
    }

    /// Whether both are made from the same commits, though perhaps under versions of their own.
    fn has_commits_of(&self, other: &Self) -> bool {
        let revision = self.image.label(label::REVISION);
        let same_source = self.image.label(label::SOURCE) == other.image.label(label::SOURCE);
        revision.is_some() && same_source && revision == other.image.label(label::REVISION)
    }

    /// Whether a push to one repository makes both old.
    fn goes_with(&self, other: &Self) -> bool {
        let (own, others) = (self.repositories(), other.repositories());
        if own.is_empty() { others.is_empty() } else { !own.is_disjoint(&others) }
    }
}

/// The versions of a project, the newest first. Kept services have none: what they hold does not follow the code.
pub fn versions(store: &Inventory, project: &Project) -> Vec<Version> {
    let mut all = Vec::new();
    for (id, image) in
        store.images.iter().filter(|(_, image)| image.label(label::PROJECT) == Some(project.name.as_str()))
    {
        let Some(value) = image.label(label::CACHE_BUST) else { continue };
        let service = project.images().find(|(service, built)| {
            let name = ImageRef { repository: built.image.repository.clone(), tag: built.image.versioned_tag(value) };
            !built.keep && image.label(label::SERVICE) == Some(service.as_str()) && image.tags.contains(&name)
        });
        all.extend(service.map(|(service, _)| Versioned { service, value, id, image }));
    }
    let bad = bad_keys(store, project);
    let values: BTreeSet<&str> = all.iter().map(|one| one.value).collect();
    let mut versions: Vec<_> = values.into_iter().filter_map(|value| version(value, &all, project, &bad)).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.created));
    versions
}

/// The keys of all images that are known to be bad.
fn bad_keys(store: &Inventory, project: &Project) -> BTreeSet<String> {
    let marks = key::marks(project).unwrap_or_default();
    let own = store.images.values().filter(|image| image.tags.iter().any(|tag| marks.contains(tag)));
    own.filter_map(|image| image.label(label::BAD)).flat_map(hold::read).map(|bad| bad.key).collect()
}

/// The version of this name, unless a service is missing whose image is made from the same repositories.
fn version(value: &str, all: &[Versioned<'_>], project: &Project, bad: &BTreeSet<String>) -> Option<Version> {
    let named: Vec<_> = all.iter().filter(|one| one.value == value).collect();
    let mut images = Vec::new();
    for (service, _) in project.images().filter(|(_, built)| !built.keep) {
        let own = || all.iter().filter(|one| one.service == service);
        let alike = || own().filter(|one| named.iter().any(|named| one.has_commits_of(named)));
        match own().find(|one| one.value == value).or_else(|| alike().max_by_key(|one| one.image.created)) {
            Some(one) => images.push(one),
            // One that was never built may be made from anything.
            None if own().next().is_none() || own().any(|one| one.goes_with(named[0])) => return None,
            None => {}
        }
    }
    let newest = images.iter().max_by_key(|one| one.image.created)?;
    Some(Version {
        cache_bust: value.parse().ok()?,
        revision: newest.image.label(label::REVISION).unwrap_or_default().to_owned(),
        created: newest.image.created,
        bytes: images.iter().map(|one| one.image.size).max().unwrap_or(0),
        current: images.iter().all(|one| one.image.tags.contains(&project.services[one.service].image)),
        bad: images.iter().any(|one| one.image.label(label::KEY).is_some_and(|key| bad.contains(key))),
        images: images.into_iter().map(|one| (one.service.clone(), one.id.clone())).collect(),
    })
}
