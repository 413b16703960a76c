//! What to do, decided from facts alone: no process, file, clock or environment is used here.

pub mod cache_bust;
pub mod key;
pub mod override_file;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::Failure;
use crate::facts::compose::{Built, Project};
use crate::facts::images::Image;
use crate::facts::sources::unknown_service;
use crate::facts::{Facts, Resolved, Revision};
use crate::value::{CacheBust, ImageRef, Service};
use cache_bust::{Rule, Run};
use key::{Inputs, Key};

/// Label with the Compose project: the proof of ownership.
pub const LABEL_PROJECT: &str = "io.xtask.project";
/// Label with the service.
pub const LABEL_SERVICE: &str = "io.xtask.service";
/// Label with the [`Key`].
pub const LABEL_KEY: &str = "io.xtask.key";
/// Label with the bust value.
pub const LABEL_CACHE_BUST: &str = "io.xtask.cache-bust";
/// Label with what the image was made from, separated by spaces when there are several sources.
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// Label with the repositories, in the order of the revisions.
pub const LABEL_SOURCE: &str = "org.opencontainers.image.source";
/// Label with the version of the deployment.
pub const LABEL_VERSION: &str = "org.opencontainers.image.version";
/// Label with the time of the build (RFC 3339).
pub const LABEL_CREATED: &str = "org.opencontainers.image.created";

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
    /// Time and build number.
    pub run: Run,
}

/// What will be done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The Compose project.
    pub project: String,
    /// Whether every step runs again.
    pub no_cache: bool,
    /// Whether newer base images are looked for.
    pub pull: bool,
    /// One entry a selected service, by name.
    pub services: Vec<ServicePlan>,
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
    /// The key.
    pub key: Key,
    /// What happens.
    pub action: Action,
    /// Why, in words.
    pub why: String,
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
    /// The stage that a local directory replaces, with its working directory.
    pub local_stage: Option<(String, String)>,
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
        self.services.iter().all(|plan| matches!(plan.action, Action::Fresh))
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
    let mut keyed: BTreeMap<&Service, Keyed<'_>> = BTreeMap::new();
    // A service that others are built from comes before them; Compose refuses circles.
    let mut open: Vec<&Service> = project.services.keys().collect();
    while !open.is_empty() {
        let before = open.len();
        let mut later = Vec::new();
        for service in open {
            if inputs_of(project, service).iter().all(|input| keyed.contains_key(input)) {
                let entry = keyed_service(facts, request, service, &keyed)?;
                keyed.insert(service, entry);
            } else {
                later.push(service);
            }
        }
        if later.len() == before {
            return Err(
                Failure::usage("services are built from each other in a circle").hint("check `additional_contexts`")
            );
        }
        open = later;
    }
    let selected = |service: &Service| request.services.is_empty() || request.services.contains(service);
    let mut services = Vec::new();
    for (service, keyed_service) in &keyed {
        if selected(service) {
            services.push(service_plan(facts, request, service, keyed_service, &keyed)?);
        }
    }
    Ok(Plan { project: project.name.clone(), no_cache: request.full, pull: request.pull, services })
}

fn check(facts: &Facts, request: &Request) -> Result<(), Failure> {
    let project = &facts.project;
    if let Some(unknown) = request.services.iter().find(|service| !project.services.contains_key(*service)) {
        return Err(unknown_service(unknown, project));
    }
    let mut names = BTreeMap::new();
    for (service, built) in &project.services {
        if let Some(other) = names.insert(&built.image, service) {
            return Err(Failure::precondition(format!(
                "services `{other}` and `{service}` both build the image `{}`",
                built.image
            ))
            .kept("nothing was changed")
            .hint("give each its own `image` in the compose file"));
        }
        let sources: Vec<_> = sources_of(facts, service).collect();
        if built.keep && !sources.is_empty() {
            return Err(Failure::usage(format!(
                "service `{service}` is kept, but its stage `{}` takes code that changes",
                built.target.as_deref().unwrap_or("")
            ))
            .hint("move the clone out of that stage, or drop `x-rebuild: {keep: true}`"));
        }
    }
    Ok(())
}

/// What a service is made from, before it is decided what happens.
struct Keyed<'a> {
    built: &'a Built,
    cache_bust: CacheBust,
    revision: String,
    args: BTreeMap<String, String>,
    key: Key,
}

fn sources_of<'a>(facts: &'a Facts, service: &'a Service) -> impl Iterator<Item = &'a Resolved> {
    facts.sources.iter().filter(move |resolved| resolved.source.services.contains(service))
}

/// Services whose images a service is built from: named contexts `service:x`, and kept stages of its own Dockerfile.
fn inputs_of<'a>(project: &'a Project, service: &Service) -> BTreeSet<&'a Service> {
    let built = &project.services[service];
    let others = project.services.iter().filter(|(other, _)| *other != service);
    let inputs = others.filter(|(other, input)| {
        let named = built.contexts.values().any(|context| context.strip_prefix("service:") == Some(other.as_str()));
        named || (input.keep && shares_stage(built, input).is_some())
    });
    inputs.map(|(other, _)| other).collect()
}

