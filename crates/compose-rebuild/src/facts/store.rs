//! Everything that takes disk space in the engine: images with their layers, who uses them, and the build cache.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use crate::error::Failure;
use crate::facts::image::Image;
use crate::facts::images;
use crate::sys::docker;
use crate::sys::process::LONG;
use crate::sys::threads::join;
use crate::ui::Ui;
use crate::value::time::Timestamp;
use crate::value::{ImageRef, label, measure};
use serde::Deserialize;

/// Images that the engine is asked about at once: its answers are long, and so are command lines.
const AT_ONCE: usize = 500;

/// The store of the engine.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// All images, also those of others, by ID.
    pub images: BTreeMap<String, Stored>,
    /// Names of the containers, running or not, that were made from an image, by its ID.
    pub users: HashMap<String, Vec<String>>,
    /// The build cache.
    pub cache: Vec<CacheRecord>,
    /// What time it is by the engine's clock, which all its times are of.
    pub now: Timestamp,
}

/// An image of the store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Names; without one it is dangling.
    pub tags: Vec<ImageRef>,
    /// Labels of an image that this tool built; nobody reads those of others.
    pub labels: BTreeMap<String, String>,
    /// When it was built, by the clock of the machine that built it.
    pub created: Timestamp,
    /// When the engine had it last, see [`Image::had`].
    pub had: Timestamp,
    /// All layers, in bytes.
    pub size: u64,
    /// The layers that no other image has, in bytes, to four digits.
    pub unique: u64,
    /// The layers from the lowest, see [`layers`].
    pub layers: Vec<u64>,
}

/// One record of the build cache.
#[derive(Clone, Debug)]
pub struct CacheRecord {
    /// The ID.
    pub id: String,
    /// Records that it is made from.
    pub parents: Vec<String>,
    /// The step that made it, as BuildKit describes it.
    pub description: String,
    /// Bytes, to four digits.
    pub size: u64,
    /// When it was used last; a record that never was counts as old.
    pub used: Timestamp,
    /// Whether a build uses it now, or an image has the same layers, so that removing it frees nothing.
    pub held: bool,
}

/// Reads the store.
pub fn read(ui: &Ui) -> anyhow::Result<Inventory> {
    let ids = docker::ask_lines(ui, LONG, docker::image_ids)?;
    let containers = docker::ask_lines(ui, LONG, docker::container_ids)?;
    thread::scope(|scope| {
        // The engine counts the bytes of volumes too, file by file.
        let usage = scope.spawn(|| docker::ask(ui, LONG, docker::disk_usage));
        let now = scope.spawn(|| docker::clock().ask(ui, LONG));
        let users = scope.spawn(|| match containers.is_empty() {
            true => Ok(String::new()),
            false => docker::ask_existing(ui, LONG, |sh| docker::container_images(sh, &containers)),
        });
        let mut images = BTreeMap::new();
        for some in ids.chunks(AT_ONCE) {
            images.extend(images::inspect_all(ui, some)?.into_iter().map(stored));
        }
        let now = join(now)?.trim().parse().map_err(Failure::precondition)?;
        Ok(put_together(images, &join(users)?, docker::json(join(usage)?.as_bytes())?, now))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawUsage {
    images: Option<Vec<RawImageUsage>>,
    build_cache: Option<Vec<RawCache>>,
}

#[derive(Deserialize)]
struct RawImageUsage {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "UniqueSize")]
    unique_size: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawCache {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    description: String,
    size: String,
    #[serde(default)]
    last_used_at: String,
    in_use: String,
    shared: String,
}

/// An image, with nothing that nobody asks for: there may be thousands.
fn stored(image: Image) -> (String, Stored) {
    let had = image.had();
    // The engine gives a build that came from the cache the time of its last new layer.
    let created = image.label(label::CREATED).and_then(|text| text.parse().ok()).unwrap_or(had);
    let mut labels = image.config.labels;
    if !labels.contains_key(label::PROJECT) {
        labels.clear();
    }
    let stored = Stored {
        tags: image.repo_tags.iter().filter_map(|tag| tag.parse().ok()).collect(),
        created,
        had,
        labels,
        size: image.size,
        unique: image.size,
        layers: layers(&image.root_fs.layers),
    };
    (image.id, stored)
}

/// Puts together the images, lines of `IMAGE NAME` for containers, and `docker system df --verbose`.
fn put_together(images: BTreeMap<String, Stored>, users: &str, usage: RawUsage, now: Timestamp) -> Inventory {
    let mut store = Inventory { images, users: HashMap::new(), cache: Vec::new(), now };
    for used in usage.images.into_iter().flatten() {
        if let Some(image) = store.images.get_mut(&used.id) {
            image.unique = measure::size(&used.unique_size).unwrap_or(0).min(image.size);
        }
    }
    for (image, name) in users.lines().filter_map(|line| line.split_once(' ')) {
        store.users.entry(image.to_owned()).or_default().push(name.trim_start_matches('/').to_owned());
    }
    store.cache = usage.build_cache.into_iter().flatten().map(cache_record).collect();
    store
}

/// A hash of the first, of the first two, ... of all layers, which takes a tenth of the memory of their digests. Images share
/// the layers up to where these differ.
pub fn layers(digests: &[String]) -> Vec<u64> {
    let prefixes = digests.iter().scan(0_u64, |before, layer| {
        let mut hasher = DefaultHasher::new();
        (*before, layer).hash(&mut hasher);
        *before = hasher.finish();
        Some(*before)
    });
    prefixes.collect()
}

fn cache_record(raw: RawCache) -> CacheRecord {
    // `2026-11-22 16:50:27.42 +0000 UTC`, as Go prints a time.
    let used = raw.last_used_at.strip_suffix(" +0000 UTC");
    let used = used.and_then(|text| format!("{}Z", text.replacen(' ', "T", 1)).parse().ok());
    CacheRecord {
        id: raw.id,
        parents: raw.parent.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        description: raw.description,
        size: measure::size(&raw.size).unwrap_or(0),
        used: used.unwrap_or(Timestamp::UNIX_EPOCH),
        held: raw.in_use == "true" || raw.shared == "true",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_put_together_from_three_answers() {
        let images = r#"[{"Id":"sha256:a","RepoTags":["x:1"],"Created":"2026-01-01T00:00:00Z","Size":50,
            "Config":{"Labels":{"k":"v"}},"RootFS":{"Layers":["l1","l2"]}}]"#;
        let usage = r#"{"Images":[{"ID":"sha256:a","UniqueSize":"20B"}],"BuildCache":[{"ID":"c","Parent":"p","Description":"d",
            "Size":"1kB","LastUsedAt":"2026-11-22 16:50:27.4 +0000 UTC","InUse":"false","Shared":"false"}]}"#;
        let images: Vec<Image> = docker::json(images.as_bytes()).expect("valid");
        let images = images.into_iter().map(stored).collect();
        let usage = docker::json(usage.as_bytes()).expect("valid");
        let store = put_together(images, "sha256:a /one\nsha256:a /two\n", usage, Timestamp::UNIX_EPOCH);
        let image = &store.images["sha256:a"];
        assert_eq!((image.size, image.unique, image.layers.len()), (50, 20, 2));
        assert_eq!(store.users["sha256:a"], ["one", "two"]);
        assert_eq!((store.cache[0].size, store.cache[0].held), (1000, false));
        assert!(store.cache[0].used > Timestamp::UNIX_EPOCH);
    }
}
