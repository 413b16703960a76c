//! A sample application with VibeVoice's layout, served by a Git server that containers reach.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::process::{Daemon, confined, run};

/// The sample's files, beside this source file.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample");

/// What a pushed commit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The backend: `/health` shows another revision.
    Backend,
    /// A source file of the frontend: the built page shows another revision.
    Frontend,
    /// `package.json` and `package-lock.json`, but no dependency.
    Lockfile,
    /// The bounds of a dependency in `pyproject.toml`.
    Pyproject,
    /// The README, which no part of the build uses.
    Readme,
    /// The frontend, so that it does not build; the next [`Kind::Frontend`] repairs it.
    Broken,
}

impl Kind {
    /// Every kind with its name.
    pub const ALL: [(&str, Kind); 6] = [
        ("backend", Kind::Backend),
        ("frontend", Kind::Frontend),
        ("lockfile", Kind::Lockfile),
        ("pyproject", Kind::Pyproject),
        ("readme", Kind::Readme),
        ("broken", Kind::Broken),
    ];

    fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Kind> {
        let names = || Kind::ALL.map(|(name, _)| name).join(", ");
        let kind = Kind::ALL.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        kind.with_context(|| format!("`{text}` is none of {}", names()))
    }
}

/// A repository, as the one who pushes to it sees it.
#[derive(Clone)]
pub struct Upstream {
    work: Utf8PathBuf,
    bare: Utf8PathBuf,
    /// The number of the first commit.
    first: u64,
}

impl Upstream {
    /// Makes the repository with its first commit in a new directory.
    pub(crate) fn create(dir: &Utf8Path) -> Result<Upstream> {
        Upstream::open(dir).init("sha1", "Start the sample application")
    }

    /// The repository that [`Upstream::create`] made there.
    pub(crate) fn open(dir: &Utf8Path) -> Upstream {
        Upstream { work: dir.join("work"), bare: dir.join("served/vibevoice.git"), first: 1 }
    }

    /// Makes another repository beside the first one, served as `NAME.git`. Its commits are numbered from `first`, so
    /// that its changes are others than those of the first one.
    pub(crate) fn another(dir: &Utf8Path, name: &str, object_format: &str, first: u64) -> Result<Upstream> {
        let upstream =
            Upstream { work: dir.join(format!("{name}-work")), bare: dir.join(format!("served/{name}.git")), first };
        upstream.init(object_format, &format!("Start the sample application: {name}"))
    }

    fn init(self, object_format: &str, message: &str) -> Result<Upstream> {
        let format = format!("--object-format={object_format}");
        fs_err::create_dir_all(&self.bare)?;
        run(Command::new("cp").args(["-r", SAMPLE, self.work.as_str()]))?;
        git(&self.bare, 0).args(["init", "--quiet", "--bare", "--initial-branch=main", &format]).run()?;
        git(&self.bare, 0).args(["config", "uploadpack.allowAnySHA1InWant", "true"]).run()?;
        git(&self.bare, 0).args(["config", "uploadpack.allowFilter", "true"]).run()?;
        self.git(0).args(["init", "--quiet", "--initial-branch=main", &format]).run()?;
        self.git(0).args(["remote", "add", "origin", self.bare.as_str()]).run()?;
        self.commit(self.first, message)?;
        Ok(self)
    }

    /// The work tree from which commits are pushed.
    pub fn work(&self) -> Utf8PathBuf {
        self.work.clone()
    }

    /// The bare repository that is served.
    pub fn bare(&self) -> Utf8PathBuf {
        self.bare.clone()
    }

    /// Makes a commit of a kind, pushes it to `main` and returns its SHA.
    pub fn push(&self, kind: Kind) -> Result<String> {
        let number = self.next()?;
        self.change(kind, number)?;
        self.commit(number, &format!("Change the sample: {}", kind.name()))
    }

    /// Makes a commit of everything that was changed in the work tree, pushes it to `main` and returns its SHA.
    pub fn push_work(&self, message: &str) -> Result<String> {
        self.commit(self.next()?, message)
    }

    /// The number of the next commit.
    fn next(&self) -> Result<u64> {
        let count: u64 = self.git(0).args(["rev-list", "--count", "HEAD"]).run()?.trim().parse()?;
        Ok(self.first + count)
    }

    /// Changes the files that belong to a kind; the number makes each change another one.
    fn change(&self, kind: Kind, number: u64) -> Result<()> {
        let edit = |file: &str, change: &dyn Fn(&str) -> Option<String>| -> Result<()> {
            let path = self.work.join(file);
            let text =
                change(&fs_err::read_to_string(&path)?).with_context(|| format!("`{file}` is not as expected"))?;
            Ok(fs_err::write(path, text)?)
        };
        match kind {
            Kind::Backend => edit("backend/revision.py", &|_| Some(format!("REVISION = {number}\n"))),
            Kind::Frontend => {
                edit("frontend/src/revision.js", &|_| Some(format!("export const revision = {number};\n")))
            }
            Kind::Broken => {
                edit("frontend/src/revision.js", &|_| Some(format!("export const revision = {number} +;\n")))
            }
            Kind::Lockfile => {
                edit("frontend/package.json", &|text| set_version(text, number, 1))?;
                edit("frontend/package-lock.json", &|text| set_version(text, number, 2))
            }
            Kind::Pyproject => edit("pyproject.toml", &|text| set_bound(text, number)),
            Kind::Readme => edit("README.md", &|text| Some(format!("{text}\nRevision {number}.\n"))),
        }
    }

