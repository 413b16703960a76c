//! Which of the wanted images exist, and which versions of a service.

use std::collections::HashMap;
use std::time::Duration;

use crate::facts::image::{Image, Images, Store};
use crate::facts::registry;
use crate::project::{Built, Project};
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName, Service, label, measure};

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

/// Takes the labels from images that are not those which were built, but made from them and put in their place: they have all
/// of their labels, while what was built still has the name of its version. It is added to the images.
pub fn disown(ui: &Ui, project: &Project, images: &mut Images) -> anyhow::Result<()> {
    let lacking = |built: &Built| {
        let image = images.get(&built.image)?;
        let version = name_of(image, &built.image).filter(|name| !image.repo_tags.contains(&name.to_string()))?;
        Some((built.image.clone(), version))
    };
    let lacking: Vec<_> = project.services.values().filter(|built| !built.keep).filter_map(lacking).collect();
    let versions: Vec<_> = lacking.iter().map(|(_, version)| version.clone()).collect();
    let versions = inspect(ui, &versions)?;
    for (name, version) in &lacking {
        // Another build of the same, on another machine, has another time.
        if let (Some(image), Some(built)) = (images.get_mut(name), versions.get(version))
            && [label::KEY, label::CREATED].iter().all(|name| image.label(name) == built.label(name))
        {
            image.labels.clear();
        }
    }
    images.extend(versions);
    Ok(())
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

/// The name of the newest version of a service that was made after its image `current`; `mutable` is the name of that one.
pub fn newer(
    ui: &Ui,
    project: &ProjectName,
    service: &Service,
    mutable: &ImageRef,
    current: &Image,
) -> anyhow::Result<Option<String>> {
    let labels = [format!("{}={project}", label::PROJECT), format!("{}={service}", label::SERVICE)];
    let ids = docker::image_ids(&labels).ask_lines(ui, Duration::from_secs(30))?;
    Ok(newest(&inspect_all(ui, &ids)?, mutable, current))
}

fn newest(versions: &[Image], mutable: &ImageRef, current: &Image) -> Option<String> {
    // Times are all written in the same form and zone, so their order is that of the text.
    let made = |image: &Image| image.label(label::CREATED).unwrap_or_default().to_owned();
    let later = versions.iter().filter(|image| image.id != current.id && made(image) > made(current));
    let named = later.filter_map(|image| {
        let name = name_of(image, mutable)?.to_string();
        image.repo_tags.contains(&name).then(|| (made(image), name))
    });
    named.max().map(|(_, name)| name)
}

/// The name that an image has beside the mutable one.
fn name_of(image: &Image, mutable: &ImageRef) -> Option<ImageRef> {
    mutable.with_tag(mutable.versioned_tag(image.label(label::CACHE_BUST)?)).ok()
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

    /// An image under the name of a version, which is its ID too.
    fn made(id: &str, created: &str) -> Image {
        let labels = serde_json::json!({label::CREATED: created, label::CACHE_BUST: id});
        let json = serde_json::json!({"Id": id, "RepoTags": [format!("a:{id}")], "Config": {"Labels": labels}});
        serde_json::from_value(json).expect("image")
    }

    #[test]
    fn a_version_is_named_by_its_bust_value() {
        let json = serde_json::json!({"Id": "1", "Config": {"Labels": {label::CACHE_BUST: "v1-abc"}}});
        let image: Image = serde_json::from_value(json).expect("image");
        let name = |mutable: &str| name_of(&image, &mutable.parse().expect("name")).map(|name| name.to_string());
        assert_eq!(name("h:5000/a").as_deref(), Some("h:5000/a:v1-abc"));
        assert_eq!(name("docker.io/library/a:web").as_deref(), Some("a:web-v1-abc"));
        assert_eq!(name_of(&Image::default(), &"a".parse().expect("name")), None);
    }

    #[test]
    fn newer_is_what_was_made_later() {
        let all = [
            made("1", "2026-01-01T00:00:00Z"),
            made("2", "2026-01-02T00:00:00Z"),
            made("3", "2026-01-03T00:00:00Z"),
            // Somebody took its name away.
            Image { repo_tags: Vec::new(), ..made("4", "2026-01-04T00:00:00Z") },
        ];
        let newer = |id: &str, created| newest(&all, &"a".parse().expect("name"), &made(id, created));
        assert_eq!(newer("1", "2026-01-01T00:00:00Z").as_deref(), Some("a:3"));
        assert_eq!(newer("3", "2026-01-03T00:00:00Z"), None);
        assert_eq!(newer("5", "2026-01-02T12:00:00Z").as_deref(), Some("a:3"));
    }
}
