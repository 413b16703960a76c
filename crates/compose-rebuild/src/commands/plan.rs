//! `plan`: what a rebuild would do, why, and how long it should take.

use super::Context;
use super::run::Run;
use crate::facts::Facts;
use crate::foresight::Foresight;
use crate::plan::Plan;
use crate::{cli, report};

/// Runs the command.
pub fn run(context: &Context, options: &cli::Plan) -> anyhow::Result<()> {
    let (facts, plan) = Run::of_rebuild(context, &options.build, options.local.clone())?.gather()?;
    show(context, &facts, &plan);
    Ok(())
}

/// Prints a plan with what is foreseen of it.
pub(super) fn show(context: &Context, facts: &Facts, plan: &Plan) {
    let foresight = Foresight::now(&context.ui, &context.settings, facts, plan);
    report::plan::show(&context.ui, &foresight.of(plan));
}
