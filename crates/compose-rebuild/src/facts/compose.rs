//! The project as Compose resolves it: what it would build, and how. Compose's own bake definition says that; its model of the
//! project only adds what a definition has no word for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::facts::remembered::{self, Answers};
use crate::project::{Built, Project, garbled};
use crate::sys::compose_files::Selection;
use crate::sys::docker::{self, ComposeOptions};
use crate::sys::process::CommandLine;
use crate::sys::threads::both;
use crate::ui::Ui;
use crate::value::{Service, show};

/// The label by which Compose says which service a target is of.
const SERVICE: &str = "com.docker.compose.service";
/// The label by which Compose names the project.
const PROJECT: &str = "com.docker.compose.project";

/// A project, with everything that is in the way of building it.
#[derive(Debug)]
pub struct Examined {
    /// What can be built of it.
    pub project: Project,
    /// Everything that the compose files say, before variables are replaced.
    pub model: Value,
    /// What makes it impossible to build, by service; empty for what is wrong with all of them.
    pub problems: Vec<(String, Failure)>,
}

/// Asks Compose for the project and reads its Dockerfiles.
///
/// # Errors
/// Exit code 2 for a project that Compose refuses or that has nothing to build, 3 without Docker Compose.
pub fn read(ui: &Ui, selection: Selection<'_>) -> anyhow::Result<Project> {
    let examined = resolve(ui, selection, remembered::answers(selection, || answers(ui, selection.options))?)?;
    match examined.problems.into_iter().next() {
        Some((_, failure)) => Err(failure.into()),
        None => Ok(examined.project),
    }
}

/// Asks Compose for the project and reads its Dockerfiles; all problems are reported instead of the first.
pub fn examine(ui: &Ui, selection: Selection<'_>) -> anyhow::Result<Examined> {
    resolve(ui, selection, answers(ui, selection.options)?)
}

/// Asks Compose both questions at the same time.
fn answers(ui: &Ui, options: &ComposeOptions) -> anyhow::Result<Answers> {
    let (definition, model) =
        both(|| ask(ui, &docker::compose_definition(options, &[])), || ask(ui, &docker::compose_model(options)));
    Ok(Answers::new(definition?, model?))
}

fn resolve(ui: &Ui, selection: Selection<'_>, answers: Answers) -> anyhow::Result<Examined> {
    let options = selection.options;
    let Answers { definition, model } = answers;
    let mut definition = targets(definition)?;
    // A service of a profile that is not enabled is active all the same when it is named.
    let is_hidden = |service: &&Service| {
        model["services"][service.as_str()]["build"].is_object()
            && !definition.values().any(|target| target["labels"][SERVICE] == service.as_str())
    };
    if selection.services.iter().any(|service| is_hidden(&service)) {
        let named = ask(ui, &docker::compose_definition(options, selection.services))?;
        definition.extend(targets(named)?);
    }
    // Without variables a number is a number; one that comes from a variable has to be resolved.
    let counts = |service: &Value| [service["scale"].clone(), service["deploy"]["replicas"].clone()];
    let mut services = model["services"].as_object().into_iter().flat_map(|services| services.values());
    let resolved = match services.any(|service| counts(service).iter().any(Value::is_string)) {
        true => ask(ui, &docker::compose_config(options)).unwrap_or_default(),
        false => Value::Null,
    };
    let replicas = |service: &str| {
        let known = [&resolved, &model].map(|project| counts(&project["services"][service]));
        known.iter().flatten().find_map(Value::as_u64)
    };
    let mut examined = parse(&definition, &model, replicas)?;
    if let Some(epoch) = docker::source_date_epoch() {
        // buildx passes it on by itself.
        for built in examined.project.services.values_mut() {
            built.args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert(Some(epoch.clone()));
        }
    }
    examined.model = model;
    read_dockerfiles(&mut examined);
    Ok(examined)
}

fn read_dockerfiles(examined: &mut Examined) {
    for (service, built) in &mut examined.project.services {
        // buildx takes `dockerfile` where there is no `Dockerfile`.
        let lower = || Some(format!("{}dockerfile", built.dockerfile_path.strip_suffix("Dockerfile")?));
        let found = |path: &String| built.dockerfile.is_none() && Utf8Path::new(path).is_file();
        let paths = [Some(built.dockerfile_path.clone()), lower()];
        if let Some(path) = paths.into_iter().flatten().find(found)
            && let Ok(bytes) = fs_err::read(&path)
        {
            built.dockerfile_path = path;
            built.read_dockerfile(&decoded(&bytes));
        }
        let (Some(dockerfile), None) = (&built.dockerfile, &built.closure) else { continue };
        let path = &built.dockerfile_path;
        let failure = match built.target.as_deref().filter(|_| !dockerfile.stages.is_empty()) {
            Some(target) => {
                let target = show(target);
                Failure::usage(format!("service `{service}` builds stage {target}, which `{path}` does not have"))
                    .hint("correct `target` in the compose file")
            }
            None => Failure::usage(format!("`{path}` of service `{service}` has no stage"))
                .hint("begin it with `FROM`; check it with `docker build --check .`"),
        };
        examined.problems.push((service.to_string(), failure));
    }
}

/// The text of a file. Bytes that are no UTF-8, such as a comment in an old encoding, become characters that nobody writes,
/// so that two files never are the same text.
fn decoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(0x10_FF00 + u32::from(byte))));
    }
    text
}

