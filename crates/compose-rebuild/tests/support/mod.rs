//! The one helper of the tests that run the real program: a project of its own, an environment with nothing in it that
//! was not put there, and results that fail on everything unexpected.

pub(crate) mod run;
#[path = "../fake/state.rs"]
#[allow(dead_code, reason = "the fakes use the rest")]
pub(crate) mod state;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use compose_rebuild::value::digest::sha256;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use state::{Call, Engine, Image, Rule};
use tempfile::TempDir;

pub(crate) use run::{Outcome, Running};

/// The repository of the project's services.
pub(crate) const REPO: &str = "https://git.example/vibevoice.git";
/// The mutable tags of the project.
pub(crate) const MUTABLE: [&str; 3] =
    ["vibevoicefusion:model-downloader", "vibevoicefusion:python-builder", "zhaokundev/vibevoicefusion:latest"];
/// Longest time that anything in a test may take.
const DEADLINE: Duration = Duration::from_secs(40);

/// A commit that is easy to read: one digit, 40 times.
pub(crate) fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// The program that is `docker` and `git` here, made first where Cargo was asked for this test target alone.
fn fake() -> &'static Path {
    static FAKE: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_compose-rebuild")).parent().unwrap();
        let fake = profile.join("examples/fake");
        let written = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
        let sources = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake")).unwrap();
        if sources.map(|entry| written(&entry.unwrap().path())).max() > Some(written(&fake)) {
            let name = profile.file_name().unwrap().to_str().unwrap();
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--package", "compose-rebuild", "--example", "fake"]);
            build.args(["--profile", if name == "debug" { "dev" } else { name }, "--target-dir"]);
            assert!(build.arg(profile.parent().unwrap()).status().unwrap().success(), "the fakes cannot be built");
        }
        fake
    });
    &FAKE
}

/// A project beside fakes of Docker and Git.
pub(crate) struct World {
    root: TempDir,
}

impl Drop for World {
    /// A killed run leaves its lock, and nobody builds this project again.
    fn drop(&mut self) {
        let end = self.end_of_lock();
        let files = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.to_string_lossy().ends_with(&end)).for_each(|lock| drop(fs::remove_file(lock)));
    }
}

impl World {
    /// How the names of the locks of this world's engine end.
    pub(crate) fn end_of_lock(&self) -> String {
        let engine = sha256(sha256(self.path("state").display().to_string()));
        format!("-{}.lock", &engine[..8])
    }

    /// A project like this repository's own, with nothing built and the branch `main` at commit aaaa.
    pub(crate) fn new() -> Self {
        Self::with_directory("project")
    }

    /// A world in a directory of this name.
    pub(crate) fn with_directory(name: &str) -> Self {
        let root = tempfile::Builder::new().prefix("xtask-cli-").tempdir().unwrap();
        let world = Self { root };
        for directory in ["bin", "state", "home/.docker/cli-plugins", "tmp", "out"] {
            fs::create_dir_all(world.path(directory)).unwrap();
        }
        fs::create_dir(world.path(name)).unwrap();
        fs::write(world.path("state/directory"), name).unwrap();
        let fake = fake();
        // A plugin of the user's own comes before any that this machine has.
        let plugins = ["docker-compose", "docker-buildx"].map(|plugin| format!("home/.docker/cli-plugins/{plugin}"));
        for program in plugins.iter().map(String::as_str).chain(["bin/docker", "bin/git"]) {
            std::os::unix::fs::symlink(fake, world.path(program)).unwrap();
        }
        world.manifest("[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\n");
        world.file("Dockerfile", include_str!("../../../../Dockerfile"));
        world.file("compose.yml", include_str!("../../../../compose.yml"));
        let config = world.usual_config();
        world.engine(|engine| engine.config = config);
        world.push(&commit('a'));
        world
    }

    /// A world in which everything was built once.
    #[track_caller]
    pub(crate) fn built() -> Self {
        let world = Self::new();
        world.run(["rebuild"]).ok();
        world.forget_calls();
        world
    }

    /// What Compose prints for compose.yml of this repository.
    fn usual_config(&self) -> Value {
        let args = json!({
            "CACHE_BUST": "unknown", "GITHUB_BRANCH": "main", "GITHUB_COMMIT": "", "GITHUB_REPO": REPO,
            "HF_ENDPOINT": "https://huggingface.co", "MODEL_FILES": "vibevoice7b_float8_e4m3fn.safetensors",
            "MODEL_REPO": "zhaokun/vibevoice-large", "MODEL_REVISION": "main", "NODE_IMAGE": "node:22-bookworm-slim",
            "PYTHON_IMAGE": "python:3.11-bookworm", "RUNTIME_IMAGE": "python:3.11-slim-bookworm",
            "RUNTIME_PACKAGES": "ffmpeg", "WORKDIR": "/workspace/zhao-kun/vibevoice",
        });
        let build = |target: &str| json!({"context": self.project(), "dockerfile": "Dockerfile", "target": target, "args": args});
        json!({"name": "vibevoice", "networks": {"default": {"name": "vibevoice_default"}}, "services": {
            "model-downloader": {"image": MUTABLE[0], "build": build("model-downloader"), "scale": 0,
                "x-rebuild": {"keep": true}},
            "backend-builder": {"image": MUTABLE[1], "build": build("python-builder"), "scale": 0},
            "vibevoice": {"image": MUTABLE[2], "build": build("vibevoice"), "restart": "unless-stopped",
                "ports": [{"mode": "ingress", "target": 9527, "published": "9527", "protocol": "tcp"}]},
        }})
    }

