//! Bringing services and their Dockerfiles together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Files, Project};
use crate::dockerfile::Dockerfile;
use crate::doctor::dockerfile::Patient;
use crate::doctor::{Area, Finding};

/// Texts of Dockerfiles by path, or why they cannot be read.
pub type Texts = BTreeMap<String, Result<String, String>>;

/// Gives every service what its target is made from; what is in the way of that are findings.
pub fn attach(project: &mut Project, texts: &Texts, files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refused = BTreeSet::new();
    for service in project.services.iter_mut().filter(|service| service.is_built) {
        let name = service.name.clone();
        let path = service.dockerfile.clone().unwrap_or_default();
        let text = match (&service.inline, texts.get(&path)) {
            (Some(text), _) | (None, Some(Ok(text))) => text,
            (None, Some(Err(cause))) => {
                let finding =
                    Finding::error(Area::Compose, "no-dockerfile", format!("`{name}` is built from `{path}`: {cause}"))
                        .why("Without it nothing is built.")
                        .cure("correct `context` or `dockerfile`");
                findings.push(files.place(finding, &name, "dockerfile"));
                continue;
            }
            (None, None) => continue,
        };
        match Dockerfile::parse(text) {
            Ok(dockerfile) => {
                service.closure = dockerfile.closure(service.target.as_deref());
                if let (None, Some(target)) = (&service.closure, &service.target) {
                    let finding = Finding::error(
                        Area::Compose,
                        "no-such-stage",
                        format!("`{name}` builds the stage `{target}`, which its Dockerfile does not have"),
                    )
                    .why("The build of every service ends there.")
                    .cure("correct `target`, or add the stage");
                    findings.push(files.place(finding, &name, "target"));
                }
            }
            Err(error) if refused.insert(text.clone()) => findings.push(unreadable(&path, &error)),
            Err(_) => {}
        }
    }
    findings
}

/// A Dockerfile that this tool cannot read.
fn unreadable(path: &str, error: &str) -> Finding {
    let line = error.rsplit_once(" at line ").and_then(|(_, at)| at.split(' ').next()?.parse().ok());
    Finding::error(Area::Dockerfile, "dockerfile-unreadable", format!("it cannot be read: {error}"))
        .at(path, line)
        .why("`cargo xtask rebuild` must know its stages and arguments.")
        .cure("check it with `docker build --check .`")
}

/// The Dockerfiles of a project, each once, with the stages that are kept.
pub fn patients<'a>(project: &'a Project, texts: &'a Texts) -> Vec<Patient<'a>> {
    let mut patients: Vec<Patient<'a>> = Vec::new();
    for service in project.built() {
        let path = service.dockerfile.as_deref().unwrap_or("dockerfile_inline");
        let Some(text) = service.inline.as_deref().or_else(|| texts.get(path)?.as_deref().ok()) else { continue };
        let at = match patients.iter().position(|patient| patient.file == path && patient.text == text) {
            Some(at) => at,
            None => {
                patients.push(Patient { file: path, text, kept: BTreeSet::new() });
                patients.len() - 1
            }
        };
        let stage = service.target.as_ref().filter(|_| service.keep);
        patients[at].kept.extend(stage.map(|stage| stage.to_lowercase()));
    }
    patients
}