/// The stage of `built` that the kept service `input` builds, if it is one of the same Dockerfile.
fn shares_stage<'a>(built: &Built, input: &'a Built) -> Option<&'a str> {
    let target = input.target.as_deref()?;
    let same_file = built.dockerfile_path == input.dockerfile_path;
    let used = built.closure.as_ref().is_some_and(|closure| closure.stages.contains(&target.to_lowercase()));
    (same_file && used && built.target.as_deref() != Some(target)).then_some(target)
}

fn keyed_service<'a>(
    facts: &'a Facts,
    request: &Request,
    service: &'a Service,
    before: &BTreeMap<&'a Service, Keyed<'a>>,
) -> Result<Keyed<'a>, Failure> {
    let built = &facts.project.services[service];
    let version = facts.workspace.version_of(service)?;
    let sources: Vec<_> = sources_of(facts, service).collect();
    let short: Vec<_> = match sources.as_slice() {
        [one] => vec![one.revision.short()],
        several => several.iter().map(|resolved| resolved.revision.to_string()).collect(),
    };
    let cache_bust = cache_bust::value(&request.rule, version, &short, &request.run)?;
    let bust_arg = facts.workspace.config.bust_arg()?;
    let mut args = BTreeMap::new();
    if built.takes(bust_arg.as_str()) {
        args.insert(bust_arg.to_string(), cache_bust.to_string());
    }
    for resolved in &sources {
        if let (Some(name), Revision::Commit(commit)) = (&resolved.source.commit_arg, &resolved.revision)
            && built.takes(name.as_str())
        {
            args.insert(name.to_string(), commit.to_string());
        }
    }
    let revisions: Vec<_> = sources.iter().map(|resolved| resolved.revision.to_string()).collect();
    let revision = revisions.join(" ");
    let versioned = if sources.is_empty() { Vec::new() } else { vec![version.to_string(), revision.clone()] };
    let from =
        inputs_of(&facts.project, service).into_iter().filter_map(|input| Some((input, &before.get(input)?.key)));
    let key = key::of(built, &Inputs { args: args.clone(), revisions: versioned, from: from.collect() });
    Ok(Keyed { built, cache_bust, revision, args, key })
}

fn service_plan(
    facts: &Facts,
    request: &Request,
    service: &Service,
    keyed_service: &Keyed<'_>,
    all: &BTreeMap<&Service, Keyed<'_>>,
) -> Result<ServicePlan, Failure> {
    let Keyed { built, cache_bust, revision, key, .. } = keyed_service;
    let current = facts.images.get(&built.image);
    let kept = kept_image(facts, built)?;
    let again = request.full && !(built.keep && request.keep_models);
    let (action, why) = match (&kept, current) {
        (Some((name, image)), current) if !again => match current {
            Some(current) if current.id == image.id => (Action::Fresh, format!("kept as {}", name.tag)),
            _ => (Action::Reuse(name.clone()), format!("kept as {}", name.tag)),
        },
        (_, Some(current))
            if is_fresh(facts, service, key, current) && !again && !request.pull && !copies_context(built) =>
        {
            (Action::Fresh, format!("{} is current", current.label(LABEL_CACHE_BUST).unwrap_or_default()))
        }
        _ => {
            let build = build(facts, request, service, keyed_service, all, current)?;
            (Action::Build(build), why(facts, request, service, keyed_service, current))
        }
    };
    let (service, image) = (service.clone(), built.image.clone());
    let (cache_bust, revision, key) = (cache_bust.clone(), revision.clone(), key.clone());
    Ok(ServicePlan { service, image, cache_bust, revision, key, action, why })
}

/// The kept image of a service, if it exists and is ours.
fn kept_image<'a>(facts: &'a Facts, built: &Built) -> Result<Option<(ImageRef, &'a Image)>, Failure> {
    if !built.keep {
        return Ok(None);
    }
    let name = key::kept_image(built)?;
    let image = facts.images.get(&name).filter(|image| image.label(LABEL_PROJECT) == Some(&facts.project.name));
    Ok(image.map(|image| (name, image)))
}

fn is_fresh(facts: &Facts, service: &Service, key: &Key, current: &Image) -> bool {
    current.label(LABEL_KEY) == Some(key.as_str())
        && current.label(LABEL_PROJECT) == Some(&facts.project.name)
        && current.label(LABEL_SERVICE) == Some(service.as_str())
}

/// Whether only BuildKit can know if something changed: files of this machine go in, or the Dockerfile is not readable.
fn copies_context(built: &Built) -> bool {
    built.closure.as_ref().is_none_or(|closure| closure.copies_context)
}