    /// A path beside the project: `bin`, `state`, `home`, `tmp`, `out`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The directory of the project.
    pub(crate) fn project(&self) -> PathBuf {
        self.path(&fs::read_to_string(self.path("state/directory")).unwrap())
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes Cargo.toml: version 0.1.0 and this configuration.
    pub(crate) fn manifest(&self, configuration: &str) {
        let workspace = "[workspace]\nmembers = []\nresolver = \"3\"\n[workspace.package]\nversion = \"0.1.0\"\n";
        self.file("Cargo.toml", format!("{workspace}{configuration}"));
    }

    /// Changes engine, remotes and faults.
    pub(crate) fn engine<T>(&self, change: impl FnOnce(&mut Engine) -> T) -> T {
        Engine::update(&self.path("state"), |engine| {
            let before = engine.config.clone();
            let result = change(engine);
            if engine.config != before {
                self.touch_compose();
            }
            result
        })
    }

    /// Makes the compose file another one, so that Compose has to be asked again.
    fn touch_compose(&self) {
        let text = fs::read_to_string(self.project().join("compose.yml")).unwrap_or_default();
        self.file("compose.yml", format!("{text}# changed\n"));
    }

    /// Adds a fault.
    pub(crate) fn fault(&self, when: &[&str], rule: Rule) {
        if when.iter().any(|word| word.contains("--print") || word.contains("--no-interpolate")) {
            self.touch_compose();
        }
        let when = when.iter().map(|&word| word.to_owned()).collect();
        self.engine(|engine| {
            engine.made += 1;
            let stdout_file = format!("stdout-{}", engine.made);
            fs::write(self.path("state").join(&stdout_file), &rule.stdout).unwrap();
            engine.rules.push(Rule { when, stdout_file, ..rule });
        });
    }

    /// From now on no command fails by rule.
    pub(crate) fn heal(&self) {
        self.engine(|engine| engine.rules.clear());
    }

    /// Moves the branch `main` of the usual remote.
    pub(crate) fn push(&self, commit: &str) {
        self.remote(REPO, format!("{commit}\trefs/heads/main\n"));
    }

    /// Sets what `git ls-remote` prints.
    pub(crate) fn remote(&self, url: &str, lines: impl AsRef<[u8]>) {
        self.engine(|engine| engine.remotes.insert(url.to_owned(), lines.as_ref().to_vec()));
    }

    /// From now on checkouts are real ones, which the real git reads.
    pub(crate) fn use_real_git(&self) {
        let path = std::env::var_os("PATH").unwrap();
        let real = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|path| path.is_file()).unwrap();
        fs::write(self.path("state/git"), real.to_str().unwrap()).unwrap();
    }

    /// Changes one build argument of every service that has it.
    pub(crate) fn set_arg(&self, name: &str, value: &str) {
        self.engine(|engine| {
            for service in engine.config["services"].as_object_mut().unwrap().values_mut() {
                service["build"]["args"][name] = json!(value);
            }
        });
    }

    /// Lets the build go on that waits for this file.
    pub(crate) fn release(&self, name: &str) {
        File::create(self.path("state").join(name)).unwrap();
    }

    /// An image by tag or ID.
    pub(crate) fn image(&self, name: &str) -> Option<Image> {
        Engine::read(&self.path("state")).find(name).cloned()
    }

    /// Which image each mutable tag means, nothing where it does not exist.
    pub(crate) fn mutable(&self) -> Vec<Option<String>> {
        MUTABLE.iter().map(|tag| self.image(tag).map(|image| image.id)).collect()
    }

