//! What the Cargo workspace says: versions, the target directory, and `[workspace.metadata.xtask]`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use semver::Version;
use serde::Deserialize;
use xshell::{Shell, cmd};

use crate::error::Failure;
use crate::sys::{git, process};
use crate::ui::Ui;
use crate::value::{ArgName, Service, show};

/// Facts of the workspace beside the compose file.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The version of the deployment.
    pub version: Version,
    /// The directory of its Cargo.toml; nothing without Cargo.
    pub root: Option<Utf8PathBuf>,
    /// Its members.
    pub members: Vec<Package>,
    /// Where logs, reports and override files go.
    pub state: Utf8PathBuf,
    /// What cannot be derived.
    pub config: Config,
}

/// `[workspace.metadata.xtask]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The bust value, in the forms that `--cache-bust` takes.
    pub cache_bust: Option<String>,
    /// The bust argument, `CACHE_BUST` unless told otherwise.
    pub cache_bust_arg: Option<String>,
    /// The file in the images that holds the commit, relative to their working directory.
    pub version_file: Option<String>,
    /// What `verify --deep` leaves out of images: paths from their working directory, or `**/NAME` anywhere.
    pub deep_skip: Vec<String>,
    /// Transports beside https, ssh and git, for example `file`.
    pub transports: Vec<String>,
    /// Where the code comes from; unless told otherwise one source from GITHUB_REPO, GITHUB_BRANCH and GITHUB_COMMIT.
    pub sources: Vec<SourceConfig>,
    /// What is special about single services.
    pub services: HashMap<String, ServiceConfig>,
}

/// `[[workspace.metadata.xtask.sources]]`: a repository and a ref, each written down or the name of a build argument.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SourceConfig {
    /// Its name in messages.
    pub name: String,
    /// The address of the repository.
    pub repository: Option<String>,
    /// The build argument that holds the address.
    pub repository_arg: Option<String>,
    /// The branch or tag; `HEAD` when nothing says otherwise.
    pub r#ref: Option<String>,
    /// The build argument that holds the branch or tag.
    pub ref_arg: Option<String>,
    /// The build argument that takes the commit to build.
    pub commit_arg: Option<String>,
    /// Where its files are in the images, from their working directory.
    pub path: Option<String>,
    /// The services made from it; unless told otherwise those that take one of its arguments.
    pub services: Vec<String>,
}

/// `[workspace.metadata.xtask.services.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServiceConfig {
    /// The workspace member whose version the service has.
    pub package: Option<String>,
    /// The version file of its image; empty when it has none.
    pub version_file: Option<String>,
}

/// What `cargo metadata` prints, as far as it is used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: Utf8PathBuf,
    target_directory: Utf8PathBuf,
    /// The tables of `[workspace.metadata]`, whoever they belong to.
    metadata: Option<serde_json::Value>,
}

/// A member of a workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: Version,
    /// Its Cargo.toml.
    pub manifest_path: Utf8PathBuf,
}

impl Config {
    /// The bust argument.
    ///
    /// # Errors
    /// Exit code 2 when the configured name is not one.
    pub fn bust_arg(&self) -> Result<ArgName, Failure> {
        self.cache_bust_arg.as_deref().unwrap_or("CACHE_BUST").parse()
    }

    /// Where the code comes from, as it is configured, else as these projects usually write it.
    pub fn sources(&self) -> Cow<'_, [SourceConfig]> {
        if !self.sources.is_empty() {
            return Cow::Borrowed(&self.sources);
        }
        Cow::Owned(vec![SourceConfig {
            name: "source".to_owned(),
            repository_arg: Some("GITHUB_REPO".to_owned()),
            ref_arg: Some("GITHUB_BRANCH".to_owned()),
            commit_arg: Some("GITHUB_COMMIT".to_owned()),
            ..SourceConfig::default()
        }])
    }

    /// The file in the image of `service` that holds its commit.
    pub fn version_file(&self, service: &Service) -> Option<&str> {
        let own = self.services.get(service.as_str()).and_then(|config| config.version_file.as_deref());
        own.or(self.version_file.as_deref()).filter(|path| !path.is_empty())
    }
}

