//! The containers of the project, what each was started from, and how it is.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::sys::docker;
use crate::ui::{Ui, plain};
use crate::value::time::Timestamp;
use crate::value::{ProjectName, label};

/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The label that Compose gives its containers.
const SERVICE: &str = "com.docker.compose.service";
/// How long a container must run to be well when nothing checks its health.
pub const GRACE: Duration = Duration::from_secs(5);
/// How often a container whose health is checked may end and be started again before it is well.
const RESTARTS: u64 = 5;

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub struct Container {
    pub id: String,
    pub name: String,
    /// The service that it is one of.
    pub service: String,
    /// The ID of the image that it was started from.
    pub image: String,
    /// What that image was made from, if it said so.
    pub revision: Option<String>,
    /// The name by which that image was called.
    pub image_name: String,
    /// How it is, in the engine's word.
    pub status: String,
    /// How it ended.
    pub exit_code: i64,
    /// When it was started last, as the engine writes times.
    pub started_at: String,
    /// What its health check found, in the engine's word, if it has one.
    pub health: Option<String>,
    /// What its health check said last.
    pub last_check: String,
    /// How often it ended and was started again.
    pub restarts: u64,
    /// Whether the engine leaves it alone when it ends well, as it does with a job.
    pub may_end: bool,
}

/// What messages have of a container.
impl Serialize for Container {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        json!({"name": self.name, "image": self.image, "revision": self.revision}).serialize(to)
    }
}

/// What `docker container inspect` says of one.
impl From<Value> for Container {
    fn from(inspected: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (config, state) = (&inspected["Config"], &inspected["State"]);
        let health = state["Health"]["Status"].as_str().filter(|status| *status != "none");
        let last_check = state["Health"]["Log"].as_array().and_then(|log| log.last()?["Output"].as_str());
        let policy = &inspected["HostConfig"]["RestartPolicy"]["Name"];
        Self {
            id: text(&inspected["Id"]),
            name: plain(text(&inspected["Name"]).trim_start_matches('/'), 100),
            service: text(&config["Labels"][SERVICE]),
            image: text(&inspected["Image"]),
            revision: config["Labels"][label::REVISION].as_str().map(|text| plain(text, 200)),
            image_name: text(&config["Image"]),
            status: text(&state["Status"]),
            exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
            started_at: text(&state["StartedAt"]),
            health: health.map(str::to_owned),
            last_check: last_check.unwrap_or_default().trim().to_owned(),
            restarts: inspected["RestartCount"].as_u64().unwrap_or_default(),
            may_end: policy != "always" && policy != "unless-stopped",
        }
    }
}

/// Whether a container that was started does what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody can tell yet.
    Starting,
    /// The health check passed, or without one it runs on, or it was a job and is done.
    Healthy,
    /// The container fails, and why.
    Failed(String),
}

impl Container {
    /// Whether it runs, or is about to be started again.
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }

    /// How it is, `waited` after it was started, when it had been started again `restarts` times before.
    pub fn condition(&self, waited: Duration, restarts: u64) -> Condition {
        let restarts = self.restarts.saturating_sub(restarts);
        match (self.status.as_str(), self.health.as_deref()) {
            ("running", Some("healthy")) => Condition::Healthy,
            ("running", Some("unhealthy")) => Condition::Failed("is unhealthy".to_owned()),
            ("exited", None) if self.may_end && self.has_succeeded() => Condition::Healthy,
            ("exited" | "dead", _) => Condition::Failed(format!("ended with status {}", self.exit_code)),
            (_, None) if restarts > 0 => Condition::Failed(format!("ended with status {}", self.exit_code)),
            _ if restarts >= RESTARTS => Condition::Failed(format!("ended {restarts} times")),
            ("running", None) if waited >= GRACE => Condition::Healthy,
            _ => Condition::Starting,
        }
    }

    /// When it was started last.
    pub fn since(&self) -> Option<Timestamp> {
        self.started_at.parse().ok()
    }

    /// Whether it ended well.
    pub fn has_succeeded(&self) -> bool {
        self.status == "exited" && self.exit_code == 0
    }

    /// Whether it was not up `before`, and was started since then.
    pub fn was_started(&self, before: &[Self]) -> bool {
        let is_same = |old: &Self| old.is_up() || old.started_at == self.started_at;
        !before.iter().any(|old| old.id == self.id && is_same(old))
    }
}

