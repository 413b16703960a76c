//! `doctor`: every problem at once, each with its cure; nothing is changed.

mod gather;
mod patch;

use std::collections::BTreeMap;
use std::thread;

use camino::Utf8Path;

use super::Context;
use crate::cli;
use crate::doctor::place::Files;
use crate::doctor::table::table;
use crate::doctor::{Area, CHECKS, Finding, Names, Severity, compose, dockerfile, engine, machine};
use crate::error::Failure;
use crate::facts::compose::{self as project, Examined};
use crate::facts::config::Config;
use crate::facts::found::{Meanings, Sighting};
use crate::facts::remotes;
use crate::facts::sources;
use crate::facts::workspace;
use crate::sys::git::Access;
use crate::sys::threads::join;
use crate::sys::{git, interrupt};
use crate::ui::Ui;
use crate::value::measure::counted;
use crate::value::show;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Doctor) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let directory = settings.directory();
    if options.patch {
        let examined = project::examine(ui, settings.selection(&[]))?;
        let workspace = workspace::read(ui, directory)?.configured(&examined.project.extension)?;
        let (_, mut findings) = resolved(ui, &examined, &gather::compose_files(&settings.files), &workspace.config);
        allow(&mut findings, &workspace.config);
        return patch::print(context, &examined.project, &findings);
    }
    ui.detail("Examining", "engine, builder, machine, compose project and Dockerfiles");
    let (examined, mut engine, git, workspace) = thread::scope(|scope| {
        let workspace = scope.spawn(|| workspace::read(ui, directory));
        let git = scope.spawn(|| gather::answer(ui, &git::version()));
        let engine = scope.spawn(|| gather::engine(ui, settings.builder.as_ref()));
        let examined = project::examine(ui, settings.selection(&[]));
        (examined, join(engine), join(git), join(workspace))
    });
    interrupt::check()?;
    let mut findings = Vec::new();
    let configured = workspace.and_then(|workspace| match &examined {
        Ok(examined) => Ok(workspace.configured(&examined.project.extension)?),
        Err(_) => Ok(workspace),
    });
    let workspace = configured.map_err(|error| findings.push(configuration(&Failure::of(&error)))).ok();
    let config = workspace.as_ref().map(|workspace| workspace.config.clone()).unwrap_or_default();
    let nonsense = [
        config.bust_arg().err(),
        settings.chosen_rule(None).err(),
        config.cache_bust.as_deref().and_then(|text| settings.rule(text).err()),
    ];
    findings.extend(nonsense.iter().flatten().map(configuration));
    let files = gather::compose_files(&settings.files);
    // A path as it is seen from the project.
    let inside = |file: &str| Utf8Path::new(file).strip_prefix(directory).map_or(file.to_owned(), ToString::to_string);
    match &examined {
        Ok(examined) => {
            let (mut seen, found) = resolved(ui, examined, &files, &config);
            seen.iter_mut().for_each(|seen| seen.file = inside(&seen.file));
            sources_table(ui, &seen);
            findings.extend(found);
            gather::images(ui, &examined.project, &mut engine);
        }
        Err(error) => {
            let finding = failed(Area::Compose, "compose-refuses", &Failure::of(error));
            findings.push(files.place(finding, "", ""));
        }
    }
    let project = examined.as_ref().ok().map(|examined| &examined.project);
    let machine = gather::machine(context, project, workspace.as_ref(), git, engine.silent.is_none());
    findings.extend(engine::check(&engine));
    findings.extend(machine::check(&machine));
    interrupt::check()?;
    allow(&mut findings, &config);
    findings.iter_mut().for_each(|finding| finding.file = finding.file.take().map(|file| inside(&file)));
    findings.sort();
    findings.dedup();
    report(ui, &findings)
}

/// Marks the findings that the configuration allows; a name that no finding has is one more.
fn allow(findings: &mut Vec<Finding>, config: &Config) {
    let allowed = &config.doctor.allow;
    let unknown = allowed.keys().filter(|name| !CHECKS.contains(&name.as_str())).map(|name| {
        let failure = Failure::usage(format!("`doctor.allow` names {}, which is not a finding", show(name)));
        configuration(&failure.hint("docs/findings.md lists all findings"))
    });
    let unknown: Vec<_> = unknown.collect();
    for finding in findings.iter_mut() {
        finding.allowed = allowed.get(finding.check).cloned();
    }
    findings.extend(unknown);
}

