//! A Docker engine, a Git server and a model hub of its own, for one command.

mod base_image;
mod cache;
mod engine;
mod firewall;
mod network;
mod packages;
mod process;
mod ui;

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Result, bail};
use camino::Utf8Path;

use base_image::BaseImage;
use engine::{Engine, Launch};
use packages::AptSource;

pub use engine::ImageStore;
pub use process::interrupt;
pub use ui::error as print_error;

/// What a sandbox is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the engine keeps images.
    pub image_store: ImageStore,
}

/// A running sandbox; dropping it stops what it started and leaves nothing but the cache.
pub struct Sandbox {
    env: BTreeMap<String, String>,
    // Fields are dropped in this order: first the processes, then what they used.
    _engine: Engine,
    state: cache::State,
}

/// Variables of the caller that would lead Docker or a build elsewhere.
const DISTURBING: &[&str] = &[
    "BUILDX_BUILDER",
    "CACHE_BUST",
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
    "COMPOSE_PROFILES",
    "DOCKER_CERT_PATH",
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "GITHUB_COMMIT",
];

impl Sandbox {
    /// Starts everything; the first time it fills the cache, which takes a few minutes.
    pub fn start(options: Options) -> Result<Sandbox> {
        if !rustix::process::geteuid().is_root() {
            bail!(
                "a sandbox needs root, for mounts and bridges; hint: use sudo, or a machine where you are root"
            );
        }
        let cache = cache::root()?;
        packages::install_machine_tools()?;
        let source = AptSource::of_machine()?;
        let programs = packages::engine(&cache, &source)?;
        let image = BaseImage::of_machine(source);
        let driver = if cache::overlay_works(&cache)? {
            "overlay2"
        } else {
            "vfs"
        };
        let base = image.data(&cache, &programs, driver, options.image_store)?;
        let state = cache::State::create(&cache)?;
        let dir = state.dir();
        base_image::copy_data(&base, dir)?;
        ui::status("Starting", format_args!("a sandbox in {dir}"));
        let subnet = Some(state.subnet());
        let engine = Engine::start(&Launch {
            programs: &programs,
            dir,
            subnet,
            driver,
            store: options.image_store,
        })?;
        let config = engine::client_config(&programs, &dir.join("docker-config"))?;
        let env = [
            ("DOCKER_HOST", engine.host()),
            ("DOCKER_CONFIG", config.into_string()),
            ("PATH", engine::path(&programs)?),
            ("NODE_IMAGE", image.tag()),
            ("PYTHON_IMAGE", image.tag()),
            ("RUNTIME_IMAGE", image.tag()),
            ("RUNTIME_PACKAGES", "ca-certificates".to_owned()),
        ];
        let env = env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Ok(Sandbox {
            env,
            _engine: engine,
            state,
        })
    }

    /// The variables that a command needs to act on this sandbox.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// A command with the environment of this sandbox.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in DISTURBING {
            command.env_remove(name);
        }
        command.envs(&self.env);
        command
    }

    /// The directory of this sandbox, gone after it.
    pub fn dir(&self) -> &Utf8Path {
        self.state.dir()
    }
}
