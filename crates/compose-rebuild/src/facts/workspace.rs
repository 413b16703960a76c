//! What the Cargo workspace says: versions, the target directory, and `[workspace.metadata.xtask]`.

#![expect(clippy::disallowed_methods, reason = "Cargo says in the environment where the workspace is")]

use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use toml_edit::{DocumentMut, TomlError};

use crate::error::Failure;
use crate::facts::config::Config;
use crate::sys::git::{self, Access};
use crate::sys::process::CommandLine;
use crate::ui::Ui;
use crate::value::{Service, show};

/// Facts of the workspace of a compose project.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The version of services that have none of their own.
    pub deployment: Deployment,
    /// The directory of its Cargo.toml; nothing without Cargo.
    pub root: Option<Utf8PathBuf>,
    pub members: Vec<Package>,
    /// Where logs, reports and the record of the last build go.
    pub state: Utf8PathBuf,
    /// What cannot be derived.
    pub config: Config,
    /// How remotes may be asked.
    pub access: Access,
    /// The table of Cargo.toml, which the compose file may override.
    table: Value,
}

/// What `cargo metadata` prints, as far as it is used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: Utf8PathBuf,
    target_directory: Utf8PathBuf,
    /// The tables of `[workspace.metadata]`, whoever they belong to.
    metadata: Option<Value>,
}

/// A member of a workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    pub name: String,
    /// The version that stands in its own manifest.
    pub version: Version,
    /// The Cargo.toml.
    pub manifest_path: Utf8PathBuf,
}

impl Workspace {
    /// The workspace with what the compose file configures.
    pub fn configured(mut self, extension: &Value) -> Result<Self, Failure> {
        self.config = Config::read(&self.table, extension)?;
        self.access.transports = self.config.transports.clone();
        if let Some(version) = &self.config.version {
            self.deployment = Deployment::written(version.clone());
        }
        Ok(self)
    }

    /// The version of a service: its configured package, a member of its name, or the deployment.
    pub fn version_of(&self, service: &Service) -> Result<&Version, Failure> {
        Ok(self.own_version(service)?.unwrap_or(&self.deployment.version))
    }

    /// What is to be said about the version of these services.
    pub fn doubt<'s>(&self, services: impl IntoIterator<Item = &'s Service>) -> Result<Option<&str>, Failure> {
        for service in services {
            if self.own_version(service)?.is_none() {
                return Ok(self.deployment.doubt.as_deref());
            }
        }
        Ok(None)
    }

    fn own_version(&self, service: &Service) -> Result<Option<&Version>, Failure> {
        let package = self.config.services.get(service.as_str()).and_then(|config| config.package.as_ref());
        let version = |name: &str| Some(&self.members.iter().find(|member| member.name == name)?.version);
        let Some(package) = package else { return Ok(version(service.as_str())) };
        let found = version(package).ok_or_else(|| {
            let members: Vec<_> = self.members.iter().map(|member| member.name.as_str()).collect();
            let cause = format!("service `{service}` is versioned by {}, which is no workspace member", show(package));
            Failure::usage(cause).hint(match members.as_slice() {
                [] => "there is no Cargo workspace: set `version` under `x-xtask:` instead".to_owned(),
                _ => format!("members are: {}", members.join(", ")),
            })
        });
        found.map(Some)
    }
}

/// A version of the deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub version: Version,
    /// Where it comes from if nobody wrote it down, and how to do that.
    pub doubt: Option<String>,
}

impl Deployment {
    /// A version that somebody wrote down.
    pub fn written(version: Version) -> Self {
        Self { version, doubt: None }
    }

    /// The version of the newest Git tag, else 0.0.0; `fix` says where to write one down.
    pub fn of_tags(ui: &Ui, directory: &Utf8Path, fix: &str) -> anyhow::Result<Self> {
        Ok(match newest(ui, directory, fix)? {
            Ok((version, tag)) => {
                let doubt = format!("the version {version} is that of the newest Git tag {}; {fix}", show(&tag));
                Self { version, doubt: Some(doubt) }
            }
            Err(why) => Self { version: Version::new(0, 0, 0), doubt: Some(format!("the version is 0.0.0: {why}")) },
        })
    }
}

