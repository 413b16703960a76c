//! `rollback`: move the mutable tags back to a version that is still there.

use super::Context;
use crate::cli;
use crate::error::Failure;
use crate::facts::gather::read_project;
use crate::facts::image::Store;
use crate::facts::store;
use crate::plan::rollback::{self, Version};
use crate::promote::{self, Move};
use crate::ui::plain;
use crate::value::measure;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rollback) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let (_, project) = read_project(ui, settings.selection(&[]))?;
    let _lock = context.lock(&project.name, !options.no_wait)?;
    let store = store::read(ui)?;
    let versions = rollback::versions(&store, &project);
    let Some(value) = &options.value else {
        list(context, &versions);
        return Ok(());
    };
    let Some(version) = versions.iter().find(|version| version.cache_bust == *value) else {
        let known: Vec<_> = versions.iter().map(|version| version.cache_bust.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::usage(format!("version `{value}` is not there for every service"))
            .kept("every tag is where it was")
            .hint(format!("versions that are: {known}"))
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
    promote::move_tags(ui, Store::Engine, &moves)?;
    promote::read_back(ui, Store::Engine, &moves)?;
    for one in &moves {
        ui.status("Promoted", &format!("{} to {value}", one.tag));
        ui.message("image", &serde_json::json!({"image": one.tag, "cache_bust": value, "id": one.to}));
    }
    ui.status("Finished", "start it with `docker compose up -d`; `cargo xtask rebuild` goes forward again");
    Ok(())
}

fn list(context: &Context, versions: &[Version]) {
    let Context { ui, settings, .. } = context;
    for version in versions {
        let age = measure::age(settings.now.since(version.created).as_secs());
        let mark = if version.current { "current" } else { "kept" };
        let revision = plain(&version.revision.chars().take(12).collect::<String>(), 12);
        ui.data(&format!("{mark:>12} {} {revision} {age:>4} {:>9}", version.cache_bust, measure::bytes(version.bytes)));
        ui.message("plan", version);
    }
    match versions.is_empty() {
        true => ui.status("Finished", "no version is there for every service"),
        false => ui.status("Finished", "nothing was changed; name the version to go back to"),
    }
}
