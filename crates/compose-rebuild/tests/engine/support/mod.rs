//! A project of its own for every test, with its own upstream repository, in the sandbox around the tests.

mod bake;
mod engine;
pub(crate) mod foreseen;
mod git_server;
mod project;
mod random;
mod registry;
#[path = "../../support/run.rs"]
mod run;
mod shim;
mod web_server;

pub(crate) use git_server::{Fault, GitServer, On, serve_private};
pub(crate) use random::{Random, number};
pub(crate) use registry::{BrokenRegistry, RemoteBuilder};
pub(crate) use run::{Outcome, Running, figure, until};
pub(crate) use web_server::serve_text;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use sandbox::{Kind, Sandbox, Upstream};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time that anything in a test may take: a first build installs everything from package registries.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

/// The sandbox that these tests run in; without one they fail.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let current = Sandbox::current().expect("the sandbox can be used");
        current.expect(
            "these tests need a sandbox: cargo sandbox cargo test -p compose-rebuild --features engine --test engine",
        )
    })
}

/// The files that matter for the images of this repository, as its compose file says it.
pub(crate) const SHIPPED_PATHS: &str = r#"paths: &paths ["!**/*.md", "!docs/**", "!.github/**"]"#;

/// Warnings are part of some runs on a real engine.
pub(crate) fn assert_normal(_: &Outcome) {}

/// The output of a command that must end well, without white space around it.
#[track_caller]
pub(crate) fn text(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout.trim().to_owned()
}

/// A project with its upstream repository.
pub(crate) struct World {
    root: TempDir,
    /// The Compose project, also the name of the repository, unique in this sandbox.
    pub(crate) name: String,
    pub(crate) upstream: Upstream,
    env: BTreeMap<String, String>,
}

impl World {
    /// The project of this repository with names of its own, nothing built.
    pub(crate) fn new() -> Self {
        Self::with_object_format("sha1")
    }

    /// The project of this repository, nothing built, with an upstream repository of this object format.
    pub(crate) fn with_object_format(format: &str) -> Self {
        // Tests may run again in the same sandbox, whose build cache must not know the changes of these worlds.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs() % 10_000;
        let name = format!("w{seconds}x{number}");
        let root = tempfile::Builder::new().prefix("xtask-engine-").tempdir().unwrap();
        let upstream = sandbox().another_upstream(&name, format, seconds * 1000 + number * 10).unwrap();
        let mut env = sandbox().env().clone();
        env.insert(
            "GITHUB_REPO".to_owned(),
            sandbox().repository_url().replace("vibevoice.git", &format!("{name}.git")),
        );
        let world = Self { root, name, upstream, env };
        world.create_directories();
        world.file("Dockerfile", include_str!("../../../../../Dockerfile"));
        world.file("compose.yml", include_str!("../../../../../compose.yml"));
        world.edit("compose.yml", "name: vibevoice\n", &format!("name: {}\n", world.name));
        world.edit("compose.yml", "/}zhaokundev/vibevoicefusion:", &format!("/}}{}/app:", world.name));
        world.edit("compose.yml", "/}vibevoicefusion:", &format!("/}}{}:", world.name));
        // Every push counts: one of a document is the cheapest.
        world.edit("compose.yml", SHIPPED_PATHS, "paths: &paths []");
        // Two projects cannot publish the same port.
        world.edit("compose.yml", "${VIBEVOICE_PORT:-9527}:9527", "9527");
        world.manifest(&repository_configuration());
        world
    }

    /// Another checkout of the same project, on another machine: with an engine of its own and nothing from before.
    pub(crate) fn on(&self, machine: &Sandbox) -> Self {
        let root = tempfile::Builder::new().prefix("xtask-engine-").tempdir().unwrap();
        let mut env = self.env.clone();
        for name in ["DOCKER_HOST", "DOCKER_CONFIG"] {
            env.insert(name.to_owned(), machine.env()[name].clone());
        }
        let other = Self { root, name: self.name.clone(), upstream: self.upstream.clone(), env };
        other.create_directories();
        for file in ["Dockerfile", "compose.yml", "Cargo.toml"] {
            fs::copy(self.project().join(file), other.project().join(file)).unwrap();
        }
        other
    }

    fn create_directories(&self) {
        for directory in ["bin", "home", "tmp", "out", "project"] {
            fs::create_dir(self.path(directory)).unwrap();
        }
    }

    /// The images belong to the registry of the sandbox.
    pub(crate) fn with_registry(mut self) -> Self {
        self.set("IMAGE_REGISTRY", &sandbox().registry().host());
        self
    }

    /// The name of an image of this world, without and with its registry.
    fn named(&self, name: &str) -> String {
        match self.env.get("IMAGE_REGISTRY") {
            Some(registry) => format!("{registry}/{name}"),
            None => name.to_owned(),
        }
    }

    /// A world in which everything was built once.
    #[track_caller]
    pub(crate) fn built() -> Self {
        let world = Self::new();
        world.rebuild();
        world
    }

    /// The repository of the image of `vibevoice`.
    pub(crate) fn app(&self) -> String {
        self.named(&format!("{}/app", self.name))
    }

    /// The image of `vibevoice`.
    pub(crate) fn latest(&self) -> String {
        format!("{}:latest", self.app())
    }

