//! Projects that are made up: services, what each is made from, and everything that may change.

mod compose;
mod files;
mod instructions;
mod stages;

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use crate::support::Random;

/// A project.
pub(crate) struct Project {
    pub(crate) draft: Draft,
    pub(crate) services: Vec<Service>,
}

/// A service, and what is known of it beside its files.
#[derive(Clone, Default)]
pub(crate) struct Service {
    pub(crate) name: String,
    image: String,
    /// Whether its image depends on something that only BuildKit can compare.
    pub(crate) unknowable: bool,
    /// Arguments that are given another value with every commit of these repositories.
    pub(crate) busts: BTreeMap<&'static str, BTreeSet<usize>>,
    /// Images that its Dockerfile names and that other services build, as BuildKit looks for them, each with its service.
    pub(crate) images: BTreeMap<String, String>,
    /// Only built when its profile is asked for.
    pub(crate) profile: bool,
    shell: bool,
    triggers: bool,
}

/// A stage, as far as it matters to those that use it.
#[derive(Clone, Default)]
struct Stage {
    shell: bool,
    /// Whether it starts from an image, which may set variables.
    open: bool,
    /// Whether it has instructions for what is made from it.
    triggers: bool,
    /// Other stages of the file.
    stages: BTreeSet<usize>,
    unknowable: bool,
    /// Whether `CACHE_BUST` stands above what comes next.
    is_busted: bool,
    busts: BTreeMap<&'static str, BTreeSet<usize>>,
    images: BTreeMap<String, String>,
}

/// Files of the whole project while they are written.
#[derive(Default)]
struct Shared {
    environment: String,
    ignored: String,
    secrets: String,
    /// Files that services extend, and services of the compose file that they extend.
    extended: BTreeMap<String, String>,
}

/// A Dockerfile while it is written.
struct Recipe<'a> {
    draft: &'a mut Draft,
    random: &'a mut Random,
    shared: &'a mut Shared,
    number: usize,
    /// The services that were made up before.
    known: &'a [Service],
    text: String,
    /// What stands above the first stage.
    globals: String,
    /// Its lines of `.dockerignore`.
    ignored: String,
    stages: Vec<Stage>,
    /// Named contexts that its services declare.
    contexts: BTreeMap<String, String>,
    /// Arguments that its services pass.
    args: BTreeMap<String, String>,
    /// The main context, when it is a repository.
    repository: Option<usize>,
    secret: bool,
    /// Whether a line goes on in the next one, so that another escape character makes it another file.
    continues: bool,
    /// Whether a step needs the network.
    network: bool,
}

/// Makes up a project. In its files, `NAME` is the Compose project, `BASE_IMAGE` an image with git, `OWN_BASE` another
/// one that may move, and `REPO0` and `REPO1` are the addresses of repositories.
pub(crate) fn project(random: &mut Random) -> Project {
    let mut draft = Draft::default();
    let mut shared = Shared::default();
    let mut services: Vec<Service> = Vec::new();
    let mut sections: Vec<String> = Vec::new();
    let wanted = 1 + random.below(5);
    while services.len() < wanted {
        let known = services.clone();
        let name = format!("s{}", known.len());
        if !known.is_empty() && random.chance(8) {
            let of = random.below(known.len());
            services.push(Service { name: name.clone(), ..known[of].clone() });
            sections.push(sections[of].clone());
            continue;
        }
        let mut recipe = Recipe::new(&mut draft, random, &mut shared, &known);
        recipe.write();
        recipe.shared.ignored += &recipe.ignored;
        let targets = 1 + recipe.random.below(2).min(wanted - services.len() - 1);
        for _ in 0..targets {
            let (service, section) = recipe.service(services.len());
            services.push(service);
            sections.push(section);
        }
    }
    compose::write(&mut draft, random, &shared, &services, &sections);
    Project { draft, services }
}

impl Recipe<'_> {
    /// What a target has of all stages that it needs.
    fn closure(&self, target: usize) -> Stage {
        let mut whole = self.stages[target].clone();
        for stage in whole.stages.clone() {
            let below = self.closure(stage);
            whole.unknowable |= below.unknowable;
            whole.images.extend(below.images);
            for (argument, repositories) in below.busts {
                whole.busts.entry(argument).or_default().extend(repositories);
            }
        }
        whole
    }
}
