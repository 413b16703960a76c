//! `doctor`: every problem at once, each with its cure; nothing is changed.

mod gather;
mod patch;

use std::thread;

use camino::Utf8Path;

use super::Context;
use crate::cli;
use crate::doctor::place::Files;
use crate::doctor::{Area, Finding, Names, Patient, Severity, compose, dockerfile, engine, machine};
use crate::error::Failure;
use crate::facts::compose::{self as project, Examined};
use crate::facts::config::Config;
use crate::facts::sources;
use crate::facts::workspace;
use crate::sys::threads::join;
use crate::sys::{git, interrupt};
use crate::ui::Ui;

/// Runs the command.
///
/// # Errors
/// Exit code 2 when there is an error among the findings, 130 when a signal came.
pub fn run(context: &Context, options: &cli::Doctor) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let directory = settings.directory();
    if options.patch {
        return patch::run(context, directory);
    }
    ui.detail("Examining", "engine, builder, machine, compose project and Dockerfiles");
    let (examined, mut engine, git, workspace) = thread::scope(|scope| {
        let workspace = scope.spawn(|| workspace::read(ui, directory));
        let git = scope.spawn(|| gather::answer(ui, git::version));
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
    let names = Names::of(&config);
    let nonsense = [
        config.bust_arg().err(),
        settings.chosen_rule(None).err(),
        config.cache_bust.as_deref().and_then(|text| settings.rule(text).err()),
    ];
    findings.extend(nonsense.iter().flatten().map(configuration));
    let files = gather::compose_files(&settings.files);
    match &examined {
        Ok(examined) => {
            let root = directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(directory);
            findings.extend(resolved(examined, &files, root, &config, &names));
            gather::images(ui, &examined.project, &mut engine);
        }
        Err(error) => {
            let finding = failed(Area::Compose, "compose-refuses", &Failure::of(error));
            findings.push(files.place(finding, "", ""));
            let beside = directory.join("Dockerfile");
            if let Ok(text) = std::fs::read_to_string(&beside) {
                let patient = Patient { file: beside.into_string(), text, kept: [].into() };
                findings.extend(dockerfile::check(&patient, &names));
            }
        }
    }
    let project = examined.as_ref().ok().map(|examined| &examined.project);
    let machine = gather::machine(context, project, workspace.as_ref(), git, engine.silent.is_none());
    findings.extend(engine::check(&engine));
    findings.extend(machine::check(&machine));
    interrupt::check()?;
    for finding in &mut findings {
        // A path as it is seen from the project.
        let inside = |file: &String| Some(Utf8Path::new(file).strip_prefix(directory).ok()?.to_string());
        finding.file = finding.file.take().map(|file| inside(&file).unwrap_or(file));
    }
    findings.sort();
    findings.dedup();
    report(ui, &findings)
}

/// A failure of another command, as a finding.
fn failed(area: Area, check: &'static str, failure: &Failure) -> Finding {
    Finding::error(area, check, &failure.cause)
        .why("`cargo xtask rebuild` ends here.")
        .cure(failure.hint.as_deref().unwrap_or_default())
}

fn configuration(failure: &Failure) -> Finding {
    failed(Area::Configuration, "configuration", failure)
}

/// What is wrong in a project that Compose resolves, and in its Dockerfiles.
fn resolved(examined: &Examined, files: &Files, root: &Utf8Path, config: &Config, names: &Names) -> Vec<Finding> {
    let mut findings = compose::check(&examined.project, &examined.model, files, root.as_str(), names);
    for (service, failure) in &examined.problems {
        findings.push(files.place(failed(Area::Compose, "project", failure), service, "build"));
    }
    for patient in gather::dockerfiles(examined, files, &mut findings) {
        findings.extend(dockerfile::check(&patient, names));
    }
    // Why `rebuild` would not know what the images are made from, where nothing else says it better.
    if findings.iter().all(|finding| finding.severity == Severity::Warning) {
        let failure = sources::derive(&examined.project, config).err();
        findings.extend(failure.map(|failure| files.place(failed(Area::Compose, "sources", &failure), "", "")));
    }
    findings
}

/// Writes the findings, grouped by what they are about; any error makes the command fail.
fn report(ui: &Ui, findings: &[Finding]) -> anyhow::Result<()> {
    let mut area = None;
    for finding in findings {
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
