//! Images as the engine or a registry has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::value::time::Timestamp;
use crate::value::{ImageRef, ProjectName, label};

/// Where images are looked up, and where tags move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// The Docker engine; IDs are its own.
    #[default]
    Engine,
    /// The registries that the names lead to; IDs are digests of manifests.
    Registry,
}

impl Store {
    /// The registry when that is asked for, else the engine.
    pub fn of(registry: bool) -> Self {
        if registry { Self::Registry } else { Self::Engine }
    }
}

/// Images by the names that they were asked for.
pub type Images = BTreeMap<ImageRef, Image>;

/// An image of the engine or of a registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Image {
    /// The content digest.
    pub id: String,
    /// The names in the engine.
    #[serde(deserialize_with = "or_nothing")]
    pub repo_tags: Vec<String>,
    /// When its last new layer was made, as the engine writes times.
    pub created: String,
    /// All layers, in bytes.
    pub size: u64,
    #[serde(deserialize_with = "or_nothing")]
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "or_nothing")]
    pub(super) config: Config,
    #[serde(deserialize_with = "or_nothing")]
    pub(super) graph_driver: GraphDriver,
    #[serde(rename = "RootFS", deserialize_with = "or_nothing")]
    pub(super) root_fs: RootFs,
}

/// The part of an image's configuration that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    #[serde(deserialize_with = "or_nothing")]
    pub(super) labels: BTreeMap<String, String>,
    working_dir: String,
    #[serde(deserialize_with = "or_nothing")]
    on_build: Vec<String>,
}

/// What an engine knows about an image beside the image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Metadata {
    #[serde(deserialize_with = "or_nothing")]
    last_tag_time: String,
}

/// Where the classic image store keeps the layers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct GraphDriver {
    #[serde(deserialize_with = "or_nothing")]
    data: BTreeMap<String, String>,
}

/// What the file system of an image is made from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RootFs {
    /// Digests of layers, from the lowest.
    #[serde(deserialize_with = "or_nothing")]
    pub(super) layers: Vec<String>,
}

/// The engine writes `null` for what is empty.
fn or_nothing<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

impl Image {
    /// The value of a label; an empty one is none, and is there to hide that of a base image.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a build of this tool for `project` made it.
    pub fn belongs_to(&self, project: &ProjectName) -> bool {
        self.label(label::PROJECT) == Some(project.as_str())
    }

    /// When the engine, by its own clock, had the image last: it got a name, or its last new layer.
    pub fn had(&self) -> Timestamp {
        let times = [&self.metadata.last_tag_time, &self.created];
        times.iter().filter_map(|time| time.parse().ok()).max().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// A directory of the engine's data, if the engine tells.
    pub fn data_directory(&self) -> Option<&str> {
        self.graph_driver.data.get("UpperDir").map(String::as_str)
    }

    /// Whether it has instructions for images that are made from it.
    pub fn has_triggers(&self) -> bool {
        !self.config.on_build.is_empty()
    }

    /// The directory that commands of the image start in.
    pub fn working_directory(&self) -> &str {
        if self.config.working_dir.is_empty() { "/" } else { &self.config.working_dir }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_and_no_label_says_how_old_an_image_is() {
        let image = |last_tag_time: &str| {
            let labels = serde_json::json!({"org.opencontainers.image.created": "1999-01-01T00:00:00Z"});
            let image = serde_json::json!({"Created": "2026-01-01T00:00:00Z", "Config": {"Labels": labels},
                "Metadata": {"LastTagTime": last_tag_time}});
            serde_json::from_value::<Image>(image).expect("an image").had()
        };
        assert_eq!(image("2026-02-01T00:00:00Z"), "2026-02-01T00:00:00Z".parse().expect("a time"));
        assert_eq!(image("0001-01-01T00:00:00Z"), "2026-01-01T00:00:00Z".parse().expect("a time"));
    }
}
