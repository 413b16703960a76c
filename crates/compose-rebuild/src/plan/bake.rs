//! The bake definition of a plan: the one that Compose printed, with the changes of the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use camino::Utf8Path;
use serde_json::{Map, Value, json};

use crate::error::Failure;
use crate::plan::{Build, LOCAL_STAGE, Plan};
use crate::project::edges::{in_order, inputs_of};
use crate::project::{Built, IMAGE, Project, TARGET, is_local, texts};
use crate::value::Service;

/// What `docker buildx bake` is given.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The definition itself.
    pub json: Value,
    /// Directories of this machine that it reads: Compose allows the same ones.
    pub reads: Vec<String>,
    /// Variables that its secrets are read from.
    pub variables: Vec<String>,
    /// Whether a step may leave its sandbox: Compose allows that where the compose file asks for it.
    pub insecure: bool,
}

/// How images are made beside what the plan says.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The directory that takes the place of [`LOCAL_STAGE`].
    pub local: Option<&'a Utf8Path>,
    /// Whether the cache is exported where the compose file says.
    pub cache: bool,
    /// Whether the builder pushes its images to their registry.
    pub push: bool,
}

/// The services that a plan builds, in groups of at most so many: none has a service before one that it is made from.
pub fn groups<'a>(
    plan: &Plan,
    project: &'a Project,
    parallel: Option<NonZeroUsize>,
) -> Result<Vec<BTreeSet<&'a Service>>, Failure> {
    let mut order = in_order(project)?;
    order.retain(|service| plan.builds().any(|(one, _)| one.service == **service));
    let size = parallel.map_or(usize::MAX, NonZeroUsize::get);
    Ok(order.chunks(size).map(|group| group.iter().copied().collect()).collect())
}

/// The definition that builds a group of what a plan builds in one solve, after the groups before it.
pub fn definition(plan: &Plan, project: &Project, group: &BTreeSet<&Service>, output: Output<'_>) -> Definition {
    let (mut names, mut targets, mut insecure) = (Vec::new(), Map::new(), false);
    let (mut reads, mut variables) = (Vec::new(), Vec::new());
    for (service, build) in plan.builds().filter(|(service, _)| group.contains(&service.service)) {
        let built = &project.services[&service.service];
        let mut contexts = build.contexts.clone();
        for input in inputs_of(project, &service.service).into_iter().filter(|input| !group.contains(input.service)) {
            let earlier = plan.builds().find(|(one, _)| one.service == *input.service);
            contexts.extend(earlier.map(|(_, build)| (input.name, format!("{IMAGE}{}", build.staged))));
        }
        let target = target(plan, build, built, contexts, output);
        let contexts = target.get("contexts").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let contexts = contexts.chain(target.get("context")).filter_map(Value::as_str);
        reads.extend(contexts.filter(|context| is_local(context)).map(str::to_owned));
        let secrets =
            texts(&target, "secret").filter_map(|one| one.split(',').find_map(|field| field.strip_prefix("env=")));
        variables.extend(secrets.map(str::to_owned));
        insecure |= texts(&target, "entitlements").any(|one| one == "security.insecure");
        names.push(built.bake_target.as_str());
        targets.insert(built.bake_target.clone(), target.into());
    }
    reads.sort();
    reads.dedup();
    let json = json!({"group": {"default": {"targets": names}}, "target": targets});
    Definition { json, reads, variables, insecure }
}

/// One target of Compose's definition with what the plan changes.
fn target(
    plan: &Plan,
    build: &Build,
    built: &Built,
    mut contexts: BTreeMap<String, String>,
    output: Output<'_>,
) -> Map<String, Value> {
    let mut target = built.definition.clone();
    if let Some(directory) = output.local.filter(|_| build.local) {
        contexts.insert(LOCAL_STAGE.to_owned(), directory.to_string());
    }
    // A context that nothing reads needs no other service; those that are read are among the changes.
    if let Some(printed) = target.get_mut("contexts").and_then(Value::as_object_mut) {
        printed.retain(|_, value| !value.as_str().is_some_and(|value| value.starts_with(TARGET)));
    }
    for (name, changes) in [("args", &build.args), ("labels", &build.labels), ("contexts", &contexts)] {
        let all = target.entry(name).or_insert_with(|| json!({}));
        all.as_object_mut().into_iter().for_each(|all| all.extend(escaped(changes)));
    }
    target.insert("tags".to_owned(), json!([build.staged.to_string()]));
    if plan.no_cache {
        target.insert("no-cache".to_owned(), true.into());
    }
    // Bases whose names are known are pinned to what their registries have.
    if plan.pull && !built.names_every_base() {
        target.insert("pull".to_owned(), true.into());
    }
    // With `mode=max` the values of build arguments would be in it.
    let attests = [(plan.attestations.provenance, "type=provenance,mode=min"), (plan.attestations.sbom, "type=sbom")];
    let attests: Vec<_> = attests.into_iter().filter_map(|(is_wanted, what)| is_wanted.then_some(what)).collect();
    if !attests.is_empty() {
        target.insert("attest".to_owned(), json!(attests));
    }
    if !output.cache {
        target.remove("cache-to");
    }
    if output.push {
        target.insert("output".to_owned(), json!(["type=registry"]));
    }
    target
}

/// Texts of a bake definition are templates, in which `${` and `%{` begin an expression.
fn escaped(map: &BTreeMap<String, String>) -> impl Iterator<Item = (String, Value)> {
    let escape = |text: &str| text.replace("${", "$${").replace("%{", "%%{");
    map.iter().map(move |(name, value)| (name.clone(), escape(value).into()))
}
