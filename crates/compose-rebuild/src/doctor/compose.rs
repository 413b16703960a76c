//! What is wrong in a compose project.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde_json::Value;

use super::place::Files;
use super::{Area, Finding, Names, list};
use crate::error::Failure;
use crate::project::{Built, Project};
use crate::value::secrets::{has_credential, is_secret_name};
use crate::value::{CacheBust, Commit, GitRef, GitUrl, Service, redact, show};

const ANCHOR: &str = "give every service the same arguments from one YAML anchor: `args: *args`";

/// A built service.
type Named<'a> = (&'a Service, &'a Built);

/// Everything that is wrong in a compose project, of which Compose resolved `config`; contexts belong below `root`.
pub fn check(project: &Project, config: &Value, files: &Files, root: &str, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of_code = names.repositories.iter().chain(&names.refs).chain(&names.commits);
    for name in of_code.chain([&names.bust]) {
        findings.extend(argument(project, files, name, *name == names.bust));
    }
    findings.extend(project.services.iter().filter_map(|service| kept_takes_code(service, files, names)));
    findings.extend(same_image(project, files));
    findings.extend(values(project, files, names));
    for (name, section) in config["services"].as_object().into_iter().flatten() {
        findings.extend(risks(name, section, files));
        findings.extend(outside(name, &section["build"], files, root));
    }
    findings
}

fn error(check: &'static str, what: String) -> Finding {
    Finding::error(Area::Compose, check, what)
}

fn warning(check: &'static str, what: String) -> Finding {
    Finding::warning(Area::Compose, check, what)
}

fn quoted(services: &[Named<'_>]) -> String {
    list(&services.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>())
}

/// An argument about which services disagree, or that some or all of them are not given.
fn argument(project: &Project, files: &Files, name: &str, is_bust: bool) -> Option<Finding> {
    let takers: Vec<Named<'_>> = project.services.iter().filter(|(_, built)| built.takes(name)).collect();
    let (given, without): (Vec<_>, Vec<_>) = takers.iter().partition(|(_, built)| built.args.contains_key(name));
    let value = |(_, built): &Named<'_>| built.arg(name).unwrap_or_default().to_owned();
    let differ = takers.windows(2).any(|two| value(&two[0]) != value(&two[1]));
    let split = format!("`{name}` is given to {} and not to {}", quoted(&given), quoted(&without));
    let finding = match (is_bust, given.is_empty(), without.is_empty()) {
        (false, ..) if differ => {
            let said = |taker: &Named<'_>| {
                let whose = if taker.1.args.contains_key(name) { "" } else { ", the Dockerfile's default" };
                format!("`{}` has {}{whose}", taker.0, show(&redact(&value(taker))))
            };
            let values: Vec<_> = takers.iter().map(said).collect();
            error("services-disagree", format!("services disagree about `{name}`: {}", values.join("; ")))
                .why("One build would put different code into images that belong together.")
                .cure(ANCHOR)
        }
        (false, false, false) => warning("argument-not-passed", split)
            .why("They agree only as long as nobody sets it to something else than the Dockerfile's default.")
            .cure(ANCHOR),
        (true, false, false) => error("bust-not-passed", split)
            .why("By hand one image gets the new code and the other keeps the old.")
            .cure(ANCHOR),
        (true, true, false) => {
            warning("bust-not-passed", format!("{} takes `{name}` and is given none", quoted(&without)))
                .why(format!("By hand `{name}=x docker compose build` clones nothing again; only this tool passes it."))
                .cure(format!("add `{name}: ${{{name}:-unknown}}` to its build arguments"))
        }
        _ => return None,
    };
    // The service that was forgotten, if one was.
    let (at, _) = without.first().or(takers.last())?;
    Some(files.place(finding, at.as_str(), name))
}

/// A kept service whose stages change with the code.
fn kept_takes_code((service, built): Named<'_>, files: &Files, names: &Names) -> Option<Finding> {
    // Without its stages nobody knows.
    let known = built.keep && built.closure.is_some();
    let name = [&names.bust].into_iter().chain(&names.commits).find(|name| known && built.takes(name))?;
    let finding = error("kept-takes-bust", format!("`{service}` is kept, and takes `{name}`"))
        .why("Every push would make it again, which is what keeping it is there to prevent.")
        .cure("build it from a stage that takes no code, or drop `x-rebuild: {keep: true}`");
    Some(files.place(finding, service.as_str(), "x-rebuild"))
}

fn same_image(project: &Project, files: &Files) -> Vec<Finding> {
    let finding = |(service, built): Named<'_>| {
        let same: Vec<Named<'_>> = project.services.iter().filter(|(_, other)| other.image == built.image).collect();
        let (first, second) = (same.first()?.0, same.get(1)?.0);
        let finding = error("same-image", format!("{} all build the image `{}`", quoted(&same), built.image))
            .why("Only the one that is built last is there in the end, and nobody knows which that is.")
            .cure("give each service its own `image`");
        (first == service).then(|| files.place(finding, second.as_str(), "image"))
    };
    project.services.iter().filter_map(finding).collect()
}

