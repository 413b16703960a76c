//! What to do, decided from facts alone: no process, file, clock or environment is used here.

pub mod bake;
pub mod bases;
pub mod cache_bust;
pub mod decide;
pub mod hold;
pub mod inputs;
pub mod layers;
pub mod prune;
pub mod release;
pub mod rollback;
pub mod service;
pub mod store;

use std::collections::BTreeMap;

use buildkit_report::summary::SourceSummary;
use buildkit_report::upstream::Upstream;
use serde::Serialize;

use crate::facts::found::Unwatched;
use crate::project::key::Key;
use crate::value::time::Timestamp;
use crate::value::{CacheBust, ImageRef, ProjectName, Service};
use cache_bust::Rule;

/// The stage of a Dockerfile, empty in itself, that a local directory takes the place of.
pub const LOCAL_STAGE: &str = "local-source";

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The services to bring up to date; empty is all.
    pub services: Vec<Service>,
    /// How the bust value is made.
    pub rule: Rule,
    /// Build everything without cache.
    pub full: bool,
    /// In a full build, make kept images again too.
    pub models: bool,
    /// Look for newer base images, which no key can know about.
    pub pull: bool,
    /// Go to versions that are bad, too.
    pub forward: bool,
    /// What the images say about how they were built; an image without that is built again.
    pub attestations: Attestations,
    /// When the run started.
    pub now: Timestamp,
}

/// What an image says about how it was built and what is in it, beside its labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attestations {
    /// How it was built, without the values of build arguments.
    pub provenance: bool,
    /// The packages in it.
    pub sbom: bool,
}

/// What will be done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The Compose project.
    pub project: ProjectName,
    /// Whether every step runs again.
    pub no_cache: bool,
    /// Whether newer base images are looked for.
    pub pull: bool,
    /// What the images say about how they were built.
    pub attestations: Attestations,
    /// One entry a selected service, by name.
    pub services: Vec<ServicePlan>,
    /// Commits that change nothing for their images.
    pub idle: Vec<Upstream>,
    /// Code in their images that can be pushed to without any notice here.
    pub unwatched: Vec<Unwatched>,
    /// What is to be said about the version of services that have none of their own.
    #[serde(skip)]
    pub doubt: Option<String>,
}

/// What will be done for one service.
#[derive(Clone, Debug, Serialize)]
pub struct ServicePlan {
    pub service: Service,
    /// The mutable tag, as the compose file names it.
    pub image: ImageRef,
    /// The bust value.
    pub cache_bust: CacheBust,
    /// What it is made from, in the form of the revision label; empty without a source.
    pub revision: String,
    /// The sources that it is made from, one by one.
    pub sources: Vec<SourceSummary>,
    pub key: Key,
    /// What happens.
    pub action: Action,
    /// Why, in words.
    pub why: String,
}

impl ServicePlan {
    /// The name of its image once the plan is carried out, whether the mutable tag moves or not.
    pub fn made(&self) -> &ImageRef {
        match &self.action {
            Action::Fresh | Action::Held | Action::Shared(_) => &self.image,
            Action::Reuse(kept) => kept,
            Action::Build(build) => build.promote.first().unwrap_or(&self.image),
        }
    }

    /// Whether the mutable tag moves.
    pub fn moves(&self) -> bool {
        match &self.action {
            Action::Fresh | Action::Held | Action::Shared(_) => false,
            Action::Reuse(_) => true,
            Action::Build(build) => build.promote.contains(&self.image),
        }
    }
}

/// What happens to one service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing: the promoted image has the same key.
    Fresh,
    /// Nothing: the service would go to a version that is bad.
    Held,
    /// Nothing is built; the mutable tag moves to the kept image.
    Reuse(ImageRef),
    /// The service is built and promoted.
    Build(Build),
    /// Nothing of its own: another service has the same image, and the same happens there.
    Shared(Service),
}

impl Action {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Held => "held",
            Self::Shared(_) => "shared",
            Self::Reuse(_) => "reuse",
            Self::Build(_) => "build",
        }
    }
}

/// How a service is built.
#[derive(Clone, Debug, Serialize)]
pub struct Build {
    /// The tag that the build gives, which nothing else uses.
    pub staged: ImageRef,
    /// The tags that move to the verified image, the mutable one last.
    pub promote: Vec<ImageRef>,
    /// Build arguments that differ from the compose file.
    pub args: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Named contexts that take the place of stages.
    pub contexts: BTreeMap<String, String>,
    /// Whether a local directory takes the place of [`LOCAL_STAGE`].
    pub local: bool,
    /// What the version file in the image must say.
    pub version_file: Option<VersionFile>,
}

/// The file in an image that says what it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct VersionFile {
    /// The path, relative to the working directory of the image.
    pub path: String,
    /// The content, without white space around it.
    pub content: String,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_fresh(&self) -> bool {
        self.services.iter().all(|plan| matches!(plan.action, Action::Fresh | Action::Held | Action::Shared(_)))
    }

    /// Whether a service stays at an older version because the newer one is bad.
    pub fn holds(&self) -> bool {
        self.services.iter().any(|plan| matches!(plan.action, Action::Held))
    }

    /// Leaves the tags of the compose file where they are, whatever is built.
    pub fn leave_mutable(&mut self) {
        self.services.retain(|service| !matches!(service.action, Action::Reuse(_)));
        for service in &mut self.services {
            if let Action::Build(build) = &mut service.action {
                // Versioned and kept names stay, those of the compose file do not move.
                build.promote.truncate(1);
            }
        }
    }

    /// The services to build, each with how.
    pub fn builds(&self) -> impl Iterator<Item = (&ServicePlan, &Build)> {
        self.services.iter().filter_map(|plan| match &plan.action {
            Action::Build(build) => Some((plan, build)),
            _ => None,
        })
    }
}
