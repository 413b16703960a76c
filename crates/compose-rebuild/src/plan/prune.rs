//! What `prune` removes and what it keeps, each with its reason.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use buildkit_report::text::plain;
use clap::Args;
use serde::Serialize;

use crate::error::Failure;
use crate::facts::store::{CacheRecord, Inventory, Stored};
use crate::plan::layers::{Layers, Sizes};
use crate::plan::release;
use crate::project::{Built, Project, key};
use crate::value::time::Timestamp;
use crate::value::{ImageRef, Service, label, measure};

/// What the user wants kept.
#[derive(Clone, Debug, Args)]
pub struct Policy {
    /// Versions of each service to keep
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    /// Also keep images younger than this, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    pub older_than: Option<Duration>,
    /// Remove kept images that no service uses any more
    #[arg(long)]
    pub models: bool,
    /// Remove build cache above this size, for example 20GB, the{n}least recently used first
    #[arg(long, value_name = "SIZE", value_parser = measure::size)]
    pub cache_limit: Option<u64>,
}

/// Why a kept image that no service uses stays.
pub const SUPERSEDED: &str = "superseded kept image; `--models` removes it";

/// Why a version beyond the newest that are kept goes.
pub fn too_old(keep: usize) -> String {
    match keep {
        1 => "older than the newest version".to_owned(),
        _ => format!("older than the last {keep} versions"),
    }
}

/// One image or one record of the build cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether it goes.
    pub remove: bool,
    /// Whether it is a record of the build cache.
    pub cache: bool,
    pub id: String,
    /// The tags, or the step that made the record.
    pub name: String,
    /// Bytes that removing it frees after the lines before it; of what stays, its whole size.
    pub bytes: u64,
    /// Bytes that it has and no line before it.
    pub adds: u64,
    /// Seconds since it was made, of a cache record since it was used.
    pub age_s: u64,
    pub why: String,
}

/// Decides about every image of the project and about the build cache.
pub fn plan(store: &Inventory, project: &Project, policy: &Policy) -> Result<Vec<Line>, Failure> {
    let names = KnownNames::of(project)?;
    let own: BTreeMap<&String, &Stored> =
        store.images.iter().filter(|(_, image)| image.label(label::PROJECT) == Some(project.name.as_str())).collect();
    let ranks = names.ranks(&own);
    let mut verdicts: Vec<_> =
        own.iter().map(|(id, image)| (*id, *image, names.verdict(store, id, image, &ranks, policy))).collect();
    verdicts.sort_by_key(|(id, image, verdict)| (verdict.is_err(), Reverse(image.had), *id));
    let goes: BTreeSet<&String> =
        verdicts.iter().filter(|(.., verdict)| verdict.is_err()).map(|(id, ..)| *id).collect();
    let sizes = Sizes::new(store.images.values());
    let mut layers = Layers::default();
    for (_, image) in store.images.iter().filter(|(id, _)| !goes.contains(id)) {
        sizes.add(image, &mut layers);
    }
    let mut stay = Layers::default();
    let mut lines: Vec<_> = verdicts
        .into_iter()
        .map(|(id, image, verdict)| {
            let remove = verdict.is_err();
            let adds = sizes.add(image, if remove { &mut layers } else { &mut stay });
            Line {
                remove,
                cache: false,
                id: id.clone(),
                name: image.name(id),
                bytes: if remove { adds } else { image.size },
                adds,
                age_s: store.now.since(image.had).as_secs(),
                why: verdict.unwrap_or_else(|why| why),
            }
        })
        .collect();
    lines.extend(cache_lines(store, project, policy));
    Ok(lines)
}

/// Names that mean something to the project.
struct KnownNames<'a> {
    project: &'a Project,
    current: BTreeMap<ImageRef, String>,
    kept: BTreeMap<ImageRef, String>,
    marks: Vec<ImageRef>,
}

