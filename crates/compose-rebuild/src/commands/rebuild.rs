//! `rebuild`: bring images to the remote's tip.

use super::run::Run;
use super::{Context, plan};
use crate::cli;
use crate::report::human;

/// Runs the command.
pub fn run(context: &Context, options: &cli::Rebuild) -> anyhow::Result<()> {
    let run = Run::of_rebuild(context, &options.build, options.local.clone(), options.no_wait)?;
    let (facts, planned) = run.gather()?;
    if options.dry_run {
        plan::show(context, &facts, &planned);
        return Ok(());
    }
    if planned.is_fresh() {
        human::services(&context.ui, &planned);
        human::finished(&context.ui, &run.summary(&facts, &planned, None, None));
        return Ok(());
    }
    let (_lock, facts, planned) = run.lock(facts, planned)?;
    let summary = run.carry_out(&facts, &planned)?;
    human::finished(&context.ui, &summary);
    Ok(())
}
