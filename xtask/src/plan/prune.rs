//! What `prune` removes and what it keeps, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::Failure;
use crate::facts::compose::Project;
use crate::facts::store::{CacheRecord, Store, Stored};
use crate::plan::layers::{Layers, Sizes};
use crate::plan::{key, label};
use crate::value::ImageRef;

/// What the user wants kept.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Versions of each service, the newest first.
    pub keep: usize,
    /// What is younger stays too.
    pub older_than: Option<SignedDuration>,
    /// Whether kept images that no service uses any more go.
    pub models: bool,
    /// The most bytes of build cache; without it the cache stays.
    pub cache_limit: Option<u64>,
    /// The time that ages are counted from.
    pub now: Timestamp,
}

/// One image or one record of the build cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether it goes.
    pub remove: bool,
    /// Whether it is a record of the build cache.
    pub cache: bool,
    /// Its ID.
    pub id: String,
    /// Its tags, or the step that made the record.
    pub name: String,
    /// Bytes that removing it frees after the lines before it; of what stays, its whole size.
    pub bytes: u64,
    /// Seconds since it was made, of a cache record since it was used.
    pub age_s: i64,
    /// Why.
    pub why: String,
}

/// Decides about every image of the project and about the build cache.
///
/// # Errors
/// Never for valid image names.
pub fn plan(store: &Store, project: &Project, policy: &Policy) -> Result<Vec<Line>, Failure> {
    let names = Names::of(project)?;
    let own: BTreeMap<&String, &Stored> =
        store.images.iter().filter(|(_, image)| image.label(label::PROJECT) == Some(project.name.as_str())).collect();
    let ranks = ranks(&own);
    let verdicts: Vec<_> =
        own.iter().map(|(id, image)| (*id, *image, names.verdict(store, id, image, &ranks, policy))).collect();
    let goes: BTreeSet<&String> =
        verdicts.iter().filter(|(.., verdict)| verdict.is_err()).map(|(id, ..)| *id).collect();
    let sizes = Sizes::new(store.images.values());
    let mut layers = Layers::default();
    for (_, image) in store.images.iter().filter(|(id, _)| !goes.contains(id)) {
        sizes.add(image, &mut layers);
    }
    let mut lines: Vec<_> = verdicts
        .into_iter()
        .map(|(id, image, verdict)| {
            let remove = verdict.is_err();
            Line {
                remove,
                cache: false,
                id: id.clone(),
                name: image.name(id),
                bytes: if remove { sizes.add(image, &mut layers) } else { image.size },
                age_s: policy.now.duration_since(image.created).as_secs(),
                why: verdict.unwrap_or_else(|why| why),
            }
        })
        .collect();
    lines.sort_by_key(|line| (line.remove, line.age_s));
    lines.extend(cache(store, project, policy));
    Ok(lines)
}

/// Names that mean something to the project.
struct Names {
    current: BTreeMap<ImageRef, String>,
    kept: BTreeMap<ImageRef, String>,
}

impl Names {
    fn of(project: &Project) -> Result<Self, Failure> {
        let current =
            project.services.iter().map(|(service, built)| (built.image.clone(), service.to_string())).collect();
        let kept = project.services.iter().filter(|(_, built)| built.keep);
        let kept = kept.map(|(service, built)| Ok((key::kept_image(built)?, service.to_string())));
        Ok(Self { current, kept: kept.collect::<Result<_, Failure>>()? })
    }

    /// Why an image stays, or as an error why it goes.
    fn verdict(
        &self,
        store: &Store,
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
        let forms: Vec<_> = image.tags.iter().map(|tag| Form::of(tag, image)).collect();
        if let Some(tag) = image.tags.iter().zip(&forms).find_map(|(tag, form)| (*form == Form::Foreign).then_some(tag))
        {
            let release = semver::Version::parse(&tag.tag).is_ok();
            return Ok(if release { format!("release {}", tag.tag) } else { format!("tagged {tag}") });
        }
        let age = policy.now.duration_since(image.created);
        if policy.older_than.is_some_and(|limit| age < limit) {
            return Ok("younger than `--older-than`".to_owned());
        }
        if forms.contains(&Form::Kept) {
            return match policy.models {
                true => Err("superseded kept image".to_owned()),
                false => Ok("superseded kept image; `--models` removes it".to_owned()),
            };
        }
        match ranks.get(id) {
            Some(rank) if *rank < policy.keep => Ok(format!("one of the last {} versions", policy.keep)),
            Some(_) => Err(format!("older than the last {} versions", policy.keep)),
            None if forms.is_empty() => Err("replaced by a later build".to_owned()),
            None => Err("left by an interrupted run".to_owned()),
        }
    }
}