impl<'a> KnownNames<'a> {
    fn of(project: &'a Project) -> Result<Self, Failure> {
        let names = |(service, built): (&Service, &'a Built)| {
            let service = service.to_string();
            built.names().map(move |name| (name.clone(), service.clone()))
        };
        let current = project.images().flat_map(names).collect();
        let kept = project.services.iter().filter(|(_, built)| built.keep);
        let kept = kept.map(|(service, _)| Ok((key::kept_image(project, service)?, service.to_string())));
        Ok(Self { project, current, kept: kept.collect::<Result<_, Failure>>()?, marks: key::marks(project)? })
    }

    /// Why an image stays, or as an error why it goes.
    fn verdict(
        &self,
        store: &Inventory,
        id: &String,
        image: &Stored,
        ranks: &BTreeMap<&String, usize>,
        policy: &Policy,
    ) -> Result<String, String> {
        if let Some(service) = image.tags.iter().find_map(|tag| self.current.get(tag)) {
            return Ok(format!("current image of {service}"));
        }
        if let Some(containers) = store.users.get(id) {
            return Ok(format!("used by container {}", containers.join(", ")));
        }
        if let Some(service) = image.tags.iter().find_map(|tag| self.kept.get(tag)) {
            return Ok(format!("kept image of {service}"));
        }
        if image.tags.iter().any(|tag| self.marks.contains(tag)) {
            return Ok("says which versions are bad".to_owned());
        }
        if let Some(service) = self.nameless(store, image) {
            return Ok(format!("kept image of {service}, without its name"));
        }
        let forms: Vec<_> = image.tags.iter().map(|tag| self.form(tag, image)).collect();
        let foreign = || image.tags.iter().zip(&forms).filter(|(_, form)| **form == Form::Foreign).map(|(tag, _)| tag);
        if let Some(first) = foreign().next() {
            let version = |tag| self.current.keys().find_map(|mutable| release::version_of(tag, mutable));
            let release = foreign().find_map(version);
            return Ok(release.map_or_else(|| format!("tagged {first}"), |version| format!("release {version}")));
        }
        let age = store.now.since(image.had);
        if policy.older_than.is_some_and(|limit| age < limit) {
            return Ok("younger than `--older-than`".to_owned());
        }
        if forms.contains(&Form::Kept) {
            return if policy.models { Err("superseded kept image".to_owned()) } else { Ok(SUPERSEDED.to_owned()) };
        }
        match ranks.get(id) {
            Some(rank) if *rank < policy.keep => Ok(match policy.keep {
                1 => "the newest version".to_owned(),
                keep => format!("one of the last {keep} versions"),
            }),
            Some(_) => Err(too_old(policy.keep)),
            None if forms.contains(&Form::Mark) => Err("about versions of a service that is gone".to_owned()),
            None if forms.is_empty() => Err("replaced by a later build".to_owned()),
            None => Err("left by an interrupted run".to_owned()),
        }
    }

    /// The service whose current kept image this is, although somebody took its name away and no other image has it.
    fn nameless(&self, store: &Inventory, image: &Stored) -> Option<&String> {
        let key = image.label(label::KEY).filter(|_| image.tags.is_empty())?;
        let is_its = |(tag, service): &(&ImageRef, &String)| {
            image.label(label::SERVICE) == Some(service.as_str())
                && tag.tag.strip_prefix("keep-").is_some_and(|short| key.starts_with(short))
        };
        let (tag, service) = self.kept.iter().find(is_its)?;
        (!store.images.values().any(|other| other.tags.contains(tag))).then_some(service)
    }