    /// All tags of the engine, sorted.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags: Vec<_> = Engine::read(&self.path("state")).images.into_iter().flat_map(|i| i.tags).collect();
        tags.sort();
        tags
    }

    /// Fails when a staged tag, a container, a marker or a temporary file is left.
    #[track_caller]
    pub(crate) fn assert_nothing_staged(&self) {
        let staged: Vec<_> = self.tags().into_iter().filter(|tag| tag.contains(":staged-")).collect();
        assert_eq!(staged, [""; 0], "staged tags are left");
        let Engine { containers, volumes, .. } = Engine::read(&self.path("state"));
        assert!(containers.is_empty(), "containers are left: {containers:?}");
        assert!(volumes.is_empty(), "volumes are left: {volumes:?}");
        for file in self.written() {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.starts_with("staged-") && !name.ends_with(".tmp") && !name.starts_with("local-"), "{name}");
        }
    }

    /// Every file below `target/xtask`.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.project().join("target/xtask")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        // What was fetched to answer questions about commits.
        found.retain(|path| !path.starts_with(self.project().join("target/xtask/git")));
        found
    }

    /// The newest report.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        let reports = self.written().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let newest = reports.filter(|path| path.parent().unwrap().ends_with("reports")).max().unwrap();
        serde_json::from_slice(&fs::read(newest).unwrap()).unwrap()
    }

    /// The calls of `docker` and `git` so far; one that is being written does not count yet.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let text = fs::read_to_string(self.path("state/calls")).unwrap_or_default();
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The calls whose command line contains these words.
    pub(crate) fn calls_of(&self, words: &str) -> Vec<Call> {
        let line = |call: &Call| format!("{} {}", call.program, call.args.join(" "));
        self.calls().into_iter().filter(|call| line(call).contains(words)).collect()
    }

    /// Forgets all calls so far.
    pub(crate) fn forget_calls(&self) {
        let _ = fs::remove_file(self.path("state/calls"));
    }

    /// The target of a service in the definition of the last build, as buildx reads it.
    pub(crate) fn baked(&self, service: &str) -> Value {
        let text = fs::read_to_string(self.path("state/definition.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["target"][service].clone()
    }

    /// The targets of the last build.
    pub(crate) fn baked_targets(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("state/definition.json")).unwrap();
        let definition: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(definition["group"]["default"]["targets"].clone()).unwrap()
    }

    /// Removes what earlier runs have written down for later ones, as far as its name begins so.
    pub(crate) fn forget(&self, name: &str) {
        let mut open = vec![self.path("tmp")];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.file_name().unwrap().to_str().unwrap().starts_with(name) {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// A run of xtask with these arguments, not started.
    pub(crate) fn run<'a>(&'a self, args: impl IntoIterator<Item = &'a str>) -> Run<'a> {
        Run { world: self, args: args.into_iter().map(str::to_owned).collect(), env: BTreeMap::new() }
    }

    /// Waits until something is true.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_true: impl Fn() -> bool) {
        run::until(&format!("{what}; calls: {:#?}", self.calls()), is_true);
    }

    /// Waits until a fake has taken a rule, so that the rule may go.
    #[track_caller]
    pub(crate) fn until_obeyed(&self, what: &str) {
        self.until(what, || self.path("state/obeyed").exists());
    }

    /// Waits until a command with these words was called.
    #[track_caller]
    pub(crate) fn until_called(&self, words: &str) {
        run::until(words, || !self.calls_of(words).is_empty());
    }
}

/// A command line and its environment.
pub(crate) struct Run<'a> {
    world: &'a World,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl<'a> Run<'a> {
    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The command, with nothing in its environment that was not put there.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compose-rebuild"));
        command.args(&self.args).current_dir(self.world.project()).env_clear();
        // Nothing but the fakes is on PATH; Cargo is named by its path.
        command.env("PATH", self.world.path("bin")).env("CARGO", env!("CARGO"));
        command.env("HOME", self.world.path("home")).env("TMPDIR", self.world.path("tmp"));
        // Whatever engine this machine has, the fake is asked.
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        for name in ["CARGO_HOME", "RUSTUP_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(&self.env);
        command
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        Running::start(&mut self.command(), &self.world.path("out"))
    }

    /// Runs it on a terminal where somebody has typed this, or presses Ctrl-C at the question; its exit status, and
    /// everything on the screen.
    pub(crate) fn on_terminal(self, typed: &str) -> (Option<i32>, String) {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let (mut ours, theirs) = (File::from(terminal.master), File::from(terminal.slave));
        let mut presses = typed == "\u{3}";
        if !presses {
            ours.write_all(typed.as_bytes()).unwrap();
        }
        let mut command = self.command();
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        // The last copies of their side: without them, reading ends when the program does.
        drop(command);
        let mut screen = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = ours.read(&mut chunk) {
            screen.extend_from_slice(&chunk[..length]);
            if presses && String::from_utf8_lossy(&screen).contains("[y/N]") {
                presses = false;
                kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
            }
        }
        (child.wait().unwrap().code(), String::from_utf8_lossy(&screen).into_owned())
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Outcome {
        self.start().wait()
    }

    /// Runs it: exit status 0, and only lines of normal output on the standard error.
    #[track_caller]
    pub(crate) fn ok(self) -> Outcome {
        self.finish().ok()
    }

    /// Runs it: this exit status, with a cause and a hint.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Outcome {
        self.finish().fails(code)
    }
}

/// A run that ends well writes lines of normal output only.
#[track_caller]
pub(crate) fn assert_normal(outcome: &Outcome) {
    for line in outcome.stderr.lines() {
        assert!(is_status(line), "`{line}` is no line of normal output\n{outcome}");
    }
}

/// A verb, right-aligned to 12, and what it is about.
fn is_status(line: &str) -> bool {
    let Some((verb, rest)) = line.split_at_checked(12) else { return false };
    rest.starts_with(' ') && verb.trim_start().chars().enumerate().all(|(i, c)| c.is_ascii_uppercase() == (i == 0))
}