/// A question to Compose, whose answer is JSON; nothing is printed when there is nothing to build.
fn ask(ui: &Ui, line: &CommandLine) -> anyhow::Result<Value> {
    let finished = line.output(ui, Duration::from_secs(60))?;
    if finished.status.success() {
        if finished.stdout.is_empty() {
            return Ok(Value::Null);
        }
        return Ok(serde_json::from_slice(&finished.stdout).map_err(|error| garbled(&error))?);
    }
    // Without the plugin `docker` takes options of Compose for its own, and explains itself.
    let signs = ["unknown command", "unknown flag", "is not a docker command", "docker [OPTIONS] COMMAND"];
    if signs.iter().any(|sign| finished.stderr.contains(sign)) {
        let error = finished.stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        return Err(Failure::precondition(format!("Docker Compose is missing or too old: {error}"))
            .kept("nothing was changed")
            .hint("install Docker Compose 2.35 or newer: the package `docker-compose-plugin`")
            .into());
    }
    let error = finished.last_error();
    Err(Failure::usage(format!("Compose refuses the project: {error}"))
        .hint("check it with `docker compose build --print`, with the same `-f` and `--profile`")
        .into())
}

/// The targets of a bake definition, by their names.
fn targets(mut definition: Value) -> Result<Map<String, Value>, Failure> {
    let group = definition["group"]["default"]["targets"].as_array().into_iter().flatten();
    let mut seen = BTreeSet::new();
    if let Some(twice) = group.filter_map(Value::as_str).find(|name| !seen.insert(*name)) {
        return Err(Failure::usage(format!("Compose gives two services the same target name `{twice}`"))
            .hint("rename one: names that differ only in `.` and `_` are the same before Compose 5"));
    }
    match definition["target"].take() {
        Value::Object(targets) => Ok(targets),
        Value::Null => Ok(Map::new()),
        _ => Err(garbled(&"`target` is no object")),
    }
}

/// The `x-rebuild` field of a service.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rebuild {
    keep: bool,
}

/// Whether the image of a service is kept.
fn keeps(service: &str, model: &Value) -> Result<bool, Failure> {
    let rebuild = &model["services"][service]["x-rebuild"];
    let rebuild = Option::<Rebuild>::deserialize(rebuild).map_err(|error| {
        Failure::usage(format!("`x-rebuild` of service `{service}`: {error}")).hint("write `x-rebuild: {keep: true}`")
    })?;
    Ok(rebuild.unwrap_or_default().keep)
}

/// Makes a project of a bake definition, the model of the project, and how many containers each service has.
pub(crate) fn parse(
    definition: &Map<String, Value>,
    model: &Value,
    replicas: impl Fn(&str) -> Option<u64>,
) -> anyhow::Result<Examined> {
    let mut services = BTreeMap::new();
    let mut problems = Vec::new();
    let mut project = None;
    for (bake_target, target) in definition {
        let service = target["labels"][SERVICE].as_str().unwrap_or(bake_target);
        project = project.or(target["labels"][PROJECT].as_str());
        let built = keeps(service, model).and_then(|keep| {
            let built = Built::parse(bake_target, target)?;
            Ok(Built { keep, build_only: replicas(service) == Some(0), ..built })
        });
        match built {
            Ok(built) => drop(services.insert(service.parse()?, built)),
            Err(failure) => problems.push((service.to_owned(), failure)),
        }
    }
    let is_active = |service: &Value| service["build"].is_object() && service["profiles"].is_null();
    if definition.is_empty() && model["services"].as_object().is_some_and(|all| all.values().any(is_active)) {
        return Err(garbled(&"it says nothing about a service that is built").into());
    }
    if definition.is_empty() {
        let failure = Failure::usage("no service of the project has a build section");
        problems.push((String::new(), failure.hint("add one, name another file with `-f`, or enable a `--profile`")));
    }
    let name = project.or(model["name"].as_str()).ok_or_else(|| garbled(&"the project has no name"))?;
    let project = Project { name: name.parse()?, services, extension: model["x-xtask"].clone() };
    Ok(Examined { project, model: Value::Null, problems })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_is_the_service_that_its_label_names() {
        let definition = json!({"web_1": {
            "context": "/c", "dockerfile": "/c/D", "args": {"A": "$${B}"}, "tags": ["other:1", "p-web.1"],
            "labels": {SERVICE: "web.1", PROJECT: "p"}}});
        let model = json!({"services": {"web.1": {"x-rebuild": {"keep": true}}}});
        let definition = definition.as_object().expect("targets");
        let project = parse(definition, &model, |_| Some(0)).expect("valid").project;
        let web = &project.services[&"web.1".parse::<Service>().expect("name")];
        assert_eq!(project.name.as_str(), "p");
        assert_eq!((web.image.to_string(), web.tags[0].to_string()), ("p-web.1:latest".into(), "other:1".into()));
        assert_eq!((web.dockerfile_path.as_str(), web.bake_target.as_str()), ("/c/D", "web_1"));
        assert!(web.keep && web.build_only);
        assert_eq!(web.arg("A"), Some("${B}"));
    }

    #[test]
    fn two_services_with_one_target_name_are_refused() {
        let definition = json!({"group": {"default": {"targets": ["a_b", "a_b"]}}, "target": {"a_b": {}}});
        assert_eq!(targets(definition).expect_err("refused").code, 2);
    }
}
