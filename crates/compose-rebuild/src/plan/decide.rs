//! What to do about all services together.

use std::collections::{BTreeSet, HashMap};

use buildkit_report::upstream::Upstream;

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::source::{Idle, Resolved};
use crate::plan::service::{self, Deciding};
use crate::plan::{Action, Plan, Request, ServicePlan, hold, inputs};
use crate::project::edges::{in_order, inputs_of};
use crate::project::{Project, key};
use crate::value::{ImageRef, Service};

/// Decides what to do.
///
/// # Errors
/// Exit code 2 for values that do not fit, or a kept stage that takes code; 3 when two
/// services give their images the same name.
pub fn plan(facts: &Facts, request: &Request) -> Result<Plan, Failure> {
    let project = &facts.project;
    check(facts)?;
    let mut selected = selected(facts, request)?;
    let mut services = services(facts, request, &selected)?;
    let held = if request.forward { Vec::new() } else { hold::held(facts, &services) };
    if !held.is_empty() {
        selected.retain(|service| held.iter().all(|(held, _)| project.owner(service) != held));
        let mut rest = self::services(facts, request, &selected)?;
        let shares = |one: &&ServicePlan| matches!(&one.action, Action::Shared(owner) if held.iter().any(|(held, _)| held == owner));
        rest.extend(services.iter().filter(shares).cloned());
        rest.extend(held.into_iter().filter_map(|held| hold::stay(&services, held)));
        services = rest;
    }
    services.sort_by(|one, other| one.service.cmp(&other.service));
    check_tags(project, &services)?;
    let (no_cache, pull, attestations) = (request.full, request.pull, request.attestations);
    let unwatched = facts.found.unwatched.iter().filter(|one| selected.contains(&&one.service)).cloned().collect();
    let doubt = facts.workspace.doubt(services.iter().map(|plan| &plan.service))?.map(str::to_owned);
    let idle = idle(facts, &selected);
    Ok(Plan { project: project.name.clone(), no_cache, pull, attestations, services, idle, unwatched, doubt })
}

/// What is done about each of the selected services, in the order in which they are made from each other.
fn services(facts: &Facts, request: &Request, selected: &BTreeSet<&Service>) -> Result<Vec<ServicePlan>, Failure> {
    let project = &facts.project;
    let keyed = inputs::keyed(facts, request, selected)?;
    let mut services: Vec<ServicePlan> = Vec::new();
    let mut deciding = Deciding { facts, request, keyed: &keyed, built: BTreeSet::new() };
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
        let plan = deciding.plan(service)?;
        deciding.built.extend(matches!(plan.action, Action::Build(_)).then_some(service));
        services.push(plan);
    }
    Ok(services)
}

/// The commits that change nothing for the images of these services.
fn idle(facts: &Facts, selected: &BTreeSet<&Service>) -> Vec<Upstream> {
    let one = |Resolved { source, revision, idle }: &Resolved| {
        let Idle { tip, count, commits } = idle.clone()?;
        let services = source.reaches.iter().filter(|service| selected.contains(service));
        let services: Vec<_> = services.map(ToString::to_string).collect();
        let (name, from, to, count) = (source.describe(), revision.to_string(), tip.to_string(), Some(count));
        (!services.is_empty()).then_some(Upstream { name, services, from, to, count, commits })
    };
    facts.sources.iter().filter_map(one).collect()
}

/// No tag of this run may be one that another service, a kept image or a staged one has.
fn check_tags(project: &Project, services: &[ServicePlan]) -> Result<(), Failure> {
    let mut taken: HashMap<ImageRef, &Service> = HashMap::new();
    for (service, built) in project.images() {
        for name in built.names() {
            if let Some(other) = taken.insert(name.clone(), service).filter(|other| *other != service) {
                return Err(Failure::usage(format!("services `{other}` and `{service}` have the same tag `{name}`"))
                    .kept("nothing was changed")
                    .hint("leave it to one of them under `build.tags` in the compose file"));
            }
        }
    }
    for plan in services {
        let Action::Build(build) = &plan.action else { continue };
        let kept = project.services[&plan.service].keep;
        for tag in &build.promote {
            let reserved = !kept && ["keep-", "staged-", key::MARK].iter().any(|own| tag.tag.starts_with(own));
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

fn check(facts: &Facts) -> Result<(), Failure> {
    let project = &facts.project;
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
