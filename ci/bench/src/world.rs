//! A project of any size beside the fake `docker` of the tests, and remotes that take their time.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

#[path = "../../../crates/compose-rebuild/tests/fake/state.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the fakes and their tests use the rest, and fail loudly")]
mod state;

use state::{Engine, Image, Rule};

/// How large each thing is.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) services: usize,
    /// Every service is made from all of them.
    pub(crate) remotes: usize,
    /// How long each remote takes to answer.
    pub(crate) delay_ms: u64,
    /// Images of the project in the store.
    pub(crate) images: usize,
    /// Steps of the Dockerfile, ten a stage.
    pub(crate) steps: usize,
    /// Steps that the build reports.
    pub(crate) reported: usize,
    /// Log that the build writes.
    pub(crate) log_mb: usize,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { services: 1, remotes: 1, delay_ms: 0, images: 0, steps: 10, reported: 0, log_mb: 0 }
    }
}

/// The project; dropping it removes it.
pub(crate) struct World {
    root: tempfile::TempDir,
}

impl World {
    /// Makes a project of a shape, with nothing built.
    pub(crate) fn new(shape: &Shape) -> Result<World> {
        let root = tempfile::Builder::new().prefix("xtask-scale-").tempdir()?;
        let world = World { root };
        for directory in ["bin", "state", "home/.docker/cli-plugins", "tmp", "project"] {
            fs_err::create_dir_all(world.path(directory)?)?;
        }
        let fake = beside_this("examples/fake")?;
        for (name, program) in [
            ("bin/docker", &fake),
            ("home/.docker/cli-plugins/docker-compose", &fake),
            ("home/.docker/cli-plugins/docker-buildx", &fake),
            ("bin/git", &std::env::current_exe()?),
        ] {
            fs_err::os::unix::fs::symlink(program, world.path(name)?)?;
        }
        let project = world.path("project")?;
        fs_err::write(project.join("compose.yml"), "services: {}\n")?;
        fs_err::write(project.join("Dockerfile"), dockerfile(shape))?;
        fs_err::write(project.join("Cargo.toml"), manifest(shape))?;
        fs_err::write(world.path("state/events")?, reported(shape.reported))?;
        fs_err::write(world.path("state/delay")?, shape.delay_ms.to_string())?;
        Engine::update(world.path("state")?.as_std_path(), |engine| {
            engine.config = config(shape, &project);
            engine.images = (0..shape.images).map(image).collect();
            engine.rules = vec![Rule {
                when: vec!["bake".to_owned()],
                stdout_file: "events".to_owned(),
                flood_mb: shape.log_mb,
                flood_line_kb: 16,
                ..Rule::default()
            }];
        });
        Ok(world)
    }

    fn path(&self, name: &str) -> Result<Utf8PathBuf> {
        Ok(Utf8Path::from_path(self.root.path()).context("the temporary directory is not UTF-8")?.join(name))
    }

    /// The tool in this project.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(beside_this("compose-rebuild")?);
        let kept = ["CARGO", "CARGO_HOME", "RUSTUP_HOME"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().args(arguments).current_dir(self.path("project")?);
        command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        for (name, directory) in [("PATH", "bin"), ("HOME", "home"), ("TMPDIR", "tmp")] {
            command.env(name, self.path(directory)?);
        }
        Ok(command)
    }
}

/// A program of the same build.
fn beside_this(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Answers as `git` with remotes far away, whose trees are empty.
pub(crate) fn answer_as_git(words: &[String]) -> Result<String> {
    if words.iter().any(|word| word == "ls-remote" || word == "fetch") {
        let path = std::env::var("PATH")?;
        let delay = fs_err::read_to_string(Utf8Path::new(&path).join("../state/delay"))?;
        std::thread::sleep(Duration::from_millis(delay.parse()?));
    }
    let asked = words.first().is_some_and(|word| word == "ls-remote");
    Ok(if asked { format!("{}\trefs/heads/main\n", "a".repeat(40)) } else { String::new() })
}

fn address(remote: usize) -> String {
    format!("https://git.example/r{remote}.git")
}

fn manifest(shape: &Shape) -> String {
    let head = "[workspace]\nmembers = []\nresolver = \"3\"\n[workspace.package]\nversion = \"0.1.0\"\n".to_owned();
    let source = |remote: usize| {
        let repository = address(remote);
        format!(
            "[[workspace.metadata.xtask.sources]]\nname = \"r{remote}\"\nrepository = \"{repository}\"\nref = \"main\"\n\
             commit-arg = \"COMMIT_{remote}\"\n"
        )
    };
    (0..shape.remotes).map(source).fold(head, |text, source| text + &source)
}

fn dockerfile(shape: &Shape) -> String {
    let mut text = "FROM scratch AS stage0\nARG CACHE_BUST\n".to_owned();
    for remote in 0..shape.remotes {
        text += &format!("ARG COMMIT_{remote}\n");
    }
    for step in 0..shape.steps {
        if step > 0 && step % 10 == 0 {
            let stage = step / 10;
            text += &format!("FROM scratch AS stage{stage}\nCOPY --from=stage{} / /\n", stage - 1);
        }
        text += &format!("RUN make step-{step} && test -n \"$CACHE_BUST\"\n");
    }
    text
}

fn config(shape: &Shape, project: &Utf8Path) -> Value {
    let commits = (0..shape.remotes).map(|remote| (format!("COMMIT_{remote}"), json!("")));
    let args: serde_json::Map<_, _> = commits.chain([("CACHE_BUST".to_owned(), json!("unknown"))]).collect();
    let build = json!({"context": project.as_str(), "dockerfile": "Dockerfile", "args": args});
    let service = |number| (format!("s{number}"), json!({"image": format!("scale/s{number}:latest"), "build": build}));
    json!({"name": "scale", "services": (0..shape.services).map(service).collect::<serde_json::Map<_, _>>()})
}

/// An old image of the first service.
fn image(number: usize) -> Image {
    let value = format!("v0.1.0-{number:012x}");
    let labels = [
        ("io.xtask.project", "scale"),
        ("io.xtask.service", "s0"),
        ("io.xtask.cache-bust", &value),
        ("org.opencontainers.image.created", "2026-01-01T00:00:00Z"),
    ];
    Image {
        id: format!("sha256:{number:064x}"),
        tags: vec![format!("scale/s0:{value}")],
        size: 1_000_000,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        working_dir: "/app".to_owned(),
        version: None,
        files: Vec::new(),
    }
}

/// The events of a build of so many steps.
fn reported(steps: usize) -> String {
    let step = |number: usize| {
        let vertex = |rest: &str| {
            format!(
                "{{\"vertexes\":[{{\"digest\":\"sha256:{number:064x}\",\"name\":\"[s0 stage {}/{steps}] RUN make {number}\",\
                 \"started\":\"2026-01-01T00:00:00Z\"{rest}}}]}}\n",
                number + 1
            )
        };
        vertex("") + &vertex(",\"completed\":\"2026-01-01T00:00:01Z\"")
    };
    (0..steps).map(step).collect()
}
