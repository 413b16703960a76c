//! A build as the prediction sees it: recipes, stages, steps and the layers of files that they make.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile_reader::{Dockerfile, Instruction};

use crate::facts::tree::Tree;
use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::checkout::Effects;
use crate::foresight::predict::mark::Mark;
use crate::plan::VersionFile;

/// How a service is built, and what is known of what goes in.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The stages.
    pub dockerfile: &'a Dockerfile,
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<&'a str>,
    /// What else every `RUN` is run with: hosts, network, limits.
    pub settings: String,
    /// Build arguments as they are passed.
    pub args: BTreeMap<String, String>,
    /// What takes the place of stages and base images, by lower-case name; nothing for a kept image of the stage itself.
    pub contexts: BTreeMap<String, Option<Mark>>,
    /// The code that may be checked out.
    pub code: Vec<Code<'a>>,
    /// Base images of this machine by their names; missing where only a registry knows them.
    pub bases: &'a BTreeMap<String, String>,
    /// The file that holds the revision.
    pub version_file: Option<&'a VersionFile>,
}

/// Code of one revision.
#[derive(Clone, Debug)]
pub struct Code<'a> {
    /// What a build argument has in it that chooses this revision.
    pub pin: String,
    /// The files.
    pub tree: &'a Tree,
}

/// A stage that takes part in a build.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// The name, as BuildKit's progress has it.
    pub name: String,
    pub steps: Vec<SimulatedStep>,
    /// The mark of its last step.
    pub mark: Option<Mark>,
    /// Whether the compose file wants it built without the cache.
    pub uncached: bool,
    pub(super) layers: Vec<Layer>,
    /// The names of the stages that it needs.
    pub after: BTreeSet<String>,
    pub(super) needs: BTreeSet<usize>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) directory: String,
    pub(super) user: String,
    pub(super) shell: String,
    /// What `ONBUILD` leaves for a stage on top of it.
    pub(super) triggers: Vec<Instruction>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct SimulatedStep {
    /// The instruction as it is written.
    pub text: String,
    /// The mark of the step and everything before it.
    pub mark: Mark,
    /// What it is made from.
    pub causes: Vec<(Cause, Mark)>,
}

/// The stages of one build, each with the services that need it.
pub type Stages = Vec<(BTreeSet<String>, Simulated)>;

/// What an instruction adds to the files of a stage.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// Anything, made by a command or a base image.
    Made(Mark),
    /// What a command did to these paths.
    Touched(Vec<String>, Mark),
    /// Code, and what commands did to it.
    Checkout(Checkout),
    /// Files of another stage.
    Copied { origin: Origin, sources: Vec<String>, to: String, into: bool, changes: String, made: Mark },
    /// A directory that is there from now on.
    Directory(String),
}

/// Code that was checked out.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    /// Which of the recipe's.
    pub code: Vec<usize>,
    pub effects: Effects,
    /// The mark of the step.
    pub made: Mark,
}

/// Where files are copied from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Stage(usize),
    Image(Mark),
    Elsewhere,
}

impl Simulated {
    /// A stage on an image.
    pub(super) fn on(name: String, cause: Cause, mark: Mark) -> Self {
        let step = SimulatedStep { text: String::new(), mark, causes: vec![(cause, mark)] };
        let layers = vec![Layer::Made(mark)];
        Self { name, mark: Some(mark), steps: vec![step], layers, directory: "/".to_owned(), ..Self::default() }
    }
}
