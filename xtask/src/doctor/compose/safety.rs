//! What a build or a service may do beyond its own files.

use camino::Utf8Path;
use serde_json::Value;

use super::project::is_remote;
use super::{Files, Project, Service};
use crate::doctor::{Area, Finding, list};

pub(super) fn check(project: &Project, files: &Files, root: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &project.services {
        let name = &service.name;
        let (section, build) = (&service.section, &service.section["build"]);
        if build["network"] == "host" {
            findings.push(files.place(
                warning("host-network", format!("the build of `{name}` uses the host's network"))
                    .why("Every command of its Dockerfile, and of what it downloads, reaches services that listen on this machine only.")
                    .cure("drop `network: host`: builds reach the internet without it"),
                name,
                "network",
            ));
        }
        if section["network_mode"] == "host" {
            findings.push(files.place(
                warning("host-network", format!("`{name}` runs on the host's network"))
                    .why("It reaches services that listen on this machine only, and its own ports are open without `ports`.")
                    .cure("drop `network_mode: host` and publish what is needed with `ports`"),
                name,
                "network_mode",
            ));
        }
        let privileged = |value: &Value| value["privileged"] == true;
        if privileged(section) || privileged(build) {
            findings.push(
                files.place(
                    warning("privileged", format!("`{name}` is privileged"))
                        .why("Its processes can do to this machine whatever root can.")
                        .cure("drop `privileged: true`; a GPU needs `deploy.resources.reservations.devices` only"),
                    name,
                    "privileged",
                ),
            );
        }
        let entitlements = build["entitlements"].as_array().into_iter().flatten();
        let entitlements: Vec<_> = entitlements.filter_map(Value::as_str).map(|one| format!("`{one}`")).collect();
        if !entitlements.is_empty() {
            findings.push(
                files.place(
                    warning("entitlements", format!("the build of `{name}` asks for {}", list(&entitlements)))
                        .why("Compose grants them without asking, and with them a build step leaves its sandbox.")
                        .cure("drop `entitlements`"),
                    name,
                    "entitlements",
                ),
            );
        }
        findings.extend(outside(service, files, root));
    }
    findings
}

fn warning(check: &'static str, what: String) -> Finding {
    Finding::warning(Area::Compose, check, what)
}

/// Directories that a build reads although they are not part of the project.
fn outside(service: &Service, files: &Files, root: &str) -> Vec<Finding> {
    let build = &service.section["build"];
    let named = build["additional_contexts"].as_object().into_iter().flatten();
    let named = named.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let contexts = build["context"].as_str().map(|context| ("context", context)).into_iter().chain(named);
    let is_outside = |context: &str| {
        let path = Utf8Path::new(context);
        let climbs = path.components().any(|part| part.as_str() == "..");
        !is_remote(context) && path.is_absolute() && (climbs || !path.starts_with(root))
    };
    let findings = contexts.filter(|(_, context)| is_outside(context)).map(|(key, context)| {
        let finding = warning(
            "context-outside",
            format!("the build of `{}` reads `{context}`, outside the project", service.name),
        )
        .why("What is there is not versioned with the project, and any file in it can get into the image.")
        .cure("move what the build needs into the project");
        files.place(finding, &service.name, key)
    });
    findings.collect()
}
