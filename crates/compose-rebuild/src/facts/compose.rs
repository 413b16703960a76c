//! The resolved Compose project: which services are built, and how.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde_json::Value;
use xshell::Shell;

use crate::error::Failure;
use crate::facts::extensions;
use crate::facts::project::{Built, Project};
use crate::sys::threads::both;
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::{Service, show};
use dockerfile_reader::Dockerfile;
use dockerfile_reader::listing::Listing;

/// A project, with everything that is in the way of building it.
#[derive(Debug)]
pub struct Examined {
    /// What can be built of it.
    pub project: Project,
    /// Everything that Compose resolved.
    pub config: Value,
    /// What makes it impossible to build, by service; empty for what is wrong with all of them.
    pub problems: Vec<(String, Failure)>,
    /// Dockerfiles of which only BuildKit can tell what changed, each with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// Asks Compose for the project and reads its Dockerfiles.
///
/// # Errors
/// Exit code 2 for a project that Compose refuses or that has nothing to build, 3 without Docker Compose.
pub fn read(ui: &Ui, files: &[Utf8PathBuf]) -> anyhow::Result<Project> {
    let examined = examine(ui, files)?;
    for (path, error) in &examined.unreadable {
        ui.warning(&format!("`{path}`: {error}; only BuildKit can tell what changed"));
    }
    match examined.problems.into_iter().next() {
        Some((_, failure)) => Err(failure.into()),
        None => Ok(examined.project),
    }
}

/// The same, with all problems instead of the first.
///
/// # Errors
/// As [`read`], when Compose does not resolve the project at all.
pub fn examine(ui: &Ui, files: &[Utf8PathBuf]) -> anyhow::Result<Examined> {
    let (extensions, config) =
        both(|| extensions::read(files, || config(ui, files, false)), || config(ui, files, true));
    let mut examined = parse(config?, &extensions?)?;
    let mut missing = Vec::new();
    for (service, built) in &mut examined.project.services {
        let inline = built.section.get("dockerfile_inline").and_then(Value::as_str).map(str::to_owned);
        built.text = inline.or_else(|| fs_err::read_to_string(&built.dockerfile_path).ok());
        let Some(text) = &built.text else { continue };
        let dockerfile = match Dockerfile::parse(text) {
            Ok(dockerfile) => dockerfile,
            Err(error) => {
                // BuildKit may well read it. Nothing is known of its stages then, so all of it counts.
                examined.unreadable.push((built.dockerfile_path.clone(), error));
                built.section["dockerfile_text"] = text.as_str().into();
                continue;
            }
        };
        built.listing = Some(Listing::read(text));
        built.closure = dockerfile.closure(built.target.as_deref(), &built.args);
        if built.closure.is_none() {
            let target = show(built.target.as_deref().unwrap_or_default());
            let path = &built.dockerfile_path;
            let cause = format!("service `{service}` builds stage {target}, which `{path}` does not have");
            let failure = Failure::usage(cause).hint("correct `target` in the compose file");
            missing.push((service.to_string(), failure));
        }
    }
    examined.problems.extend(missing);
    Ok(examined)
}

fn config(ui: &Ui, files: &[Utf8PathBuf], interpolate: bool) -> anyhow::Result<Value> {
    let sh = Shell::new()?;
    let finished = process::output(ui, docker::compose_config(&sh, files, interpolate), Duration::from_secs(60))?;
    if finished.status.success() {
        return Ok(serde_json::from_slice(&finished.stdout).map_err(|error| garbled(&error))?);
    }
    // Without the plugin `docker` takes `-f` for an option of its own, and explains itself.
    let signs = ["unknown command", "unknown flag", "is not a docker command", "docker [OPTIONS] COMMAND"];
    if signs.iter().any(|sign| finished.stderr.contains(sign)) {
        let error = finished.stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        return Err(Failure::precondition(format!("Docker Compose is missing or too old: {error}"))
            .kept("nothing was changed")
            .hint("install Docker Compose 2.33 or newer: the package `docker-compose-plugin`")
            .into());
    }
    let error = finished.last_error();
    Err(Failure::usage(format!("Compose refuses the project: {error}"))
        .hint(format!("check it with `docker compose -f {} config`", files.first().map_or("FILE", |f| f.as_str())))
        .into())
}

fn garbled(error: &dyn Display) -> Failure {
    Failure::precondition(format!("the answer of `docker compose config` is cut or garbled: {error}"))
        .kept("nothing was changed")
        .hint("run it again; check `docker compose config --format json`")
}

/// `x-rebuild` of a service.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rebuild {
    keep: bool,
}

