//! `rebuild`: bring images to the remote's tip.

use super::{Context, Run};
use crate::cli;
use crate::plan::Attestations;
use crate::report::human;

/// Runs the command.
///
/// # Errors
/// Those of every phase, see the exit codes.
pub fn run(context: &Context, options: &cli::Rebuild) -> anyhow::Result<()> {
    let chosen = context.settings.chosen_rule(options.build.cache_bust.as_deref())?;
    let run = Run {
        context,
        command: "rebuild",
        options: &options.build,
        chosen,
        local: options.local.clone(),
        full: false,
        keep_models: true,
        attestations: Attestations::default(),
    };
    let (facts, plan) = run.gather()?;
    if options.dry_run {
        human::plan(&context.ui, &plan);
        return Ok(());
    }
    if plan.is_fresh() {
        human::services(&context.ui, &plan);
        human::finished(&context.ui, &run.summary(&facts, &plan, None, None));
        return Ok(());
    }
    let (_lock, facts, plan) = run.lock(facts, plan)?;
    let summary = run.carry_out(&facts, &plan)?;
    human::finished(&context.ui, &summary);
    Ok(())
}
