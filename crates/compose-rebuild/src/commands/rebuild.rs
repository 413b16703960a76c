//! `rebuild`: bring images to the remote's tip.

use super::run::Run;
use super::{Context, plan};
use crate::cli;
use crate::report::human;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rebuild) -> anyhow::Result<()> {
    let run = Run::of_rebuild(context, &options.build, options.local.clone(), options.no_wait)?;
    let run = Run { step_timeout: options.step_timeout, ..run };
    let (facts, planned) = run.gather()?;
    if options.dry_run {
        plan::show(context, &facts, &planned);
        return Ok(());
    }
    if planned.is_fresh() {
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
    let summary = run.carry_out(&facts, &planned)?;
    human::finished(&context.ui, &summary);
    Ok(())
}
