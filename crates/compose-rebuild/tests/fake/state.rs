//! What the fake engine remembers, and what a test tells it; files that both sides read and write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The engine and the remotes.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Engine {
    /// All images, tagged or not.
    pub(crate) images: Vec<Image>,
    /// All containers.
    pub(crate) containers: Vec<Container>,
    /// Volumes without a name, by the container that they were made for.
    pub(crate) volumes: Vec<String>,
    /// The build cache, as `docker system df` prints it; `Image` is an image that holds the record as long as it exists.
    pub(crate) cache: Vec<serde_json::Value>,
    /// What `git ls-remote` prints, by address.
    pub(crate) remotes: BTreeMap<String, Vec<u8>>,
    /// What a registry has, by name.
    pub(crate) registry: BTreeMap<String, Image>,
    /// The containers that run.
    pub(crate) running: Vec<Running>,
    /// The commits whose containers are unhealthy.
    pub(crate) broken: Vec<String>,
    /// Images are in containerd's store.
    pub(crate) containerd: bool,
    /// The source files in images, by the ID of the image or its commit, and their paths from its working directory.
    pub(crate) contents: BTreeMap<String, BTreeMap<String, Entry>>,
    /// The commits of all remotes.
    pub(crate) commits: BTreeMap<String, GitCommit>,
    /// The remotes send trees and files although they are asked to leave them out.
    pub(crate) no_filter: bool,
    /// What is in bare repositories, by their directories.
    pub(crate) fetched: BTreeMap<String, Fetched>,
    /// What `docker compose config` prints.
    pub(crate) config: serde_json::Value,
    /// How the next builds go wrong.
    pub(crate) build: BuildFaults,
    /// Faults of any command; the first that fits counts.
    pub(crate) rules: Vec<Rule>,
    /// How many objects were made, for names that never repeat.
    pub(crate) made: u64,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) size: u64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) working_dir: String,
    /// The content of `backend/version.txt`, when the image has it.
    pub(crate) version: Option<String>,
    /// The files of the local directory that it was made from.
    #[serde(default)]
    pub(crate) files: Vec<String>,
}

/// A container that was created and never started; its ID is its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) image: String,
    pub(crate) label: String,
}

/// A container that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) name: String,
    /// The ID of its image.
    pub(crate) image: String,
    pub(crate) revision: String,
}

/// A commit of a remote.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct GitCommit {
    pub(crate) parent: Option<String>,
    pub(crate) subject: String,
    pub(crate) tree: BTreeMap<String, Entry>,
}

/// A file of a tree or of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    File(String),
    Link(String),
    Submodule,
}

/// What is in a bare repository.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fetched {
    pub(crate) commits: BTreeSet<String>,
    /// The commits whose trees are there too.
    pub(crate) trees: BTreeSet<String>,
    /// Older commits were left out.
    pub(crate) shallow: bool,
}

/// What is wrong with an image that the next build makes, by service.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BuildFaults {
    /// The version file has this content, or is missing.
    pub(crate) version: BTreeMap<String, Option<String>>,
    /// Labels with another value; empty is missing.
    pub(crate) labels: BTreeMap<String, BTreeMap<String, String>>,
    /// A step of this service fails with this error; the other services are built and tagged.
    pub(crate) fail: BTreeMap<String, String>,
    /// Nothing is stored although the build succeeds.
    pub(crate) no_image: Vec<String>,
}

/// A fault: every command that contains all words of `when` writes, floods, waits and exits as told.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rule {
    /// All of these occur in the command line, which ends in a space.
    pub(crate) when: Vec<String>,
    /// How often it applies; nothing is always.
    pub(crate) times: Option<u32>,
    /// Written to a file of its own, because it may be long.
    #[serde(skip)]
    pub(crate) stdout: Vec<u8>,
    pub(crate) stdout_file: String,
    pub(crate) stderr: String,
    /// Megabytes of log of one step, in lines of so many kilobytes.
    pub(crate) flood_mb: usize,
    pub(crate) flood_line_kb: usize,
    /// Leaves a child behind that holds the standard error open.
    pub(crate) leave_stderr_open: bool,
    /// Ends at once, and a child gives the answer a moment later.
    pub(crate) answer_by_child: bool,
    /// Waits until this file is in the state directory.
    pub(crate) wait_for: Option<String>,
    /// Never ends by itself.
    pub(crate) hang: bool,
    /// Does not end from Ctrl-C, SIGTERM and SIGHUP, but writes the file `heard`.
    pub(crate) deaf: bool,
    /// The command does its work before all this, and its answer is lost.
    pub(crate) late: bool,
    /// Ends with this status and does nothing else; without it the command goes on as usual.
    pub(crate) exit: Option<u8>,
}

/// One call of a fake.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) pid: u32,
    /// Peak memory of the caller until then, in kB.
    pub(crate) parent_peak: u64,
}

impl Engine {
    pub(crate) fn read(state: &Path) -> Self {
        Self::change(state, std::mem::take, false)
    }

    /// Changes the state; calls at the same time wait for each other.
    pub(crate) fn update<T>(state: &Path, change: impl FnOnce(&mut Self) -> T) -> T {
        Self::change(state, change, true)
    }

    fn change<T>(state: &Path, change: impl FnOnce(&mut Self) -> T, write: bool) -> T {
        let lock = File::create(state.join("engine.lock")).unwrap();
        lock.lock().unwrap();
        let (path, new) = (state.join("engine.json"), state.join("engine.new"));
        let mut engine = std::fs::read(&path).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default();
        let result = change(&mut engine);
        if write {
            std::fs::write(&new, serde_json::to_vec(&engine).unwrap()).unwrap();
            std::fs::rename(&new, &path).unwrap();
        }
        result
    }

    /// The image with this tag or ID.
    pub(crate) fn find(&self, name: &str) -> Option<&Image> {
        let name = familiar(name);
        self.images.iter().find(|image| image.id == name || image.tags.contains(&name))
    }

    /// Gives a tag to an image and takes it from every other.
    pub(crate) fn tag(&mut self, id: &str, tag: &str) {
        let tag = familiar(tag);
        for image in &mut self.images {
            image.tags.retain(|other| *other != tag);
            if image.id == id {
                image.tags.push(tag.clone());
            }
        }
    }
}

/// A name as Docker lists it.
fn familiar(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name).to_owned()
}

impl Rule {
    /// The first rule that fits a command line, counted down.
    pub(crate) fn take(state: &Path, command: &str) -> Option<Self> {
        let fits = |rule: &Self| {
            rule.times != Some(0) && !rule.when.is_empty() && rule.when.iter().all(|word| command.contains(word))
        };
        let rule = Engine::read(state).rules.into_iter().find(fits)?;
        if rule.times.is_none() {
            return Some(rule);
        }
        Engine::update(state, |engine| {
            let rule = engine.rules.iter_mut().find(|rule| fits(rule))?;
            rule.times = rule.times.map(|left| left - 1);
            Some(rule.clone())
        })
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.program, self.args)
    }
}

impl Call {
    pub(crate) fn append(&self, state: &Path) {
        let mut line = serde_json::to_vec(self).unwrap();
        line.push(b'\n');
        File::options().append(true).create(true).open(state.join("calls")).unwrap().write_all(&line).unwrap();
    }
}
