//! The project: what Compose would build, how services are made from each other, and the keys of what is built. Pure values.

pub mod edges;
pub mod key;

use std::collections::BTreeMap;
use std::fmt::Display;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::value::{ImageRef, ProjectName, Service, redact};
use dockerfile_reader::{Build, Closure, Dockerfile, Reference, What, git_context};

/// How a named context begins that is an image.
pub const IMAGE: &str = "docker-image://";
/// How a named context begins that is another target of the bake definition.
pub const TARGET: &str = "target:";
/// The labels that Compose itself writes.
const COMPOSE: [&str; 3] = ["com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.version"];

/// A Compose project, as far as it is built.
#[derive(Clone, Debug)]
pub struct Project {
    /// The project's name.
    pub name: ProjectName,
    /// The active services with a build section, by name.
    pub services: BTreeMap<Service, Built>,
    /// The configuration in the compose file: its field `x-xtask`.
    pub extension: Value,
}

impl Project {
    /// The service that an image is built for: the first of those that share it.
    pub fn owner<'a>(&'a self, service: &'a Service) -> &'a Service {
        let image = self.services.get(service).map(|built| &built.image);
        let mut sharing = self.services.iter().filter(|(_, built)| Some(&built.image) == image);
        sharing.next().map_or(service, |(owner, _)| owner)
    }

    /// The base images of a service, as far as their names are known; other services are none.
    pub fn bases_of<'a>(&'a self, built: &'a Built) -> impl Iterator<Item = ImageRef> + 'a {
        let is_service = |name: &ImageRef| self.services.values().any(|other| other.names().any(|own| own == name));
        built.images().filter(move |name| !is_service(name))
    }

    /// The images that are built, each with the service that it is built for.
    pub fn images(&self) -> impl Iterator<Item = (&Service, &Built)> {
        self.services.iter().filter(|(service, _)| self.owner(service) == *service)
    }
}

/// A service that is built.
#[derive(Clone, Debug)]
pub struct Built {
    /// What Compose calls it in a bake definition.
    pub bake_target: String,
    /// The name that its image gets.
    pub image: ImageRef,
    /// Further names for its image: `build.tags`.
    pub tags: Vec<ImageRef>,
    /// Whether it is expensive, so that its image is kept (`x-rebuild: {keep: true}`).
    pub keep: bool,
    /// Whether it is built and never started (`scale: 0`).
    pub build_only: bool,
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<String>,
    /// Build arguments as Compose passes them.
    pub args: BTreeMap<String, Option<String>>,
    /// Named contexts; `target:NAME` is another service's target.
    pub contexts: BTreeMap<String, String>,
    /// Where its Dockerfile is, for messages and to know shared ones.
    pub dockerfile_path: String,
    /// The Dockerfile, when that is on this machine and can be read.
    pub dockerfile: Option<Dockerfile>,
    /// What its target is made from, when the Dockerfile is known and has that stage.
    pub closure: Option<Closure>,
    /// The whole target in the bake definition.
    pub definition: Map<String, Value>,
}

/// A bake target, as far as it is understood here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Target {
    #[serde(default)]
    context: String,
    #[serde(default)]
    contexts: BTreeMap<String, String>,
    #[serde(default)]
    dockerfile: String,
    dockerfile_inline: Option<String>,
    #[serde(default)]
    args: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<String>,
    target: Option<String>,
}

impl Built {
    /// Reads a target of the bake definition that Compose prints; what its Dockerfile says is read later.
    pub fn parse(bake_target: &str, definition: &Value) -> Result<Self, Failure> {
        let garbled = |error: &dyn Display| garbled(&format!("target `{bake_target}`: {error}"));
        let target = Target::deserialize(definition).map_err(|error| garbled(&error))?;
        // Compose puts the service's own image behind its `build.tags`.
        let mut tags = target.tags.iter().map(|tag| tag.parse()).collect::<Result<Vec<ImageRef>, _>>()?;
        let image = tags.pop().ok_or_else(|| garbled(&"it has no tag"))?;
        let args = target.args.iter().map(|(name, value)| (name.clone(), Some(unescaped(value))));
        let file = if target.dockerfile.is_empty() { "Dockerfile" } else { &target.dockerfile };
        let dockerfile_path = match &target.dockerfile_inline {
            Some(_) => "dockerfile_inline".to_owned(),
            None => Utf8Path::new(&target.context).join(file).into_string(),
        };
        let mut built = Self {
            bake_target: bake_target.to_owned(),
            image,
            tags,
            keep: false,
            build_only: false,
            target: target.target,
            args: args.collect(),
            contexts: target.contexts,
            dockerfile_path,
            dockerfile: None,
            closure: None,
            definition: definition.as_object().cloned().unwrap_or_default(),
        };
        if let Some(text) = &target.dockerfile_inline {
            built.read_dockerfile(&unescaped(text));
        }
        Ok(built)
    }