impl Workspace {
    /// The version of a service: its configured package, a member of its name, or the workspace.
    ///
    /// # Errors
    /// Exit code 2 when the configured package is no member.
    pub fn version_of(&self, service: &Service) -> Result<&Version, Failure> {
        let package = self.config.services.get(service.as_str()).and_then(|config| config.package.as_ref());
        let version = |name: &str| Some(&self.members.iter().find(|member| member.name == name)?.version);
        match package {
            Some(package) => version(package).ok_or_else(|| {
                let members: Vec<_> = self.members.iter().map(|member| member.name.as_str()).collect();
                Failure::usage(format!(
                    "service `{service}` is versioned by {}, which is no workspace member",
                    show(package)
                ))
                .hint(format!("members are: {}", members.join(", ")))
            }),
            None => Ok(version(service.as_str()).unwrap_or(&self.version)),
        }
    }
}

/// Reads the workspace around `directory`; without one the version is the last tag there, or 0.0.0.
///
/// # Errors
/// Exit code 2 for a workspace that Cargo or this tool cannot read.
pub fn read(ui: &Ui, directory: &Utf8Path) -> anyhow::Result<Workspace> {
    if !directory.ancestors().any(|above| above.join("Cargo.toml").is_file()) {
        return without_cargo(ui, directory);
    }
    let sh = Shell::new()?;
    sh.change_dir(directory);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = cmd!(sh, "{cargo} metadata --no-deps --format-version 1");
    let finished = process::output(ui, metadata, Duration::from_secs(30))?;
    if !finished.status.success() {
        return Err(Failure::usage(format!("cargo cannot read the workspace: {}", finished.last_error()))
            .hint(format!("run `cargo metadata --no-deps` in `{directory}`"))
            .into());
    }
    let metadata: Metadata =
        serde_json::from_slice(&finished.stdout).context("`cargo metadata` printed something else")?;
    let manifest_path = metadata.workspace_root.join("Cargo.toml");
    let manifest = fs_err::read_to_string(&manifest_path)?;
    let root = metadata.packages.iter().find(|package| package.manifest_path == manifest_path);
    let version = workspace_version(&manifest)?.or_else(|| root.map(|root| root.version.clone()));
    let config = match metadata.metadata.as_ref().and_then(|tables| tables.get("xtask")) {
        Some(value) => Config::deserialize(value).map_err(|error| {
            Failure::usage(format!("[workspace.metadata.xtask]: {error}"))
                .hint("README.md lists what can be configured")
        })?,
        None => Config::default(),
    };
    Ok(Workspace {
        version: version.unwrap_or(Version::new(0, 0, 0)),
        root: Some(metadata.workspace_root),
        members: metadata.packages,
        state: metadata.target_directory.join("xtask"),
        config,
    })
}

/// `[workspace.package] version`, which `cargo metadata` does not pass on.
///
/// # Errors
/// Exit code 2 for a manifest or a version that cannot be read.
pub fn workspace_version(manifest: &str) -> Result<Option<Version>, Failure> {
    let manifest: toml_edit::DocumentMut =
        manifest.parse().map_err(|error| Failure::usage(format!("Cargo.toml: {error}")))?;
    let version = manifest.get("workspace").and_then(|w| w.get("package")?.get("version")?.as_str());
    version
        .map(|text| text.parse().map_err(|error| Failure::usage(format!("[workspace.package] version: {error}"))))
        .transpose()
}

fn without_cargo(ui: &Ui, directory: &Utf8Path) -> anyhow::Result<Workspace> {
    let sh = Shell::new()?;
    let described = process::output(ui, git::describe(&sh, directory), git::DEADLINE)?;
    let home = std::env::var("XDG_STATE_HOME").ok().filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
    let home = home.or_else(|| Some(Utf8PathBuf::from(std::env::var("HOME").ok()?).join(".local/state")));
    Ok(Workspace {
        version: described.text().trim().trim_start_matches('v').parse().unwrap_or(Version::new(0, 0, 0)),
        root: None,
        members: Vec::new(),
        state: home.unwrap_or_else(|| directory.join("target")).join("xtask"),
        config: Config::default(),
    })
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
    fn unknown_configuration_is_refused() {
        let parse = |json: serde_json::Value| Config::deserialize(&json);
        assert!(parse(serde_json::json!({"version-file": "a"})).is_ok());
        assert!(parse(serde_json::json!({"versionfile": "a"})).is_err());
    }
}
