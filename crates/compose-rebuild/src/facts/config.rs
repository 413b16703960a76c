//! What cannot be derived: the keys of `[workspace.metadata.xtask]`, which may also stand under `x-xtask:` in the compose file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use semver::Version;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::Failure;
use crate::value::{ArgName, Service};

/// The configuration of a project.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The version of the deployment, where no Cargo.toml says it.
    pub version: Option<Version>,
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
    /// The command that is told how a run ended, with its arguments.
    pub notify: Vec<String>,
    /// Where the code comes from; unless told otherwise one source from GITHUB_REPO, GITHUB_BRANCH and GITHUB_COMMIT.
    pub sources: Vec<SourceConfig>,
    /// What is special about single services.
    pub services: HashMap<String, ServiceConfig>,
    /// What `doctor` is told.
    pub doctor: DoctorConfig,
}

/// The table `doctor`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoctorConfig {
    /// Findings that are switched off, by their names, each with the reason.
    #[serde(deserialize_with = "with_reasons")]
    pub allow: BTreeMap<String, String>,
}

/// Nothing is switched off without a reason.
fn with_reasons<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let allow = BTreeMap::<String, String>::deserialize(from)?;
    if allow.values().any(|reason| reason.trim().is_empty()) {
        return Err(D::Error::custom("an allowed finding needs a reason, and this one is empty"));
    }
    Ok(allow)
}

/// An entry of `sources`: a repository and a ref, each written down or the name of a build argument.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SourceConfig {
    /// The name in messages.
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
    /// Patterns of its files that matter: a push that changes no such file is no reason to build.
    pub paths: Vec<String>,
}

/// An entry of `services`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServiceConfig {
    /// The workspace member whose version the service has.
    pub package: Option<String>,
    /// The version file of its image; empty when it has none.
    pub version_file: Option<String>,
    /// Patterns of the files of its source that matter for it, in place of those of the source.
    pub paths: Vec<String>,
}

impl Config {
    /// Reads the table of Cargo.toml and the field of the compose file, as Compose prints it; the latter wins, key by key.
    pub fn read(cargo: &Value, compose: &Value) -> Result<Self, Failure> {
        parse("[workspace.metadata.xtask]", cargo)?;
        let compose = undoubled(compose);
        parse("`x-xtask` of the compose file", &compose)?;
        let mut both = cargo.clone();
        merge(&mut both, &compose);
        parse("the configuration", &both)
    }

    /// The bust argument.
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

fn parse(place: &str, value: &Value) -> Result<Config, Failure> {
    if value.is_null() {
        return Ok(Config::default());
    }
    Config::deserialize(value).map_err(|error| {
        Failure::usage(format!("{place}: {error}")).hint("docs/configuration.md lists what can be configured")
    })
}

/// Puts the keys of one table over those of another, also in tables below them.
fn merge(below: &mut Value, above: &Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                merge(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// A value with `$` where Compose prints `$$`, and without fields that are null: Compose prints an empty list as that.
fn undoubled(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("$$", "$").into(),
        Value::Array(items) => items.iter().map(undoubled).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(key, value)| (key.clone(), undoubled(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_configuration_is_refused_with_its_place() {
        assert!(Config::read(&json!({"version-file": "a"}), &Value::Null).is_ok());
        let cause = |cargo, compose| Config::read(&cargo, &compose).expect_err("wrong").cause;
        assert!(cause(json!({"versionfile": "a"}), Value::Null).starts_with("[workspace.metadata.xtask]: "));
        assert!(cause(Value::Null, json!({"versionfile": "a"})).starts_with("`x-xtask` of the compose file: "));
        assert!(cause(json!({}), json!({"version": "1.2"})).starts_with("`x-xtask` of the compose file: "));
        assert!(cause(json!({"doctor": {"allow": {"disk-low": " "}}}), Value::Null).contains("needs a reason"));
        assert!(cause(json!({}), json!(["version-file"])).starts_with("`x-xtask` of the compose file: "));
    }

    #[test]
    fn the_compose_file_wins_key_by_key() {
        let cargo = json!({"cache-bust": "commit", "deep-skip": ["a", "b"], "version-file": "a",
            "services": {"api": {"package": "server", "version-file": "b"}, "web": {"package": "web"}}});
        let compose = json!({"deep-skip": ["routes/$$id"], "version": "1.2.3", "cache-bust": null,
            "services": {"api": {"version-file": "", "paths": null}}});
        let config = Config::read(&cargo, &compose).expect("valid");
        assert_eq!(config.cache_bust.as_deref(), Some("commit"));
        assert_eq!(config.deep_skip, ["routes/$id"]);
        assert_eq!(config.version, Some(Version::new(1, 2, 3)));
        let version_file = |service: &str| config.version_file(&service.parse().expect("name")).map(str::to_owned);
        assert_eq!([version_file("api"), version_file("web")], [None, Some("a".to_owned())]);
        assert_eq!(config.services["api"].package.as_deref(), Some("server"));
        assert_eq!(config.services["web"].package.as_deref(), Some("web"));
    }
}
