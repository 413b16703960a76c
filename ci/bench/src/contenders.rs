//! What is compared: the scripts in contenders/, each with a project of its own.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use sandbox::Sandbox;

use crate::run::{Run, timed};

/// A way to bring images up to date.
#[derive(Debug)]
pub(crate) struct Contender {
    /// The name of its script.
    pub(crate) name: &'static str,
    /// What tables and charts call it.
    pub(crate) title: &'static str,
    /// Whether everything is built again whatever was pushed, so that a few runs say enough.
    pub(crate) slow: bool,
}

/// The tool comes last: ratios are to it.
pub(crate) const CONTENDERS: [Contender; 6] = [
    Contender { name: "script", title: "the timestamp script", slow: true },
    Contender { name: "no-cache", title: "`build --no-cache`", slow: true },
    Contender { name: "filter", title: "`bake` with `no-cache-filter`", slow: false },
    Contender { name: "plain", title: "`docker compose build`", slow: false },
    Contender { name: "expert", title: "`ADD <git url>`", slow: false },
    Contender { name: XTASK, title: "`cargo xtask rebuild`", slow: false },
];
/// The tool.
pub(crate) const XTASK: &str = "xtask";

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Project {
    /// The Dockerfile and the compose file of this repository.
    Vibevoice,
    /// Five services from one repository.
    Five,
    /// A service, and another one that is made from it.
    Linked,
    /// Forty services that hold the same code.
    Forty,
}

impl Project {
    /// The services of the project in the order in which the old script builds them.
    fn services(self) -> &'static str {
        match self {
            Project::Vibevoice => "model-downloader backend-builder vibevoice",
            Project::Five => "one two three four five",
            Project::Linked => "base app",
            // The old script does not take part.
            Project::Forty => "",
        }
    }

    /// The image that holds the code, as the compose file names it, and where in it that is.
    pub(crate) fn image(self) -> (&'static str, &'static str) {
        match self {
            Project::Vibevoice => ("zhaokundev/vibevoicefusion:latest", "/workspace/zhao-kun/vibevoice"),
            Project::Five => ("five:three", "/app"),
            Project::Linked => ("linked:app", "/app"),
            Project::Forty => ("forty:s40", "/app"),
        }
    }
}

/// A contender with its copy of a project.
pub(crate) struct Entry<'a> {
    pub(crate) contender: &'static Contender,
    project: Project,
    sandbox: &'a Sandbox,
    root: &'a Utf8Path,
    dir: Utf8PathBuf,
    /// Images go to the registry of the sandbox and come from there, and so does the build cache.
    registry: bool,
}

impl<'a> Entry<'a> {
    /// Writes the project: the tool works on this repository itself, the others on copies with images of their own.
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        root: &'a Utf8Path,
        contender: &'static Contender,
        project: Project,
        registry: bool,
    ) -> Result<Entry<'a>> {
        let mut entry = Entry { contender, project, sandbox, root, dir: root.to_owned(), registry };
        let here = root.join("ci/bench/contenders");
        let from = match project {
            Project::Vibevoice => root.to_owned(),
            Project::Five => here.join("five"),
            Project::Linked => here.join("linked"),
            Project::Forty => here.join("forty"),
        };
        if entry.owns_copy() {
            entry.dir = sandbox.dir().join(format!("bench/{project:?}-{}", contender.name));
            fs_err::create_dir_all(&entry.dir)?;
            let compose = fs_err::read_to_string(from.join("compose.yml"))?;
            fs_err::write(entry.dir.join("compose.yml"), repeated(&compose))?;
            fs_err::write(entry.dir.join(".dockerignore"), "*\n")?;
            fs_err::write(entry.dir.join("Dockerfile"), dockerfile(contender, &here, &from)?)?;
        }
        Ok(entry)
    }

    fn owns_copy(&self) -> bool {
        self.contender.name != XTASK || self.project != Project::Vibevoice
    }

    /// Where its images belong: what stands before their names.
    fn place(&self) -> Option<String> {
        let name = self.contender.name;
        match self.registry {
            true => Some(format!("{}/{name}", self.sandbox.registry().host())),
            false => self.owns_copy().then(|| name.to_owned()),
        }
    }

    /// Runs the script.
    pub(crate) fn run(&self) -> Result<Run> {
        self.run_and("")
    }

    /// Runs the script, which also starts what it built and waits until that is healthy.
    pub(crate) fn run_and_start(&self) -> Result<Run> {
        self.run_and("--up")
    }

    fn run_and(&self, up: &str) -> Result<Run> {
        let script = self.root.join(format!("ci/bench/contenders/{}.sh", self.contender.name));
        let mut command = self.command("sh");
        command.args(["-eu", script.as_str()]).current_dir(&self.dir).env("BUILDKIT_PROGRESS", "plain");
        command.envs([
            ("PROJECT", self.dir.as_str()),
            ("ROOT", self.root.as_str()),
            ("SERVICES", self.project.services()),
            ("PUSH", self.push().unwrap_or_default()),
            ("UP", up),
        ]);
        // Attestations give the same build a new digest every time; nobody here has them.
        timed(command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"))
            .with_context(|| format!("contender `{}`", self.contender.name))
    }

    /// A command on the sandbox and on the repository that this project is made from, with image names of its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.sandbox.command(program);
        if let Some(place) = self.place() {
            command.env("IMAGE_REGISTRY", &place);
            if self.registry {
                command.env("CACHE_REGISTRY", format!("{place}/cache"));
            }
        }
        if self.owns_copy() {
            command.env("COMPOSE_PROJECT_NAME", format!("{:?}-{}", self.project, self.contender.name).to_lowercase());
        }
        // Each has its containers, and they run at the same time.
        let port = 9527 + CONTENDERS.iter().position(|one| one.name == self.contender.name).unwrap_or_default();
        command.env("VIBEVOICE_PORT", port.to_string());
        if self.project != Project::Vibevoice {
            command.env("GITHUB_REPO", self.sandbox.repository_url().replace("vibevoice.git", "five.git"));
        }
        command
    }

    /// The option that brings images to the registry, where they belong there.
    pub(crate) fn push(&self) -> Option<&'static str> {
        self.registry.then_some("--push")
    }

    /// Compose on this project.
    pub(crate) fn compose(&self, words: &[&str]) -> Result<()> {
        crate::run::read(self.command("docker").current_dir(&self.dir).arg("compose").args(words)).map(drop)
    }

    /// The image that holds the code.
    pub(crate) fn image(&self) -> String {
        let prefix = self.place().map_or(String::new(), |place| place + "/");
        format!("{prefix}{}", self.project.image().0)
    }

    /// Removes every image that it made.
    pub(crate) fn remove_images(&self) -> Result<()> {
        let list =
            crate::run::read(self.command("docker").args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]))?;
        let own = |name: &&str| match self.place() {
            Some(place) => name.starts_with(&format!("{place}/")),
            None => name.starts_with("vibevoicefusion:") || name.starts_with("zhaokundev/"),
        };
        let list = String::from_utf8(list)?;
        let names: Vec<_> = list.lines().filter(|name| !name.ends_with("<none>")).filter(own).collect();
        if !names.is_empty() {
            crate::run::read(self.command("docker").args(["image", "rm", "--"]).args(names))?;
        }
        // Those that newer ones took the name from.
        crate::run::read(self.command("docker").args(["image", "prune", "--force"]))?;
        Ok(())
    }

    /// How many steps the last run carried out: of the tool its own count, of the others what BuildKit says.
    pub(crate) fn steps(&self, run: &Run) -> u64 {
        match self.contender.name {
            XTASK => {
                let messages = run.output.lines().filter_map(|line| serde_json::from_str(line).ok());
                let finished = |message: serde_json::Value| (message["reason"] == "finished").then_some(message);
                messages.filter_map(finished).filter_map(|message| message["rebuilt"].as_u64()).sum()
            }
            _ => plain_steps(&run.output),
        }
    }
}

