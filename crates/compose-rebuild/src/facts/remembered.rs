//! What Compose answered last time, which counts for as long as nothing changed that an answer depends on: asking takes longer
//! than everything else that a run with nothing to do has to know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sys::compose_files::{self, Selection};
use crate::sys::files;
use crate::value::secrets::{has_credential, is_secret_name};

/// The two answers about a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answers {
    /// The bake definition.
    pub definition: Value,
    /// The model of the project.
    pub model: Value,
}

/// What of a service counts here: the rest of it may be of any size, and secret.
const FIELDS: [&str; 8] = ["build", "deploy", "image", "network_mode", "privileged", "profiles", "scale", "x-rebuild"];

impl Answers {
    /// The answers without what nothing here looks at.
    pub(super) fn new(definition: Value, mut model: Value) -> Self {
        let services = model["services"].as_object_mut().into_iter().flatten();
        for service in services.filter_map(|(_, service)| service.as_object_mut()) {
            service.retain(|name, _| FIELDS.contains(&name.as_str()));
        }
        if let Some(model) = model.as_object_mut() {
            model.retain(|name, _| ["name", "services", "x-xtask"].contains(&name.as_str()));
        }
        Self { definition, model }
    }
}

/// Answers with the digest of what they depend on.
#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    answers: Answers,
}

/// The answers of the last run, if they still count; else those of `ask`, which are kept for the next run.
pub(super) fn answers(
    selection: Selection<'_>,
    ask: impl FnOnce() -> anyhow::Result<Answers>,
) -> anyhow::Result<Answers> {
    let Some(inputs) = compose_files::inputs(selection) else { return ask() };
    let last = files::recall("compose", selection.files).filter(|last: &Kept| last.digest == inputs.digest);
    if let Some(kept) = last {
        return Ok(kept.answers);
    }
    let answers = ask()?;
    let kept = Kept { digest: inputs.digest, answers };
    let text = serde_json::to_string(&kept)?;
    // No secret is written down, and nothing that another directory could change: the next run is only slower.
    let has_secret = has_credential(&text)
        || inputs.secrets.iter().any(|secret| text.contains(secret.as_str()))
        || passes_secrets(&kept.answers);
    if !has_secret && !follows_links(&kept.answers) {
        files::remember("compose", selection.files, &kept);
    }
    Ok(kept.answers)
}

/// Whether a build argument is a secret by its name.
fn passes_secrets(answers: &Answers) -> bool {
    let targets = answers.definition["target"].as_object().into_iter().flatten();
    let mut args = targets.flat_map(|(_, target)| target["args"].as_object().into_iter().flatten());
    args.any(|(name, value)| is_secret_name(name) && value.as_str().is_some_and(|value| !value.is_empty()))
}

/// Whether Compose has followed a symbolic link to a Dockerfile, which may lead elsewhere the next time.
fn follows_links(answers: &Answers) -> bool {
    let services = answers.model["services"].as_object().into_iter().flatten();
    let written: Vec<String> = services
        .filter_map(|(_, service)| {
            let build = service["build"].as_object()?;
            let context = camino::Utf8Path::new(build.get("context")?.as_str()?);
            Some(context.join(build.get("dockerfile").and_then(Value::as_str).unwrap_or("Dockerfile")).into_string())
        })
        .collect();
    let targets = answers.definition["target"].as_object().into_iter().flatten();
    let mut printed = targets.filter_map(|(_, target)| target["dockerfile"].as_str());
    printed.any(|path| path.starts_with('/') && !written.iter().any(|written| written == path))
}
