//! What the engine says about a world, asked without the program under test.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::World;
use super::text;

/// The working directory of the images of `vibevoice`.
const WORKDIR: &str = "/workspace/zhao-kun/vibevoice";

impl World {
    /// The real `docker` on the engine of this world, whatever shims it has.
    pub(super) fn real_docker(&self, args: &[&str]) -> Command {
        let mut command = self.command("docker");
        command.args(args).env("PATH", self.var("PATH"));
        command
    }

    /// Runs the real `docker` to its end.
    #[track_caller]
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        text(&mut self.real_docker(args))
    }

    /// Runs `docker compose` in the project, as a user does by hand.
    #[track_caller]
    pub(crate) fn compose(&self, args: &[&str]) -> String {
        text(self.command("docker").arg("compose").args(args))
    }

    /// The ID of an image, if it exists.
    pub(crate) fn id(&self, image: &str) -> Option<String> {
        let mut command = self.real_docker(&["image", "inspect", "--format", "{{.Id}}", "--", image]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// The IDs of the images of all services.
    pub(crate) fn ids(&self) -> Vec<Option<String>> {
        self.mutable().iter().map(|image| self.id(image)).collect()
    }

    /// All tags of this world, sorted.
    pub(crate) fn tags(&self) -> BTreeSet<String> {
        let all = self.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
        let name = self.named(&self.name);
        let own = all.lines().filter(|tag| tag.strip_prefix(&name).is_some_and(|rest| rest.starts_with([':', '/'])));
        own.map(str::to_owned).collect()
    }

    /// The configuration of an image.
    #[track_caller]
    pub(crate) fn config(&self, image: &str) -> Value {
        serde_json::from_str(&self.docker(&["image", "inspect", "--format", "{{json .Config}}", "--", image])).unwrap()
    }

    /// A label of an image, empty when it has none of this name.
    #[track_caller]
    pub(crate) fn label(&self, image: &str, name: &str) -> String {
        self.config(image)["Labels"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The content of a file in an image, relative to its working directory.
    #[track_caller]
    pub(crate) fn cat(&self, image: &str, path: &str) -> String {
        let directory = self.docker(&["image", "inspect", "--format", "{{.Config.WorkingDir}}", image]);
        let path = Path::new("/").join(directory).join(path);
        // Nothing of the image runs: what a container prints that ends at once may be lost on a machine that is busy.
        let container = self.docker(&["create", "--network", "none", image, "true"]);
        let from = format!("{container}:{}", path.display());
        let copied = self.real_docker(&["cp", "--follow-link", &from, "-"]).output().unwrap();
        self.docker(&["rm", "--volumes", &container]);
        assert!(copied.status.success(), "{image} has no {}", path.display());
        let mut archive = tar::Archive::new(copied.stdout.as_slice());
        let mut content = String::new();
        archive.entries().unwrap().next().unwrap().unwrap().read_to_string(&mut content).unwrap();
        content.trim().to_owned()
    }

    /// The version file of the image of `vibevoice`.
    #[track_caller]
    pub(crate) fn version(&self) -> String {
        self.cat(&self.latest(), "backend/version.txt")
    }

    /// Starts a container of the image of `vibevoice`, waits until it answers, and returns its answer on `/health`.
    #[track_caller]
    pub(crate) fn health(&self) -> Value {
        let ask =
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9527/health', timeout=5).read().decode())";
        let label = format!("test={}", self.name);
        let container = self.docker(&["run", "--detach", "--label", &label, &self.latest()]);
        let mut answer = String::new();
        super::until("the container answers", || {
            let running = self.docker(&["inspect", "--format", "{{.State.Running}}", &container]) == "true";
            assert!(running, "{}", self.docker(&["logs", &container]));
            let output =
                self.real_docker(&["exec", &container, "python", "-c", ask]).stdin(Stdio::null()).output().unwrap();
            answer = String::from_utf8(output.stdout).unwrap();
            output.status.success()
        });
        self.docker(&["rm", "--force", "--volumes", &container]);
        serde_json::from_str(&answer).unwrap()
    }

    /// The builds that BuildKit has on record, in this sandbox.
    #[track_caller]
    pub(crate) fn builds(&self) -> BTreeSet<String> {
        let lines = self.docker(&["buildx", "history", "ls", "--no-trunc", "--format", "json"]);
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["ref"].as_str().unwrap().to_owned();
        lines.lines().map(id).collect()
    }

    /// Fails when something is left behind.
    #[track_caller]
    pub(crate) fn assert_nothing_staged(&self) {
        assert_eq!(self.leftovers(), [""; 0], "something is left");
    }

    /// Staged tags, containers of a verification, markers and temporary files that are there.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<_> = self.tags().into_iter().filter(|tag| tag.contains(":staged-")).collect();
        let filter = format!("label=io.xtask.verify={}", self.name);
        let containers = self.docker(&["ps", "--all", "--quiet", "--filter", &filter]);
        left.extend(containers.lines().map(|id| format!("container {id}")));
        for entry in fs::read_dir(self.project().join("target/xtask")).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with("staged-") || name.starts_with("local-") || name.ends_with(".tmp") {
                left.push(name);
            }
        }
        left
    }

    /// The locks of this project that are there, whoever holds them: a killed run leaves one, which the next one that
    /// builds removes.
    pub(crate) fn locks(&self) -> Vec<PathBuf> {
        let lock = format!("compose-rebuild-{}-", self.name);
        let files = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&lock)).collect()
    }

    /// What nothing but a finished run may change: which images there are, and which tags they have.
    pub(crate) fn state(&self) -> (BTreeSet<String>, Vec<Option<String>>) {
        (self.tags(), self.ids())
    }

    /// The image of `vibevoice` holds this commit, and everything about it says so.
    #[track_caller]
    pub(crate) fn assert_current(&self, commit: &str) {
        assert_eq!(self.version(), commit);
        assert_eq!(self.label(&self.latest(), "org.opencontainers.image.revision"), commit);
        let versioned = format!("{}:v0.1.0-{}", self.app(), &commit[..12]);
        assert_eq!(self.id(&versioned), self.id(&self.latest()), "{versioned}");
        self.assert_nothing_staged();
    }

    /// A file that the image of `vibevoice` is expected to have.
    pub(crate) fn in_app(path: &str) -> String {
        format!("{WORKDIR}/{path}")
    }

    /// Removes containers and volumes that a test started.
    pub(crate) fn remove_containers(&self) {
        let labels = [format!("test={}", self.name), format!("com.docker.compose.project={}", self.name)];
        for label in labels {
            let list = self.real_docker(&["ps", "--all", "--quiet", "--filter", &format!("label={label}")]).output();
            let ids = list.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            let ids: Vec<_> = ids.lines().collect();
            if !ids.is_empty() {
                let _ = self.real_docker(&["rm", "--force", "--volumes"]).args(ids).output();
            }
        }
    }
}
