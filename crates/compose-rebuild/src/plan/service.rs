//! What happens to one service, and why.

use std::collections::{BTreeMap, HashMap};

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::image::Image;
use crate::facts::project::Built;
use crate::facts::source::{Resolved, Revision};
use crate::plan::inputs::{Keyed, inputs_of, shares_stage};
use crate::plan::key::{self, Key};
use crate::plan::{Action, Build, LOCAL_STAGE, Request, ServicePlan, SourcePlan, VersionFile};
use crate::value::{self, CacheBust, ImageRef, Service, label};

/// Plans one service of those that were keyed.
///
/// # Errors
/// Exit code 2 for tags that do not fit, and for a local directory that has no stage to replace.
pub fn plan(
    facts: &Facts,
    request: &Request,
    service: &Service,
    all: &HashMap<&Service, Keyed<'_>>,
    selected: &[&Service],
) -> Result<ServicePlan, Failure> {
    let keyed = &all[service];
    let Keyed { built, cache_bust, revision, key, .. } = keyed;
    let current = facts.images.get(&built.image);
    let kept = kept_image(facts, built)?;
    let again = request.full && !(built.keep && request.keep_models);
    let (action, why) = match (&kept, current) {
        (Some((name, image)), current) if !again => match current {
            Some(current) if current.id == image.id => (Action::Fresh, format!("kept as {}", name.tag)),
            _ => (Action::Reuse(name.clone()), format!("kept as {}", name.tag)),
        },
        (_, Some(current))
            if is_fresh(facts, service, key, current) && !again && !asks_more(request) && !copies_context(built) =>
        {
            (Action::Fresh, format!("{} is current", current.label(label::CACHE_BUST).unwrap_or_default()))
        }
        _ => {
            let build = build(facts, request, service, all, selected, current)?;
            (Action::Build(build), why(facts, request, service, keyed, current))
        }
    };
    let (service, image) = (service.clone(), built.image.clone());
    let (cache_bust, revision, key) = (cache_bust.clone(), revision.clone(), key.clone());
    let sources = facts.sources_of(&service).map(SourcePlan::of).collect();
    Ok(ServicePlan { service, image, cache_bust, revision, sources, key, action, why })
}

/// The kept image of a service, if it exists and is ours.
pub fn kept_image<'a>(facts: &'a Facts, built: &Built) -> Result<Option<(ImageRef, &'a Image)>, Failure> {
    if !built.keep {
        return Ok(None);
    }
    let name = key::kept_image(built)?;
    let image = facts.images.get(&name).filter(|image| image.belongs_to(&facts.project.name));
    Ok(image.map(|image| (name, image)))
}

/// The name that an image of a service has beside its mutable tag: that of its version, or that it is kept under.
///
/// # Errors
/// Exit code 2 for a tag that does not fit.
pub fn own_image(built: &Built, cache_bust: &CacheBust) -> Result<ImageRef, Failure> {
    match built.keep {
        true => key::kept_image(built),
        false => built.image.with_tag(built.image.versioned_tag(cache_bust.as_str())),
    }
}

fn is_fresh(facts: &Facts, service: &Service, key: &Key, current: &Image) -> bool {
    current.label(label::KEY) == Some(key.as_str())
        && current.belongs_to(&facts.project.name)
        && current.label(label::SERVICE) == Some(service.as_str())
}

/// Whether more is wanted of an image than that its key is right.
fn asks_more(request: &Request) -> bool {
    request.pull || request.attestations.provenance
}

/// Whether only BuildKit can know if something changed: files of this machine go in, or the Dockerfile is not readable.
fn copies_context(built: &Built) -> bool {
    built.closure.as_ref().is_none_or(|closure| closure.copies_context)
}

fn why(facts: &Facts, request: &Request, service: &Service, keyed: &Keyed<'_>, current: Option<&Image>) -> String {
    let Some(current) = current else { return "never built".to_owned() };
    let prior = current.label(label::REVISION).unwrap_or_default();
    let short = |revisions: &str| revisions.split(' ').map(value::short).collect::<Vec<_>>().join(" ");
    if !current.belongs_to(&facts.project.name) {
        return "the image is not one of this tool".to_owned();
    }
    if request.full {
        return "everything was asked for".to_owned();
    }
    if prior != keyed.revision {
        let sources: Vec<_> = facts.sources_of(service).collect();
        let priors: Vec<_> = prior.split(' ').collect();
        let moved = |what: &str, from: &str, to: &str| format!("{what} moved {}..{}", short(from), short(to));
        // With several sources those that moved, as long as they are the same ones.
        if sources.len() > 1 && sources.len() == priors.len() {
            let moves = sources.iter().zip(priors).filter_map(|(Resolved { source, revision }, prior)| {
                let now = revision.to_string();
                let what = format!("{} {}", source.name, source.describe());
                (now != prior).then(|| moved(&what, prior, &now))
            });
            return moves.collect::<Vec<_>>().join(", ");
        }
        let names: Vec<_> = sources.iter().map(|resolved| resolved.source.describe()).collect();
        return moved(&names.join(", "), prior, &keyed.revision);
    }
    if current.label(label::KEY) != Some(keyed.key.as_str()) {
        return match current.label(label::CACHE_BUST) {
            Some(value) if value != keyed.cache_bust.as_str() => format!("the bust value was {value}"),
            _ => "the Dockerfile, an argument or the image it is built from changed".to_owned(),
        };
    }
    match (copies_context(keyed.built), request.pull) {
        (true, _) => "it takes local files, so BuildKit decides",
        (false, true) => "base images may be newer",
        (false, false) => "a release says how it was built",
    }
    .to_owned()
}

