//! Which of the wanted images exist, and what their labels say.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::facts::registry;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName, label};

/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(60);

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

    /// The images among `wanted` that exist here.
    ///
    /// # Errors
    /// Exit code 3 when the engine or a registry does not answer.
    pub fn inspect(self, ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
        match self {
            Self::Engine => inspect(ui, wanted),
            Self::Registry => registry::inspect(ui, wanted),
        }
    }
}

/// Images by the names that they were asked for.
pub type Images = BTreeMap<ImageRef, Image>;

/// An image of the engine or of a registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Image {
    /// Its content digest.
    pub id: String,
    /// Its names in the engine.
    #[serde(deserialize_with = "or_nothing")]
    pub repo_tags: Vec<String>,
    /// When its last new layer was made, as the engine writes times.
    pub created: String,
    /// All layers, in bytes.
    pub size: u64,
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
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.get(name).map(String::as_str)
    }

    /// Whether a build of this tool for `project` made it.
    pub fn belongs_to(&self, project: &ProjectName) -> bool {
        self.label(label::PROJECT) == Some(project.as_str())
    }

    /// A directory of the engine's data, if the engine tells.
    pub fn data_directory(&self) -> Option<&str> {
        self.graph_driver.data.get("UpperDir").map(String::as_str)
    }

    /// The directory that commands of the image start in.
    pub fn working_directory(&self) -> &str {
        if self.config.working_dir.is_empty() { "/" } else { &self.config.working_dir }
    }
}

/// The images among `wanted` that exist, by the name that was asked for.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn inspect(ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
    let names: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    Ok(by_name(inspect_all(ui, &names)?, wanted))
}

/// The images among these names and IDs that exist.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn inspect_all(ui: &Ui, wanted: &[String]) -> anyhow::Result<Vec<Image>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let answer = docker::ask_existing(ui, DEADLINE, |sh| docker::image_inspect(sh, wanted))?;
    Ok(docker::json(answer.as_bytes())?)
}

fn by_name(found: Vec<Image>, wanted: &[ImageRef]) -> Images {
    let mut asked: HashMap<String, Vec<&ImageRef>> = HashMap::new();
    for name in wanted {
        asked.entry(name.to_string()).or_default().push(name);
    }
    let mut images = Images::new();
    for image in found {
        let names = image.repo_tags.iter().filter_map(|tag| asked.get(tag)).flatten();
        images.extend(names.map(|name| ((*name).clone(), image.clone())));
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_under_every_wanted_name() {
        let name = |text: &str| text.parse::<ImageRef>().expect("name");
        let json = r#"[{"Id":"sha256:1","RepoTags":["a:1","a:latest"],"Size":5,"Config":{"Labels":{"k":"v"},"WorkingDir":""}}]"#;
        let found = docker::json(json.as_bytes()).expect("valid");
        let images = by_name(found, &[name("a"), name("b"), name("a:1")]);
        assert_eq!(images.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "a:latest"]);
        assert_eq!(images[&name("a")].label("k"), Some("v"));
        assert_eq!(images[&name("a")].working_directory(), "/");
        assert!(docker::json::<Vec<Image>>(b"[{").is_err());
    }
}
