//! Images as the engine or a registry has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
#[serde(from = "Value")]
pub struct Image {
    /// The content digest.
    pub id: String,
    /// The names in the engine.
    pub repo_tags: Vec<String>,
    /// All layers, in bytes.
    pub size: u64,
    /// When the engine, by its own clock, had the image last: it got a name, or its last new layer.
    pub had: Timestamp,
    /// All labels, empty ones too.
    pub labels: BTreeMap<String, String>,
    /// The directory that commands of the image start in.
    pub working_directory: String,
    /// Whether it has instructions for images that are made from it.
    pub has_triggers: bool,
    /// A directory of the engine's data, if the engine tells.
    pub data_directory: Option<String>,
    /// Digests of layers, from the lowest.
    pub layers: Vec<String>,
}

/// What `docker image inspect` says of one; what is empty may be `null` there.
impl From<Value> for Image {
    fn from(inspected: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
        let times = [&inspected["Created"], &inspected["Metadata"]["LastTagTime"]];
        let had = times.iter().filter_map(|time| time.as_str()?.parse().ok()).max();
        let mut configured = Self::configured(&inspected["Config"]);
        // `docker commit` gives an image the labels of what it was made from, which say nothing about it; BuildKit names no parent.
        if inspected["Parent"].as_str().is_some_and(|parent| !parent.is_empty()) {
            configured.labels.clear();
        }
        Self {
            id: text(&inspected["Id"]),
            repo_tags: texts(&inspected["RepoTags"]),
            size: inspected["Size"].as_u64().unwrap_or_default(),
            had: had.unwrap_or_default(),
            data_directory: inspected["GraphDriver"]["Data"]["UpperDir"].as_str().map(str::to_owned),
            layers: texts(&inspected["RootFS"]["Layers"]),
            ..configured
        }
    }
}

impl Image {
    /// An image of which only the configuration is known.
    pub fn configured(config: &Value) -> Self {
        let labels = config["Labels"].as_object().into_iter().flatten();
        let directory = config["WorkingDir"].as_str().filter(|directory| !directory.is_empty());
        Self {
            labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            working_directory: directory.unwrap_or("/").to_owned(),
            has_triggers: config["OnBuild"].as_array().is_some_and(|all| !all.is_empty()),
            ..Self::default()
        }
    }

    /// The value of a label; an empty one is none, and is there to hide that of a base image.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a build of this tool for `project` made it.
    pub fn belongs_to(&self, project: &ProjectName) -> bool {
        self.label(label::PROJECT) == Some(project.as_str())
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
            serde_json::from_value::<Image>(image).expect("an image").had
        };
        assert_eq!(image("2026-02-01T00:00:00Z"), "2026-02-01T00:00:00Z".parse().expect("a time"));
        assert_eq!(image("0001-01-01T00:00:00Z"), "2026-01-01T00:00:00Z".parse().expect("a time"));
    }
}