/// What a tag says about an image of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Versioned,
    Kept,
    Staged,
    Foreign,
}

impl Form {
    fn of(tag: &ImageRef, image: &Stored) -> Self {
        let value = image.label(label::CACHE_BUST).unwrap_or_default();
        if tag.tag.starts_with("keep-") {
            Self::Kept
        } else if tag.tag.starts_with("staged-") {
            Self::Staged
        } else if !value.is_empty() && (tag.tag == value || tag.tag.ends_with(&format!("-{value}"))) {
            Self::Versioned
        } else {
            Self::Foreign
        }
    }
}

/// How many newer versions of the same service each versioned image has.
fn ranks<'a>(own: &BTreeMap<&'a String, &Stored>) -> BTreeMap<&'a String, usize> {
    let mut services: BTreeMap<&str, Vec<(Timestamp, &'a String)>> = BTreeMap::new();
    for (id, image) in own {
        if image.tags.iter().any(|tag| Form::of(tag, image) == Form::Versioned) {
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

/// Records to remove until the rest is within the limit: the least recently used first, those of kept stages last, and
/// none that another one is made from before that one.
fn cache(store: &Store, project: &Project, policy: &Policy) -> Vec<Line> {
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
            name: record.description.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect(),
            bytes: record.size,
            age_s: policy.now.duration_since(record.used).as_secs(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::facts::compose::Built;
    use crate::value::Service;

    const NOW: i64 = 1_000_000;

    fn project() -> Project {
        let built = |image: &str, keep| Built {
            image: image.parse().expect("name"),
            keep,
            build_only: false,
            target: None,
            args: BTreeMap::new(),
            contexts: BTreeMap::new(),
            dockerfile_path: String::new(),
            closure: None,
            section: json!({}),
        };
        let service = |name: &str| name.parse::<Service>().expect("name");
        let services = [(service("app"), built("app:latest", false)), (service("model"), built("app:model", true))];
        Project { name: "p".parse().expect("name"), services: services.into() }
    }

    fn policy() -> Policy {
        let now = Timestamp::from_second(NOW).expect("time");
        Policy { keep: 2, older_than: None, models: false, cache_limit: None, now }
    }

    fn image(tags: &[&str], value: &str, owner: Option<&str>, age: i64) -> Stored {
        let labels = owner.map(|owner| {
            [(label::PROJECT, owner), (label::SERVICE, "app"), (label::CACHE_BUST, value)]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
        });
        Stored {
            tags: tags.iter().map(|tag| tag.parse().expect("name")).collect(),
            labels: labels.into_iter().flatten().collect(),
            created: Timestamp::from_second(NOW - age).expect("time"),
            size: 10,
            unique: 1,
            layers: vec!["base".to_owned(), format!("{tags:?}{age}")],
        }
    }

    fn removed(store: &Store, policy: &Policy) -> Vec<String> {
        let lines = plan(store, &project(), policy).expect("plan");
        lines.into_iter().filter(|line| line.remove).map(|line| line.id).collect()
    }

    fn store() -> Store {
        let kept =
            key::kept_image(&project().services[&"model".parse::<Service>().expect("name")]).expect("name").to_string();
        let images = [
            ("current", image(&["app:latest", "app:v4"], "v4", Some("p"), 10)),
            ("last", image(&["app:v3"], "v3", Some("p"), 20)),
            ("old", image(&["app:v2"], "v2", Some("p"), 30)),
            ("used", image(&["app:v1"], "v1", Some("p"), 40)),
            ("dangling", image(&[], "v2", Some("p"), 35)),
            ("staged", image(&["app:staged-0"], "v5", Some("p"), 5)),
            ("release", image(&["app:v0", "app:1.2.3"], "v0", Some("p"), 50)),
            ("by-hand", image(&["app:v00", "mine:prod"], "v00", Some("p"), 60)),
            ("kept", image(&[&kept], "v0", Some("p"), 70)),
            ("superseded", image(&["app:keep-000000000000"], "v0", Some("p"), 80)),
            ("stranger", image(&["app:v-1"], "v-1", Some("q"), 90)),
            ("unlabelled", image(&["app:v-2"], "v-2", None, 95)),
        ];
        Store {
            images: images.into_iter().map(|(id, image)| (id.to_owned(), image)).collect(),
            users: [("used".to_owned(), vec!["one".to_owned()])].into(),
            cache: Vec::new(),
        }
    }

    #[test]
    fn only_what_nobody_needs_goes() {
        assert_eq!(removed(&store(), &policy()), ["staged", "old", "dangling"]);
        assert_eq!(
            removed(&store(), &Policy { models: true, ..policy() }),
            ["staged", "old", "dangling", "superseded"]
        );
        assert_eq!(removed(&store(), &Policy { keep: 3, ..policy() }), ["staged", "dangling"]);
        let older_than = Some(SignedDuration::from_secs(33));
        assert_eq!(removed(&store(), &Policy { older_than, ..policy() }), ["dangling"]);
    }

    #[test]
    fn the_cache_goes_oldest_first_and_children_before_parents() {
        let record = |id: &str, parent: &str, size, used, held| CacheRecord {
            id: id.to_owned(),
            parents: [parent].into_iter().filter(|p| !p.is_empty()).map(str::to_owned).collect(),
            description: String::new(),
            size,
            used: Timestamp::from_second(used).expect("time"),
            held,
        };
        let cache = vec![
            record("parent", "", 10, 1, false),
            record("child", "parent", 10, 3, false),
            record("held", "", 10, 0, true),
            record("young", "", 10, 9, false),
        ];
        let removed = |limit| {
            removed(
                &Store { cache: cache.clone(), ..Store::default() },
                &Policy { cache_limit: Some(limit), ..policy() },
            )
        };
        assert_eq!(removed(30), Vec::<String>::new());
        assert_eq!(removed(20), ["child"]);
        assert_eq!(removed(5), ["child", "parent", "young"]);
    }

    fn any_image() -> impl Strategy<Value = (Stored, bool)> {
        let tag = prop::sample::select(vec![
            "app:latest",
            "app:model",
            "app:v1",
            "app:v2",
            "app:staged-1",
            "app:keep-1",
            "app:1.0.0",
            "x:y",
            "app:other-v1",
        ]);
        let owner = prop::sample::select(vec![None, Some("p"), Some("q")]);
        (
            prop::collection::vec(tag, 0..3),
            prop::sample::select(vec!["v1", "v2", ""]),
            owner,
            0_i64..1000,
            any::<bool>(),
        )
            .prop_map(|(tags, value, owner, age, used)| (image(&tags, value, owner, age), used))
    }

    proptest! {
        #[test]
        fn nothing_in_use_unlabelled_or_current_ever_goes(
            images in prop::collection::vec(any_image(), 0..20),
            keep in 0_usize..4,
            models: bool,
            hours in prop::option::of(0_i64..2),
        ) {
            let mut store = Store::default();
            for (index, (image, used)) in images.into_iter().enumerate() {
                if used {
                    store.users.insert(index.to_string(), vec!["c".to_owned()]);
                }
                store.images.insert(index.to_string(), image);
            }
            let policy = Policy { keep, models, older_than: hours.map(SignedDuration::from_hours), ..policy() };
            for id in removed(&store, &policy) {
                let image = &store.images[&id];
                prop_assert!(!store.users.contains_key(&id));
                prop_assert_eq!(image.label(label::PROJECT), Some("p"));
                prop_assert!(!image.tags.iter().any(|tag| ["app:latest", "app:model"].contains(&tag.to_string().as_str())));
            }
        }
    }
}
