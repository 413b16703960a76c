//! Which of the wanted images exist.

use std::collections::HashMap;
use std::time::Duration;

use crate::facts::image::{Image, Images, Store};
use crate::facts::registry;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{ImageRef, measure};

/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(60);

impl Store {
    /// The images among `wanted` that exist here.
    pub fn inspect(self, ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
        match self {
            Self::Engine => inspect(ui, wanted),
            Self::Registry => registry::inspect(ui, wanted),
        }
    }
}

/// The images among `wanted` that exist, by the name that was asked for.
pub fn inspect(ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
    let names: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    Ok(by_name(inspect_all(ui, &names)?, wanted))
}

/// The images among these names and IDs that exist.
pub fn inspect_all(ui: &Ui, wanted: &[String]) -> anyhow::Result<Vec<Image>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let answer = docker::image_inspect(wanted).ask_existing(ui, DEADLINE)?;
    Ok(docker::json(answer.as_bytes())?)
}

/// Gives images the sizes that they have on disk: where the engine does not say that of itself, it has said how much their
/// compressed content is.
pub fn measure(ui: &Ui, images: &mut Images) {
    if images.values().all(|image| image.data_directory.is_some()) {
        return;
    }
    let listed = docker::image_sizes().ask(ui, DEADLINE).unwrap_or_default();
    let sizes: HashMap<_, _> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    for image in images.values_mut() {
        let size = sizes.get(image.id.as_str()).and_then(|size| measure::size(size).ok());
        image.size = size.unwrap_or(image.size);
    }
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
        assert_eq!(images[&name("a")].working_directory, "/");
        assert!(docker::json::<Vec<Image>>(b"[{").is_err());
    }
}
