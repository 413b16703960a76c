//! `rollback`: move the mutable tags back to a version that is still there.

use buildkit_report::summary::{ServiceSummary, Summary};

use super::{Context, notify};
use crate::cli;
use crate::error::{Failure, exit_code};
use crate::facts::gather::read_project;
use crate::facts::image::Store;
use crate::facts::store::{self, Inventory};
use crate::plan::hold::{Bad, Why};
use crate::plan::rollback::{self, Version};
use crate::project::Project;
use crate::promote::{self, Move};
use crate::ui::{Ui, plain};
use crate::up::bad;
use crate::up::pending::Pending;
use crate::value::{CacheBust, Service, measure};

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rollback) -> anyhow::Result<()> {
    if let Some(value) = &options.value {
        return notify::told(context, "rollback", &[], || go_back(context, options, value));
    }
    let (_, project) = read_project(&context.ui, context.settings.selection(&[]))?;
    let _lock = context.lock(&project.name, !options.no_wait)?;
    list(context, &rollback::versions(&store::read(&context.ui, None)?, &project));
    Ok(())
}

/// Moves the tags to the version of this name, and starts it if that was asked for.
fn go_back(context: &Context, options: &cli::Rollback, value: &CacheBust) -> anyhow::Result<()> {
    let Context { ui, settings, ending, .. } = context;
    let (workspace, project) = read_project(ui, settings.selection(&[]))?;
    let _ = ending.notify.set(workspace.config.notify.clone());
    let state = &workspace.state;
    let _lock = context.lock(&project.name, !options.no_wait)?;
    let store = store::read(ui, None)?;
    let versions = rollback::versions(&store, &project);
    let Some(version) = versions.iter().find(|version| version.cache_bust == *value) else {
        let known: Vec<_> = versions.iter().map(|version| version.cache_bust.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::usage(format!("version `{value}` does not exist for every service"))
            .kept("every tag is where it was")
            .hint(format!("versions that exist: {known}"))
            .into());
    };
    let moves: Vec<_> = version
        .images
        .iter()
        .flat_map(|(service, id)| {
            let at = |tag| store.images.iter().find(|(_, image)| image.tags.contains(tag)).map(|(id, _)| id.clone());
            let names = project.services[service].names();
            names.map(move |tag| Move { tag: tag.clone(), from: at(tag), to: id.clone() })
        })
        .collect();
    let before = moves.iter().filter_map(|one| Some((one.tag.clone(), one.from.clone()?))).collect();
    let pending = Pending::new(state, &project.name, before);
    let up = context.starting(&project, moves.iter().map(|one| one.tag.clone()).collect(), &options.up);
    if options.up.up.is_some() {
        if let Some(left) = Pending::left(state, &project.name) {
            up.resume(left)?;
        }
        pending.write()?;
    }
    // Before anything moves: a run that comes after a killed one does not go forward again.
    let left = left_versions(&store, &project, version);
    for (service, bad) in &left {
        bad::add(ui, &project, service, bad.clone())?;
    }
    promote::move_tags(ui, Store::Engine, &moves)?;
    promote::read_back(ui, Store::Engine, &moves)?;
    for one in &moves {
        ui.status("Promoted", &format!("{} to {value}", one.tag));
        ui.message("image", &serde_json::json!({"image": one.tag, "cache_bust": value, "id": one.to}));
    }
    let (start, healthy) = match options.up.up {
        Some(_) => {
            let started = up.start(pending).inspect_err(|error| {
                if Failure::of(error).code == exit_code::NO {
                    forget(ui, &project, &left);
                }
            });
            ("", started?.into_iter().collect())
        }
        None => ("start it with `docker compose up -d`; ", Vec::new()),
    };
    if !healthy.is_empty() || moves.iter().any(|one| one.from.as_ref() != Some(&one.to)) {
        let _ = ending.summary.set(summary(context, &project, version, healthy));
    }
    let stays = "until there is a newer commit; `cargo xtask rebuild --forward` goes forward before";
    ui.status("Finished", &format!("{start}the tags stay at {value} {stays}"));
    Ok(())
}

/// What the rollback did.
fn summary(context: &Context, project: &Project, version: &Version, healthy: Vec<String>) -> Summary {
    let service = |service: &Service| ServiceSummary {
        service: service.to_string(),
        image: project.services[service].image.to_string(),
        action: "reuse".to_owned(),
        why: "rolled back".to_owned(),
        cache_bust: version.cache_bust.to_string(),
        revision: version.revision.clone(),
        sources: Vec::new(),
        made_from: Vec::new(),
    };
    let summary = Summary {
        project: project.name.to_string(),
        command: "rollback".to_owned(),
        services: version.images.keys().map(service).collect(),
        started: context.settings.now,
        total_ms: measure::milliseconds(context.started.elapsed()),
        healthy,
        ..Summary::default()
    };
    summary.with_build(None, &[])
}

/// The versions that the services leave, which no run goes to by itself from now on.
fn left_versions(store: &Inventory, project: &Project, to: &Version) -> Vec<(Service, Bad)> {
    let left = to.images.iter().filter_map(|(service, id)| {
        let name = &project.services[service].image;
        let (_, image) =
            store.images.iter().find(|(_, image)| image.tags.contains(name)).filter(|(now, _)| *now != id)?;
        Some((service.clone(), Bad::of(|name| image.label(name), Why::RolledBack)?))
    });
    left.collect()
}

/// What was left runs again.
fn forget(ui: &Ui, project: &Project, left: &[(Service, Bad)]) {
    for (service, bad) in left {
        if let Err(error) = bad::remove(ui, project, service, &bad.key) {
            ui.warning(&format!("`{}` of `{service}` is still marked as rolled back: {error:#}", bad.value));
        }
    }
}

fn list(context: &Context, versions: &[Version]) {
    let Context { ui, settings, .. } = context;
    for version in versions {
        let age = measure::age(settings.now.since(version.created).as_secs());
        let mark = match (version.current, version.bad) {
            (true, _) => "current",
            (false, true) => "bad",
            (false, false) => "kept",
        };
        let revision = plain(&version.revision.chars().take(12).collect::<String>(), 12);
        ui.data(&format!("{mark:>12} {} {revision} {age:>4} {:>9}", version.cache_bust, measure::bytes(version.bytes)));
        ui.message("plan", version);
    }
    match versions.is_empty() {
        true => ui.status("Finished", "no version exists for every service"),
        false => ui.status("Finished", "nothing was changed; name the version to go back to"),
    }
}
