//! `prune`: free disk without losing what is needed.

use std::collections::BTreeSet;

use super::Context;
use crate::cli;
use crate::facts::builder;
use crate::facts::gather::read_project;
use crate::facts::store::{self, CacheRecord, Inventory};
use crate::plan::layers::Sizes;
use crate::plan::prune::{self, Line, Policy};
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::Builder;
use crate::value::measure::{self, counted};

/// Runs the command.
pub fn run(context: &Context, options: &cli::Prune) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let (_, project) = read_project(ui, settings.selection(&[]))?;
    let _lock = context.lock(&project.name, !options.no_wait)?;
    let builder = builder(context)?;
    let before = store::read(ui, builder.as_ref())?;
    let policy = &options.policy;
    let lines = prune::plan(&before, &project, policy)?;
    show(ui, &lines, options.execute);
    let (images, cache): (Vec<_>, Vec<_>) = lines.iter().filter(|line| line.remove).partition(|line| !line.cache);
    if images.is_empty() && cache.is_empty() {
        ui.status("Finished", &format!("nothing to prune{}", stays(&before, &lines, policy)));
        return Ok(());
    }
    if policy.keep < 2 && lines.iter().any(|line| line.remove && line.why == prune::too_old(policy.keep)) {
        ui.warning(&format!(
            "`--keep {}` removes the versions that `cargo xtask rollback` could go back to",
            policy.keep
        ));
    }
    if !options.execute {
        let frees = measure::bytes(images.iter().chain(&cache).map(|line| line.bytes).sum());
        let what = format!("{} and {}", counted(images.len(), "image"), counted(cache.len(), "cache record"));
        let stays = stays(&before, &lines, policy);
        ui.status("Finished", &format!("removing {what} would free {frees}{stays}"));
        ui.status("Note", "nothing was removed; run it again with `--execute`");
        return Ok(());
    }
    let taken = images_together(ui, &before);
    remove_images(ui, &images)?;
    // The build cache holds the layers of an image too; what it held only with images that are gone goes with them.
    let held = |record: &&CacheRecord| before.cache.iter().any(|was| was.id == record.id && was.held);
    let released = store::read(ui, builder.as_ref())?;
    let released = released.cache.iter().filter(|record| !record.held).filter(held).map(|record| record.id.clone());
    let records: Vec<_> = released.chain(cache.iter().map(|line| line.id.clone())).collect();
    remove_cache(ui, builder.as_ref(), &records)?;
    report(ui, &lines, (&before, taken), &store::read(ui, builder.as_ref())?, policy);
    Ok(())
}

/// What stays although it could be removed, and the option that removes it.
fn stays(before: &Inventory, lines: &[Line], policy: &Policy) -> String {
    let cache: u64 = before.cache.iter().filter(|record| !record.held).map(|record| record.size).sum();
    let goes: u64 = lines.iter().filter(|line| line.cache && line.remove).map(|line| line.bytes).sum();
    let models = lines.iter().filter(|line| !line.remove && line.why == prune::SUPERSEDED);
    let models: u64 = models.map(|line| line.adds).sum();
    let cache = match (cache.saturating_sub(goes), policy.cache_limit) {
        (0, _) => String::new(),
        (left, None) => format!("; {} of build cache stay, `--cache-limit 0B` removes them", measure::bytes(left)),
        (left, Some(_)) => format!("; {} of build cache stay below the limit", measure::bytes(left)),
    };
    let models = match models {
        0 => String::new(),
        models => format!("; {} of superseded kept images stay, `--models` removes them", measure::bytes(models)),
    };
    cache + &models
}

/// The builder that somebody named or chose, whose cache it is then; without one it is that of the engine.
fn builder(Context { ui, settings, .. }: &Context) -> anyhow::Result<Option<Builder>> {
    if settings.builder.is_some() || !docker::builder_was_chosen() {
        return Ok(settings.builder.clone());
    }
    let name = builder::ask(ui, None)?.name;
    Ok(Some(name.parse()?))
}

/// Removes records of the build cache by ID; one that another record is made from stays.
fn remove_cache(ui: &Ui, builder: Option<&Builder>, records: &[String]) -> anyhow::Result<()> {
    for some in records.chunks(1000) {
        let done = docker::remove_cache(builder, some).output(ui, process::LONG)?;
        if !done.status.success() {
            ui.warning(&format!("build cache: {}", done.last_error()));
        }
    }
    Ok(())
}