fn why(facts: &Facts, request: &Request, service: &Service, keyed: &Keyed<'_>, current: Option<&Image>) -> String {
    let Some(current) = current else { return "never built".to_owned() };
    let prior = current.label(LABEL_REVISION).unwrap_or_default();
    let short = |revision: &str| -> String {
        let words: Vec<&str> =
            revision.split(' ').map(|r| if r.starts_with("local-") { r } else { r.get(..12).unwrap_or(r) }).collect();
        words.join(" ")
    };
    if current.label(LABEL_PROJECT) != Some(&facts.project.name) {
        return "the image is not one of this tool".to_owned();
    }
    if request.full {
        return "everything was asked for".to_owned();
    }
    if prior != keyed.revision {
        let names: Vec<_> = sources_of(facts, service).map(|resolved| resolved.source.describe()).collect();
        return format!("{} moved {}..{}", names.join(", "), short(prior), short(&keyed.revision));
    }
    if current.label(LABEL_KEY) != Some(keyed.key.as_str()) {
        return match current.label(LABEL_CACHE_BUST) {
            Some(value) if value != keyed.cache_bust.as_str() => format!("the bust value was {value}"),
            _ => "the Dockerfile, an argument or the image it is built from changed".to_owned(),
        };
    }
    if copies_context(keyed.built) { "it takes local files, so BuildKit decides" } else { "base images may be newer" }
        .to_owned()
}

fn build(
    facts: &Facts,
    request: &Request,
    service: &Service,
    keyed: &Keyed<'_>,
    all: &BTreeMap<&Service, Keyed<'_>>,
    current: Option<&Image>,
) -> Result<Build, Failure> {
    let Keyed { built, cache_bust, revision, args, key } = keyed;
    let image = &built.image;
    let beside = |tag: String| image.with_tag(tag);
    let versioned = match image.tag.as_str() {
        "latest" => cache_bust.to_string(),
        other => format!("{other}-{cache_bust}"),
    };
    let own = if built.keep { key::kept_image(built)? } else { beside(versioned)? };
    let mut contexts = BTreeMap::new();
    for input in inputs_of(&facts.project, service) {
        let input_built = all[input].built;
        let Some((name, _)) = kept_image(facts, input_built)? else { continue };
        if request.full && !request.keep_models {
            continue;
        }
        let image = format!("docker-image://{name}");
        let named =
            built.contexts.iter().filter(|(_, context)| context.strip_prefix("service:") == Some(input.as_str()));
        contexts.extend(named.map(|(context, _)| (context.clone(), image.clone())));
        contexts.extend(shares_stage(built, input_built).map(|stage| (stage.to_owned(), image.clone())));
    }
    let sources: Vec<_> = sources_of(facts, service).collect();
    let mut local_stage = None;
    for resolved in sources.iter().filter(|resolved| matches!(resolved.revision, Revision::Local(_))) {
        local_stage = Some(stage_to_replace(built, resolved)?);
    }
    // An image that comes out the same keeps its time, so that it keeps its ID too.
    let created = current.filter(|current| current.label(LABEL_KEY) == Some(key.as_str()) && !request.full);
    let created = created.and_then(|current| current.label(LABEL_CREATED)).map(str::to_owned);
    let repositories: Vec<_> = sources.iter().map(|resolved| resolved.source.repository.to_string()).collect();
    let labels = [
        (LABEL_PROJECT, facts.project.name.clone()),
        (LABEL_SERVICE, service.to_string()),
        (LABEL_KEY, key.to_string()),
        (LABEL_CACHE_BUST, cache_bust.to_string()),
        (LABEL_VERSION, facts.workspace.version_of(service)?.to_string()),
        (LABEL_CREATED, created.unwrap_or_else(|| request.run.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        (LABEL_SOURCE, repositories.join(" ")),
        (LABEL_REVISION, revision.clone()),
    ];
    let version_file = match (facts.workspace.config.version_file(service), sources.as_slice()) {
        // An image that is only built, never started, has parts of the code at most.
        (Some(path), [one]) if !built.build_only => {
            Some(VersionFile { path: path.to_owned(), content: one.revision.to_string() })
        }
        _ => None,
    };
    Ok(Build {
        staged: beside(format!("staged-{}", key.short()))?,
        promote: vec![own, image.clone()],
        args: args.clone(),
        labels: labels.into_iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.to_owned(), v)).collect(),
        contexts,
        local_stage,
        version_file,
    })
}

/// The stage that fetches the source, whose place a local directory takes, and the directory it leaves the files in.
fn stage_to_replace(built: &Built, resolved: &Resolved) -> Result<(String, String), Failure> {
    let arg = resolved.source.commit_arg.as_ref().map_or("", |name| name.as_str());
    let stage = built.dockerfile.as_ref().and_then(|dockerfile| dockerfile.stage_with_arg(&[arg]));
    let found =
        stage.and_then(|stage| Some((stage.name.clone()?, stage.workdir.clone().filter(|dir| !dir.contains('$'))?)));
    found.ok_or_else(|| {
        Failure::usage("`--local` needs a named stage that takes the commit and has a plain `WORKDIR`")
            .hint("clone in a stage of its own: `FROM image AS source`, `WORKDIR /source`, `ARG GITHUB_COMMIT`")
    })
}
