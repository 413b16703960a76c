//! What a run asks from the engine again and again, each as a command of the Docker client and as requests to the engine.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer;
use super::client::{builder_was_chosen, buildx, docker, on};
use super::socket::{self, Request, quoted};
use crate::sys::interrupt;
use crate::sys::process::{self, CommandLine, Finished};
use crate::ui::Ui;
use crate::value::{Builder, ImageRef, ProjectName, label};

/// Label of the containers that verification creates and never starts: the project they belong to.
const VERIFY_LABEL: &str = "io.xtask.verify";

/// Something that is asked from the engine, on its socket where that can be reached, else through the Docker client: the
/// answers are the same.
#[derive(Debug)]
pub struct Call {
    line: CommandLine,
    requests: Vec<Request>,
    print: fn(Vec<Vec<u8>>) -> Vec<u8>,
}

impl Call {
    fn new(line: CommandLine, requests: impl IntoIterator<Item = Request>, print: fn(Vec<Vec<u8>>) -> Vec<u8>) -> Self {
        Self { line, requests: requests.into_iter().collect(), print }
    }

    /// Asks, and returns what the Docker client would have printed.
    pub fn output(&self, ui: &Ui, limit: Duration) -> anyhow::Result<Finished> {
        match self.on_socket(ui, limit, 0)? {
            Some(finished) => Ok(finished),
            None => self.line.output(ui, limit),
        }
    }

    /// Asks for what cleans up after this run, see [`CommandLine::cleanup`].
    pub fn cleanup(&self, ui: &Ui) -> anyhow::Result<Finished> {
        match self.on_socket(ui, process::CLEANUP, interrupt::count() + 1)? {
            Some(finished) => Ok(finished),
            None => self.line.cleanup(ui),
        }
    }

    /// Asks for something that has to work, and returns what the client would have printed.
    pub fn ask(&self, ui: &Ui, limit: Duration) -> anyhow::Result<String> {
        answer::text(self.output(ui, limit)?, |_| false)
    }

    /// Asks about things that may be gone: that one is gone is an answer too.
    pub fn ask_existing(&self, ui: &Ui, limit: Duration) -> anyhow::Result<String> {
        answer::text(self.output(ui, limit)?, answer::is_absent)
    }

    fn on_socket(&self, ui: &Ui, limit: Duration, signals: usize) -> anyhow::Result<Option<Finished>> {
        let Some(path) = socket::path().filter(|_| !self.requests.is_empty()) else { return Ok(None) };
        interrupt::check_since(signals)?;
        let started = Instant::now();
        let (mut bodies, mut errors) = (Vec::new(), Vec::new());
        for request in &self.requests {
            let Some(answer) = socket::send(path, request, limit, signals)? else { return Ok(None) };
            match answer.error() {
                Some(error) => errors.push(error),
                None => bodies.push(answer.body),
            }
        }
        let shown = self.line.shown();
        ui.command(&shown);
        ui.ended(&shown, started.elapsed());
        let status = ExitStatus::from_raw(if errors.is_empty() { 0 } else { 1 << 8 });
        Ok(Some(Finished { status, stdout: (self.print)(bodies), stderr: errors.join("\n") }))
    }
}

fn request(method: &'static str, path: String) -> Request {
    Request { method, path, body: None }
}

/// The query for what has these labels.
fn filters(labels: &[String]) -> String {
    quoted(json!({"label": labels}).to_string().as_bytes())
}

fn nothing(_: Vec<Vec<u8>>) -> Vec<u8> {
    Vec::new()
}

fn first(bodies: Vec<Vec<u8>>) -> Vec<u8> {
    bodies.into_iter().next().unwrap_or_default()
}

fn array(bodies: Vec<Vec<u8>>) -> Vec<u8> {
    let mut all = vec![b'['];
    all.extend(bodies.join(&b','));
    all.push(b']');
    all
}

/// A line for each string in the field that `of` finds in everything that a list has.
fn lines(body: &[u8], of: fn(&Value) -> &Value) -> Vec<u8> {
    let listed: Value = serde_json::from_slice(body).unwrap_or_default();
    let fields = listed.as_array().into_iter().flatten().map(of);
    let texts = fields.flat_map(|field| field.as_array().map_or(std::slice::from_ref(field), Vec::as_slice));
    texts.filter_map(Value::as_str).map(|text| format!("{text}\n")).collect::<String>().into_bytes()
}

/// Everything about the images that exist, as a JSON array; the others are named on the standard error.
pub fn image_inspect(images: &[String]) -> Call {
    let requests = images.iter().map(|image| request("GET", format!("/images/{}/json", quoted(image.as_bytes()))));
    Call::new(docker("image inspect --").args(images), requests, array)
}