/// Removes images by ID. What the engine refuses is seen afterwards, in what is still there.
fn remove_images(ui: &Ui, images: &[&Line]) -> anyhow::Result<()> {
    let wanted: Vec<_> = images.iter().map(|line| line.id.clone()).collect();
    // A command line has its limits; a thousand IDs are well below.
    for some in wanted.chunks(1000) {
        let done = docker::remove_images(some).output(ui, process::LONG)?;
        // What is in use stays and is said; anything else is no answer of the engine.
        if !done.status.success() && !["conflict", "No such image"].iter().any(|sign| done.stderr.contains(sign)) {
            return Err(docker::failure(&done).kept("images in use; some of the others may be gone").into());
        }
    }
    Ok(())
}

/// Bytes of all images together. Where the engine does not tell the size of each to the byte, it tells this in four digits.
fn images_together(ui: &Ui, store: &Inventory) -> u64 {
    let union = || Sizes::new(store.images.values()).union(store.images.values());
    if store.images.values().all(|image| image.is_exact) {
        return union();
    }
    let summary = docker::disk_summary().ask(ui, process::LONG).unwrap_or_default();
    let size = summary.lines().find_map(|line| line.strip_prefix("Images="));
    size.and_then(|size| measure::size(size).ok()).unwrap_or_else(union)
}

/// Says what became of every line that was to go, and how much space that measurably freed.
fn report(ui: &Ui, lines: &[Line], (before, taken): (&Inventory, u64), after: &Inventory, policy: &Policy) {
    let (mut records, mut bytes) = (0, 0);
    for line in lines.iter().filter(|line| line.remove) {
        let there = match line.cache {
            true => after.cache.iter().any(|record| record.id == line.id),
            false => after.images.contains_key(&line.id),
        };
        match there {
            true => ui.warning(&format!("{} stays: the engine still uses it", line.name)),
            false if line.cache && !ui.is_verbose() => (records, bytes) = (records + 1, bytes + line.bytes),
            false => ui.status("Removed", &format!("{} ({}, {})", line.name, measure::bytes(line.bytes), line.why)),
        }
        ui.message(
            "pruned",
            &serde_json::json!({"id": line.id, "name": line.name, "removed": !there, "cache": line.cache,
            "bytes": line.bytes, "why": line.why}),
        );
    }
    if records > 0 {
        ui.status("Removed", &format!("{} ({})", counted(records, "cache record"), measure::bytes(bytes)));
    }
    let cache =
        |store: &Inventory| store.cache.iter().filter(|record| !record.held).map(|record| record.size).sum::<u64>();
    let freed = (taken + cache(before)).saturating_sub(images_together(ui, after) + cache(after));
    ui.status("Finished", &format!("freed {}{}", measure::bytes(freed), stays(before, lines, policy)));
    ui.message("finished", &serde_json::json!({"command": "prune", "freed_bytes": freed}));
}

/// Writes the plan as data: images one by one, records of the build cache together unless more was asked for. What is about
/// to be removed is said when it is.
fn show(ui: &Ui, lines: &[Line], execute: bool) {
    let row = |verb: &str, bytes: u64, age: &str, what: &str, why: &str| {
        ui.data(&format!("{verb:>12} {:>9} {age:>4} {what}: {why}", measure::bytes(bytes)));
    };
    let is_grouped = |line: &&Line| line.cache && !ui.is_verbose();
    for line in lines {
        let is_said_later = execute && line.remove;
        if !is_grouped(&line) && !is_said_later {
            let verb = if line.remove { "remove" } else { "keep" };
            row(verb, line.adds, &measure::age(line.age_s), &line.name, &line.why);
        }
        ui.message("plan", line);
    }
    let records: Vec<_> = lines.iter().filter(is_grouped).filter(|_| !execute).collect();
    let whys: BTreeSet<_> = records.iter().map(|line| &line.why).collect();
    for why in whys {
        let those = || records.iter().filter(|line| line.why == *why);
        let what = counted(those().count(), "cache record");
        row("remove", those().map(|line| line.bytes).sum(), "", &what, why);
    }
}
