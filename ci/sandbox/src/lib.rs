//! A Docker engine, a Git server, a model hub and a registry of its own, for one command.

mod base_image;
mod cache;
mod engine;
mod environment;
mod firewall;
mod hub;
mod listener;
mod network;
mod packages;
mod process;
mod registry;
mod start;
mod state;
mod ui;
mod upstream;

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};

pub use engine::ImageStore;
pub use hub::{Fault, Hub, MODEL_FILE, MODEL_REPO};
pub use process::interrupt;
pub use registry::{Registry, RegistryFault};
pub use ui::error as print_error;
pub use upstream::{Kind, Upstream};

/// What a sandbox is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The size of the model file on the hub.
    pub model_bytes: u64,
    /// Where the private engine keeps images.
    pub image_store: ImageStore,
}

impl Default for Options {
    fn default() -> Options {
        Options { model_bytes: 64 << 20, image_store: ImageStore::default() }
    }
}

/// A running sandbox; dropping the one that [`Sandbox::start`] made stops everything it started.
pub struct Sandbox {
    dir: Utf8PathBuf,
    env: BTreeMap<String, String>,
    hub: Hub,
    registry: Registry,
    upstream: Upstream,
    running: Option<start::Running>,
}

impl Sandbox {
    /// Starts everything; the first time it fills the cache, which takes a few minutes.
    pub fn start(options: Options) -> Result<Sandbox> {
        let (env, running) = start::start(&options)?;
        Sandbox::with(env, Some(running))
    }

    /// The sandbox that this process runs in, as a command of `cargo sandbox`.
    pub fn current() -> Result<Option<Sandbox>> {
        let Some(env) = environment::inherited() else { return Ok(None) };
        Sandbox::with(env, None).map(Some)
    }

    fn with(env: BTreeMap<String, String>, running: Option<start::Running>) -> Result<Sandbox> {
        let dir = Utf8PathBuf::from(&env[environment::DIR]);
        let hub = Hub::at(env.get("HF_ENDPOINT").context("HF_ENDPOINT is not set")?)?;
        let registry = Registry::at(env.get(environment::REGISTRY).map_or("", String::as_str))?;
        let upstream = Upstream::open(&dir.join("upstream"));
        Ok(Sandbox { dir, env, hub, registry, upstream, running })
    }

    /// The variables that a command needs to act on this sandbox.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// A command with the environment of this sandbox.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        // In a command of a sandbox the environment is right, and what the user set since is meant.
        if self.running.is_some() {
            environment::remove_disturbing(&mut command, self.env.contains_key("DOCKER_HOST"));
        }
        command.envs(&self.env);
        command
    }

    /// Makes a commit of a kind on the upstream's `main` and returns its SHA.
    pub fn push(&self, kind: Kind) -> Result<String> {
        self.upstream.push(kind)
    }

    /// Makes another upstream repository; its address is that of the first one with `name` in place of `vibevoice`.
    /// The commits are numbered from `first`, so that no two repositories have the same changes.
    pub fn another_upstream(&self, name: &str, object_format: &str, first: u64) -> Result<Upstream> {
        Upstream::another(&self.dir.join("upstream"), name, object_format, first)
    }

    /// The work tree from which commits are pushed upstream.
    pub fn upstream_dir(&self) -> Utf8PathBuf {
        self.upstream.work()
    }

    /// The address of the upstream repository, for containers and for this machine.
    pub fn repository_url(&self) -> &str {
        self.env.get("GITHUB_REPO").map_or("", String::as_str)
    }

    /// Kills the engine that [`Sandbox::start`] started, with everything that runs in it, as a power cut does.
    pub fn crash_engine(&mut self) {
        self.engine().into_iter().for_each(engine::Engine::crash);
    }

    /// Starts the engine again on the data that it had.
    pub fn restart_engine(&mut self) -> Result<()> {
        self.engine().context("this sandbox has not started its engine")?.restart()
    }

    fn engine(&mut self) -> Option<&mut engine::Engine> {
        self.running.as_mut()?.engine.as_mut()
    }

    /// The model hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The registry of images.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The directory of this sandbox, gone after it.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }
}
