//! Versions that no run goes to by itself: one that was not healthy, and one that somebody rolled back from. An image without
//! content, beside the images of the service, names them in its label, so that every machine that deploys from the same
//! engine knows them.

use std::collections::BTreeSet;
use std::fmt;

use crate::facts::Facts;
use crate::facts::image::{Image, Images};
use crate::plan::{Action, ServicePlan};
use crate::project::{Built, Project, key};
use crate::value::{CacheBust, ImageRef, Service, is_digest, label};

/// Most versions that are remembered of a service.
const REMEMBERED: usize = 10;

/// A version that is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The bust value.
    pub value: CacheBust,
    /// The key of the image.
    pub key: String,
    pub why: Why,
}

/// Why a version is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The version was started and was not healthy.
    Unhealthy,
    /// Somebody went back from it.
    RolledBack,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unhealthy => "was not healthy",
            Self::RolledBack => "was rolled back",
        })
    }
}

impl Bad {
    /// The version of an image with these labels, if it is one of this tool.
    pub fn of<'l>(label: impl Fn(&str) -> Option<&'l str>, why: Why) -> Option<Self> {
        let key = label(label::KEY).filter(|key| is_digest(key))?;
        Some(Self { value: label(label::CACHE_BUST)?.parse().ok()?, key: key.to_owned(), why })
    }
}

/// The versions that a label names, the newest first; what does not fit is left out.
pub fn read(label: &str) -> Vec<Bad> {
    let one = |entry: &str| {
        let [value, key, why] = *entry.split(':').collect::<Vec<_>>() else { return None };
        let why = [Why::Unhealthy, Why::RolledBack].into_iter().find(|one| word(*one) == why)?;
        Some(Bad { value: value.parse().ok()?, key: is_digest(key).then(|| key.to_owned())?, why })
    };
    label.split(',').take(REMEMBERED).filter_map(one).collect()
}

/// The label that names versions.
pub fn write(all: &[Bad]) -> String {
    let entries = all.iter().take(REMEMBERED).map(|one| format!("{}:{}:{}", one.value, one.key, word(one.why)));
    entries.collect::<Vec<_>>().join(",")
}

fn word(why: Why) -> &'static str {
    match why {
        Why::Unhealthy => "unhealthy",
        Why::RolledBack => "rolled-back",
    }
}

/// The services that stay where they are, each with the reason: they would go to a bad version, or would move because of the
/// same repository as one of these.
pub(super) fn held(facts: &Facts, plan: &[ServicePlan]) -> Vec<(Service, String)> {
    let moving: Vec<_> =
        plan.iter().filter(|one| one.moves()).filter_map(|one| Some((one, current(facts, one)?))).collect();
    let is_bad = |(one, current): &(&ServicePlan, &Image)| {
        // Where the key is the same, something changed that no key knows.
        let differs = current.label(label::KEY) != Some(one.key.as_str());
        bad(facts, one).filter(|_| differs)
    };
    let bad: Vec<_> = moving.iter().filter_map(|one| Some((one.0, is_bad(one)?))).collect();
    let repositories =
        |one: &ServicePlan| one.sources.iter().map(|source| source.repository.clone()).collect::<BTreeSet<_>>();
    let held = moving.iter().filter_map(|(one, current)| {
        let own = bad.iter().find(|(other, _)| other.service == one.service);
        let follows = |other: &ServicePlan| {
            let revision = current.label(label::REVISION).unwrap_or_default();
            revision != one.revision && !repositories(other).is_disjoint(&repositories(one))
        };
        let (other, bad) = own.or_else(|| bad.iter().find(|(other, _)| follows(other)))?;
        let at = current.label(label::CACHE_BUST).unwrap_or("the image of before");
        let what = match (own, one.sources.as_slice()) {
            (None, _) => format!("`{}`", other.service),
            (_, [source]) => source.wanted.clone(),
            _ => "what it is made from".to_owned(),
        };
        Some((one.service.clone(), format!("held at {at}: {what} is at {}, which {}", bad.value, bad.why)))
    });
    held.collect()
}

fn current<'a>(facts: &'a Facts, one: &ServicePlan) -> Option<&'a Image> {
    facts.images.get(&one.image)
}

/// The bad version that a plan would go to.
fn bad(facts: &Facts, one: &ServicePlan) -> Option<Bad> {
    let all = known(&facts.images, &facts.project, &one.service);
    all.into_iter().find(|bad| bad.key == one.key.as_str())
}

/// The bad versions of a service, as far as its mark is among these images.
pub fn known(images: &Images, project: &Project, service: &Service) -> Vec<Bad> {
    let mark = key::mark(project, service).ok().and_then(|name| images.get(&name));
    let label = mark.filter(|image| image.belongs_to(&project.name)).and_then(|image| image.label(label::BAD));
    label.map(read).unwrap_or_default()
}

/// The plan of a service that is held.
pub(super) fn stay(plan: &[ServicePlan], (service, why): (Service, String)) -> Option<ServicePlan> {
    let planned = plan.iter().find(|one| one.service == service)?;
    Some(ServicePlan { action: Action::Held, why, ..planned.clone() })
}

/// The name under which the service of an image is promoted.
pub fn owner_of<'a>(project: &'a Project, name: &ImageRef) -> Option<(&'a Service, &'a Built)> {
    project.images().find(|(_, built)| built.names().any(|own| own == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_what_was_written_and_nothing_else() {
        let bad =
            |value: &str, digit: &str, why| Bad { value: value.parse().expect("value"), key: digit.repeat(64), why };
        let all = vec![bad("v1-a", "1", Why::Unhealthy), bad("v2", "2", Why::RolledBack)];
        assert_eq!(read(&write(&all)), all);
        let key = "1".repeat(64);
        for hostile in ["", ",", "v1", "v1:x:unhealthy", &format!("--x:{key}:unhealthy"), &format!("v1:{key}:\u{1b}")] {
            assert_eq!(read(hostile), [], "{hostile}");
        }
        let many = vec![all[0].clone(); 50];
        assert_eq!(read(&write(&many)).len(), REMEMBERED);
    }
}
