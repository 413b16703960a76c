//! Whether the services agree with each other.

use std::collections::BTreeMap;

use super::{Files, Project, Service};
use crate::doctor::{Area, Finding, Names, list};
use crate::value::{redact, show};

const ANCHOR: &str = "give every service the same arguments from one YAML anchor: `args: *args`";

pub(super) fn check(project: &Project, files: &Files, names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in names.repositories.iter().chain(&names.refs).chain(&names.commits) {
        findings.extend(disagree(project, files, name).or_else(|| passed_to_some(project, files, name)));
    }
    findings.extend(without_bust(project, files, names));
    findings.extend(project.built().filter_map(|service| kept_takes_bust(service, files, names)));
    findings.extend(same_image(project, files));
    findings
}

fn quoted<'a>(services: impl IntoIterator<Item = &'a &'a Service>) -> String {
    list(&services.into_iter().map(|service| format!("`{}`", service.name)).collect::<Vec<_>>())
}

/// The services that take an argument.
fn takers<'a>(project: &'a Project, name: &str) -> Vec<&'a Service> {
    project.built().filter(|service| service.takes(name)).collect()
}

/// Different values of one argument.
fn disagree(project: &Project, files: &Files, name: &str) -> Option<Finding> {
    let mut values: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in takers(project, name) {
        values.entry(service.arg(name).unwrap_or_default()).or_default().push(service);
    }
    if values.len() < 2 {
        return None;
    }
    let shown: Vec<_> = values
        .iter()
        .map(|(value, services)| {
            let default = services.iter().all(|service| !service.args.contains_key(name));
            let whose = if default { ", the Dockerfile's default" } else { "" };
            format!("{} has {}{whose}", quoted(services), show(&redact(value)))
        })
        .collect();
    let all = values.values().flatten();
    // The service that was forgotten, if one was.
    let at = all.clone().find(|service| !service.args.contains_key(name)).or(all.last())?;
    let finding = Finding::error(
        Area::Compose,
        "services-disagree",
        format!("services disagree about `{name}`: {}", shown.join("; ")),
    )
    .why("One build would put different code into images that belong together.")
    .cure(ANCHOR);
    Some(files.place(finding, &at.name, name))
}

/// An argument that some services are given, and others take from the Dockerfile.
fn passed_to_some(project: &Project, files: &Files, name: &str) -> Option<Finding> {
    let (given, without): (Vec<_>, Vec<_>) =
        takers(project, name).into_iter().partition(|service| service.args.contains_key(name));
    if given.is_empty() || without.is_empty() {
        return None;
    }
    let what = format!("`{name}` is given to {} and not to {}", quoted(&given), quoted(&without));
    let finding = Finding::warning(Area::Compose, "argument-not-passed", what)
        .why("They agree only as long as nobody sets it to something else than the Dockerfile's default.")
        .cure(ANCHOR);
    Some(files.place(finding, &without[0].name, name))
}

/// Services that take the bust argument and are given none.
fn without_bust(project: &Project, files: &Files, names: &Names) -> Option<Finding> {
    let (given, without): (Vec<_>, Vec<_>) =
        takers(project, &names.bust).into_iter().partition(|service| service.args.contains_key(&names.bust));
    let first = without.first()?;
    let name = &names.bust;
    let finding = match given.is_empty() {
        true => Finding::warning(
            Area::Compose,
            "bust-not-passed",
            format!("{} takes `{name}` and is given none", quoted(&without)),
        )
        .why(format!("By hand `{name}=x docker compose build` then clones nothing again; only this tool passes it.")),
        false => Finding::error(
            Area::Compose,
            "bust-not-passed",
            format!("`{name}` is given to {} and not to {}", quoted(&given), quoted(&without)),
        )
        .why("By hand one image gets the new code and the other keeps the old."),
    };
    let cure = format!(
        "add `{name}: ${{{name}:-unknown}}` to its build arguments, best for every service from one YAML anchor"
    );
    Some(files.place(finding.cure(cure), &first.name, name))
}

/// A kept service whose stage changes with the code; a stage that says so itself is found in the Dockerfile.
fn kept_takes_bust(service: &Service, files: &Files, names: &Names) -> Option<Finding> {
    let taken = [&names.bust].into_iter().chain(&names.commits).find(|name| service.takes(name));
    let name = taken.filter(|_| service.keep)?;
    let finding =
        Finding::error(Area::Compose, "kept-takes-bust", format!("`{}` is kept, and takes `{name}`", service.name))
            .why("Every push would make it again, which is what keeping it is there to prevent.")
            .cure("build it from a stage that takes no code, or drop `x-rebuild: {keep: true}`");
    Some(files.place(finding, &service.name, "x-rebuild"))
}

fn same_image(project: &Project, files: &Files) -> Vec<Finding> {
    let mut images: BTreeMap<String, Vec<&Service>> = BTreeMap::new();
    for service in project.built() {
        let name = service.image.rsplit('/').next().unwrap_or_default();
        let tag = if name.contains(':') { "" } else { ":latest" };
        images.entry(format!("{}{tag}", service.image)).or_default().push(service);
    }
    let shared = images.into_iter().filter(|(_, services)| services.len() > 1);
    let findings = shared.map(|(image, services)| {
        let finding =
            Finding::error(Area::Compose, "same-image", format!("{} all build the image `{image}`", quoted(&services)))
                .why("Only the one that is built last is there in the end, and nobody knows which that is.")
                .cure("give each service its own `image`");
        files.place(finding, &services[1].name, "image")
    });
    findings.collect()
}
