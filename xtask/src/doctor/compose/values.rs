//! Values that the build would be given and must not be.

use std::collections::BTreeSet;

use super::{Files, Project};
use crate::doctor::secrets::{has_credential, is_secret_name};
use crate::doctor::{Area, Finding, Names};
use crate::error::Failure;
use crate::value::{CacheBust, Commit, GitRef, GitUrl};

pub(super) fn check(project: &Project, files: &Files, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Arguments from an anchor are the same for all services: one finding is enough.
    let mut seen = BTreeSet::new();
    for service in project.built() {
        let defaults = service.closure.iter().flat_map(|closure| closure.args.keys());
        let all: BTreeSet<&String> = service.args.keys().chain(defaults).collect();
        for name in all {
            let Some(value) = service.arg(name).filter(|value| !value.is_empty()) else { continue };
            if !seen.insert((name.clone(), value.to_owned())) {
                continue;
            }
            let passed = service.args.contains_key(name);
            let finding = if let Err(failure) = parse(name, value, names) {
                bad(name, failure)
            } else if passed && is_secret_name(name) {
                secret(format!("the build argument `{name}` has a value and is named like a secret"))
            } else if passed && has_credential(value) {
                secret(format!("the build argument `{name}` is an address with a credential"))
            } else {
                continue;
            };
            findings.push(files.place(finding, &service.name, name));
        }
    }
    findings
}

fn parse(name: &str, value: &str, names: &Names) -> Result<(), Failure> {
    let is_one = |of: &[String]| of.iter().any(|other| other == name);
    if is_one(&names.repositories) {
        GitUrl::parse(value, &names.transports).map(drop)
    } else if is_one(&names.refs) {
        value.parse::<GitRef>().map(drop)
    } else if is_one(&names.commits) {
        value.parse::<Commit>().map(drop)
    } else if name == names.bust {
        value.parse::<CacheBust>().map(drop)
    } else {
        Ok(())
    }
}

fn bad(name: &str, failure: Failure) -> Finding {
    Finding::error(Area::Compose, "bad-value", format!("`{name}`: {}", failure.cause))
        .why("It is refused before anything is built: commands and tags are made from it.")
        .cure(failure.hint.unwrap_or_default())
}

fn secret(what: String) -> Finding {
    Finding::error(Area::Compose, "secret-argument", what)
        .why("Build arguments stay in the image's history and in its provenance, for everybody who has the image.")
        .cure("pass it as a build secret: `build: {secrets: [NAME]}`, and `RUN --mount=type=secret,id=NAME` in the Dockerfile")
}
