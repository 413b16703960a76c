//! The recipe of every service that a plan builds, out of facts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::facts::Facts;
use crate::facts::source::Revision;
use crate::facts::tree::Tree;
use crate::foresight::predict::mark::{Mark, image};
use crate::foresight::predict::model::{Code, Recipe, Stages};
use crate::foresight::predict::stages;
use crate::plan::{Build, LOCAL_STAGE, Plan, ServicePlan};
use crate::project::IMAGE;
use crate::project::edges::shares_stage;
use crate::project::{Built, texts};
use crate::value::short;
use dockerfile_reader::What;

/// What a prediction is made from.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The facts of the plan.
    pub facts: &'a Facts,
    /// What is built.
    pub plan: &'a Plan,
    /// Trees by revision.
    pub trees: BTreeMap<String, Tree>,
    /// IDs of base images of this machine, by their names.
    pub bases: BTreeMap<String, String>,
}

impl<'a> Known<'a> {
    /// The stages that a plan builds; those that several services share come once.
    pub fn stages(&self) -> Stages {
        let mut all: Stages = Vec::new();
        for (service, build) in self.plan.builds() {
            let Some(recipe) = self.recipe(service, build) else { continue };
            let definition = &self.facts.project.services[&service.service].definition;
            for mut simulated in stages::simulate(&recipe).into_values() {
                let name = service.service.to_string();
                simulated.uncached = is_uncached(definition, &simulated.name);
                match all.iter_mut().find(|(_, one)| one.name == simulated.name && one.mark == simulated.mark) {
                    Some((services, one)) => {
                        one.uncached |= simulated.uncached;
                        services.insert(name);
                    }
                    None => all.push(([name].into(), simulated)),
                }
            }
        }
        all
    }

    fn recipe(&'a self, service: &'a ServicePlan, build: &'a Build) -> Option<Recipe<'a>> {
        let facts = self.facts;
        let built = &facts.project.services[&service.service];
        let code = facts.sources_of(&service.service).filter_map(|resolved| {
            let revision = resolved.revision.to_string();
            Some(Code { pin: short(&revision).to_owned(), tree: self.trees.get(&revision)? })
        });
        Some(Recipe {
            dockerfile: built.dockerfile.as_ref()?,
            target: built.target.as_deref(),
            settings: settings(built),
            args: args(facts, service, build),
            contexts: self.contexts(service, build),
            code: code.collect(),
            // What is pulled may have moved.
            bases: if built.definition.get("pull") == Some(&Value::Bool(true)) { &PULLED } else { &self.bases },
            version_file: build.version_file.as_ref(),
        })
    }

    /// What takes the place of stages.
    fn contexts(&self, service: &ServicePlan, build: &Build) -> BTreeMap<String, Option<Mark>> {
        let Self { facts, plan, .. } = *self;
        let built = &facts.project.services[&service.service];
        let mut contexts = BTreeMap::new();
        let given = built.contexts.iter().map(|context| (context, false));
        // The tag of a kept image says what is in it.
        for ((name, value), kept) in given.chain(build.contexts.iter().map(|context| (context, true))) {
            let own = facts.project.services.values().any(|other| shares_stage(built, other) == Some(name));
            let is_other = |one: &&ServicePlan| {
                value.strip_prefix("target:") == Some(facts.project.services[&one.service].bake_target.as_str())
            };
            let key = plan.services.iter().find(is_other).map(|one| &one.key);
            contexts.insert(
                name.to_lowercase(),
                match (own, key) {
                    // A kept image has what the stage would make.
                    (true, _) => None,
                    (_, Some(key)) => Some(Mark::of(&["service", key.as_str()])),
                    _ if kept => Some(Mark::of(&["image", value])),
                    _ => Some(value.strip_prefix(IMAGE).map_or(Mark::unknown(value), |name| image(&self.bases, name))),
                },
            );
        }
        let local = facts.sources_of(&service.service).find_map(|resolved| match &resolved.revision {
            Revision::Local(tree) => Some(tree),
            Revision::Commit(_) => None,
        });
        contexts.extend(
            local
                .filter(|_| build.local)
                .map(|tree| (LOCAL_STAGE.to_owned(), Some(Mark::of(&["local", &tree.digest])))),
        );
        contexts
    }
}

/// What is known of base images that are pulled.
static PULLED: BTreeMap<String, String> = BTreeMap::new();

/// The base images that the services of a plan may be built from, as they are named.
pub fn bases(facts: &Facts, plan: &Plan) -> BTreeSet<String> {
    let mut bases = BTreeSet::new();
    for (service, _) in plan.builds() {
        let built = &facts.project.services[&service.service];
        let reads = built.closure.iter().flat_map(|closure| &closure.reads);
        bases.extend(reads.filter_map(|read| match &read.what {
            What::Image { name, .. } => Some(name.clone()),
            _ => None,
        }));
        let contexts = built.contexts.values();
        bases.extend(contexts.filter_map(|value| value.strip_prefix(IMAGE)).map(str::to_owned));
    }
    bases
}

fn args(facts: &Facts, service: &ServicePlan, build: &Build) -> BTreeMap<String, String> {
    let built = &facts.project.services[&service.service];
    let passed = built.args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    passed.chain(build.args.clone()).collect()
}

/// What every `RUN` of a service is run with.
fn settings(built: &Built) -> String {
    let names = ["entitlements", "extra-hosts", "network", "platforms", "shm-size", "ulimits"];
    names.iter().filter_map(|name| Some(format!("{name}={}\n", built.definition.get(*name)?))).collect()
}

/// Whether a target wants a stage built without the cache.
pub(super) fn is_uncached(definition: &Map<String, Value>, stage: &str) -> bool {
    let mut filter = texts(definition, "no-cache-filter");
    definition.get("no-cache") == Some(&Value::Bool(true)) || filter.any(|name| name == stage)
}
