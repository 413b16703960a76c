//! `doctor`: every problem at once, each with its cure; nothing is changed.

mod ask;
mod project;

use std::thread;

use camino::Utf8Path;

use super::Context;
use crate::doctor::machine::{self, Machine};
use crate::doctor::{Area, Finding, Names, Severity, compose, dockerfile, engine};
use crate::error::Failure;
use crate::facts::workspace::{self, Config, Workspace};
use crate::facts::{join, sources};
use crate::plan::cache_bust::Rule;
use crate::sys::{docker, files, git, interrupt, lock};
use crate::ui::Ui;
use crate::value::ProjectName;
use ask::{answer, lines};
use project::Read;

/// Runs the command.
///
/// # Errors
/// Exit code 2 when there is an error among the findings, 130 when a signal came.
pub fn run(context: &Context) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let directory = settings.files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."));
    ui.detail("Examining", "engine, builder, machine, compose project and Dockerfiles");
    let (mut seen, mut tools, git, workspace) = thread::scope(|scope| {
        let workspace = scope.spawn(|| workspace::read(ui, directory));
        let git = scope.spawn(|| answer(ui, git::version));
        let tools = scope.spawn(|| ask::engine(ui, settings.builder.as_ref()));
        let seen = project::read(ui, &settings.files, directory);
        (seen, join(tools), join(git), join(workspace))
    });
    interrupt::check()?;
    let mut findings = std::mem::take(&mut seen.findings);
    let workspace = workspace.map_err(|error| findings.push(configuration(&error))).ok();
    let config = workspace.as_ref().map(|workspace| workspace.config.clone()).unwrap_or_default();
    let names = names(&config, &mut findings);
    if let Err(failure) = settings.chosen_rule(None) {
        findings.push(configuration(&failure.into()));
    }
    if seen.strict.is_some() {
        findings.extend(compose::check(&seen.project, &seen.files, seen.root.as_str(), &names));
    }
    for patient in compose::patients(&seen.project, &seen.texts) {
        findings.extend(dockerfile::check(&patient, &names));
    }
    let images = project::images(ui, &seen, tools.silent.is_none());
    let is_ill = findings.iter().any(|finding| finding.severity == Severity::Error);
    if let Some(failure) = sources_failure(&seen, &config).filter(|_| !is_ill) {
        findings.push(ask::finding(Area::Compose, "sources", &failure));
    }
    tools.largest = images.largest;
    tools.unprotected = images.unprotected;
    findings.extend(engine::check(&tools));
    findings.extend(machine::check(&machine_facts(context, &seen, workspace.as_ref(), git, tools.silent.is_none())));
    interrupt::check()?;
    for finding in &mut findings {
        finding.file = finding.file.take().map(|file| shown(&file, directory));
    }
    findings.sort();
    findings.dedup();
    report(ui, &findings)
}

/// A path as it is seen from the project.
fn shown(file: &str, directory: &Utf8Path) -> String {
    Utf8Path::new(file).strip_prefix(directory).map_or(file.to_owned(), |path| path.to_string())
}

fn configuration(error: &anyhow::Error) -> Finding {
    ask::finding(Area::Configuration, "configuration", &Failure::of(error))
}

/// The arguments that checks look for; a configuration that says nonsense is a finding.
fn names(config: &Config, findings: &mut Vec<Finding>) -> Names {
    let mut names = Names { transports: config.transports.clone(), ..Names::default() };
    match config.bust_arg() {
        Ok(name) => names.bust = name.to_string(),
        Err(failure) => findings.push(configuration(&failure.into())),
    }
    if let Err(failure) = config.cache_bust.as_deref().map_or(Ok(Rule::Auto), Rule::parse) {
        findings.push(configuration(&failure.into()));
    }
    if !config.sources.is_empty() {
        names.repositories = config.sources.iter().filter_map(|source| source.repository_arg.clone()).collect();
        names.refs = config.sources.iter().filter_map(|source| source.ref_arg.clone()).collect();
        names.commits = config.sources.iter().filter_map(|source| source.commit_arg.clone()).collect();
    }
    names
}

/// Why `rebuild` would not know what the images are made from.
fn sources_failure(seen: &Read, config: &Config) -> Option<Failure> {
    match &seen.strict {
        Some(Ok(project)) => sources::derive(project, config).err(),
        Some(Err(failure)) => Some(failure.clone()),
        None => None,
    }
}

fn machine_facts(
    context: &Context,
    seen: &Read,
    workspace: Option<&Workspace>,
    git: Result<String, Failure>,
    answers: bool,
) -> Machine {
    let ui = &context.ui;
    let mut machine = Machine { git: Some(git.map_err(|failure| failure.cause)), ..Machine::default() };
    let name: Option<ProjectName> = seen.project.name.parse().ok();
    if let Some(state) = workspace.map(|workspace| &workspace.state) {
        let places = [state.clone(), state.join("logs"), state.join("reports")];
        machine.state = places.iter().find_map(|place| files::obstacle(place));
        let marker = name.as_ref().map(|name| state.join(format!("staged-{name}")));
        machine.marker = marker.filter(|marker| marker.exists()).map(|marker| marker.to_string());
    }
    let Some(name) = name else { return machine };
    machine.lock = lock::holder(&context.lock_name(&name));
    if answers {
        machine.containers = lines(answer(ui, |sh| docker::leftover_containers(sh, &name))).count();
        let tags = lines(answer(ui, |sh| docker::project_tags(sh, &name)));
        machine.staged = tags.filter(|tag| tag.contains(":staged-")).collect();
    }
    machine
}

/// Writes the findings, grouped by what they are about; any error makes the command fail.
fn report(ui: &Ui, findings: &[Finding]) -> anyhow::Result<()> {
    let mut area = None;
    for finding in findings {
        if area.replace(finding.area) != Some(finding.area) {
            ui.data(heading(finding.area));
        }
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = finding.place();
        let place = if place.is_empty() { place } else { format!("{place}: ") };
        ui.data(&format!("{severity:>12} {place}{}", finding.what));
        ui.data(&format!("{:>12} {}", "why", finding.why));
        ui.data(&format!("{:>12} {}", "cure", finding.cure));
        ui.message("finding", finding);
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let found = format!("{} and {}", count(errors, "error"), count(findings.len() - errors, "warning"));
    if errors > 0 {
        return Err(Failure::usage(format!("the doctor found {found}"))
            .kept("nothing was changed")
            .hint("cure them from the top, then run `cargo xtask doctor` again")
            .into());
    }
    ui.status("Finished", if findings.is_empty() { "the doctor found nothing" } else { &found });
    Ok(())
}

fn heading(area: Area) -> &'static str {
    match area {
        Area::Engine => "Docker",
        Area::Machine => "this machine",
        Area::Configuration => "configuration",
        Area::Compose => "compose project",
        Area::Dockerfile => "Dockerfile",
    }
}
