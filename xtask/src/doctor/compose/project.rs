//! A compose project as Compose resolved it, read so that nothing in it is an obstacle.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::Value;

use crate::dockerfile::Closure;

/// The services of a project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The project's name.
    pub name: String,
    /// Its services, built or not.
    pub services: Vec<Service>,
}

/// A service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The name of its image.
    pub image: String,
    /// Whether it has a build section.
    pub is_built: bool,
    /// Whether its image is kept (`x-rebuild: {keep: true}`).
    pub keep: bool,
    /// The stage that is built.
    pub target: Option<String>,
    /// The build arguments that Compose passes.
    pub args: BTreeMap<String, Option<String>>,
    /// The path of its Dockerfile, when that is a file of this machine.
    pub dockerfile: Option<String>,
    /// The Dockerfile inside the compose file.
    pub inline: Option<String>,
    /// What its target is made from, when its Dockerfile could be read.
    pub closure: Option<Closure>,
    /// The whole service.
    pub section: Value,
}

impl Project {
    /// Reads what `docker compose config --format json` prints, with variables replaced and without.
    pub fn read(config: &Value, extensions: &Value) -> Self {
        let name = config["name"].as_str().unwrap_or_default().to_owned();
        let services = config["services"].as_object().into_iter().flatten();
        let services = services
            .map(|(service, section)| {
                let keep = extensions["services"][service]["x-rebuild"]["keep"].as_bool().unwrap_or(false);
                Service { keep, ..Service::read(&name, service, section) }
            })
            .collect();
        Self { name, services }
    }

    /// The services with a build section.
    pub fn built(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| service.is_built)
    }
}

impl Service {
    fn read(project: &str, name: &str, section: &Value) -> Self {
        let build = &section["build"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let context = build["context"].as_str().unwrap_or_default();
        let path = Utf8Path::new(context).join(build["dockerfile"].as_str().unwrap_or("Dockerfile")).into_string();
        let args = build["args"].as_object().into_iter().flatten();
        let image = section["image"].as_str().filter(|image| !image.is_empty()).map(str::to_owned);
        Self {
            name: name.to_owned(),
            image: image.unwrap_or_else(|| format!("{project}-{name}")),
            is_built: !build.is_null(),
            keep: false,
            target: text(&build["target"]).filter(|target| !target.is_empty()),
            args: args.map(|(name, value)| (name.clone(), scalar(value))).collect(),
            dockerfile: (!build.is_null() && !is_remote(context)).then_some(path),
            inline: text(&build["dockerfile_inline"]),
            closure: None,
            section: section.clone(),
        }
    }

    /// The value that the build sees for an argument: what Compose passes, else the Dockerfile's default.
    pub fn arg(&self, name: &str) -> Option<&str> {
        match self.args.get(name) {
            Some(value) => value.as_deref(),
            None => self.closure.as_ref()?.args.get(name)?.as_deref(),
        }
    }

    /// Whether the build takes an argument: its stages declare it, or, if they are unknown, Compose passes it.
    pub fn takes(&self, name: &str) -> bool {
        match &self.closure {
            Some(closure) => closure.args.contains_key(name),
            None => self.args.contains_key(name),
        }
    }
}

/// Text, or a number or truth value as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a build context is not a directory of this machine.
pub(super) fn is_remote(context: &str) -> bool {
    context.contains("://")
        || context.starts_with("git@")
        || context.contains(".git#")
        || ["service:", "docker-image:", "oci-layout:"].iter().any(|start| context.starts_with(start))
}