/// Reads the workspace of the project in `directory`; without one, what can be said without Cargo.
pub fn read(ui: &Ui, directory: &Utf8Path) -> anyhow::Result<Workspace> {
    let Some(inside) = find(directory) else { return without_cargo(ui, directory) };
    let cargo = CommandLine::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let metadata = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).inside(&inside);
    let finished = metadata.output(ui, Duration::from_secs(30))?;
    if !finished.status.success() {
        // Cargo says first what is wrong, and then draws where.
        let why = finished.stderr.lines().find_map(|line| line.strip_prefix("error: "));
        return Err(Failure::usage(format!(
            "cargo cannot read the workspace: {}",
            why.unwrap_or(finished.last_error())
        ))
        .hint(format!("run `cargo metadata --no-deps` in `{inside}`"))
        .into());
    }
    let metadata: Metadata =
        serde_json::from_slice(&finished.stdout).context("`cargo metadata` printed something else")?;
    let manifest_path = metadata.workspace_root.join("Cargo.toml");
    let written = workspace_version(&fs_err::read_to_string(&manifest_path)?)?
        .or_else(|| version_of_packages(&metadata.packages, &manifest_path).cloned());
    let table = metadata.metadata.and_then(|mut tables| Some(tables.get_mut("xtask")?.take())).unwrap_or_default();
    let config = Config::read(&table, &Value::Null)?;
    let deployment = match config.version.clone().or(written) {
        Some(version) => Deployment::written(version),
        None => Deployment::of_tags(ui, directory, "set `version` under [workspace.package] in Cargo.toml")?,
    };
    Ok(Workspace {
        deployment,
        root: Some(metadata.workspace_root),
        members: metadata.packages,
        state: metadata.target_directory.join("xtask"),
        config,
        access: Access::default(),
        table,
    })
}

/// A directory inside the workspace of the project in `directory`: the workspace that the command was run from, if both belong
/// together, else the one around the compose file.
fn find(directory: &Utf8Path) -> Option<Utf8PathBuf> {
    // `cargo run` leaves the working directory alone and says where the package is.
    let package = std::env::var("CARGO_MANIFEST_DIR").ok().map(Utf8PathBuf::from);
    let here = std::env::current_dir().ok().and_then(|path| Utf8PathBuf::try_from(path).ok());
    let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let directory = real(directory);
    let run_from: Vec<_> = [package, here].iter().flatten().map(|path| real(path)).collect();
    let related = run_from.iter().filter(|from| are_related(from, &directory));
    let beside = run_from.iter().filter(|from| are_beside(from, &directory));
    let mut all = related.chain([&directory]).chain(beside);
    all.find(|from| manifests(from).next().is_some()).cloned()
}

/// The directories with a Cargo.toml at or above another, the nearest first.
fn manifests(directory: &Utf8Path) -> impl Iterator<Item = &Utf8Path> {
    directory.ancestors().filter(|above| above.join("Cargo.toml").is_file())
}

fn repository(directory: &Utf8Path) -> Option<&Utf8Path> {
    directory.ancestors().find(|above| above.join(".git").exists())
}

/// Whether one directory lies below the other, or both in one Git repository.
fn are_related(one: &Utf8Path, other: &Utf8Path) -> bool {
    let same_repository = || repository(one).is_some_and(|root| repository(other) == Some(root));
    one.starts_with(other) || other.starts_with(one) || same_repository()
}

/// Whether a workspace and a project stand side by side, where no Git repository could tell what belongs together.
fn are_beside(workspace: &Utf8Path, project: &Utf8Path) -> bool {
    let parent = manifests(workspace).last().and_then(Utf8Path::parent);
    parent.is_some_and(|parent| {
        project.parent() == Some(parent) && repository(workspace).or(repository(project)).is_none()
    })
}

/// The version of the root package, else of the only member that has one; what a member named `xtask` has counts for nothing.
fn version_of_packages<'p>(packages: &'p [Package], root: &Utf8Path) -> Option<&'p Version> {
    // Cargo's answer for a package without a version.
    let versioned = || packages.iter().filter(|package| package.version != Version::new(0, 0, 0));
    let mut others = versioned().filter(|package| package.name != "xtask");
    let only = others.next().filter(|_| others.next().is_none());
    versioned().find(|package| package.manifest_path == root).or(only).map(|package| &package.version)
}

