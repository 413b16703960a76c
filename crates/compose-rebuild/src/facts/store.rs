//! Everything that takes disk space in the engine: images with their layers, who uses them, and the build cache.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::Duration;

use crate::error::Failure;
use crate::facts::image::Image;
use crate::facts::images;
use crate::sys::docker;
use crate::sys::process::LONG;
use crate::sys::threads::join;
use crate::ui::Ui;
use crate::value::time::Timestamp;
use crate::value::{Builder, ImageRef, label, measure};
use serde::Deserialize;
use serde_json::Value;

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
    /// When the engine had it last, see [`Image`].
    pub had: Timestamp,
    /// Whether the engine told its size to the byte; where it tells that of the compressed content, it is not.
    pub is_exact: bool,
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

/// Reads the store, with the cache of a builder, or else with that of the engine itself.
pub fn read(ui: &Ui, builder: Option<&Builder>) -> anyhow::Result<Inventory> {
    let ids = docker::image_ids(&[]).ask_lines(ui, LONG)?;
    let containers = docker::container_ids().ask_lines(ui, LONG)?;
    thread::scope(|scope| {
        // The engine counts the bytes of volumes too, file by file.
        let usage = scope.spawn(|| docker::disk_usage().ask(ui, LONG));
        let now = scope.spawn(|| docker::clock().ask(ui, LONG));
        let cache = builder.map(|builder| scope.spawn(|| docker::cache_of(builder).ask(ui, LONG)));
        let users = scope.spawn(|| match containers.is_empty() {
            true => Ok(String::new()),
            false => docker::container_images(&containers).ask_existing(ui, LONG),
        });
        let mut images = BTreeMap::new();
        for some in ids.chunks(AT_ONCE) {
            images.extend(images::inspect_all(ui, some)?.into_iter().map(stored));
        }
        let now = join(now)?.trim().parse().map_err(Failure::precondition)?;
        let mut store = put_together(images, &join(users)?, docker::json(join(usage)?.as_bytes())?, now);
        if let Some(cache) = cache {
            store.cache = join(cache)?.lines().filter_map(|line| record_of_builder(line, now)).collect();
        }
        Ok(store)
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
    #[serde(rename = "Size", default)]
    size: String,
    #[serde(rename = "VirtualSize", default)]
    virtual_size: String,
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
    let had = image.had;
    // The engine gives a build that came from the cache the time of its last new layer.
    let created = image.label(label::CREATED).and_then(|text| text.parse().ok()).unwrap_or(had);
    let is_exact = image.data_directory.is_some();
    let mut labels = image.labels;
    if !labels.contains_key(label::PROJECT) {
        labels.clear();
    }
    let stored = Stored {
        tags: image.repo_tags.iter().filter_map(|tag| tag.parse().ok()).collect(),
        created,
        had,
        labels,
        is_exact,
        size: image.size,
        unique: image.size,
        layers: layers(&image.layers),
    };
    (image.id, stored)
}

/// Puts together the images, lines of `IMAGE NAME` for containers, and `docker system df --verbose`.
fn put_together(images: BTreeMap<String, Stored>, users: &str, usage: RawUsage, now: Timestamp) -> Inventory {
    let mut store = Inventory { images, users: HashMap::new(), cache: Vec::new(), now };
    for used in usage.images.into_iter().flatten() {
        if let Some(image) = store.images.get_mut(&used.id) {
            let inspected = image.size;
            if !image.is_exact
                && let Ok(size) = measure::size(&used.size)
            {
                // What older engines say with a digit more.
                let finer = measure::size(&used.virtual_size).ok().filter(|finer| finer.abs_diff(size) <= size / 100);
                image.size = finer.unwrap_or(size);
            }
            image.unique = measure::size(&used.unique_size).unwrap_or(0).min(image.size);
            // Where compressed content was inspected, all of it counts as this image's own: only what is unpacked is shared.
            if inspected.abs_diff(image.size) > image.size / 100 {
                image.unique = image.unique.saturating_sub(inspected);
            }
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

/// A record as buildx tells of it, whose times are words such as `3 weeks ago`.
fn record_of_builder(line: &str, now: Timestamp) -> Option<CacheRecord> {
    let part = |part| Some(serde_json::from_str::<Value>(part).ok()?.as_str().map_or(part.to_owned(), str::to_owned));
    let parts = line.split('\t').map(part).collect::<Option<Vec<_>>>()?;
    let [id, parents, size, used, reclaimable, shared, description] = parts.try_into().ok()?;
    let parents: Option<Vec<String>> = serde_json::from_str(&parents).ok()?;
    let is_true = |text: &str| text == "true";
    Some(CacheRecord {
        id: id.trim_end_matches('*').to_owned(),
        parents: parents.unwrap_or_default(),
        description,
        size: measure::size(size.trim_end_matches('*')).unwrap_or(0),
        used: ago(&used).and_then(|ago| now.before(ago)).unwrap_or(Timestamp::UNIX_EPOCH),
        held: !is_true(&reclaimable) || is_true(&shared),
    })
}

/// `About an hour ago`, `3 weeks ago` (docker/go-units `HumanDuration`).
fn ago(text: &str) -> Option<Duration> {
    let text = text.strip_suffix(" ago")?;
    if text == "Less than a second" {
        return Some(Duration::ZERO);
    }
    let text = text.replace("About an ", "1 ").replace("About a ", "1 ");
    humantime::parse_duration(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_put_together_from_three_answers() {
        let images = r#"[{"Id":"sha256:a","RepoTags":["x:1"],"Created":"2026-01-01T00:00:00Z","Size":50,
            "Config":{"Labels":{"k":"v"}},"RootFS":{"Layers":["l1","l2"]},"GraphDriver":{"Data":{"UpperDir":"/x"}}}]"#;
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

    #[test]
    fn the_size_on_disk_counts_where_the_engine_tells_another_one() {
        let images =
            r#"[{"Id":"sha256:a","Size":50},{"Id":"sha256:b","Size":50,"GraphDriver":{"Data":{"UpperDir":"/x"}}}]"#;
        let images: Vec<Image> = docker::json(images.as_bytes()).expect("valid");
        let usage = ["a", "b"].map(|id| format!(r#"{{"ID":"sha256:{id}","Size":"70B","UniqueSize":"60B"}}"#));
        let usage = docker::json(format!(r#"{{"Images":[{}]}}"#, usage.join(",")).as_bytes()).expect("valid");
        let store = put_together(images.into_iter().map(stored).collect(), "", usage, Timestamp::UNIX_EPOCH);
        let sizes: Vec<_> = store.images.values().map(|image| (image.size, image.unique)).collect();
        assert_eq!(
            sizes,
            [(70, 10), (50, 50)],
            "of 60 bytes that no other image has, 50 are the content of all layers"
        );
    }

    #[test]
    fn records_of_a_builder_are_read() {
        let now: Timestamp = "2026-11-22T16:50:27Z".parse().expect("time");
        let line = "\"a*\"\t[\"p\",\"q\"]\t\"1.5kB*\"\t\"3 weeks ago\"\ttrue\tfalse\t\"[s 1/2] RUN a\\nb\"";
        let record = record_of_builder(line, now).expect("a record");
        assert_eq!((record.id.as_str(), record.size, record.held), ("a", 1500, false));
        assert_eq!(
            (record.parents, record.description.as_str()),
            (vec!["p".to_owned(), "q".to_owned()], "[s 1/2] RUN a\nb")
        );
        assert_eq!(now.since(record.used), Duration::from_secs(21 * 86_400));
        for (text, seconds) in [("Less than a second ago", 0), ("About a minute ago", 60), ("About an hour ago", 3600)]
        {
            assert_eq!(ago(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert!(ago("").is_none() && record_of_builder("a\tb", now).is_none());
    }
}
