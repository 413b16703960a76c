//! What a registry has under a name, asked without pulling anything.

use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;

use crate::error::Failure;
use crate::facts::image::{Image, Images};
use crate::sys::docker;
use crate::sys::threads::some_at_once;
use crate::ui::Ui;
use crate::value::ImageRef;

/// How long a registry may take for one answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// How many questions are open at the same time; each is a process.
const AT_ONCE: usize = 8;

/// Refuses names of which everybody knows that no registry takes them.
pub fn check(wanted: &[ImageRef]) -> Result<(), Failure> {
    match wanted.iter().find(|name| !name.repository.contains('/')) {
        Some(name) => Err(Failure::usage(format!("the image name `{name}` leads to no registry"))
            .kept("nothing was changed")
            .hint(
                "write `image: registry.example/team/name` in the compose file; the shipped one takes IMAGE_REGISTRY",
            )),
        None => Ok(()),
    }
}

/// The images among `wanted` that the registry has; the ID of each is the digest of its manifest.
pub fn inspect(ui: &Ui, wanted: &[ImageRef]) -> anyhow::Result<Images> {
    let mut found = Images::new();
    for (name, answer) in wanted.iter().zip(some_at_once(AT_ONCE, wanted, |name| image(ui, name))) {
        found.extend(answer?.map(|image| (name.clone(), image)));
    }
    Ok(found)
}

/// The image that the registry has under a name, if it has one.
pub fn image(ui: &Ui, name: &ImageRef) -> anyhow::Result<Option<Image>> {
    let finished = docker::registry_inspect(name).output(ui, DEADLINE)?;
    if finished.status.success() {
        return Ok(Some(parse(&finished.stdout, name)?));
    }
    match finished.last_error().ends_with(&format!("{name}: not found")) {
        true => Ok(None),
        false => Err(docker::registry_failure(&finished, name).into()),
    }
}

/// Reads a manifest with the configuration of its image, or with one for each platform, of which the first counts: a build
/// gives all of them the same labels.
fn parse(json: &[u8], name: &ImageRef) -> Result<Image, Failure> {
    let garbled = |error: &dyn Display| {
        Failure::precondition(format!("the registry's answer for `{name}` is cut or garbled: {error}"))
            .kept("every tag is where it was")
            .hint("run it again")
    };
    let answer: Value = serde_json::from_slice(json).map_err(|error| garbled(&error))?;
    let digest = answer["manifest"]["digest"].as_str().ok_or_else(|| garbled(&"a manifest has a digest"))?;
    let of_platform = || answer["image"].as_object()?.values().find_map(|platform| platform.get("config"));
    let config = answer["image"].get("config").or_else(of_platform).unwrap_or(&Value::Null);
    Ok(Image { id: digest.to_owned(), ..Image::configured(config) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_read_of_one_platform_and_of_several() {
        let read = |image: &str| {
            let json = format!(r#"{{"manifest": {{"digest": "sha256:1", "size": 5}}, "image": {image}}}"#);
            parse(json.as_bytes(), &"h:5000/a:b".parse().expect("name"))
        };
        let one = r#"{"os": "linux", "config": {"Labels": {"k": "v"}, "WorkingDir": "/w"}}"#;
        for image in [one.to_owned(), format!(r#"{{"linux/amd64": {one}, "linux/arm64": {one}}}"#)] {
            let image = read(&image).expect("valid");
            assert_eq!(
                (image.id.as_str(), image.label("k"), image.working_directory.as_str()),
                ("sha256:1", Some("v"), "/w")
            );
        }
        assert_eq!(read(r#"{"config": {}}"#).expect("valid").label("k"), None);
        assert_eq!(read("nothing").expect_err("no JSON").code, 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_answer_makes_it_panic(flips in prop::collection::vec((0..120_usize, any::<u8>()), 0..9), cut in 0..240_usize) {
            let text = r#"{"manifest":{"digest":"sha256:1"},"image":{"linux/amd64":{"config":{"Labels":{"k":"v"},"WorkingDir":"/w"}}}}"#;
            let mut bytes = text.as_bytes().to_vec();
            for (at, byte) in flips {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            bytes.truncate(cut);
            if let Err(failure) = parse(&bytes, &"h:5000/a:b".parse().expect("name")) {
                prop_assert_eq!(failure.code, 3);
            }
        }
    }
}