    fn commit(&self, number: u64, message: &str) -> Result<String> {
        self.git(number).args(["add", "--all"]).run()?;
        self.git(number).args(["commit", "--quiet", "--message", message]).run()?;
        self.git(number).args(["push", "--quiet", "origin", "main"]).run()?;
        Ok(self.git(number).args(["rev-parse", "HEAD"]).run()?.trim().to_owned())
    }

    fn git(&self, number: u64) -> Git {
        git(&self.work, number)
    }
}

/// A `git` command that no configuration of the user reaches.
struct Git(Command);

/// Equal commits get equal dates, so that two sandboxes have the same first commit.
fn git(dir: &Utf8Path, number: u64) -> Git {
    let mut command = Command::new("git");
    // 2026-01-01, and a minute later with every commit.
    let date = format!("{} +0000", 1_767_225_600 + 60 * number);
    command.args(["-C", dir.as_str()]).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Sandbox").env(format!("GIT_{role}_EMAIL"), "sandbox@example.invalid");
        command.env(format!("GIT_{role}_DATE"), &date);
    }
    Git(command)
}

impl Git {
    fn args<const N: usize>(mut self, words: [&str; N]) -> Git {
        self.0.args(words);
        self
    }

    fn run(mut self) -> Result<String> {
        run(&mut self.0)
    }
}

/// Sets the version of the application, which stands first, in `count` places.
fn set_version(text: &str, number: u64, count: usize) -> Option<String> {
    let key = "\"version\": \"";
    let start = text.find(key)? + key.len();
    let old = &text[start..start + text[start..].find('"')?];
    Some(text.replacen(&format!("{key}{old}\""), &format!("{key}1.0.{number}\""), count))
}

/// Sets the bound of a dependency to one that every release meets.
fn set_bound(text: &str, number: u64) -> Option<String> {
    let key = "\"itsdangerous>=2.";
    let start = text.find(key)?;
    let end = start + 1 + text[start + 1..].find('"')?;
    Some(format!("{}\"itsdangerous>=2.1,!=0.0.{number}{}", &text[..start], &text[end..]))
}

/// A Git server; dropping it stops it.
pub(crate) struct Server {
    url: String,
    _daemon: Daemon,
}

impl Server {
    /// Serves a repository at an address of this machine.
    pub(crate) fn start(upstream: &Upstream, address: Ipv4Addr, log: &Utf8Path) -> Result<Server> {
        let port =
            TcpListener::bind((address, 0)).with_context(|| format!("no port on {address}"))?.local_addr()?.port();
        let Some(base) = upstream.bare.parent() else { bail!("`{}` has no parent", upstream.bare) };
        let mut command = confined("git");
        command.args(["daemon", "--export-all", "--reuseaddr", "--informative-errors", "--max-connections=0"]);
        command.args([&format!("--listen={address}"), &format!("--port={port}"), &format!("--base-path={base}")]);
        let mut daemon = Daemon::start(command, log)?;
        daemon.wait_until("the Git server", || TcpStream::connect((address, port)).is_ok())?;
        Ok(Server { url: format!("git://{address}:{port}/vibevoice.git"), _daemon: daemon })
    }

    /// The address of the repository.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(file: &str) -> String {
        fs_err::read_to_string(format!("{SAMPLE}/{file}")).expect("a file of the sample")
    }

    #[test]
    fn only_the_versions_of_the_application_change() {
        let lock = sample("frontend/package-lock.json");
        let changed = set_version(&set_version(&lock, 7, 2).expect("a version"), 8, 2).expect("a version");
        let differences: Vec<_> = lock.lines().zip(changed.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(differences.len(), 2);
        assert!(differences.iter().all(|(_, new)| new.trim() == "\"version\": \"1.0.8\","));
    }

    #[test]
    fn the_bound_changes_again_and_again() {
        let text = sample("pyproject.toml");
        let twice = set_bound(&set_bound(&text, 7).expect("a bound"), 8).expect("a bound");
        assert_eq!(twice, text.replace("itsdangerous>=2.1", "itsdangerous>=2.1,!=0.0.8"));
        assert_ne!(twice, text);
    }

    #[test]
    fn the_lock_file_names_no_place_to_download_from() {
        assert!(!sample("frontend/package-lock.json").contains("resolved"));
    }

    #[test]
    fn every_kind_has_a_name() {
        for (name, kind) in Kind::ALL {
            assert_eq!(name.parse::<Kind>().expect("a kind"), kind);
            assert_eq!(kind.name(), name);
        }
        assert!("everything".parse::<Kind>().is_err());
    }

    #[test]
    fn every_kind_of_push_is_a_new_commit() {
        let dir = tempfile::tempdir().expect("a directory");
        let upstream = Upstream::create(Utf8Path::from_path(dir.path()).expect("UTF-8")).expect("a repository");
        let mut commits = Vec::new();
        for (_, kind) in [Kind::ALL, Kind::ALL].concat() {
            commits.push(upstream.push(kind).expect("a push"));
        }
        commits.sort();
        commits.dedup();
        assert_eq!(commits.len(), 12);
    }
}