/// A build section, as far as it is understood here.
#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    context: String,
    dockerfile: Option<String>,
    target: Option<String>,
    #[serde(default)]
    args: BTreeMap<String, Option<String>>,
    #[serde(default)]
    additional_contexts: BTreeMap<String, String>,
}

/// Reads what `docker compose config --format json` prints, and the `x-rebuild` of services.
pub(crate) fn parse(config: Value, extensions: &Value) -> anyhow::Result<Examined> {
    let name = config["name"].as_str().ok_or_else(|| garbled(&"the project has no name"))?;
    let mut services = BTreeMap::new();
    let mut problems = Vec::new();
    for (service, resolved) in config["services"].as_object().into_iter().flatten() {
        match build_of(name, service, resolved, extensions.get(service)) {
            Ok(Some((service, built))) => drop(services.insert(service, built)),
            Ok(None) => {}
            Err(failure) => problems.push((service.clone(), failure)),
        }
    }
    if services.is_empty() {
        let failure = Failure::usage("no service of the project has a build section");
        problems.push((String::new(), failure.hint("add one, or name another file with `-f`")));
    }
    let project = Project { name: name.parse()?, services };
    Ok(Examined { project, config, problems, unreadable: Vec::new() })
}

/// A service, if it is built.
fn build_of(
    project: &str,
    name: &str,
    resolved: &Value,
    rebuild: Option<&Value>,
) -> Result<Option<(Service, Built)>, Failure> {
    let Some(section) = resolved.get("build").filter(|section| !section.is_null()) else { return Ok(None) };
    let service: Service = name.parse()?;
    let build = Section::deserialize(section)
        .map_err(|error| Failure::usage(format!("service `{service}`: build: {error}")))?;
    let rebuild = rebuild.map_or(Ok(Rebuild::default()), Rebuild::deserialize).map_err(|error| {
        Failure::usage(format!("`x-rebuild` of service `{service}`: {error}")).hint("write `x-rebuild: {keep: true}`")
    })?;
    let image = resolved["image"].as_str().map_or_else(|| format!("{project}-{service}"), str::to_owned);
    let file = build.dockerfile.as_deref().unwrap_or("Dockerfile");
    let replicas = resolved["scale"].as_u64().or(resolved["deploy"]["replicas"].as_u64());
    let built = Built {
        image: image.parse()?,
        keep: rebuild.keep,
        build_only: replicas == Some(0),
        target: build.target,
        args: build.args,
        contexts: build.additional_contexts,
        dockerfile_path: Utf8Path::new(&build.context).join(file).into_string(),
        closure: None,
        text: None,
        listing: None,
        section: section.clone(),
    };
    Ok(Some((service, built)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_built_services_count_and_images_have_the_default_name() {
        let json = serde_json::json!({"name": "p", "services": {
            "redis": {"image": "redis"},
            "web": {"build": {"context": "/c", "args": {"A": "1", "B": null}}, "scale": 0}}});
        let project = parse(json, &serde_json::json!({"web": {"keep": true}})).expect("valid").project;
        assert_eq!(project.services.len(), 1);
        let web = &project.services[&"web".parse::<Service>().expect("name")];
        assert_eq!(web.image.to_string(), "p-web:latest");
        assert_eq!(web.dockerfile_path, "/c/Dockerfile");
        assert!(web.keep && web.build_only);
        assert_eq!(web.arg("A"), Some("1"));
    }
}
