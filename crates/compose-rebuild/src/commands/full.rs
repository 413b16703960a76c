//! `full`: everything again without cache.

use super::run::Run;
use super::{Context, kept};
use crate::cli;
use crate::error::Failure;
use crate::facts::{Facts, images};
use crate::plan::{Plan, Request};
use crate::report::human;
use crate::sys::interrupt;
use crate::value::measure;

/// Runs the command.
///
/// # Errors
/// Exit code 2 without a terminal and `--yes`, and those of every phase.
pub fn run(context: &Context, options: &cli::Full) -> anyhow::Result<()> {
    let rebuild = Run::of_rebuild(context, &options.build, None)?;
    let request = Request { full: true, forward: true, models: !options.keep_models, ..rebuild.request };
    let run = Run { command: "full", limits: options.limits, request, ..rebuild };
    let (facts, plan) = run.gather()?;
    announce(context, &facts, &plan);
    if !options.yes {
        let answer = context.ui.confirm("build everything again?", || interrupt::count() > 0);
        interrupt::check()?;
        match answer {
            Some(true) => {}
            Some(false) => return Err(Failure::no("not confirmed").kept("nothing was changed").into()),
            None => {
                return Err(Failure::usage("`full` asks before it starts, and there is no terminal to ask on")
                    .kept("nothing was changed")
                    .hint("run it with `--yes`")
                    .into());
            }
        }
    }
    // The answer may have taken a while, in which another run brought something newer.
    let _lock = context.lock(&facts.project.name, !options.limits.no_wait)?;
    let (facts, plan) = run.gather()?;
    let summary = run.carry_out(&facts, &plan, || Ok(Vec::new()))?;
    human::finished(&context.ui, &summary);
    Ok(())
}

/// Says what will be built, how large it is and how long it took last time.
fn announce(context: &Context, facts: &Facts, plan: &Plan) {
    let mut images = facts.images.clone();
    images::measure(&context.ui, &mut images);
    for (service, _) in plan.builds() {
        let built = &facts.project.services[&service.service];
        let size = match images.get(&service.image) {
            Some(image) => format!("{} now", measure::bytes(image.size)),
            None => "never built, size unknown".to_owned(),
        };
        let download = if built.keep { ", downloaded again" } else { "" };
        context.ui.status("Full", &format!("{}: every step runs again ({size}{download})", service.service));
    }
    let mut before = kept::before(&context.ui, &facts.workspace.state, facts.project.name.as_str());
    before.retain(|summary| summary.failure.is_none());
    let last = before.iter().find(|summary| summary.command == "full").or(before.first());
    context.ui.status(
        "Time",
        &match last {
            Some(last) => format!("the last `{}` took {}", last.command, measure::seconds(last.total_ms)),
            None => "unknown, no build is on record".to_owned(),
        },
    );
}