fn build(
    facts: &Facts,
    request: &Request,
    service: &Service,
    all: &HashMap<&Service, Keyed<'_>>,
    selected: &[&Service],
    current: Option<&Image>,
) -> Result<Build, Failure> {
    let Keyed { built, cache_bust, revision, args, key } = &all[service];
    let image = &built.image;
    let own = own_image(built, cache_bust)?;
    let mut contexts = BTreeMap::new();
    for input in inputs_of(&facts.project, service) {
        let input_built = all[input].built;
        let Some((name, _)) = kept_image(facts, input_built)? else { continue };
        if request.full && !request.keep_models && selected.contains(&input) {
            continue;
        }
        let image = format!("docker-image://{name}");
        let named =
            built.contexts.iter().filter(|(_, context)| context.strip_prefix("service:") == Some(input.as_str()));
        contexts.extend(named.map(|(context, _)| (context.clone(), image.clone())));
        contexts.extend(shares_stage(built, input_built).map(|stage| (stage.to_owned(), image.clone())));
    }
    let sources: Vec<_> = facts.sources_of(service).collect();
    let local = sources.iter().any(|resolved| matches!(resolved.revision, Revision::Local(_)));
    if local && !built.closure.as_ref().is_some_and(|closure| closure.stages.contains(LOCAL_STAGE)) {
        return Err(Failure::usage(format!("`--local` needs a stage `{LOCAL_STAGE}` in `{}`", built.dockerfile_path))
            .hint(
                "add `FROM scratch AS local-source`, and use its files when there are any; the shipped Dockerfile does",
            ));
    }
    // An image that comes out the same keeps its time, so that it keeps its ID too.
    let created = current.filter(|current| current.label(label::KEY) == Some(key.as_str()) && !request.full);
    let created = created.and_then(|current| current.label(label::CREATED)).map(str::to_owned);
    reused_value(facts, service, &all[service], current)?;
    let repositories: Vec<_> = sources.iter().map(|resolved| resolved.source.repository.to_string()).collect();
    let labels = [
        (label::PROJECT, facts.project.name.to_string()),
        (label::SERVICE, service.to_string()),
        (label::KEY, key.to_string()),
        (label::CACHE_BUST, cache_bust.to_string()),
        (label::VERSION, facts.workspace.version_of(service)?.to_string()),
        (label::CREATED, created.unwrap_or_else(|| request.now.to_string())),
        (label::SOURCE, repositories.join(" ")),
        (label::REVISION, revision.clone()),
    ];
    let version_file = match (facts.workspace.config.version_file(service), sources.as_slice()) {
        // An image that is only built, never started, has parts of the code at most.
        (Some(path), [one]) if !built.build_only => {
            Some(VersionFile { path: path.to_owned(), content: one.revision.to_string() })
        }
        _ => None,
    };
    Ok(Build {
        staged: image.with_tag(format!("staged-{service}-{}", key.short()))?,
        promote: vec![own, image.clone()],
        args: args.clone(),
        labels: labels.into_iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.to_owned(), v)).collect(),
        contexts,
        local,
        version_file,
    })
}

/// Where the bust value alone makes a clone run again, it must not be one that another commit had.
fn reused_value(facts: &Facts, service: &Service, keyed: &Keyed<'_>, current: Option<&Image>) -> Result<(), Failure> {
    let says = |name, value: &str| current.and_then(|current| current.label(name)) == Some(value);
    let reused = says(label::CACHE_BUST, keyed.cache_bust.as_str()) && !says(label::REVISION, &keyed.revision);
    match facts.unpinned(service).next().filter(|_| reused) {
        Some(resolved) => Err(Failure::usage(format!(
            "the bust value `{}` of `{service}` was used for another commit of {}, so its clone would stay cached",
            keyed.cache_bust, resolved.source.repository
        ))
        .kept("nothing was changed")
        .hint("use `--cache-bust auto`, or let the Dockerfile take the commit as a build argument")),
        None => Ok(()),
    }
}