    /// Reads its Dockerfile; without its target there is no closure.
    pub fn read_dockerfile(&mut self, text: &str) {
        let dockerfile = Dockerfile::read(text);
        self.closure = dockerfile.closure(&self.build());
        self.dockerfile = Some(dockerfile);
    }

    /// What is asked of its Dockerfile.
    pub fn build(&self) -> Build<'_> {
        Build { target: self.target.as_deref(), args: &self.args, contexts: &self.contexts }
    }

    /// The value that the build sees for an argument: what Compose passes, else the Dockerfile's default.
    pub fn arg(&self, name: &str) -> Option<&str> {
        match self.args.get(name) {
            Some(value) => value.as_deref(),
            None => self.closure.as_ref()?.args.get(name)?.as_deref(),
        }
    }

    /// The names that move to its image when it is promoted; its own comes last.
    pub fn names(&self) -> impl Iterator<Item = &ImageRef> {
        self.tags.iter().chain([&self.image])
    }

    /// Whether its build writes its cache anywhere but into the image.
    pub fn exports_cache(&self) -> bool {
        texts(&self.definition, "cache-to").any(|entry| !entry.is_empty() && !entry.contains("type=inline"))
    }

    /// Whether the build takes an argument: its stages declare it, or, if they are unknown, Compose passes it.
    pub fn takes(&self, name: &str) -> bool {
        match &self.closure {
            Some(closure) => closure.args.contains_key(name),
            None => self.args.contains_key(name),
        }
    }

    /// The images that its stages are made from or copy from, as far as their names are known.
    pub fn images(&self) -> impl Iterator<Item = ImageRef> {
        let reads = self.closure.iter().flat_map(|closure| &closure.reads);
        reads.filter_map(|read| match &read.what {
            What::Image { name, .. } => name.parse().ok(),
            What::Named(name) => self.contexts.get(name)?.strip_prefix(IMAGE)?.parse().ok(),
            _ => None,
        })
    }

    /// Whether the names of all images that it is made from are known.
    pub fn names_every_base(&self) -> bool {
        let is_known = |what: &What| match what {
            What::Image { name, .. } => name.parse::<ImageRef>().is_ok() || name.contains("@sha256:"),
            what => !matches!(what, What::Unknown(_)),
        };
        self.closure.as_ref().is_some_and(|closure| closure.reads.iter().all(|read| is_known(&read.what)))
    }

    /// Whether a named context is used; without the Dockerfile it may be.
    pub fn reads_context(&self, name: &str) -> bool {
        self.closure.as_ref().is_none_or(|closure| {
            closure.reads.iter().any(|read| matches!(&read.what, What::Named(read) if read == name))
        })
    }

    /// The contexts of the compose file that something is read from: the main one and named ones.
    pub fn contexts_read(&self) -> impl Iterator<Item = &str> {
        let main = self.definition.get("context").and_then(Value::as_str);
        let reads = self.closure.iter().flat_map(|closure| &closure.reads);
        let named = reads.filter_map(|read| match &read.what {
            What::Named(name) => self.contexts.get(name).map(String::as_str),
            _ => None,
        });
        // Without the Dockerfile nobody knows what it reads.
        let all = self.contexts.values().map(String::as_str).filter(|_| self.closure.is_none());
        // A directory may have no Dockerfile of its own and still be read; a repository always has what is built.
        main.filter(|context| self.closure.is_none() || !is_local(context)).into_iter().chain(named).chain(all)
    }

    /// Whether files of this machine go into it.
    pub fn takes_files(&self) -> bool {
        let main = self.definition.get("context").and_then(Value::as_str).unwrap_or_default();
        self.closure.iter().flat_map(|closure| &closure.reads).any(|read| match &read.what {
            What::Context(_) => is_local(main),
            What::Named(name) => self.contexts.get(name).is_some_and(|context| is_local(context)),
            _ => false,
        })
    }

    /// Why only BuildKit can tell whether another image would come out of a build with these arguments beside its own, if that
    /// is so; `watched` says of what of a repository the commit is known.
    pub fn undecided(
        &self,
        args: &BTreeMap<String, String>,
        watched: impl Fn(&str, &Reference) -> bool,
    ) -> Option<String> {
        let is_set = |name: &str| self.definition.get(name) == Some(&Value::Bool(true));
        if is_set("no-cache") || texts(&self.definition, "no-cache-filter").next().is_some() {
            return Some("the compose file says `no_cache`".to_owned());
        }
        if is_set("pull") {
            return Some("the compose file says `pull`".to_owned());
        }
        let mut all = self.args.clone();
        all.extend(args.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
        let build = Build { args: &all, ..self.build() };
        let Some(closure) = self.dockerfile.as_ref().and_then(|dockerfile| dockerfile.closure(&build)) else {
            return Some("its Dockerfile is not on this machine".to_owned());
        };
        let unwatched = |repository: &str| Some(format!("nothing tells what `{}` has", redact(repository)));
        let context = |context: &str, files: &str| match git_context(context) {
            Some((_, Reference::Commit(_))) => None,
            Some((repository, reference)) if watched(&repository, &reference) => None,
            Some((repository, _)) => unwatched(&repository),
            None if context.starts_with(IMAGE) || context.starts_with(TARGET) => None,
            None => Some(format!("it takes {files}")),
        };
        let main = self.definition.get("context").and_then(Value::as_str).unwrap_or_default();
        closure.reads.iter().find_map(|read| match &read.what {
            What::Context(_) => context(main, "local files"),
            What::Named(name) => context(self.contexts.get(name)?, &format!("files of the context `{name}`")),
            What::Url { address, has_checksum: false } => {
                Some(format!("it takes {}, which may change", redact(address)))
            }
            What::Git { address, reference } => match reference {
                Reference::Commit(_) => None,
                reference if watched(address, reference) => None,
                _ => unwatched(address),
            },
            What::Unknown(what) => Some(format!("only BuildKit understands {what}")),
            _ if !read.is_certain() => Some("only the build knows an image or a path that it takes".to_owned()),
            What::Image { .. } | What::Url { .. } | What::Secret { .. } | What::Ssh { .. } => None,
        })
    }

    /// Whether both have the same build section, whatever service they are.
    pub fn builds_the_same(&self, other: &Self) -> bool {
        let plain = |built: &Self| {
            let mut definition = built.definition.clone();
            definition.remove("labels");
            definition
        };
        plain(self) == plain(other) && self.labels() == other.labels()
    }

    /// The labels of its build section, without those that Compose writes.
    pub fn labels(&self) -> BTreeMap<&str, &Value> {
        let all = self.definition.get("labels").and_then(Value::as_object).into_iter().flatten();
        all.map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !COMPOSE.contains(name)).collect()
    }

    /// Whether both are built from one Dockerfile.
    pub fn shares_dockerfile(&self, other: &Self) -> bool {
        self.dockerfile_path == other.dockerfile_path
            && self.dockerfile.as_ref().map(|one| &one.text) == other.dockerfile.as_ref().map(|one| &one.text)
    }
}

/// The failure for an answer of Compose that is none.
pub fn garbled(error: &dyn Display) -> Failure {
    Failure::precondition(format!("the answer of Docker Compose is cut or garbled: {error}"))
        .kept("nothing was changed")
        .hint("run it again; check `docker compose build --print`")
}

/// The texts of a list in a bake target.
pub fn texts<'a>(target: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a str> {
    target.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a context is a directory of this machine.
pub fn is_local(context: &str) -> bool {
    !context.contains("://") && !context.starts_with(TARGET) && git_context(context).is_none()
}

/// A text of a bake definition, in which `$${` stands for `${`.
fn unescaped(text: &str) -> String {
    text.replace("$${", "${")
}
