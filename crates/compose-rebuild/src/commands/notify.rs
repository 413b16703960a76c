//! `notify`: a command is told how a run ended that changed something or failed. Whatever it does, the run ended as it did.

use std::time::Duration;

use anyhow::bail;
use buildkit_report::summary::Summary;

use super::Context;
use crate::error::{Failure, exit_code};
use crate::facts::gather::read_project;
use crate::report::{human, summary};
use crate::sys::process::{self, CommandLine};
use crate::value::{Service, measure};

/// How long the command may take before it is asked to stop; ten seconds later it is killed.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs `act`, and says how it ended.
pub fn told(
    context: &Context,
    command: &str,
    services: &[Service],
    act: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let done = act();
    let failure = done.as_ref().err().map(Failure::of);
    if failure.as_ref().is_none_or(|failure| failure.code != exit_code::INTERRUPTED)
        && let Err(error) = tell(context, command, services, failure.as_ref())
    {
        context.ui.warning(&format!("the notification failed: {error:#}"));
    }
    done
}

fn tell(context: &Context, command: &str, services: &[Service], failure: Option<&Failure>) -> anyhow::Result<()> {
    let Context { ui, settings, ending, .. } = context;
    let failure_code = failure.map(|failure| failure.code);
    let failure = failure.map(summary::failure);
    let (notify, mut summary) = match (ending.notify.get(), ending.summary.get(), &failure) {
        (_, None, None) => return Ok(()),
        (Some(notify), Some(summary), _) => (notify.clone(), summary.clone()),
        // Nothing is asked of anybody for a command line that cannot be understood.
        _ if failure_code == Some(exit_code::USAGE) => return Ok(()),
        _ => {
            // A run that failed before it knew what to do; where the project cannot be read either, nobody can be told.
            let Ok((workspace, project)) = read_project(ui, settings.selection(services)) else {
                return Ok(());
            };
            let summary = Summary {
                project: project.name.to_string(),
                command: command.to_owned(),
                started: settings.now,
                total_ms: measure::milliseconds(context.started.elapsed()),
                ..Summary::default()
            };
            (workspace.config.notify, summary.with_build(None, &[]))
        }
    };
    summary.failure = failure.or(summary.failure);
    let Some((program, arguments)) = notify.split_first() else { return Ok(()) };
    let tell = CommandLine::new(program).args(arguments).args([human::sentence(&summary)]).inside(settings.directory());
    let line = format!("{}\n", serde_json::to_string(&summary)?);
    let finished = process::tell(ui, &tell, line.into_bytes(), DEADLINE)?;
    if !finished.status.success() {
        bail!("`{program}` ended with {}: {}", finished.status, finished.last_error());
    }
    ui.status("Notified", program);
    Ok(())
}
