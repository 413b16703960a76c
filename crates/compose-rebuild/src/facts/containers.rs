//! The containers of the project that run now, and what each was started from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::image::Config;
use crate::sys::docker;
use crate::ui::{Ui, plain};
use crate::value::{ProjectName, label};

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
struct Inspected {
    #[serde(default)]
    name: String,
    image: String,
    config: Config,
}

/// The running containers of a project, sorted by name.
pub fn running(ui: &Ui, project: &ProjectName) -> anyhow::Result<Vec<Container>> {
    let ids = docker::ask_lines(ui, DEADLINE, |sh| docker::running_containers(sh, project))?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // One that ended in between is no longer running, which is all that is asked.
    let answer = docker::ask_existing(ui, DEADLINE, |sh| docker::container_inspect(sh, &ids))?;
    Ok(by_name(docker::json(answer.as_bytes())?))
}

fn by_name(inspected: Vec<Inspected>) -> Vec<Container> {
    let container = |Inspected { name, image, config }: Inspected| {
        let label = |name: &str| config.labels.get(name);
        let revision = label(label::REVISION).map(|text| plain(text, 200));
        let service = label(SERVICE).cloned().unwrap_or_default();
        Container { name: plain(name.trim_start_matches('/'), 100), service, image, revision }
    };
    let mut containers: Vec<_> = inspected.into_iter().map(container).collect();
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    containers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_say_what_they_were_started_from() {
        let json = r#"[{"Name":"/p-web-2","Image":"sha256:2","Config":{"Labels":null}},
            {"Name":"/p-web-1","Image":"sha256:1","Config":{"Labels":{"com.docker.compose.service":"web",
             "org.opencontainers.image.revision":"abc\u001b[2K"}}}]"#;
        let found = by_name(docker::json(json.as_bytes()).expect("valid"));
        assert_eq!(found[0].service, "web");
        assert_eq!(found[0].revision.as_deref(), Some("abc[2K"));
        assert_eq!((found[1].name.as_str(), &found[1].revision), ("p-web-2", &None));
    }
}