/// Values that the build would be given and must not be.
fn values(project: &Project, files: &Files, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Arguments from an anchor are the same for all services: one finding is enough.
    let mut seen = BTreeSet::new();
    for (service, built) in &project.services {
        let defaults = built.closure.iter().flat_map(|closure| closure.args.keys());
        for name in built.args.keys().chain(defaults) {
            let Some(value) = built.arg(name).filter(|value| !value.is_empty()) else { continue };
            if !seen.insert((name, value)) {
                continue;
            }
            let passed = built.args.contains_key(name);
            let finding = match parse(name, value, names) {
                Err(failure) => error("bad-value", format!("`{name}`: {}", failure.cause))
                    .why("It is refused before anything is built: commands and tags are made from it.")
                    .cure(failure.hint.unwrap_or_default()),
                Ok(()) if passed && (is_secret_name(name) || has_credential(value)) => {
                    error("secret-argument", format!("the build argument `{name}` holds a secret"))
                        .why("Build arguments stay in the image's history and in its provenance, for everybody who has the image.")
                        .cure("pass it as a build secret: `build: {secrets: [NAME]}`, and `RUN --mount=type=secret,id=NAME`")
                }
                Ok(()) => continue,
            };
            findings.push(files.place(finding, service.as_str(), name));
        }
    }
    findings
}

fn parse(name: &String, value: &str, names: &Names) -> Result<(), Failure> {
    if names.repositories.contains(name) {
        GitUrl::parse(value, &names.transports).map(drop)
    } else if names.refs.contains(name) {
        value.parse::<GitRef>().map(drop)
    } else if names.commits.contains(name) {
        value.parse::<Commit>().map(drop)
    } else if *name == names.bust {
        value.parse::<CacheBust>().map(drop)
    } else {
        Ok(())
    }
}

/// What a build or a service may do beyond its own files: check, key, whether it is set, what is wrong, why, cure.
fn risks(name: &str, section: &Value, files: &Files) -> Vec<Finding> {
    let build = &section["build"];
    let entitlements = build["entitlements"].as_array().into_iter().flatten();
    let entitlements: Vec<_> = entitlements.filter_map(Value::as_str).map(|one| format!("`{one}`")).collect();
    let all = [
        (
            "host-network",
            "network",
            build["network"] == "host",
            format!("the build of `{name}` uses the host's network"),
            "Every command of its Dockerfile, and of what it downloads, reaches services that listen on this machine only.",
            "drop `network: host`: builds reach the internet without it",
        ),
        (
            "host-network",
            "network_mode",
            section["network_mode"] == "host",
            format!("`{name}` runs on the host's network"),
            "It reaches services that listen on this machine only, and its own ports are open without `ports`.",
            "drop `network_mode: host` and publish what is needed with `ports`",
        ),
        (
            "privileged",
            "privileged",
            section["privileged"] == true || build["privileged"] == true,
            format!("`{name}` is privileged"),
            "Its processes can do to this machine whatever root can.",
            "drop `privileged: true`; a GPU needs `deploy.resources.reservations.devices` only",
        ),
        (
            "entitlements",
            "entitlements",
            !entitlements.is_empty(),
            format!("the build of `{name}` asks for {}", list(&entitlements)),
            "Compose grants them without asking, and with them a build step leaves its sandbox.",
            "drop `entitlements`",
        ),
    ];
    let found = all.into_iter().filter(|(_, _, is_set, ..)| *is_set);
    found
        .map(|(check, key, _, what, why, cure)| files.place(warning(check, what).why(why).cure(cure), name, key))
        .collect()
}

/// Directories that a build reads although they are not part of the project.
fn outside(name: &str, build: &Value, files: &Files, root: &str) -> Vec<Finding> {
    let named = build["additional_contexts"].as_object().into_iter().flatten();
    let named = named.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    let contexts = build["context"].as_str().map(|context| ("context", context)).into_iter().chain(named);
    let is_outside = |context: &str| {
        let path = Utf8Path::new(context);
        path.is_absolute() && (!path.starts_with(root) || path.components().any(|part| part.as_str() == ".."))
    };
    let findings = contexts.filter(|(_, context)| is_outside(context)).map(|(key, context)| {
        let finding =
            warning("context-outside", format!("the build of `{name}` reads `{context}`, outside the project"))
                .why("What is there is not versioned with the project, and any file in it can get into the image.")
                .cure("move what the build needs into the project");
        files.place(finding, name, key)
    });
    findings.collect()
}

#[cfg(test)]
mod tests;
