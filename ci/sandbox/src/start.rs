//! Starts the parts of a sandbox, side by side where they do not need each other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread::{ScopedJoinHandle, scope};

use anyhow::{Result, bail};
use camino::Utf8Path;

use crate::base_image::{self, BaseImage};
use crate::engine::{self, Engine, Launch};
use crate::hub::{self, MODEL_FILE, MODEL_REPO};
use crate::packages::{self, AptSource};
use crate::process::run;
use crate::state::State;
use crate::ui::status;
use crate::upstream::{self, Upstream};
use crate::{Options, cache, environment, registry};

/// The parts of a sandbox; fields are dropped in this order, so servers end before what they use.
pub(crate) struct Running {
    _git: upstream::Server,
    _hub: hub::Server,
    _registry: registry::Proxy,
    pub(crate) engine: Option<Engine>,
    _state: State,
}

type Env = BTreeMap<String, String>;

/// Starts everything and returns the variables that lead to it.
pub(crate) fn start(options: &Options) -> Result<(Env, Running)> {
    if !cfg!(target_os = "linux") {
        bail!("a sandbox needs Linux; hint: run it in a virtual machine, or use `cargo xtask` with Docker");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a sandbox needs root, for mounts and bridges; hint: use sudo, or a machine where you are root");
    }
    let cache = cache::root()?;
    cache::check_space(&cache)?;
    match std::env::var("SANDBOX_ENGINE").as_deref() {
        Ok("host") => start_with_host(options, &cache),
        Err(_) | Ok("" | "private") => start_private(options, &cache),
        Ok(other) => bail!("SANDBOX_ENGINE is `{other}`, it can be `private` or `host`"),
    }
}

fn start_private(options: &Options, cache: &Utf8Path) -> Result<(Env, Running)> {
    packages::install_machine_tools(packages::PRIVATE_TOOLS)?;
    let (source, environment, overlay) = scope(|threads| {
        let source = threads.spawn(AptSource::of_machine);
        let environment = threads.spawn(base_image::machine_environment);
        let overlay = cache::overlay_works(cache)?;
        anyhow::Ok((joined(source)?, joined(environment), overlay))
    })?;
    let image = BaseImage::new(source.clone(), environment);
    let driver = if overlay { "overlay2" } else { "vfs" };
    let store = options.image_store;
    let (programs, base) = scope(|threads| {
        let programs = threads.spawn(|| packages::engine(cache, &source));
        let base = image.data(cache, driver, store, || packages::engine(cache, &source))?;
        anyhow::Ok((joined(programs)?, base))
    })?;
    let state = State::with_network(cache)?;
    let dir = state.dir();
    let Some(subnet) = state.subnet() else { bail!("the sandbox has no addresses") };
    status("Starting", format_args!("a sandbox in {dir}"));
    let gateway = subnet.gateway();
    let (engine, (git, hub)) = scope(|threads| {
        let engine = threads.spawn(|| {
            base_image::copy_data(&base, dir, store)?;
            Engine::start(&Launch { programs: &programs, dir, subnet: Some(subnet), driver, store })
        });
        let servers = serve(options, cache, dir, gateway);
        anyhow::Ok((joined(engine)?, servers?))
    })?;
    let registry = registry(cache, dir, source)?;
    let mut env = variables(dir, gateway, &git, &hub, &registry, &image.tag());
    env.insert("DOCKER_HOST".to_owned(), engine.host());
    env.insert("DOCKER_CONFIG".to_owned(), engine::client_config(&programs, &dir.join("docker"))?.into_string());
    env.insert("PATH".to_owned(), engine::path(&programs)?);
    Ok((env, Running { _git: git, _hub: hub, _registry: registry, engine: Some(engine), _state: state }))
}

/// Leaves the base image in the engine, where the next sandbox finds it.
fn start_with_host(options: &Options, cache: &Utf8Path) -> Result<(Env, Running)> {
    let gateway = engine::host_gateway()?;
    packages::install_machine_tools(packages::HOST_TOOLS)?;
    let source = AptSource::of_machine()?;
    let image = BaseImage::new(source.clone(), base_image::machine_environment());
    let state = State::without_network(cache)?;
    let dir = state.dir();
    if run(Command::new("docker").args(["image", "inspect", &image.tag()])).is_err() {
        let archive = dir.join("base.tar");
        image.bootstrap(&archive)?;
        image.import(&archive, &mut Command::new("docker"))?;
        fs_err::remove_file(archive)?;
    }
    let (git, hub) = serve(options, cache, dir, gateway)?;
    let registry = registry(cache, dir, source)?;
    let env = variables(dir, gateway, &git, &hub, &registry, &image.tag());
    Ok((env, Running { _git: git, _hub: hub, _registry: registry, engine: None, _state: state }))
}

/// Starts the Git server and the model hub at an address that containers reach.
fn serve(
    options: &Options,
    cache: &Utf8Path,
    dir: &Utf8Path,
    gateway: Ipv4Addr,
) -> Result<(upstream::Server, hub::Server)> {
    let upstream = Upstream::create(&dir.join("upstream"))?;
    let git = upstream::Server::start(&upstream, gateway, &dir.join("git.log"))?;
    Ok((git, hub::Server::start(gateway, options.model_bytes, cache)?))
}

/// A registry that fetches its program, if need be, and starts when somebody uses it.
fn registry(cache: &Utf8Path, dir: &Utf8Path, source: AptSource) -> Result<registry::Proxy> {
    let cache = cache.to_owned();
    registry::Proxy::start(dir.to_owned(), Box::new(move || packages::engine(&cache, &source)))
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn variables(
    dir: &Utf8Path,
    gateway: Ipv4Addr,
    git: &upstream::Server,
    hub: &hub::Server,
    registry: &registry::Proxy,
    image: &str,
) -> Env {
    let (address, endpoint, registry) = (gateway.to_string(), hub.hub().endpoint(), registry.address().to_string());
    let variables = [
        (environment::DIR, dir.as_str()),
        (environment::REGISTRY, &registry),
        ("SANDBOX_ADDRESS", &address),
        ("GITHUB_REPO", git.url()),
        ("GITHUB_BRANCH", "main"),
        ("HF_ENDPOINT", &endpoint),
        ("MODEL_REPO", MODEL_REPO),
        ("MODEL_REVISION", "main"),
        ("MODEL_FILES", MODEL_FILE),
        ("NODE_IMAGE", image),
        ("PYTHON_IMAGE", image),
        ("RUNTIME_IMAGE", image),
        ("RUNTIME_PACKAGES", "ca-certificates"),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
