//! Which of the wanted images exist, and what their labels say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xshell::Shell;

use crate::error::Failure;
use crate::facts::registry;
use crate::plan::label;
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName};

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
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Its content digest.
    pub id: String,
    /// All layers, in bytes.
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub(super) config: Option<ImageConfig>,
    #[serde(default)]
    pub(super) graph_driver: Option<GraphDriver>,
}

/// Where the classic image store keeps the layers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriver {
    data: Option<BTreeMap<String, String>>,
}

/// The part of an image's configuration that is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ImageConfig {
    labels: Option<BTreeMap<String, String>>,
    working_dir: Option<String>,
}

impl Image {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether a build of this tool for `project` made it.
    pub fn belongs_to(&self, project: &ProjectName) -> bool {
        self.label(label::PROJECT) == Some(project.as_str())
    }

    /// A directory of the engine's data, if the engine tells.
    pub fn data_directory(&self) -> Option<&str> {
        self.graph_driver.as_ref()?.data.as_ref()?.get("UpperDir").map(String::as_str)
    }

    /// The directory that commands of the image start in.
    pub fn working_directory(&self) -> &str {
        self.config
            .as_ref()
            .and_then(|config| config.working_dir.as_deref())
            .filter(|path| !path.is_empty())
            .unwrap_or("/")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagged {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(flatten)]
    image: Image,
}

/// The images among `wanted` that exist, by the name that was asked for.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn inspect(ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(parse(&answer(ui, wanted)?, wanted)?)
}

/// The images among these IDs that exist, each with all its names.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn inspect_ids(ui: &Ui, ids: &[String]) -> anyhow::Result<Vec<(Vec<String>, Image)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = tagged(&answer(ui, ids)?)?;
    Ok(found.into_iter().map(|tagged| (tagged.repo_tags.unwrap_or_default(), tagged.image)).collect())
}

/// What the engine says about images; that one does not exist is no failure.
fn answer(ui: &Ui, wanted: &[impl ToString]) -> anyhow::Result<Vec<u8>> {
    let sh = Shell::new()?;
    let finished = process::output(ui, docker::image_inspect(&sh, wanted), Duration::from_secs(30))?;
    if !finished.status.success() {
        let missing = |line: &str| line.to_lowercase().contains("no such image");
        let mut errors = finished.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
        if errors.peek().is_none() || !errors.all(missing) {
            return Err(docker::failure(&finished).into());
        }
    }
    Ok(finished.stdout)
}

fn tagged(json: &[u8]) -> Result<Vec<Tagged>, Failure> {
    serde_json::from_slice(json).map_err(|error| {
        Failure::precondition(format!("the engine's answer is cut or garbled: {error}")).hint("run it again")
    })
}

fn parse(json: &[u8], wanted: &[ImageRef]) -> Result<Images, Failure> {
    let mut asked: BTreeMap<String, Vec<&ImageRef>> = BTreeMap::new();
    for name in wanted {
        asked.entry(name.to_string()).or_default().push(name);
    }
    let mut images = BTreeMap::new();
    for tagged in tagged(json)? {
        for name in tagged.repo_tags.unwrap_or_default().iter().filter_map(|tag| asked.get(tag)).flatten() {
            images.insert((*name).clone(), tagged.image.clone());
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_under_every_wanted_name() {
        let name = |text: &str| text.parse::<ImageRef>().expect("name");
        let json = r#"[{"Id":"sha256:1","RepoTags":["a:1","a:latest"],"Size":5,"Config":{"Labels":{"k":"v"},"WorkingDir":""}}]"#;
        let images = parse(json.as_bytes(), &[name("a"), name("b"), name("a:1")]).expect("valid");
        assert_eq!(images.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "a:latest"]);
        assert_eq!(images[&name("a")].label("k"), Some("v"));
        assert_eq!(images[&name("a")].working_directory(), "/");
        assert!(parse(b"[{", &[]).is_err());
    }
}
