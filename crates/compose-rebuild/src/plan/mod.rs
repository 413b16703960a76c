//! What to do, decided from facts alone: no process, file, clock or environment is used here.

pub mod bake;
pub mod cache_bust;
pub mod inputs;
pub mod layers;
pub mod prune;
pub mod release;
pub mod rollback;
pub mod service;
pub mod store;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use buildkit_report::summary::SourceSummary;
use serde::Serialize;

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::found::Unwatched;
use crate::facts::sources::unknown_service;
use crate::project::Project;
use crate::project::edges::{in_order, inputs_of};
use crate::project::key::Key;
use crate::value::time::Timestamp;
use crate::value::{CacheBust, ImageRef, ProjectName, Service};
use cache_bust::Rule;
use service::Decided;

/// The stage of a Dockerfile, empty in itself, that a local directory takes the place of.
pub const LOCAL_STAGE: &str = "local-source";

/// What the user asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The services to bring up to date; empty is all.
    pub services: Vec<Service>,
    /// How the bust value is made.
    pub rule: Rule,
    /// Build everything without cache.
    pub full: bool,
    /// In a full build, use the kept images that exist.
    pub keep_models: bool,
    /// Look for newer base images, which no key can know about.
    pub pull: bool,
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
    /// Code in their images that can be pushed to without any notice here.
    pub unwatched: Vec<Unwatched>,
    /// What is to be said about the version of services that have none of their own.
    #[serde(skip)]
    pub doubt: Option<String>,
}

/// What will be done for one service.
#[derive(Clone, Debug, Serialize)]
pub struct ServicePlan {
    /// The service.
    pub service: Service,
    /// The mutable tag, as the compose file names it.
    pub image: ImageRef,
    /// The bust value.
    pub cache_bust: CacheBust,
    /// What it is made from, in the form of the revision label; empty without a source.
    pub revision: String,
    /// The same, source by source.
    pub sources: Vec<SourceSummary>,
    /// The key.
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
            Action::Fresh | Action::Shared(_) => &self.image,
            Action::Reuse(kept) => kept,
            Action::Build(build) => build.promote.first().unwrap_or(&self.image),
        }
    }

    /// Whether the mutable tag moves.
    pub fn moves(&self) -> bool {
        match &self.action {
            Action::Fresh | Action::Shared(_) => false,
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
    /// Nothing is built; the mutable tag moves to the kept image.
    Reuse(ImageRef),
    /// It is built and promoted.
    Build(Build),
    /// Nothing of its own: another service has the same image, and the same happens there.
    Shared(Service),
}

impl Action {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
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
    /// Its path, relative to the working directory of the image.
    pub path: String,
    /// Its content, without white space around it.
    pub content: String,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_fresh(&self) -> bool {
        self.services.iter().all(|plan| matches!(plan.action, Action::Fresh | Action::Shared(_)))
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

/// Decides what to do.
///
/// # Errors
/// Exit code 2 for services that do not exist, values that do not fit, or a kept stage that takes code; 3 when two
/// services give their images the same name.
pub fn plan(facts: &Facts, request: &Request) -> Result<Plan, Failure> {
    let project = &facts.project;
    check(facts, request)?;
    let selected = selected(facts, request)?;
    let keyed = inputs::keyed(facts, request, &selected)?;
    let mut services: Vec<ServicePlan> = Vec::new();
    let mut built = BTreeSet::new();
    for service in in_order(project)?.into_iter().filter(|service| selected.contains(service)) {
        let owner = project.owner(service);
        if let Some(same) = services.iter().find(|plan| plan.service == *owner) {
            let why = format!("the same image as `{owner}`");
            services.push(ServicePlan {
                service: service.clone(),
                action: Action::Shared(owner.clone()),
                why,
                ..same.clone()
            });
            continue;
        }
        let plan = service::plan(facts, request, service, &Decided { keyed: &keyed, built: &built })?;
        built.extend(matches!(plan.action, Action::Build(_)).then_some(service));
        services.push(plan);
    }
    services.sort_by(|one, other| one.service.cmp(&other.service));
    check_tags(project, &services)?;
    let (no_cache, pull, attestations) = (request.full, request.pull, request.attestations);
    let unwatched = facts.found.unwatched.iter().filter(|one| selected.contains(&&one.service)).cloned().collect();
    let doubt = facts.workspace.doubt(services.iter().map(|plan| &plan.service))?.map(str::to_owned);
    Ok(Plan { project: project.name.clone(), no_cache, pull, attestations, services, unwatched, doubt })
}

/// No tag of this run may be one that another service, a kept image or a staged one has.
fn check_tags(project: &Project, services: &[ServicePlan]) -> Result<(), Failure> {
    let mut taken: HashMap<ImageRef, &Service> = HashMap::new();
    for (service, built) in project.images() {
        taken.extend(built.names().map(|name| (name.clone(), service)));
    }
    for plan in services {
        let Action::Build(build) = &plan.action else { continue };
        let kept = project.services[&plan.service].keep;
        for tag in &build.promote {
            let reserved = !kept && ["keep-", "staged-"].iter().any(|own| tag.tag.starts_with(own));
            let other = taken.insert(tag.clone(), &plan.service).filter(|other| **other != plan.service);
            if reserved || other.is_some() {
                let owner = other.map_or("kept or staged images".to_owned(), |other| format!("service `{other}`"));
                return Err(Failure::precondition(format!(
                    "the tag `{tag}` for `{}` belongs to {owner}",
                    plan.service
                ))
                .kept("nothing was changed")
                .hint("choose another `--cache-bust` value, or another `image` in the compose file"));
            }
        }
    }
    Ok(())
}

/// The services that were asked for, with those that they are made from and that do not exist yet.
fn selected<'a>(facts: &'a Facts, request: &Request) -> Result<BTreeSet<&'a Service>, Failure> {
    let project = &facts.project;
    let asked = |service: &&Service| request.services.is_empty() || request.services.contains(service);
    let mut open: Vec<&Service> = project.services.keys().filter(asked).collect();
    let mut selected = BTreeSet::new();
    while let Some(service) = open.pop() {
        if !selected.insert(service) {
            continue;
        }
        open.push(project.owner(service));
        for input in inputs_of(project, service) {
            let built = &project.services[input.service];
            let exists = match built.keep {
                true => service::kept_image(facts, input.service)?.is_some(),
                false => facts.images.contains_key(&built.image),
            };
            open.extend((!exists).then_some(input.service));
        }
    }
    Ok(selected)
}

fn check(facts: &Facts, request: &Request) -> Result<(), Failure> {
    let project = &facts.project;
    if let Some(unknown) = request.services.iter().find(|service| !project.services.contains_key(*service)) {
        return Err(unknown_service(unknown, project));
    }
    for (service, built) in &project.services {
        let owner = project.owner(service);
        if !built.builds_the_same(&project.services[owner]) {
            return Err(Failure::usage(format!(
                "services `{owner}` and `{service}` build the image `{}` in different ways",
                built.image
            ))
            .kept("nothing was changed")
            .hint("give each its own `image` in the compose file, or both the same `build` section"));
        }
        if built.keep && facts.sources_of(service).next().is_some() {
            return Err(Failure::usage(format!(
                "service `{service}` is kept, but its stage `{}` takes code that changes",
                built.target.as_deref().unwrap_or("")
            ))
            .hint("move the clone out of that stage, or drop `x-rebuild: {keep: true}`"));
        }
    }
    Ok(())
}
