//! What every service is made from: sources, arguments, other services, and the key of all that.

use std::collections::{BTreeMap, HashMap};

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::project::{Built, Project};
use crate::plan::key::{self, Inputs, Key};
use crate::plan::{Request, cache_bust};
use crate::value::{CacheBust, Service};

/// What a service is made from, before it is decided what happens.
pub struct Keyed<'a> {
    /// Its build section.
    pub built: &'a Built,
    /// Its bust value.
    pub cache_bust: CacheBust,
    /// Its revisions, separated by spaces.
    pub revision: String,
    /// Build arguments that differ from the compose file.
    pub args: BTreeMap<String, String>,
    /// The key of all that.
    pub key: Key,
}

/// Services whose images a service is built from: named contexts `service:x`, and kept stages of its own Dockerfile.
pub fn inputs_of<'a>(project: &'a Project, service: &Service) -> Vec<&'a Service> {
    let built = &project.services[service];
    let others = project.services.iter().filter(|(other, _)| *other != service);
    let inputs = others.filter(|(other, input)| {
        let named = built.contexts.values().any(|context| context.strip_prefix("service:") == Some(other.as_str()));
        named || (input.keep && shares_stage(built, input).is_some())
    });
    inputs.map(|(other, _)| other).collect()
}

/// The stage of `built` that the kept service `input` builds, if it is one of the same Dockerfile.
pub fn shares_stage<'a>(built: &Built, input: &'a Built) -> Option<&'a str> {
    let target = input.target.as_deref()?;
    let same_file = built.dockerfile_path == input.dockerfile_path;
    let used = built.closure.as_ref().is_some_and(|closure| closure.stages.contains(&target.to_lowercase()));
    (same_file && used && built.target.as_deref() != Some(target)).then_some(target)
}

/// All services with what they are made from, each after those that it is built from.
///
/// # Errors
/// Exit code 2 for values that do not fit and for services that are built from each other.
pub fn keyed<'a>(facts: &'a Facts, request: &Request) -> Result<HashMap<&'a Service, Keyed<'a>>, Failure> {
    let project = &facts.project;
    let mut keyed = HashMap::new();
    let mut open: Vec<&Service> = project.services.keys().collect();
    while !open.is_empty() {
        let ready = |service: &&Service| inputs_of(project, service).iter().all(|input| keyed.contains_key(input));
        let (now, later): (Vec<_>, Vec<_>) = open.into_iter().partition(ready);
        if now.is_empty() {
            return Err(
                Failure::usage("services are built from each other in a circle").hint("check `additional_contexts`")
            );
        }
        for service in now {
            let entry = keyed_service(facts, request, service, &keyed)?;
            keyed.insert(service, entry);
        }
        open = later;
    }
    Ok(keyed)
}

fn keyed_service<'a>(
    facts: &'a Facts,
    request: &Request,
    service: &'a Service,
    before: &HashMap<&'a Service, Keyed<'a>>,
) -> Result<Keyed<'a>, Failure> {
    let built = &facts.project.services[service];
    let version = facts.workspace.version_of(service)?;
    let sources: Vec<_> = facts.sources_of(service).collect();
    let revisions: Vec<_> = sources.iter().map(|resolved| resolved.revision.to_string()).collect();
    let cache_bust = cache_bust::value(&request.rule, version, &revisions)?;
    let busts = facts.found.busts.iter().filter(|(taker, _)| taker == service);
    let mut args: BTreeMap<_, _> = busts.map(|(_, name)| (name.to_string(), cache_bust.to_string())).collect();
    for resolved in &sources {
        if let Some(name) = resolved.source.commit_arg.as_ref().filter(|name| built.takes(name.as_str())) {
            args.insert(name.to_string(), resolved.revision.to_string());
        }
    }
    let revision = revisions.join(" ");
    let versioned = if sources.is_empty() { Vec::new() } else { vec![version.to_string(), revision.clone()] };
    let from = inputs_of(&facts.project, service).into_iter().map(|input| (input, &before[input].key));
    let key = key::of(built, &Inputs { args: args.clone(), revisions: versioned, from: from.collect() });
    Ok(Keyed { built, cache_bust, revision, args, key })
}
