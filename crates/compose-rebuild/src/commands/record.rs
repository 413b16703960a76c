//! What a run leaves of itself: its summary, and what a CI system shows of it.

use buildkit_report::markdown;
use buildkit_report::summary::Summary;
use camino::Utf8Path;

use super::run::Run;
use super::{Context, kept};
use crate::build;
use crate::facts::Facts;
use crate::foresight::Foresight;
use crate::plan::{Action, Plan};
use crate::report::summary;
use crate::sys::files;
use crate::value::measure;

impl Run<'_> {
    /// What the run did.
    pub(super) fn summary(&self, facts: &Facts, plan: &Plan, built: Option<&(build::Outcome, Foresight)>) -> Summary {
        let before = built.map(|_| kept::before(&self.context.ui, &facts.workspace.state, plan.project.as_str()));
        let foreseen = built.map(|(_, foresight)| foresight.of(plan));
        let (prediction, upstream) = foreseen.map_or_else(Default::default, |one| (one.prediction, one.upstream));
        let summary = Summary {
            project: plan.project.to_string(),
            command: self.command.to_owned(),
            services: summary::services(&facts.project, plan),
            prediction,
            upstream,
            started: self.context.settings.now,
            total_ms: measure::milliseconds(self.context.started.elapsed()),
            ..Summary::default()
        };
        let build = built.map(|(outcome, _)| summary::build(&facts.project, plan, outcome));
        summary.with_build(build, &before.unwrap_or_default())
    }

    /// Shows the summary beside the run in GitHub Actions.
    pub(super) fn step_summary(&self, summary: &Summary) {
        let Context { ui, settings, .. } = self.context;
        if let Some(path) = &settings.environment.step_summary
            && let Err(unwritten) = files::append(Utf8Path::new(path), markdown::page(summary).as_bytes())
        {
            ui.warning(&format!("the step summary was not written: {unwritten:#}"));
        }
    }

    /// Whether an image is another one than before, or a tag moved to one that was there.
    pub(super) fn changes(facts: &Facts, plan: &Plan, built: Option<&(build::Outcome, Foresight)>) -> bool {
        plan.services.iter().any(|service| match &service.action {
            Action::Fresh | Action::Held | Action::Shared(_) => false,
            Action::Reuse(_) => true,
            Action::Build(_) => {
                let digest = built.and_then(|(outcome, _)| outcome.digests.get(&service.service));
                let before = facts.images.get(&service.image);
                !before.zip(digest).is_some_and(|(before, digest)| digest.is_of(&before.id))
            }
        })
    }
}
