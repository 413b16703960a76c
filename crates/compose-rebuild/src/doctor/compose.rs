//! What is wrong in a compose project.

use std::collections::BTreeSet;

use super::place::Files;
use super::{Area, Finding, Names, list};
use crate::error::Failure;
use crate::facts::found::{Sighting, Watch};
use crate::project::{Built, Project};
use crate::value::secrets::{has_credential, is_secret_name};
use crate::value::{CacheBust, Commit, GitRef, GitUrl, Service, redact, show};
use dockerfile_reader::Instruction;

const ANCHOR: &str = "give every service the same arguments from one YAML anchor: `args: *args`";

/// A built service.
type Named<'a> = (&'a Service, &'a Built);

/// Everything that is wrong in a compose project.
pub fn check(project: &Project, files: &Files, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of_code = names.repositories.iter().chain(&names.refs).chain(&names.commits);
    for name in of_code.chain([&names.bust]) {
        findings.extend(argument(project, files, name, *name == names.bust));
    }
    findings.extend(project.services.iter().filter_map(|service| kept_takes_code(service, files, names)));
    findings.extend(same_image(project, files));
    findings.extend(values(project, files, names));
    findings.extend(not_taken(project, files));
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
            .why("They agree only as long as nobody sets it to anything other than the default of the Dockerfile.")
            .cure(ANCHOR),
        (true, false, false) => error("bust-not-passed", split)
            .why("In a build without this tool, one image gets the new code and the other keeps the old code.")
            .cure(ANCHOR),
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
        .why("Every push would build it again, which is what `keep` is meant to prevent.")
        .cure("build it from a stage that takes no code, or drop `x-rebuild: {keep: true}`");
    Some(files.place(finding, service.as_str(), "x-rebuild"))
}

fn same_image(project: &Project, files: &Files) -> Vec<Finding> {
    let finding = |(service, built): Named<'_>| {
        let same: Vec<Named<'_>> = project.services.iter().filter(|(_, other)| other.image == built.image).collect();
        let (first, second) = (same.first()?.0, same.get(1)?.0);
        let finding = error("same-image", format!("{} all build the image `{}`", quoted(&same), built.image))
            .why("Only the image that is built last remains, and nobody can know which one that is.")
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
                    .why("Commands and tags are made from it, so it is refused before anything is built.")
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
    if names.repositories.contains(name) && GitUrl::is_meant(value) {
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

/// A repository that no line of a Dockerfile fetches, and that nobody can watch.
pub fn not_watched(seen: &Sighting, files: &Files) -> Option<Finding> {
    let (Watch::No { why, cure }, None) = (&seen.watch, seen.line) else { return None };
    let what = format!("a push to {} is not noticed: {why}", show(&seen.repository));
    let finding = warning("source-not-watched", what)
        .why("An image is called up to date although it may hold older code.")
        .cure(cure);
    Some(files.place(finding, seen.service.as_str(), "build"))
}

/// Arguments that are given and that no stage of any Dockerfile takes, each once.
fn not_taken(project: &Project, files: &Files) -> Vec<Finding> {
    let dockerfiles =
        project.services.values().map(|built| built.dockerfile.as_ref().filter(|_| built.closure.is_some()));
    // What nobody can read may take it.
    let Some(dockerfiles) = dockerfiles.collect::<Option<Vec<_>>>() else { return Vec::new() };
    let stages = dockerfiles.iter().flat_map(|file| file.stages.iter().flat_map(|stage| &stage.instructions));
    let all = dockerfiles.iter().flat_map(|file| &file.global).chain(stages);
    let declares = |one: &Instruction| if one.keyword == "ENV" { Vec::new() } else { one.declares() };
    let declared = all.flat_map(|one| one.trigger().map_or_else(|| declares(one), |trigger| declares(&trigger)));
    let declared: BTreeSet<String> = declared.map(|one| one.name).collect();
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (service, built) in &project.services {
        let unknown = built.args.keys().filter(|name| !built.takes(name) && !declared.contains(*name));
        for name in unknown.filter(|name| seen.insert((*name).clone())) {
            let what = format!("`{name}` is given to {}, and no stage takes it", quoted(&[(service, built)]));
            let why = "It changes nothing: what is built is what the Dockerfile says without it.";
            let finding = match declared.iter().find(|other| is_slip(name, other)) {
                Some(other) => error("argument-not-taken", what).why(why).cure(format!("write `{other}`")),
                None => warning("argument-not-taken", what)
                    .why(why)
                    .cure("declare it with `ARG` in the stage that is to use it, or drop it"),
            };
            findings.push(files.place(finding, service.as_str(), name));
        }
    }
    findings
}

/// Whether two names differ in one place, by two letters at most.
fn is_slip(one: &str, other: &str) -> bool {
    let start = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one.as_bytes()[start..], &other.as_bytes()[start..]);
    let end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    start > 1 && one.len().max(other.len()) - end <= 2
}

#[cfg(test)]
mod tests;
