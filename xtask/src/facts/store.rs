//! Everything that takes disk space in the engine: images with their layers, who uses them, and the build cache.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use crate::value::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use xshell::{Cmd, Shell};

use crate::error::Failure;
use crate::facts::join;
use crate::plan::label;
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::{ImageRef, measure};

/// Images that the engine is asked about at once: its answers are long, and so are command lines.
const AT_ONCE: usize = 1000;

/// The store of the engine.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// All images, also those of others, by ID.
    pub images: BTreeMap<String, Stored>,
    /// Names of the containers, running or not, that were made from an image, by its ID.
    pub users: BTreeMap<String, Vec<String>>,
    /// The build cache.
    pub cache: Vec<CacheRecord>,
}

/// An image of the store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Names; without one it is dangling.
    pub tags: Vec<ImageRef>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was built.
    pub created: Timestamp,
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
    /// Its ID.
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
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn read(ui: &Ui) -> anyhow::Result<Store> {
    let sh = Shell::new()?;
    let ids = lines(&text(ui, docker::image_ids(&sh))?);
    let containers = lines(&text(ui, docker::container_ids(&sh))?);
    thread::scope(|scope| {
        let usage = scope.spawn(|| {
            let sh = Shell::new()?;
            text(ui, docker::disk_usage(&sh))
        });
        let users = scope.spawn(|| {
            let sh = Shell::new()?;
            if containers.is_empty() { Ok(String::new()) } else { text(ui, docker::container_images(&sh, &containers)) }
        });
        let mut images = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            images.extend(json::<Vec<RawImage>>(&text(ui, docker::image_inspect(&sh, some))?)?);
        }
        Ok(put_together(images, &join(users)?, json(&join(usage)?)?))
    })
}

fn text(ui: &Ui, command: Cmd<'_>) -> anyhow::Result<String> {
    // The engine counts the bytes of volumes too, file by file.
    let finished = process::output(ui, command, process::LONG)?;
    // What went after it was listed takes no space and uses nothing; the answer has all the rest.
    let gone = |line: &str| {
        let line = line.to_lowercase();
        line.trim().is_empty() || line.contains("no such container") || line.contains("no such image")
    };
    if !finished.status.success() && (finished.stderr.is_empty() || !finished.stderr.lines().all(gone)) {
        return Err(docker::failure(&finished).into());
    }
    // Thousands of images are many bytes: valid text is not copied.
    Ok(String::from_utf8(finished.stdout)
        .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned()))
}

/// Lines without repetitions.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawImage {
    id: String,
    repo_tags: Option<Vec<String>>,
    created: Timestamp,
    size: u64,
    config: Option<RawConfig>,
    #[serde(rename = "RootFS")]
    root_fs: Option<RawRootFs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawConfig {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawRootFs {
    layers: Option<Vec<String>>,
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

fn json<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::precondition(format!("the engine's answer is cut or garbled: {error}")).hint("run it again")
    })
}

/// Puts together `docker image inspect`, lines of `IMAGE NAME` for containers, and `docker system df --verbose`.
fn put_together(images: Vec<RawImage>, users: &str, usage: RawUsage) -> Store {
    let unique: BTreeMap<_, _> = usage
        .images
        .into_iter()
        .flatten()
        .map(|image| (image.id, measure::size(&image.unique_size).unwrap_or(0)))
        .collect();
    let mut store = Store::default();
    for image in images {
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        // The engine gives a build that came from the cache the time of its last new layer.
        let built = labels.get(label::CREATED).and_then(|text| text.parse().ok());
        let stored = Stored {
            tags: image.repo_tags.into_iter().flatten().filter_map(|tag| tag.parse().ok()).collect(),
            created: built.unwrap_or(image.created),
            labels,
            size: image.size,
            unique: unique.get(&image.id).copied().unwrap_or(image.size).min(image.size),
            layers: layers(&image.root_fs.and_then(|root| root.layers).unwrap_or_default()),
        };
        store.images.insert(image.id, stored);
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
        let (images, usage) = (json(images).expect("valid"), json(usage).expect("valid"));
        let store = put_together(images, "sha256:a /one\nsha256:a /two\n", usage);
        let image = &store.images["sha256:a"];
        assert_eq!((image.size, image.unique, image.layers.len()), (50, 20, 2));
        assert_eq!(store.users["sha256:a"], ["one", "two"]);
        assert_eq!((store.cache[0].size, store.cache[0].held), (1000, false));
        assert!(store.cache[0].used > Timestamp::UNIX_EPOCH);
    }
}