    /// The mutable tags of the three services.
    pub(crate) fn mutable(&self) -> [String; 3] {
        let name = self.named(&self.name);
        [format!("{name}:model-downloader"), format!("{name}:python-builder"), self.latest()]
    }

    /// A path beside the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The directory of the project.
    pub(crate) fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces text in a file of the project, where it must be.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no `{from}`");
        self.file(name, &text.replace(from, to));
    }

    /// Writes Cargo.toml: version 0.1.0 and this configuration.
    pub(crate) fn manifest(&self, configuration: &str) {
        let workspace = "[workspace]\nmembers = []\nresolver = \"3\"\n[workspace.package]\nversion = \"0.1.0\"\n";
        self.file("Cargo.toml", &format!("{workspace}{configuration}"));
    }

    /// Gives the stage of the model a key and a cache mount of its own, so that no other world has downloaded any of it.
    pub(crate) fn with_own_model(self) -> Self {
        let own = format!("export WORLD={} HF_HUB_DISABLE_XET=1", self.name);
        self.edit("Dockerfile", "export HF_HUB_DISABLE_XET=1", &own);
        self.edit("Dockerfile", "id=vibevoice-model", &format!("id={}", self.name));
        self
    }

    /// Installs the tools that build steps need from caches, so that a build without cache takes a quarter of the time.
    pub(crate) fn with_quick_tools(self) -> Self {
        self.edit("Dockerfile", "RUN apt-get update && ", "RUN ");
        self.edit("Dockerfile", "xargs apt-get install --yes --no-install-recommends", "xargs echo");
        let cached = "RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/";
        self.edit("Dockerfile", "RUN python3 -m venv /opt/", cached);
        self.edit("Dockerfile", "pip install --no-cache-dir", "pip install");
        self
    }

    /// Sets a variable for everything that runs in this world.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Sets a variable or removes it, and returns what it was.
    pub(crate) fn set_or_remove(&mut self, name: &str, value: Option<&str>) -> Option<String> {
        match value {
            Some(value) => self.env.insert(name.to_owned(), value.to_owned()),
            None => self.env.remove(name),
        }
    }

    /// The value of a variable.
    pub(crate) fn var(&self, name: &str) -> &str {
        &self.env[name]
    }

    /// Pushes a commit of this kind.
    pub(crate) fn push(&self, kind: Kind) -> String {
        self.upstream.push(kind).unwrap()
    }

    /// Changes a file of the upstream's work tree, and pushes that.
    pub(crate) fn push_file(&self, name: &str, text: &str) -> String {
        fs::write(self.upstream.work().join(name), text).unwrap();
        self.upstream.push_work(&format!("Change {name}")).unwrap()
    }

    /// The commit that the branch points to.
    pub(crate) fn tip(&self) -> String {
        self.git(&["rev-parse", "refs/heads/main"])
    }

    /// Runs git in the bare repository.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-C", self.upstream.bare().as_str(), "-c", "user.name=n", "-c", "user.email=e@example.invalid"]);
        text(command.args(args))
    }

    /// A command with the environment of this world and nothing else.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear().envs(&self.env);
        for (name, directory) in [("HOME", "home"), ("TMPDIR", "tmp")] {
            command.env(name, self.path(directory));
        }
        for name in ["CARGO_HOME", "RUSTUP_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("CARGO", env!("CARGO"));
        command.env("PATH", format!("{}:{}", self.path("bin").display(), self.env["PATH"]));
        command
    }

    /// Runs xtask to its end.
    #[track_caller]
    pub(crate) fn xtask<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Outcome {
        self.start(args).wait()
    }

    /// Starts xtask.
    pub(crate) fn start<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_compose-rebuild"));
        Running::start(command.args(args), &self.path("out"))
    }

    /// A rebuild that ends well.
    #[track_caller]
    pub(crate) fn rebuild(&self) -> Outcome {
        self.rebuild_with(["rebuild"])
    }

    /// A run with these arguments.
    #[track_caller]
    pub(crate) fn rebuild_with<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Outcome {
        let _ = fs::remove_dir_all(self.project().join("target/xtask/reports"));
        self.xtask(args).ok()
    }

    /// The only report of the last run.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        let directory = self.project().join("target/xtask/reports");
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap()
    }

    /// The instructions that ran, as `stage: instruction`, according to the only report.
    #[track_caller]
    pub(crate) fn ran(&self) -> Vec<String> {
        let report = self.report();
        let steps = report["steps"].as_array().unwrap().iter().filter(|step| step["cached"] == false);
        let text = |step: &Value| format!("{}: {}", step["stage"].as_str().unwrap(), step["name"].as_str().unwrap());
        let mut ran: Vec<_> =
            steps.map(text).filter(|line| line.contains(": RUN ") || line.contains(": COPY ")).collect();
        ran.sort();
        ran
    }
}

/// What the workspace of this repository configures for the tool.
fn repository_configuration() -> String {
    let manifest = include_str!("../../../../../Cargo.toml");
    let start = manifest.find("[workspace.metadata.xtask]").expect("the workspace configures xtask");
    let own = &manifest[start..];
    let end = own[1..].find("\n[").map_or(own.len(), |at| at + 1);
    own[..end].to_owned()
}

impl Drop for World {
    fn drop(&mut self) {
        self.end_orphans();
        self.remove_containers();
        // Nobody builds this project again.
        self.locks().iter().for_each(|lock| drop(fs::remove_file(lock)));
    }
}
