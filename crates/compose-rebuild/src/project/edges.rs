//! Which services are made from which other ones.

use std::collections::{BTreeSet, HashMap};

use crate::error::Failure;
use crate::project::{Built, IMAGE, Project, TARGET};
use crate::value::{ImageRef, Service};
use dockerfile_reader::Build;

/// Another service that a service is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The other service.
    pub service: &'a Service,
    /// What the Dockerfile calls it: a named context, a stage, or the familiar form of an image's name.
    pub name: String,
    /// How it is used.
    pub by: By,
}

/// How a service uses another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By a named context of the compose file: `service:x`.
    Context,
    /// By the name of its image, in `FROM` or `--from=`.
    Image,
    /// By a stage of the same Dockerfile, whose image is kept.
    Stage,
}

/// The services that a service is made from; of those that share an image the one that it is built for.
pub fn inputs_of<'a>(project: &'a Project, service: &Service) -> Vec<Input<'a>> {
    let built = &project.services[service];
    let mut inputs: Vec<Input<'a>> = Vec::new();
    for (other, input) in project.services.iter().filter(|(_, input)| input.image != built.image) {
        let is_its = |value: &str| match (value.strip_prefix(TARGET), value.strip_prefix(IMAGE)) {
            (Some(target), _) => target == input.bake_target,
            (_, Some(image)) => image.parse().is_ok_and(|image: ImageRef| input.names().any(|name| *name == image)),
            _ => false,
        };
        let contexts = built.contexts.iter().filter(|(name, value)| is_its(value) && built.reads_context(name));
        let mut uses: Vec<_> = contexts.map(|(name, _)| (name.clone(), By::Context)).collect();
        for name in input.names().map(ImageRef::familiar) {
            if built.images().any(|image| image.familiar() == name) {
                uses.push((name, By::Image));
            }
        }
        let stage = shares_stage(built, input).filter(|_| input.keep);
        uses.extend(stage.map(|stage| (stage.to_owned(), By::Stage)));
        for (name, by) in uses {
            let input = Input { service: project.owner(other), name, by };
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
    }
    inputs
}

/// The stage of `built` that the kept service `input` builds, if it is one of the same Dockerfile and comes out the same.
pub fn shares_stage<'a>(built: &Built, input: &'a Built) -> Option<&'a str> {
    let target = input.target.as_deref()?;
    let used = built.closure.as_ref().is_some_and(|closure| closure.stages.contains(&target.to_lowercase()));
    let own = || built.dockerfile.as_ref()?.closure(&Build { target: Some(target), ..built.build() });
    let settings = ["context", "platforms", "network", "extra-hosts", "shm-size", "ulimits", "entitlements"];
    let is_same = built.target.as_deref() != Some(target)
        && used
        && !input.takes("TARGETSTAGE")
        && built.shares_dockerfile(input)
        && built.contexts == input.contexts
        && settings.iter().all(|name| built.definition.get(*name) == input.definition.get(*name));
    // The two may pass different arguments to it.
    (is_same && own().map(|own| own.args) == input.closure.as_ref().map(|closure| closure.args.clone()))
        .then_some(target)
}

/// The services that were named, or all, with all that they are made from.
pub fn with_inputs<'a>(project: &'a Project, named: &[Service]) -> BTreeSet<&'a Service> {
    let mut open: Vec<_> =
        project.services.keys().filter(|service| named.is_empty() || named.contains(service)).collect();
    let mut found = BTreeSet::new();
    while let Some(service) = open.pop() {
        if found.insert(service) {
            open.extend(inputs_of(project, service).into_iter().map(|input| input.service));
        }
    }
    found
}

/// The services in an order in which each comes after those that it is made from.
pub fn in_order(project: &Project) -> Result<Vec<&Service>, Failure> {
    let inputs: HashMap<_, _> = project.services.keys().map(|service| (service, inputs_of(project, service))).collect();
    let mut order: Vec<&Service> = Vec::new();
    let mut done = BTreeSet::new();
    let mut open: Vec<&Service> = project.services.keys().collect();
    while !open.is_empty() {
        let ready = |service: &&Service| inputs[service].iter().all(|input| done.contains(input.service));
        let (now, later): (Vec<_>, Vec<_>) = open.into_iter().partition(ready);
        if now.is_empty() {
            let names: Vec<_> = later.iter().map(|service| format!("`{service}`")).collect();
            return Err(Failure::usage(format!(
                "services are built from each other in a circle: {}",
                names.join(", ")
            ))
            .hint("check their `additional_contexts`, `FROM` and `--from=`"));
        }
        done.extend(now.iter().copied());
        order.extend(now);
        open = later;
    }
    Ok(order)
}

/// Whether another service is made from this one.
pub fn is_input(project: &Project, service: &Service) -> bool {
    let mut others = project.services.keys();
    others.any(|other| inputs_of(project, other).iter().any(|input| input.service == service))
}
