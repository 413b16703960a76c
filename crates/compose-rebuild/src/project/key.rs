//! Keys: digests of everything that determines an image. The same key means the same image.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Failure;
use crate::project::edges::inputs_of;
use crate::project::{Built, Project, is_local, texts};
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

    /// The key that an image says it has; anything else is the key of nothing.
    pub fn labelled(label: &str) -> Self {
        Self(label.to_owned())
    }

    /// The first 12 digits, for tags.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// What of a bake target is not part of a key as it stands there, each with its reason. Everything else is, whatever it is.
const SET_APART: [(&str, &str); 15] = [
    ("args", "only those that the stages take count, with the values of the plan"),
    ("context", "a directory counts by what is read of it, which BuildKit compares; a repository by its commit"),
    ("contexts", "a directory counts as above; another service by its name and its key; the rest by its name"),
    ("dockerfile", "the text that the target needs counts, wherever it is"),
    ("dockerfile-inline", "as `dockerfile`"),
    ("labels", "those that Compose writes change with its version; the others count"),
    ("secret", "BuildKit compares no secret; the ID counts, the path on this machine does not"),
    ("ssh", "as `secret`"),
    (
        "target",
        "the text is that of the target's stages, the last of which it is; without the text or with `TARGETSTAGE` the name counts",
    ),
    ("tags", "the names of an image say nothing about what is in it"),
    ("output", "where an image goes says nothing about what is in it"),
    ("cache-from", "where unchanged steps come from makes them no others"),
    ("cache-to", "as `cache-from`"),
    ("no-cache", "a target that never uses the cache is never fresh, whatever its key"),
    ("no-cache-filter", "as `no-cache`"),
];

/// What determines an image beside its definition.
#[derive(Debug, Default)]
pub struct Inputs<'a> {
    /// Arguments that take another value than the compose file gives.
    pub args: BTreeMap<String, String>,
    /// Version and revisions, for services that are made from a source.
    pub revisions: Vec<String>,
    /// Keys of the services that this one is made from.
    pub from: BTreeMap<&'a Service, Key>,
    /// The IDs of images of this machine that it is made from, by their names.
    pub bases: BTreeMap<String, &'a str>,
}

/// The key of a service.
pub fn of(built: &Built, inputs: &Inputs<'_>) -> Key {
    let mut definition = built.definition.clone();
    for (name, _) in SET_APART {
        definition.remove(name);
    }
    // Without the Dockerfile all of its text is unknown, and what Compose passes is all that is known.
    let dockerfile = built.closure.as_ref().map(|closure| closure.text.as_str());
    let taken = built.closure.iter().flat_map(|closure| closure.args.keys()).chain(built.args.keys());
    let args: Value = taken
        .filter(|name| built.takes(name))
        .map(|name| (name.as_str(), inputs.args.get(name).map(String::as_str).or_else(|| built.arg(name))))
        .collect();
    let named: BTreeMap<_, _> = built.contexts.iter().filter(|(_, value)| !is_local(value)).collect();
    let context =
        built.definition.get("context").filter(|context| context.as_str().is_some_and(|context| !is_local(context)));
    let ids = |name| -> Vec<_> {
        let all = texts(&built.definition, name);
        all.map(|entry| entry.split([',', '=']).find(|word| *word != "id").unwrap_or_default()).collect()
    };
    Key::of(&json!({
        "definition": definition, "dockerfile": dockerfile, "target": built.target.as_ref().filter(|_| dockerfile.is_none()), "args": args, "context": context, "contexts": named,
        "labels": built.labels(), "secrets": ids("secret"), "ssh": ids("ssh"), "revisions": inputs.revisions,
        "from": inputs.from.iter().map(|(service, key)| (service.as_str(), key.as_str())).collect::<BTreeMap<_, _>>(),
        "bases": inputs.bases,
    }))
}

/// The key of a service that is made from no source.
fn of_kept(project: &Project, service: &Service) -> Key {
    let inputs = inputs_of(project, service);
    let from = inputs.into_iter().map(|input| (input.service, of_kept(project, input.service))).collect();
    of(&project.services[service], &Inputs { from, ..Inputs::default() })
}

/// The kept image of a service: a tag that its key alone decides.
pub fn kept_image(project: &Project, service: &Service) -> Result<ImageRef, Failure> {
    project.services[service].image.with_tag(format!("keep-{}", of_kept(project, service).short()))
}

/// How the tag of an image begins that says which versions of a service are bad; the service follows.
pub const MARK: &str = "bad-";

/// The name of the image that says which versions of a service are bad.
pub fn mark(project: &Project, service: &Service) -> Result<ImageRef, Failure> {
    let owner = project.owner(service);
    project.services[owner].image.with_tag(format!("{MARK}{owner}"))
}

/// The names of all such images; what is kept has no versions.
pub fn marks(project: &Project) -> Result<Vec<ImageRef>, Failure> {
    project.images().filter(|(_, built)| !built.keep).map(|(service, _)| mark(project, service)).collect()
}

/// Every image whose state a plan depends on.
pub fn images_of(project: &Project) -> Result<Vec<ImageRef>, Failure> {
    let kept = kept_images(project)?;
    let own = project.services.values().flat_map(Built::names);
    let mut all: Vec<_> = own.cloned().chain(kept).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// The kept images of all services.
pub fn kept_images(project: &Project) -> Result<Vec<ImageRef>, Failure> {
    let kept = project.services.iter().filter(|(_, built)| built.keep);
    kept.map(|(service, _)| kept_image(project, service)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str =
        "FROM a AS model\nARG MODEL=m\nRUN fetch \"$MODEL\"\nFROM b AS code\nARG COMMIT\nRUN clone\n";

    fn built(dockerfile: &str, target: &str, args: &[(&str, &str)]) -> Built {
        let args: BTreeMap<_, _> = args.iter().copied().collect();
        let definition = json!({"context": "/somewhere", "target": target, "args": args, "tags": ["a"]});
        let mut built = Built::parse("a", &definition).expect("valid");
        built.read_dockerfile(dockerfile);
        built
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
        secret.definition.insert("secret".to_owned(), json!(["id=token,src=/x"]));
        let all = [&base, &other_argument, &other_line, &other_stage, &key(&secret)];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }

    #[test]
    fn a_key_feels_how_the_target_is_written_where_that_is_a_value() {
        let of = |line: &str, target| key(&built(&format!("FROM a AS code\n{line}RUN make\n"), target, &[]));
        assert_eq!(of("", "code"), of("", "CODE"));
        assert_ne!(of("ARG TARGETSTAGE\n", "code"), of("ARG TARGETSTAGE\n", "CODE"));
    }

    #[test]
    fn a_key_ignores_order_other_stages_and_where_the_project_is() {
        let base = key(&built(DOCKERFILE, "model", &[("MODEL", "x"), ("COMMIT", "1")]));
        assert_eq!(base, key(&built(DOCKERFILE, "model", &[("COMMIT", "2"), ("MODEL", "x")])));
        assert_eq!(base, key(&built(&DOCKERFILE.replace("clone", "clone --x"), "model", &[("MODEL", "x")])));
        let mut moved = built(DOCKERFILE, "model", &[("MODEL", "x")]);
        moved.definition.insert("context".to_owned(), json!("/elsewhere"));
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
            with(Inputs { from: [(&service, of_model)].into(), ..Inputs::default() }),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }
}
