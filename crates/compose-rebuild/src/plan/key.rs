//! Keys: digests of everything that determines an image. The same key means the same image.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Failure;
use crate::facts::project::{Built, Project};
use crate::value::digest::sha256;
use crate::value::{ImageRef, Service, text};

text!(
    /// The SHA-256 of what an image is made from, in hexadecimal digits.
    Key
);

impl Key {
    /// The digest of a JSON value, whose objects serde_json keeps in order of their names.
    fn of(value: &Value) -> Self {
        Self(sha256(value.to_string()))
    }

    /// The first 12 digits, for tags.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// What determines an image beside its build section.
#[derive(Debug, Default)]
pub struct Inputs<'a> {
    /// Arguments that take another value than the compose file gives.
    pub args: BTreeMap<String, String>,
    /// Version and revisions, for services that are made from a source.
    pub revisions: Vec<String>,
    /// Keys of the services that this one is built from.
    pub from: Vec<(&'a Service, &'a Key)>,
}

/// The key of a service.
pub fn of(built: &Built, inputs: &Inputs<'_>) -> Key {
    let mut section = built.section.clone();
    if let Some(section) = section.as_object_mut() {
        // Read below, or without influence on what is in the image.
        for ignored in ["args", "context", "dockerfile", "tags", "no_cache", "pull", "cache_from", "cache_to"] {
            section.remove(ignored);
        }
    }
    let dockerfile = built.closure.as_ref().map(|closure| closure.text.as_str());
    // What the stages of the target do not take makes no difference to it.
    let taken = built.closure.iter().flat_map(|closure| closure.args.keys()).chain(built.args.keys());
    let args: Value = taken
        .filter(|name| built.takes(name))
        .map(|name| (name.as_str(), inputs.args.get(name).map(String::as_str).or_else(|| built.arg(name))))
        .collect();
    // A directory does not matter by its name; a repository as context, whose Dockerfile is not readable here, does.
    let context = built.section.get("context").filter(|_| dockerfile.is_none());
    let from: Value = inputs.from.iter().map(|(service, key)| (service.as_str(), key.as_str())).collect();
    Key::of(&json!({
        "dockerfile": dockerfile, "args": args, "section": section, "context": context,
        "revisions": inputs.revisions, "from": from,
    }))
}

/// The kept image of a service: a tag that its key alone decides.
///
/// # Errors
/// Never for a valid image name.
pub fn kept_image(built: &Built) -> Result<ImageRef, Failure> {
    built.image.with_tag(format!("keep-{}", of(built, &Inputs::default()).short()))
}

/// Every image whose state a plan depends on.
///
/// # Errors
/// Never for valid image names.
pub fn images_of(project: &Project) -> Result<Vec<ImageRef>, Failure> {
    let kept = kept_images(project)?;
    Ok(project.services.values().map(|built| built.image.clone()).chain(kept).collect())
}

/// The kept images of all services.
///
/// # Errors
/// Never for valid image names.
pub fn kept_images(project: &Project) -> Result<Vec<ImageRef>, Failure> {
    project.services.values().filter(|built| built.keep).map(kept_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockerfile_reader::Dockerfile;

    const DOCKERFILE: &str =
        "FROM a AS model\nARG MODEL=m\nRUN fetch \"$MODEL\"\nFROM b AS code\nARG COMMIT\nRUN clone\n";

    fn built(dockerfile: &str, target: &str, args: &[(&str, &str)]) -> Built {
        let args: BTreeMap<_, _> =
            args.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        let parsed = Dockerfile::parse(dockerfile).expect("parses");
        Built {
            image: "a".parse().expect("name"),
            keep: false,
            build_only: false,
            target: Some(target.to_owned()),
            contexts: BTreeMap::new(),
            dockerfile_path: "Dockerfile".to_owned(),
            closure: parsed.closure(Some(target), &Default::default()),
            text: None,
            listing: None,
            section: json!({"context": "/somewhere", "target": target, "args": args}),
            args,
        }
    }

    fn key(built: &Built) -> Key {
        of(built, &Inputs::default())
    }

    #[test]
    fn a_key_feels_everything_that_its_target_takes() {
        let base = key(&built(DOCKERFILE, "model", &[("MODEL", "x")]));
        let other_argument = key(&built(DOCKERFILE, "model", &[("MODEL", "y")]));
        let other_line = key(&built(&DOCKERFILE.replace("fetch", "get"), "model", &[("MODEL", "x")]));
        let other_stage = key(&built(DOCKERFILE, "code", &[("MODEL", "x")]));
        let mut secret = built(DOCKERFILE, "model", &[("MODEL", "x")]);
        secret.section["secrets"] = json!(["token"]);
        let all = [&base, &other_argument, &other_line, &other_stage, &key(&secret)];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }

    #[test]
    fn a_key_ignores_order_other_stages_and_where_the_project_is() {
        let base = key(&built(DOCKERFILE, "model", &[("MODEL", "x"), ("COMMIT", "1")]));
        assert_eq!(base, key(&built(DOCKERFILE, "model", &[("COMMIT", "2"), ("MODEL", "x")])));
        assert_eq!(base, key(&built(&DOCKERFILE.replace("clone", "clone --x"), "model", &[("MODEL", "x")])));
        let mut moved = built(DOCKERFILE, "model", &[("MODEL", "x")]);
        moved.section["context"] = json!("/elsewhere");
        assert_eq!(base, key(&moved));
    }

    #[test]
    fn a_key_feels_revisions_inputs_and_planned_arguments() {
        let code = built(DOCKERFILE, "code", &[]);
        let service: Service = "model".parse().expect("name");
        let of_model = key(&built(DOCKERFILE, "model", &[]));
        let with = |inputs: Inputs<'_>| of(&code, &inputs);
        let all = [
            with(Inputs::default()),
            with(Inputs { args: [("COMMIT".to_owned(), "1".to_owned())].into(), ..Inputs::default() }),
            with(Inputs { revisions: vec!["v1".to_owned()], ..Inputs::default() }),
            with(Inputs { from: [(&service, &of_model)].into(), ..Inputs::default() }),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }
}
