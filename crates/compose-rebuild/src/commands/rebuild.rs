//! `rebuild`: bring images to the remote's tip, and services to the images.

use super::run::Run;
use super::{Context, plan};
use crate::cli;
use crate::error::Failure;
use crate::facts::Facts;
use crate::plan::Plan;
use crate::report::human;
use crate::up::bad;
use crate::up::pending::Pending;
use crate::value::ImageRef;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rebuild) -> anyhow::Result<()> {
    if options.up.up.is_some() && options.build.push {
        return Err(Failure::usage("`--up` starts images of this engine, and `--push` brings images to a registry")
            .kept("nothing was changed")
            .hint("run `cargo xtask rebuild --push` where images are built, and `cargo xtask rebuild --up` where they run")
            .into());
    }
    let run = Run::of_rebuild(context, &options.build, options.local.clone(), options.no_wait)?;
    let run = Run { step_timeout: options.step_timeout, forward: options.forward, ..run };
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
        human::finished(&context.ui, &run.summary(&facts, &planned, None, None));
        return Ok(());
    }
    let (_lock, facts, planned) = run.lock(facts, planned)?;
    if let Some(left) = Pending::left(&state, &project.name) {
        up.resume(left)?;
    }
    let before = up.names.iter().filter_map(|name| Some((name.clone(), facts.images.get(name)?.id.clone())));
    let pending = Pending::new(&state, &project.name, before.collect());
    if options.up.up.is_some() {
        pending.write()?;
    }
    let mut summary = match planned.is_fresh() {
        true => {
            human::services(&context.ui, &planned);
            run.summary(&facts, &planned, None, None)
        }
        false => run.carry_out(&facts, &planned).inspect_err(|_| pending.end())?,
    };
    if options.up.up.is_some() {
        up.start(pending)?;
        summary.total_ms = u64::try_from(context.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
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
