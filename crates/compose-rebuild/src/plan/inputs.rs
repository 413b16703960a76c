//! What every service is made from: sources, arguments, other services, base images, and the key of all that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::source::Resolved;
use crate::plan::{Request, cache_bust};
use crate::project::Built;
use crate::project::edges::{in_order, inputs_of};
use crate::project::key::{self, Inputs, Key};
use crate::value::{CacheBust, Service, label};

/// What a service is made from, before it is decided what happens.
pub struct Keyed<'a> {
    /// The build section.
    pub built: &'a Built,
    /// The bust value.
    pub cache_bust: CacheBust,
    /// The revisions, one for each of its sources.
    pub revisions: Vec<String>,
    /// Build arguments that differ from the compose file.
    pub args: BTreeMap<String, String>,
    /// The key of all that.
    pub key: Key,
}

impl Keyed<'_> {
    /// The revisions in the form of the label.
    pub fn revision(&self) -> String {
        self.revisions.join(" ")
    }
}

/// All services with what they are made from. One that is not `selected` stays what its image is now, and what is made from
/// it is made from that.
pub fn keyed<'a>(
    facts: &'a Facts,
    request: &Request,
    selected: &BTreeSet<&Service>,
) -> Result<HashMap<&'a Service, Keyed<'a>>, Failure> {
    let mut keyed = HashMap::new();
    for service in in_order(&facts.project)? {
        let mut entry = keyed_service(facts, request, service, &keyed)?;
        let current = facts.images.get(&facts.project.services[service].image);
        if let Some(current) = current.filter(|_| !selected.contains(service)) {
            entry.key = Key::labelled(current.label(label::KEY).unwrap_or(&current.id));
            let prior: Vec<_> = current.label(label::REVISION).unwrap_or_default().split_whitespace().collect();
            if prior.len() == entry.revisions.len() {
                entry.revisions = prior.into_iter().map(str::to_owned).collect();
            }
        }
        keyed.insert(service, entry);
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
    let inputs = inputs_of(&facts.project, service);
    let sources: Vec<_> = facts.sources_of(service).collect();
    // Code that comes through another service is what that one holds.
    let held = |resolved: &Resolved| {
        let through = inputs.iter().find_map(|input| {
            let at = facts.sources_of(input.service).position(|other| std::ptr::eq(other, resolved))?;
            Some(before[input.service].revisions[at].clone())
        });
        through.filter(|_| !resolved.source.services.contains(service))
    };
    let revisions: Vec<_> = sources.iter().map(|one| held(one).unwrap_or_else(|| one.revision.to_string())).collect();
    let cache_bust = cache_bust::value(&request.rule, version, &revisions)?;
    let busts = facts.found.busts.iter().filter(|(taker, _)| taker == service);
    let mut args: BTreeMap<_, _> = busts.map(|(_, name)| (name.to_string(), cache_bust.to_string())).collect();
    // Of a repository that it also holds through another service, perhaps at another commit, it takes its own.
    let mut commits = BTreeMap::new();
    for resolved in facts.fetched_by(service).chain(sources.iter().copied()) {
        if let Some(name) = resolved.source.commit_arg.as_ref().filter(|name| built.takes(name.as_str())) {
            commits.entry(name.to_string()).or_insert_with(|| resolved.revision.to_string());
        }
    }
    args.extend(commits);
    let mut versioned = revisions.clone();
    versioned.extend((!sources.is_empty()).then(|| version.to_string()));
    let from = inputs.iter().map(|input| (input.service, before[input.service].key.clone())).collect();
    // What is kept stays whatever becomes of its base.
    let bases = if built.keep { BTreeMap::new() } else { facts.bases_of(built) };
    let key = key::of(built, &Inputs { args: args.clone(), revisions: versioned, from, bases });
    Ok(Keyed { built, cache_bust, revisions, args, key })
}