/// A TOML file of this name.
pub fn toml(name: &str, text: &str) -> Result<DocumentMut, Failure> {
    let refused = |error: TomlError| Failure::usage(format!("{name}: {}", error.message()));
    text.parse().map_err(|error| refused(error).hint("correct it, then run it again"))
}

/// `[workspace.package] version`, which `cargo metadata` does not pass on.
pub fn workspace_version(manifest: &str) -> Result<Option<Version>, Failure> {
    let manifest = toml("Cargo.toml", manifest)?;
    let version = manifest.get("workspace").and_then(|w| w.get("package")?.get("version")?.as_str());
    let parse = |text: &str| {
        text.parse().map_err(|error| {
            Failure::usage(format!("[workspace.package] version: {error}")).hint("write it as three numbers: 1.2.3")
        })
    };
    version.map(parse).transpose()
}

fn without_cargo(ui: &Ui, directory: &Utf8Path) -> anyhow::Result<Workspace> {
    let home = std::env::var("XDG_STATE_HOME").ok().filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
    let home = home.or_else(|| Some(Utf8PathBuf::from(std::env::var("HOME").ok()?).join(".local/state")));
    Ok(Workspace {
        deployment: Deployment::of_tags(ui, directory, "set `version` under `x-xtask:` in the compose file")?,
        root: None,
        members: Vec::new(),
        state: home.unwrap_or_else(|| directory.join("target")).join("xtask"),
        config: Config::default(),
        access: Access::default(),
        table: Value::Null,
    })
}

/// The version of the newest tag and that tag, or why there is none.
fn newest(ui: &Ui, directory: &Utf8Path, fix: &str) -> anyhow::Result<Result<(Version, String), String>> {
    let described = git::describe(directory).output(ui, git::DEADLINE)?;
    if described.status.success() {
        let tag = described.text().trim().to_owned();
        let version = tag.trim_start_matches('v').parse();
        return Ok(match version {
            Ok(version) => Ok((version, tag)),
            Err(_) => Err(format!("the newest Git tag {} is no version such as `v1.2.3`; {fix}", show(&tag))),
        });
    }
    if described.stderr.contains("dubious ownership") {
        // The last line is the command that git proposes.
        let command = described.last_error();
        return Ok(Err(format!("git reads no tag of a repository that another user owns; run `{command}`, or {fix}")));
    }
    let shallow = git::is_shallow_checkout(directory).output(ui, git::DEADLINE)?;
    if shallow.text().trim() == "true" {
        let fetch = "run `git fetch --unshallow --tags` (in GitHub Actions `fetch-depth: 0` of the checkout)";
        return Ok(Err(format!("this clone is shallow and has no tag; {fetch}, or {fix}")));
    }
    Ok(Err(format!("no Git tag such as `v1.2.3` says another; {fix}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_version_is_read_where_cargo_keeps_it() {
        let read = |text| workspace_version(text).expect("valid");
        assert_eq!(read("[workspace.package]\nversion = \"1.2.3\"\n"), Some(Version::new(1, 2, 3)));
        assert_eq!(read("[workspace]\nmembers = []\n"), None);
    }

    #[test]
    fn packages_tell_the_version_if_one_alone_can() {
        let version = |packages: &[(&str, u64)]| {
            let package = |&(name, major): &(&str, u64)| Package {
                name: name.to_owned(),
                version: Version::new(major, 0, 0),
                manifest_path: Utf8Path::new("/w").join(name).join("Cargo.toml"),
            };
            let packages: Vec<_> = packages.iter().map(package).collect();
            version_of_packages(&packages, Utf8Path::new("/w/root/Cargo.toml")).map(|version| version.major)
        };
        assert_eq!(version(&[("app", 4), ("xtask", 1), ("helper", 0)]), Some(4));
        assert_eq!(version(&[("app", 4), ("lib", 5)]), None);
        assert_eq!(version(&[("app", 4), ("lib", 5), ("root", 6)]), Some(6));
        assert_eq!(version(&[("xtask", 1)]), None);
    }
}
