//! The containers of the project that run now, and what each was started from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xshell::Shell;

use crate::error::Failure;
use crate::plan::label;
use crate::sys::{docker, process};
use crate::ui::{Ui, plain};
use crate::value::ProjectName;

/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The label that Compose gives its containers.
const SERVICE: &str = "com.docker.compose.service";

/// A running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The service that it is one of.
    #[serde(skip)]
    pub service: String,
    /// The ID of the image that it was started from.
    pub image: String,
    /// What that image was made from, if it said so.
    pub revision: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    #[serde(default)]
    name: String,
    image: String,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

/// The running containers of a project, sorted by name.
///
/// # Errors
/// Exit code 3 when the engine does not answer.
pub fn running(ui: &Ui, project: &ProjectName) -> anyhow::Result<Vec<Container>> {
    let sh = Shell::new()?;
    let listed = process::output(ui, docker::running_containers(&sh, project), DEADLINE)?;
    if !listed.status.success() {
        return Err(docker::failure(&listed).into());
    }
    let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = process::output(ui, docker::container_inspect(&sh, &ids), DEADLINE)?;
    // One that ended in between is no longer running, which is all that is asked.
    let ended = |line: &str| line.to_lowercase().contains("no such container");
    if !found.status.success() && !found.stderr.lines().all(|line| line.trim().is_empty() || ended(line)) {
        return Err(docker::failure(&found).into());
    }
    Ok(parse(&found.stdout)?)
}

fn parse(json: &[u8]) -> Result<Vec<Container>, Failure> {
    let raw: Vec<Raw> = serde_json::from_slice(json).map_err(|error| {
        Failure::precondition(format!("the engine's answer is cut or garbled: {error}")).hint("run it again")
    })?;
    let mut containers: Vec<_> = raw
        .into_iter()
        .map(|raw| {
            let labels = raw.config.labels.unwrap_or_default();
            let revision = labels.get(label::REVISION).map(|text| plain(text, 200));
            let service = labels.get(SERVICE).cloned().unwrap_or_default();
            Container { name: plain(raw.name.trim_start_matches('/'), 100), service, image: raw.image, revision }
        })
        .collect();
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(containers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_say_what_they_were_started_from() {
        let json = r#"[{"Name":"/p-web-2","Image":"sha256:2","Config":{"Labels":null}},
            {"Name":"/p-web-1","Image":"sha256:1","Config":{"Labels":{"com.docker.compose.service":"web",
             "org.opencontainers.image.revision":"abc\u001b[2K"}}}]"#;
        let found = parse(json.as_bytes()).expect("valid");
        assert_eq!(found[0].service, "web");
        assert_eq!(found[0].revision.as_deref(), Some("abc[2K"));
        assert_eq!((found[1].name.as_str(), &found[1].revision), ("p-web-2", &None));
        assert!(parse(b"[{").is_err());
    }
}
