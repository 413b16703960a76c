//! What Compose builds.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::value::{ImageRef, ProjectName, Service};
use dockerfile_reader::Closure;
use dockerfile_reader::listing::Listing;

/// A Compose project, as far as it is built.
#[derive(Clone, Debug)]
pub struct Project {
    /// The project's name.
    pub name: ProjectName,
    /// Services with a build section, by name.
    pub services: BTreeMap<Service, Built>,
}

/// A service that is built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The name that its image gets.
    pub image: ImageRef,
    /// Whether it is expensive, so that its image is kept (`x-rebuild: {keep: true}`).
    pub keep: bool,
    /// Whether it is built and never started (`scale: 0`).
    pub build_only: bool,
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<String>,
    /// Build arguments as Compose passes them; without a value they come from the environment.
    pub args: BTreeMap<String, Option<String>>,
    /// Named contexts.
    pub contexts: BTreeMap<String, String>,
    /// Where its Dockerfile is, for messages and to know shared ones.
    pub dockerfile_path: String,
    /// What its target is made from, when its Dockerfile is a file of this machine that can be read.
    pub closure: Option<Closure>,
    /// The text of its Dockerfile, where that can be read.
    pub text: Option<String>,
    /// The same, instruction by instruction.
    pub listing: Option<Listing>,
    /// The whole build section as Compose resolved it.
    pub section: Value,
}

impl Built {
    /// The value that the build sees for an argument: what Compose passes, else the Dockerfile's default.
    pub fn arg(&self, name: &str) -> Option<&str> {
        match self.args.get(name) {
            Some(value) => value.as_deref(),
            None => self.closure.as_ref()?.args.get(name)?.as_deref(),
        }
    }

    /// Whether its build writes its cache anywhere but into the image.
    pub fn exports_cache(&self) -> bool {
        let entries = self.section.get("cache_to").and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(Value::as_str).any(|entry| !entry.is_empty() && !entry.contains("type=inline"))
    }

    /// Whether the build takes an argument: its stages declare it, or, if they are unknown, Compose passes it.
    pub fn takes(&self, name: &str) -> bool {
        match &self.closure {
            Some(closure) => closure.args.contains_key(name),
            None => self.args.contains_key(name),
        }
    }
}