/// Gives the image `from` another name.
pub fn tag(from: &str, to: &ImageRef) -> Call {
    let [repository, name] = [to.repository.as_str(), to.tag.as_str()].map(|text| quoted(text.as_bytes()));
    let path = format!("/images/{}/tag?repo={repository}&tag={name}", quoted(from.as_bytes()));
    let line = docker("image tag --").args([from.to_owned(), to.to_string()]);
    Call::new(line, [request("POST", path)], nothing)
}

/// Takes names away, and an image with its last one; never forced.
pub fn untag(images: &[ImageRef]) -> Call {
    let names = || images.iter().map(ToString::to_string);
    let path = |name: String| request("DELETE", format!("/images/{}?noprune=1", quoted(name.as_bytes())));
    Call::new(docker("image rm --no-prune --").args(names()), names().map(path), nothing)
}

/// A container of this name that is never started, to copy files out of an image.
pub fn create(name: &str, image: &ImageRef, project: &ProjectName) -> Call {
    // Images without a command need one here, although nothing runs it.
    let body = json!({"Image": image.to_string(), "Cmd": ["true"], "Labels": {VERIFY_LABEL: project.to_string()},
        "HostConfig": {"NetworkMode": "none"}});
    let path = format!("/containers/create?name={}", quoted(name.as_bytes()));
    let request = Request { method: "POST", path, body: Some(body) };
    let label = format!("{VERIFY_LABEL}={project}");
    let line = docker("create --pull never --network none --name").args([name, "--label", &label, "--"]);
    Call::new(line.args([&image.to_string(), "true"]), [request], nothing)
}

/// A short file out of a container as a tar archive; links are copied, never followed.
pub fn copy_file(container: &str, path: &str) -> Call {
    let archive = format!("/containers/{}/archive?path={}", quoted(container.as_bytes()), quoted(path.as_bytes()));
    Call::new(docker("cp --").args([&format!("{container}:{path}"), "-"]), [request("GET", archive)], first)
}

/// Removes containers of ours that never ran, with the nameless volumes that the engine made for them.
pub fn remove_containers(containers: &[String]) -> Call {
    let path = |id: &String| request("DELETE", format!("/containers/{}?v=1", quoted(id.as_bytes())));
    Call::new(docker("rm --volumes --").args(containers), containers.iter().map(path), nothing)
}

/// The IDs of verification containers that an earlier run left behind, one a line.
pub fn leftover_containers(project: &ProjectName) -> Call {
    let label = format!("{VERIFY_LABEL}={project}");
    let path = format!("/containers/json?all=1&filters={}", filters(std::slice::from_ref(&label)));
    let line = docker("ps --all --quiet --no-trunc --filter").args([format!("label={label}")]);
    Call::new(line, [request("GET", path)], |bodies| lines(&first(bodies), |one| &one["Id"]))
}

/// The tags of the images that this tool built for a project, one a line.
pub fn project_tags(project: &ProjectName) -> Call {
    let label = format!("{}={project}", label::PROJECT);
    let path = format!("/images/json?filters={}", filters(std::slice::from_ref(&label)));
    let line = docker("image ls --filter").args([&format!("label={label}"), "--format", "{{.Repository}}:{{.Tag}}"]);
    Call::new(line, [request("GET", path)], |bodies| lines(&first(bodies), |image| &image["RepoTags"]))
}

/// A line `ID TYPE` for each record of the build cache.
pub fn cache_records(builder: Option<&Builder>) -> Call {
    let is_the_engine = builder.is_none() && !builder_was_chosen();
    let request = is_the_engine.then(|| request("GET", "/system/df?type=build-cache".to_owned()));
    let line = buildx().args(["du", "--format", "{{.ID}} {{.Type}}"]).args(on(builder));
    Call::new(line, request, |bodies| {
        let usage: Value = serde_json::from_slice(&first(bodies)).unwrap_or_default();
        let records = usage["BuildCache"].as_array().into_iter().flatten();
        let line = |record: &Value| Some(format!("{} {}\n", record["ID"].as_str()?, record["Type"].as_str()?));
        records.filter_map(line).collect::<String>().into_bytes()
    })
}

/// Everything about the engine, as one JSON object.
pub fn info() -> Call {
    Call::new(docker("info --format").args(["{{json .}}"]), [request("GET", "/info".to_owned())], first)
}

/// What tells this engine from every other one, whatever it is called.
pub fn engine_id() -> Call {
    Call::new(docker("info --format {{.ID}}"), [request("GET", "/info".to_owned())], |bodies| {
        field(&first(bodies), "ID")
    })
}

/// What time it is for the engine.
pub fn clock() -> Call {
    Call::new(docker("info --format {{.SystemTime}}"), [request("GET", "/info".to_owned())], |bodies| {
        field(&first(bodies), "SystemTime")
    })
}

/// The text in a field of an object.
fn field(body: &[u8], name: &str) -> Vec<u8> {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    object[name].as_str().unwrap_or_default().as_bytes().to_vec()
}