    /// What a tag says about an image of ours: the names that this tool gives are known exactly, any other is somebody's own.
    fn form(&self, tag: &ImageRef, image: &Stored) -> Form {
        let service = image.label(label::SERVICE).unwrap_or_default();
        let built = self.project.services.iter().find(|(name, _)| name.as_str() == service).map(|(_, built)| built);
        let is_mark = image.label(label::BAD).is_some() && tag.tag.strip_prefix(key::MARK) == Some(service);
        let value = image.label(label::CACHE_BUST).unwrap_or_default();
        let is_version = match built {
            Some(built) => tag.tag == built.image.versioned_tag(value),
            // The service is gone from the compose file, and with it the name that its image had.
            None => tag.tag == value || tag.tag.ends_with(&format!("-{value}")),
        };
        let repository = built.map_or(&image.tags[0].repository, |built| &built.image.repository);
        if is_mark {
            Form::Mark
        } else if tag.repository != *repository {
            Form::Foreign
        } else if tag.is_kept() {
            Form::Kept
        } else if tag.is_staged() {
            Form::Staged
        } else if !value.is_empty() && is_version {
            Form::Versioned
        } else {
            Form::Foreign
        }
    }

    /// How many newer versions of the same service each versioned image has.
    fn ranks<'o>(&self, own: &BTreeMap<&'o String, &Stored>) -> BTreeMap<&'o String, usize> {
        let mut services: BTreeMap<&str, Vec<(Timestamp, &'o String)>> = BTreeMap::new();
        for (id, image) in own {
            if image.tags.iter().any(|tag| self.form(tag, image) == Form::Versioned) {
                services.entry(image.label(label::SERVICE).unwrap_or_default()).or_default().push((image.created, id));
            }
        }
        let mut ranks = BTreeMap::new();
        for versions in services.values_mut() {
            versions.sort();
            ranks.extend(versions.iter().rev().enumerate().map(|(rank, (_, id))| (*id, rank)));
        }
        ranks
    }
}

/// What a tag says about an image of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Versioned,
    Kept,
    Staged,
    Mark,
    Foreign,
}

impl Stored {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    fn name(&self, id: &str) -> String {
        if self.tags.is_empty() {
            return id.trim_start_matches("sha256:").chars().take(12).collect();
        }
        self.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// What a record of the build cache is, without BuildKit's words for how the step ran.
fn described(text: &str) -> String {
    let text = plain(text, 400);
    let (what, command) = text.split_once(" from exec /bin/sh -c ").unwrap_or(("", &text));
    let command = if what.is_empty() { command.to_owned() } else { format!("RUN {command}") };
    let cache = what.strip_prefix("cached mount ").map(|path| format!("cache mount {path} of "));
    plain(&format!("{}{command}", cache.unwrap_or_default()), 80)
}

/// Records to remove until the rest is within the limit: the least recently used first, those of kept stages last, and
/// none that another one is made from before that one.
fn cache_lines(store: &Inventory, project: &Project, policy: &Policy) -> Vec<Line> {
    let Some(limit) = policy.cache_limit else { return Vec::new() };
    let is_model = |record: &CacheRecord| {
        let kept = project.services.values().filter(|built| built.keep).filter_map(|built| built.closure.as_ref());
        let command = record.description.split_once("/bin/sh -c ").map_or("", |(_, command)| command.trim());
        let start: String = command.chars().take(200).collect();
        !start.is_empty() && kept.into_iter().any(|closure| closure.text.contains(&start))
    };
    let mut left: Vec<_> = store.cache.iter().collect();
    left.sort_by_key(|record| (is_model(record), record.used, &record.id));
    let mut total: u64 = store.cache.iter().filter(|record| !record.held).map(|record| record.size).sum();
    let mut lines = Vec::new();
    while total > limit {
        let parents: BTreeSet<&String> = left.iter().flat_map(|record| &record.parents).collect();
        let Some(index) = left.iter().position(|record| !record.held && !parents.contains(&record.id)) else { break };
        let record = left.remove(index);
        total -= record.size.min(total);
        lines.push(Line {
            remove: true,
            cache: true,
            id: record.id.clone(),
            name: described(&record.description),
            bytes: record.size,
            adds: record.size,
            age_s: store.now.since(record.used).as_secs(),
            why: if is_model(record) {
                "build cache above the limit, a step of a kept stage"
            } else {
                "build cache above the limit"
            }
            .to_owned(),
        });
    }
    lines
}

#[cfg(test)]
mod tests;