/// The running containers of a project, sorted by name.
pub fn running(ui: &Ui, project: &ProjectName) -> anyhow::Result<Vec<Container>> {
    let mut containers = of_project(ui, project)?;
    containers.retain(Container::is_up);
    Ok(containers)
}

/// The containers that Compose keeps for a project, running or not, sorted by name.
pub fn of_project(ui: &Ui, project: &ProjectName) -> anyhow::Result<Vec<Container>> {
    let ids = docker::containers(project).ask_lines(ui, DEADLINE)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // One that ended in between is gone, which is an answer too.
    let answer = docker::container_inspect(&ids).ask_existing(ui, DEADLINE)?;
    Ok(by_name(docker::json(answer.as_bytes())?))
}

fn by_name(mut containers: Vec<Container>) -> Vec<Container> {
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

    #[test]
    fn a_container_is_well_when_its_check_says_so_or_it_runs_on_without_one() {
        let condition = |state: &str, restarts: u64, waited: u64| {
            let json = format!(r#"[{{"Image":"i","Config":{{}},"State":{{{state}}},"RestartCount":{restarts}}}]"#);
            let found = by_name(docker::json(json.as_bytes()).expect("valid"));
            found[0].condition(Duration::from_secs(waited), 1)
        };
        let failed = |why: &str| Condition::Failed(why.to_owned());
        let checked = |health: &str| format!(r#""Status":"running","Health":{{"Status":"{health}","Log":null}}"#);
        assert_eq!(condition(r#""Status":"running""#, 1, 4), Condition::Starting);
        assert_eq!(condition(r#""Status":"running""#, 1, 5), Condition::Healthy);
        assert_eq!(condition(r#""Status":"running","ExitCode":3"#, 2, 9), failed("ended with status 3"));
        assert_eq!(condition(&checked("starting"), 2, 99), Condition::Starting);
        assert_eq!(condition(&checked("starting"), 6, 0), failed("ended 5 times"));
        assert_eq!(condition(&checked("healthy"), 2, 0), Condition::Healthy);
        assert_eq!(condition(&checked("unhealthy"), 1, 0), failed("is unhealthy"));
        assert_eq!(condition(r#""Status":"exited","ExitCode":1"#, 1, 0), failed("ended with status 1"));
        assert_eq!(condition(r#""Status":"created""#, 1, 99), Condition::Starting);
    }

    #[test]
    fn a_job_that_is_done_is_well_and_a_server_that_ends_is_not() {
        let condition = |policy: &str, code: u8, health: &str| {
            let state = format!(r#""State":{{"Status":"exited","ExitCode":{code}{health}}}"#);
            let policy = format!(r#""HostConfig":{{"RestartPolicy":{{"Name":"{policy}"}}}}"#);
            let json = format!(r#"[{{"Image":"i","Config":{{}},{state},{policy}}}]"#);
            let found = by_name(docker::json(json.as_bytes()).expect("valid"));
            found[0].condition(Duration::ZERO, 0)
        };
        let failed = |code: u8| Condition::Failed(format!("ended with status {code}"));
        for policy in ["", "no", "on-failure"] {
            assert_eq!(condition(policy, 0, ""), Condition::Healthy, "{policy}");
            assert_eq!(condition(policy, 1, ""), failed(1), "{policy}");
            assert_eq!(condition(policy, 0, r#","Health":{"Status":"starting"}"#), failed(0), "{policy}");
        }
        for policy in ["always", "unless-stopped"] {
            assert_eq!(condition(policy, 0, ""), failed(0), "{policy}");
        }
    }

    #[test]
    fn what_was_started_again_is_told_from_what_ran_on() {
        let one = |status: &str, at: &str| {
            let json = format!(
                r#"[{{"Id":"a","Image":"i","Config":{{}},"State":{{"Status":"{status}","StartedAt":"{at}"}}}}]"#
            );
            by_name(docker::json(json.as_bytes()).expect("valid")).remove(0)
        };
        assert!(one("running", "2").was_started(&[one("exited", "1")]));
        assert!(one("running", "1").was_started(&[]));
        for before in [one("running", "1"), one("exited", "2"), one("restarting", "1")] {
            assert!(!one("running", "2").was_started(std::slice::from_ref(&before)), "{before:?}");
        }
    }
}
