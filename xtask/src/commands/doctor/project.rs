//! The compose project and its files, as far as they can be read.

use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::ask::answer;
use crate::doctor::compose::{Files, Project, Service, Texts, attach};
use crate::doctor::{Area, Finding};
use crate::error::Failure;
use crate::facts::images::Image;
use crate::facts::{compose, images as existing, join};
use crate::plan::key;
use crate::sys::docker;
use crate::ui::Ui;

/// What was read.
pub(super) struct Read {
    pub(super) project: Project,
    pub(super) files: Files,
    pub(super) texts: Texts,
    /// The directory that build contexts belong to.
    pub(super) root: Utf8PathBuf,
    /// The project as the other commands read it, when Compose answers at all.
    pub(super) strict: Option<Result<compose::Project, Failure>>,
    /// What was in the way.
    pub(super) findings: Vec<Finding>,
}

/// Reads compose files, the resolved project and its Dockerfiles.
pub(super) fn read(ui: &Ui, files: &[Utf8PathBuf], directory: &Utf8Path) -> Read {
    let (resolved, plain) = thread::scope(|scope| {
        let plain = scope.spawn(|| answer(ui, |sh| docker::compose_config(sh, files, false)));
        (answer(ui, |sh| docker::compose_config(sh, files, true)), join(plain))
    });
    let text = |file: &Utf8PathBuf| Some((file.to_string(), fs_err::read_to_string(file).ok()?));
    let mut read = Read {
        project: Project::default(),
        files: Files(files.iter().filter_map(text).collect()),
        texts: Texts::new(),
        root: directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(directory).to_owned(),
        strict: None,
        findings: Vec::new(),
    };
    let garbled = |error| Failure::precondition(format!("the answer of `docker compose config` is garbled: {error}"));
    match resolved.and_then(|text| serde_json::from_str::<Value>(&text).map_err(garbled)) {
        Ok(config) => {
            let extensions = plain.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            read.project = Project::read(&config, &extensions);
            read.strict = Some(compose::read(ui, files).map_err(|error| Failure::of(&error)));
        }
        Err(failure) => {
            let finding = Finding::error(Area::Compose, "compose-refuses", format!("Compose does not resolve the project: {}", failure.cause))
                .why("Every command starts there; without it the services were not checked, only the Dockerfile beside the file.")
                .cure(format!("see the whole message: docker compose -f {} config", files.first().map_or("FILE", |file| file.as_str())));
            read.findings.push(match files.first() {
                Some(file) => finding.at(file.as_str(), None),
                None => finding,
            });
            let beside = directory.join("Dockerfile");
            let service = Service { is_built: true, dockerfile: Some(beside.to_string()), ..Service::default() };
            read.project.services.extend(beside.is_file().then_some(service));
        }
    }
    for path in read.project.built().filter_map(|service| service.dockerfile.clone()) {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        read.texts.insert(path, text);
    }
    let findings = attach(&mut read.project, &read.texts, &read.files);
    read.findings.extend(findings);
    read
}

/// What exists of the project's images.
#[derive(Default)]
pub(super) struct Images {
    pub(super) largest: Option<u64>,
    pub(super) unprotected: Vec<(String, Option<u64>)>,
}

/// Looks for images and kept images, when there is an engine to ask.
pub(super) fn images(ui: &Ui, read: &Read, answers: bool) -> Images {
    let Some(Ok(project)) = &read.strict else { return Images::default() };
    let names = key::images_of(project).ok().filter(|_| answers);
    let Some(found) = names.and_then(|names| existing::inspect(ui, &names).ok()) else { return Images::default() };
    let size = |image: &Image| image.size;
    let kept = project.services.iter().filter(|(_, built)| built.keep);
    let unprotected = kept.filter(|(_, built)| key::kept_image(built).is_ok_and(|name| !found.contains_key(&name)));
    Images {
        largest: found.values().map(size).max(),
        unprotected: unprotected
            .map(|(service, built)| (service.to_string(), found.get(&built.image).map(size)))
            .collect(),
    }
}