/// Writes which code the project fetches, and how a push to it is noticed.
fn sources_table(ui: &Ui, seen: &[Sighting]) {
    if seen.is_empty() {
        return ui.status("Sources", "none: no stage that is built fetches code from a Git remote");
    }
    ui.data("sources");
    table(seen).iter().for_each(|line| ui.data(line));
    seen.iter().for_each(|seen| ui.message("source", seen));
}

/// A failure of another command, as a finding.
fn failed(area: Area, check: &'static str, failure: &Failure) -> Finding {
    Finding::error(area, check, &failure.cause)
        .why("`cargo xtask rebuild` fails for this reason.")
        .cure(failure.hint.as_deref().unwrap_or_default())
}

fn configuration(failure: &Failure) -> Finding {
    failed(Area::Configuration, "configuration", failure)
}

/// The code that a project fetches, and what is wrong in it and its Dockerfiles.
fn resolved(ui: &Ui, examined: &Examined, files: &Files, config: &Config) -> (Vec<Sighting>, Vec<Finding>) {
    let (project, names) = (&examined.project, Names::of(config));
    let mut findings = compose::check(project, files, &names);
    for (service, failure) in &examined.problems {
        findings.push(files.place(failed(Area::Compose, "project", failure), service, "build"));
    }
    findings.extend(gather::missing_dockerfiles(project, files));
    let derive = |meanings: &Meanings| match sources::derive(project, config, meanings) {
        Ok((sources, found)) => (sources::token_host(&sources), found, None),
        Err(failure) => (None, sources::unnamed(project, config, meanings).unwrap_or_default(), Some(failure)),
    };
    let (token_host, found, _) = derive(&Meanings::new());
    let access = Access { transports: config.transports.clone(), token_host };
    let (_, found, failure) = derive(&remotes::meanings(ui, &found.open, &access, |_, _| None));
    let seen = found.sightings;
    for (service, built) in &project.services {
        let own: Vec<_> = seen.iter().filter(|seen| seen.service == *service).collect();
        findings.extend(dockerfile::check(built, &own, &names));
        findings.extend(own.iter().filter_map(|seen| compose::not_watched(seen, files)));
    }
    // Why `rebuild` would not know what the images are made from, where nothing else says it better.
    if findings.iter().all(|finding| finding.severity == Severity::Warning) {
        findings.extend(failure.map(|failure| files.place(failed(Area::Compose, "sources", &failure), "", "")));
    }
    (seen, findings)
}

/// Writes the findings, grouped by what they are about; any error makes the command fail.
fn report(ui: &Ui, findings: &[Finding]) -> anyhow::Result<()> {
    findings.iter().for_each(|finding| ui.message("finding", finding));
    let allowed: BTreeMap<_, _> = findings.iter().filter_map(|one| Some((one.check, one.allowed.as_ref()?))).collect();
    let findings: Vec<_> = findings.iter().filter(|finding| finding.allowed.is_none()).collect();
    let mut area = None;
    for finding in &findings {
        if area.replace(finding.area) != Some(finding.area) {
            ui.data(match finding.area {
                Area::Engine => "Docker",
                Area::Machine => "this machine",
                Area::Configuration => "configuration",
                Area::Compose => "compose project",
                Area::Dockerfile => "Dockerfile",
            });
        }
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        ui.data(&format!("{severity:>12} {place}{} [{}]", finding.what, finding.check));
        ui.data(&format!("{:>12} {}", "why", finding.why));
        ui.data(&format!("{:>12} {}", "fix", finding.cure));
    }
    if !allowed.is_empty() {
        let reasons: Vec<_> = allowed.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
        ui.status("Allowed", &reasons.join(", "));
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let found = format!("{} and {}", counted(errors, "error"), counted(findings.len() - errors, "warning"));
    if errors > 0 {
        return Err(Failure::usage(format!("the doctor found {found}"))
            .kept("nothing was changed")
            .hint("fix them from the top, then run `cargo xtask doctor` again")
            .into());
    }
    ui.status("Finished", if findings.is_empty() { "the doctor found nothing" } else { &found });
    Ok(())
}
