//! What the doctor looks at. No answer is an answer too.

use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::build::staged;
use crate::commands::Context;
use crate::doctor::engine::{Answer, Engine};
use crate::doctor::machine::Machine;
use crate::doctor::place::Files;
use crate::doctor::{Area, Finding};
use crate::error::Failure;
use crate::facts::image::Image;
use crate::facts::workspace::Workspace;
use crate::facts::{disk, images};
use crate::project::{Project, key};
use crate::sys::process::{CommandLine, Finished};
use crate::sys::threads::join;
use crate::sys::{docker, files, lock};
use crate::ui::Ui;
use crate::value::{Builder, ImageRef};

/// How long any program may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a command printed, or why it printed nothing.
fn said(finished: anyhow::Result<Finished>) -> Result<String, Failure> {
    let finished = finished.map_err(|error| Failure::of(&error))?;
    if finished.status.success() {
        return Ok(finished.text());
    }
    // The first line that is neither a warning nor empty says what is wrong.
    let says = |line: &&str| !line.is_empty() && !line.contains("level=warning");
    let cause = finished.stderr.lines().map(str::trim).find(says).unwrap_or("no message").to_owned();
    Err(Failure { cause, ..docker::failure(&finished) })
}

/// What a command prints, as the checks want it.
pub(super) fn answer(ui: &Ui, line: &CommandLine) -> Answer {
    said(line.output(ui, DEADLINE)).map_err(|failure| failure.cause)
}

/// The compose files with their texts.
pub(super) fn compose_files(files: &[Utf8PathBuf]) -> Files {
    let text = |file: &Utf8PathBuf| Some((file.to_string(), fs_err::read_to_string(file).ok()?));
    Files(files.iter().filter_map(text).collect())
}

/// Engine, Compose, buildx and the builder, all at the same time.
pub(super) fn engine(ui: &Ui, builder: Option<&Builder>) -> Engine {
    thread::scope(|scope| {
        let compose = scope.spawn(|| answer(ui, &docker::compose_version()));
        let buildx = scope.spawn(|| answer(ui, &docker::buildx_version()));
        let inspected = scope.spawn(|| answer(ui, &docker::builder_inspect(builder)));
        let info = said(docker::info().output(ui, DEADLINE));
        let mut engine = Engine {
            compose: Some(join(compose)),
            buildx: Some(join(buildx)),
            builder: Some(join(inspected)),
            ..Engine::default()
        };
        match info {
            Ok(text) => {
                let info: Value = serde_json::from_str(&text).unwrap_or_default();
                engine.version = info["ServerVersion"].as_str().map(str::to_owned);
                engine.disk = disk::free_by(&info);
            }
            Err(failure) => engine.silent = Some((failure.cause, failure.hint.unwrap_or_default())),
        }
        engine
    })
}

/// Adds what exists of a project's images.
pub(super) fn images(ui: &Ui, project: &Project, engine: &mut Engine) {
    let names = key::images_of(project).ok().filter(|_| engine.silent.is_none());
    let Some(mut found) = names.and_then(|names| images::inspect(ui, &names).ok()) else { return };
    images::measure(ui, &mut found);
    let size = |image: &Image| image.size;
    let kept = project.services.iter().filter(|(_, built)| built.keep);
    let unprotected =
        kept.filter(|(service, _)| key::kept_image(project, service).is_ok_and(|name| !found.contains_key(&name)));
    engine.unprotected =
        unprotected.map(|(service, built)| (service.to_string(), found.get(&built.image).map(size))).collect();
    engine.largest = found.values().map(size).max();
}

/// Dockerfiles that are not there.
pub(super) fn missing_dockerfiles(project: &Project, files: &Files) -> Vec<Finding> {
    let missing = project.services.iter().filter(|(_, built)| {
        // Else the context is no directory of this machine.
        built.dockerfile.is_none() && Utf8Path::new(&built.dockerfile_path).is_absolute()
    });
    let findings = missing.map(|(service, built)| {
        let what = format!("`{service}` is built from `{}`, which cannot be read", built.dockerfile_path);
        let finding = Finding::error(Area::Compose, "no-dockerfile", what)
            .why("Nothing can be built without it.")
            .cure("correct `context` or `dockerfile`");
        files.place(finding, service.as_str(), "dockerfile")
    });
    findings.collect()
}

/// The state directory, and what runs of this project hold or left behind.
pub(super) fn machine(
    context: &Context,
    project: Option<&Project>,
    workspace: Option<&Workspace>,
    git: Answer,
    answers: bool,
) -> Machine {
    let ui = &context.ui;
    let without_effect = context.settings.environment.without_effect.clone();
    let mut machine = Machine { git: Some(git), without_effect, ..Machine::default() };
    let state = workspace.map(|workspace| &workspace.state);
    machine.state = state.and_then(|state| {
        [state.clone(), state.join("logs"), state.join("reports")].iter().find_map(|place| files::obstacle(place))
    });
    let Some(Project { name, .. }) = project else { return machine };
    machine.lock = context.lock_name(name).ok().and_then(|name| lock::holder(&name));
    let marker = state.filter(|state| staged::is_left(state, name)).map(|state| staged::marker(state, name));
    machine.left.extend(marker.map(|marker| format!("the marker `{marker}`")));
    if answers {
        let containers = docker::leftover_containers(name).ask(ui, DEADLINE).unwrap_or_default();
        machine.left.extend(containers.lines().map(|id| format!("the container `{id:.12}`")));
        let tags = docker::project_tags(name).ask(ui, DEADLINE).unwrap_or_default();
        let staged = tags.lines().filter(|tag| tag.parse().is_ok_and(|image: ImageRef| image.is_staged()));
        machine.left.extend(staged.map(|tag| format!("the tag `{tag}`")));
    }
    machine
}
