//! `rebuild`: rebuilds images that are behind the branch, and starts services from them.

use super::run::Run;
use super::{Context, plan};
use crate::cli;
use crate::error::Failure;
use crate::facts::Facts;
use crate::plan::{Plan, Request};
use crate::report::human;
use crate::up::bad;
use crate::up::pending::Pending;
use crate::value::ImageRef;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rebuild) -> anyhow::Result<()> {
    if options.up.up.is_some() && options.build.push {
        return Err(Failure::usage(
            "`--up` and `--push` exclude each other: `--push` builds what the registry lacks, so this engine may not have \
             the images that would be started",
        )
        .kept("nothing was changed")
        .hint("to start what a registry has: `cargo xtask rebuild --push`, then `docker compose pull` and `docker compose up -d --wait`")
        .into());
    }
    let run = Run::of_rebuild(context, &options.build, options.local.clone())?;
    let request = Request { forward: options.forward, ..run.request };
    let run = Run { limits: options.limits, request, ..run };
    let (facts, planned) = run.gather()?;
    if options.dry_run {
        plan::show(context, &facts, &planned);
        return Ok(());
    }
    let state = facts.workspace.state.clone();
    let project = facts.project.clone();
    let up = context.starting(&project, names(&facts, &planned), &options.up);
    let left = Pending::left(&state, &project.name).is_some();
    if planned.is_fresh() && !left && !(options.up.up.is_some() && up.is_due()?) {
        // Another run that holds the lock removes it as well.
        if run.is_left(&facts)
            && let Ok(_lock) = context.lock(&facts.project.name, false)
        {
            run.remove_left(&facts)?;
        }
        human::services(&context.ui, &planned);
        human::finished(&context.ui, &run.summary(&facts, &planned, None));
        return Ok(());
    }
    let (_lock, facts, planned) = run.lock(facts, planned)?;
    let left = Pending::left(&state, &project.name);
    let mut healthy = left.map(|left| up.resume(left)).transpose()?.unwrap_or_default();
    let before = up.names.iter().filter_map(|name| Some((name.clone(), facts.images.get(name)?.id.clone())));
    let mut pending = options.up.up.map(|_| Pending::new(&state, &project.name, before.collect()));
    if let Some(pending) = &pending {
        pending.write()?;
    }
    let summary = run.carry_out(&facts, &planned, || {
        if let Some(pending) = pending.take() {
            healthy.extend(up.start(pending)?);
        }
        Ok(healthy.into_iter().collect())
    });
    // Nothing was promoted, so nothing is to be started.
    if let Some(pending) = pending {
        pending.end();
    }
    let summary = summary?;
    if options.forward {
        for service in planned.services.iter().filter(|service| service.moves()) {
            bad::remove(&context.ui, &project, &service.service, service.key.as_str())?;
        }
    }
    human::finished(&context.ui, &summary);
    Ok(())
}

/// The names of the images that are planned.
fn names(facts: &Facts, plan: &Plan) -> Vec<ImageRef> {
    plan.services.iter().flat_map(|service| facts.project.services[&service.service].names().cloned()).collect()
}