/// Steps of the user's in plain progress that ended and did not come from the cache; a `FROM` that needs no download is none.
fn plain_steps(output: &str) -> u64 {
    let mut open = BTreeSet::new();
    let mut count = 0;
    for (number, text) in output.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' ')) {
        if text.starts_with('[') {
            let numbered = |(place, name): (&str, &str)| place.contains('/') && !name.starts_with("FROM ");
            if text.split_once("] ").is_some_and(numbered) {
                open.insert(number);
            }
        } else if text == "CACHED" {
            open.remove(number);
        } else if text.starts_with("DONE ") {
            count += u64::from(open.remove(number));
        }
    }
    count
}

/// A compose file, with every line that has `NUMBER` in it forty times.
fn repeated(compose: &str) -> String {
    let numbered = |line: &str| (1..=40).map(|number: u8| line.replace("NUMBER", &number.to_string()) + "\n").collect();
    compose.lines().map(|line| if line.contains("NUMBER") { numbered(line) } else { format!("{line}\n") }).collect()
}

/// The Dockerfile of a contender.
fn dockerfile(contender: &Contender, here: &Utf8Path, from: &Utf8Path) -> Result<String> {
    let mut ours = fs_err::read_to_string(from.join("Dockerfile"))?;
    if from.starts_with(here) {
        ours.insert_str(0, &fs_err::read_to_string(here.join("source.Dockerfile"))?);
    }
    Ok(match contender.name {
        "script" => {
            let own = if from.starts_with(here) { from } else { here };
            fs_err::read_to_string(own.join("script.Dockerfile"))?
        }
        "expert" => {
            let start = ours.find("# ---- source").context("the Dockerfile has no source stage")?;
            let end = ours[start + 2..].find("# ---- ").context("the Dockerfile has no stage after it")? + start + 2;
            let stage = fs_err::read_to_string(here.join("expert.Dockerfile"))?;
            let after = ours[end..].replace("/source/frontend/", "/source/app/frontend/");
            let after = after.replace("--from=source /source/app/ ", "--exclude=frontend --from=source /source/app/ ");
            format!("{}{stage}{after}", &ours[..start])
        }
        _ => ours,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_with_a_number_are_repeated() {
        let text = super::repeated("a\n sNUMBER: NUMBER\nb\n");
        assert_eq!(text.lines().count(), 42);
        assert!(text.starts_with("a\n s1: 1\n s2: 2\n") && text.ends_with(" s40: 40\nb\n"), "{text}");
    }

    #[test]
    fn steps_that_ran_are_told_from_cached_ones() {
        let output = "#1 [a internal] load build definition\n#1 DONE 0.1s\n#2 [a 1/3] FROM x\n#2 DONE 0.0s\n\
            #3 [a 2/3] RUN one\n#3 CACHED\n#4 [a 3/3] RUN two\n#4 0.1 some output\n#4 DONE 0.2s\n#5 [a] exporting to image\n#5 DONE 1s\n";
        assert_eq!(super::plain_steps(output), 1);
    }
}
