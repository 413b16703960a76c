//! The flow of every command that builds: gather, plan, build, verify, promote, report.

use std::sync::OnceLock;
use std::thread;

use buildkit_report::summary::Summary;
use camino::{Utf8Path, Utf8PathBuf};

use crate::build::digests::Digests;
use crate::build::staged::{self, Staged};
use crate::error::Failure;
use crate::facts::image::{Images, Store};
use crate::facts::source::{Resolved, Revision};
use crate::facts::{Facts, disk, gather, leaving, remotes};
use crate::foresight::Foresight;
use crate::plan::cache_bust::Rule;
use crate::plan::{Action, Plan, Request};
use crate::project::key;
use crate::promote::{self, Move};
use crate::report::{human, summary};
use crate::sys::lock::Lock;
use crate::sys::threads::{both, join};
use crate::value::measure;
use crate::verify::Place;
use crate::{build, cli, verify as check};

use super::{Context, kept};

/// A command that builds, after its facts were gathered.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) command: &'static str,
    pub(super) limits: cli::Limits,
    pub(super) push: bool,
    pub(super) local: Option<Utf8PathBuf>,
    /// The rule of flag and environment, which the request takes from the configuration where there is none.
    pub(super) chosen: Option<Rule>,
    pub(super) request: Request,
}

impl<'a> Run<'a> {
    /// A rebuild.
    pub(super) fn of_rebuild(
        context: &'a Context,
        options: &cli::Build,
        local: Option<Utf8PathBuf>,
    ) -> anyhow::Result<Self> {
        let cli::Build { services, cache_bust, pull, push } = options;
        let chosen = context.settings.chosen_rule(cache_bust.as_deref())?;
        let (services, now) = (services.clone(), context.settings.now);
        let request = Request { services, pull: *pull, now, ..Request::default() };
        let limits = cli::Limits::default();
        Ok(Self { context, command: "rebuild", limits, push: *push, local, chosen, request })
    }

    pub(super) fn gather(&self) -> anyhow::Result<(Facts, Plan)> {
        let Context { ui, settings, .. } = self.context;
        ui.detail("Resolving", "workspace, compose project, remotes and images");
        let store = Store::of(self.push);
        let pull = self.request.pull.then_some(settings.now);
        let selection = settings.selection(&self.request.services);
        let mut facts = gather::facts(ui, selection, self.local.as_deref(), store, pull)?;
        let _ = self.context.ending.notify.set(facts.workspace.config.notify.clone());
        let request = self.request(&facts)?;
        let plan = crate::plan::decide::plan(&facts, &request)?;
        if store == Store::Engine && self.is_left(&facts) {
            let versioned: Vec<_> = plan.builds().flat_map(|(_, build)| build.promote.clone()).collect();
            facts.images.extend(store.inspect(ui, &versioned)?);
            let plan = crate::plan::decide::plan(&facts, &request)?;
            return Ok((facts, plan));
        }
        Ok((facts, plan))
    }

    /// Whether a run was killed before it removed what it staged.
    pub(super) fn is_left(&self, facts: &Facts) -> bool {
        staged::is_left(&facts.workspace.state, &facts.project.name)
    }

    /// Removes what a run that was killed left; whoever calls this holds the lock.
    pub(super) fn remove_left(&self, facts: &Facts) -> anyhow::Result<()> {
        let staged = Staged::begin(&self.context.ui, &facts.workspace.state, &facts.project.name, Vec::new())?;
        staged.remove_left();
        Ok(())
    }

    /// What is asked for, with what the workspace configures.
    pub(super) fn request(&self, facts: &Facts) -> anyhow::Result<Request> {
        let configured = facts.workspace.config.cache_bust.as_deref();
        let rule = self.context.settings.rule_or(self.chosen.clone(), configured)?;
        Ok(Request { rule, ..self.request.clone() })
    }

    /// Takes the lock; whoever had to wait for it decides again.
    pub(super) fn lock(&self, facts: Facts, plan: Plan) -> anyhow::Result<(Lock, Facts, Plan)> {
        let lock = self.context.lock(&facts.project.name, !self.limits.no_wait)?;
        let (facts, plan) = if lock.waited { self.gather()? } else { (facts, plan) };
        Ok((lock, facts, plan))
    }

    /// Builds, verifies and promotes what is not fresh, starts services with `start`, which says which ones are healthy, and
    /// reports.
    pub(super) fn carry_out(
        &self,
        facts: &Facts,
        plan: &Plan,
        start: impl FnOnce() -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Summary> {
        let Context { ui, started, ending, .. } = self.context;
        let state = &facts.workspace.state;
        kept::prepare(state)?;
        human::services(ui, plan);
        let mut built = None;
        let promoted = self.act(facts, plan, &mut built);
        let mut summary = self.summary(facts, plan, built.as_ref());
        // What was built is on record, however the rest of the run ends.
        let is_report = !plan.is_fresh();
        let done = promoted.and_then(|promoted| {
            human::steps(ui, &summary);
            let moved: Vec<_> = plan.services.iter().filter(|service| promoted && service.moves()).collect();
            for group in human::groups(ui, &moved, |service| &service.cache_bust) {
                let images = human::names_or_count(&group, |service| service.image.to_string(), "image");
                ui.status("Promoted", &format!("{images} to {}", group[0].cache_bust));
            }
            moved.iter().for_each(|service| ui.message("image", service));
            if is_report {
                kept::write(state, &summary)?;
            }
            summary.healthy = start()?;
            if let (true, Some(warning)) = (self.limits.strict, summary.warnings.first()) {
                return Err(Failure::no(format!("the build has warnings: {warning}"))
                    .kept("what was built is in use")
                    .hint("fix what it warns of, or run it without `--strict`")
                    .into());
            }
            Ok(promoted && Self::changes(facts, plan, built.as_ref()) || !summary.healthy.is_empty())
        });
        summary.failure = done.as_ref().err().map(|error| summary::failure(&Failure::of(error)));
        summary.total_ms = measure::milliseconds(started.elapsed());
        self.step_summary(&summary);
        if *done.as_ref().unwrap_or(&true) {
            let _ = ending.summary.set(summary.clone());
        }
        if (built.is_some() && done.is_err() || is_report && !summary.healthy.is_empty())
            && let Err(unwritten) = kept::write(state, &summary)
        {
            ui.warning(&format!("there is no report of this build: {unwritten:#}"));
        }
        done.map(|_| summary)
    }

    /// Builds, verifies and promotes; `built` is what the build did, beside what was foreseen, whatever comes after it.
    /// Nothing is promoted when another run has pushed something newer.
    fn act(&self, facts: &Facts, plan: &Plan, built: &mut Option<(build::Outcome, Foresight)>) -> anyhow::Result<bool> {
        let builds = plan.builds().next().is_some();
        if self.push {
            let output = self.output(facts, plan)?;
            return if builds { self.build(facts, plan, output, built) } else { self.settle(facts, plan, Vec::new()) };
        }
        if builds {
            let output = self.output(facts, plan)?;
            self.build(facts, plan, output, built)?;
        } else if self.is_left(facts) {
            self.remove_left(facts)?;
        }
        let reused = reused(facts, plan)?;
        promote::move_tags(&self.context.ui, Store::Engine, &reused)?;
        promote::read_back(&self.context.ui, Store::Engine, &reused)?;
        Ok(true)
    }

    /// Builds under staged tags, verifies, and moves tags when every service passed: versioned and kept ones first.
    fn build(
        &self,
        facts: &Facts,
        plan: &Plan,
        output: build::Output,
        built: &mut Option<(build::Outcome, Foresight)>,
    ) -> anyhow::Result<bool> {
        let Context { ui, settings, .. } = self.context;
        let state = &facts.workspace.state;
        if output.store == Store::Engine {
            disk::preflight(ui, &facts.images)?;
        }
        let images = plan.builds().map(|(_, build)| build.staged.clone()).collect();
        let staged = Staged::begin(ui, state, &plan.project, images)?;
        let local = copy_local(facts, &staged)?;
        let expected = OnceLock::new();
        let (foresight, outcome) = thread::scope(|scope| {
            scope.spawn(|| staged.remove_left());
            both(
                || Foresight::begin(ui, settings, facts, plan, &expected),
                || build::run(ui, settings, (facts, plan), local, output, &expected),
            )
        });
        let (outcome, foresight) = built.insert((outcome?, foresight));
        thread::scope(|scope| {
            scope.spawn(|| foresight.end(ui, settings, facts, plan, outcome));
            match &outcome.failure {
                Some(failure) => Err(failure.clone().into()),
                None => {
                    let built = plan.builds().map(|(one, _)| (&one.service, &facts.project.services[&one.service]));
                    leaving::remember(&settings.files, &facts.leaving, &built.collect::<Vec<_>>(), &outcome.progress);
                    self.bring_into_use(facts, plan, (output.store, &outcome.digests), staged)
                }
            }
        })
        .map_err(|error| foresight.blame(error))
    }

    /// Verifies what was staged and moves the tags.
    fn bring_into_use(
        &self,
        facts: &Facts,
        plan: &Plan,
        (store, digests): (Store, &Digests),
        staged: Staged<'_>,
    ) -> anyhow::Result<bool> {
        let Context { ui, settings, .. } = self.context;
        let place = Place { store, builder: settings.builder.as_ref(), state: &facts.workspace.state };
        let taken = taken_as_they_are(facts, plan);
        let unmoved = || remotes::check_unmoved(ui, &taken, &facts.workspace.access);
        let there = || if self.push { self.pushed_before(facts, plan) } else { Ok(Images::new()) };
        let (unmoved, (there, verified)) = both(unmoved, || both(there, || check::staged(ui, plan, place, digests)));
        let verified = unmoved.and(verified)?;
        for group in human::groups(ui, &verified.images, |one| &one.service.cache_bust) {
            let names = human::names_or_count(&group, |one| one.service.service.to_string(), "service");
            ui.status("Verified", &format!("{names} {}", group[0].service.cache_bust));
        }
        if self.push {
            return self.publish(facts, plan, &verified.images, (store, there?));
        }
        let moves: Vec<_> = verified
            .images
            .iter()
            .flat_map(|one| {
                let from = |tag| facts.images.get(tag).map(|image| image.id.clone());
                one.build.promote.iter().map(move |tag| Move {
                    tag: tag.clone(),
                    from: from(tag),
                    to: one.image.id.clone(),
                })
            })
            .collect();
        // What a later run relies on moves last, together, and goes back together.
        let relied_on = key::images_of(&facts.project)?;
        let (last, first): (Vec<_>, Vec<_>) = moves.into_iter().partition(|one| relied_on.contains(&one.tag));
        let opened = verified.opened;
        thread::scope(|scope| {
            let closed = scope.spawn(|| drop(opened));
            promote::add_tags(ui, Store::Engine, &first)?;
            promote::move_tags(ui, Store::Engine, &last)?;
            // Its marker goes last: whoever finds it cleans up after a run that was killed, containers too.
            scope.spawn(|| {
                join(closed);
                drop(staged);
            });
            promote::read_back(ui, Store::Engine, &last)
        })?;
        Ok(true)
    }
}

/// The sources that some service of the plan takes without being told the commit.
fn taken_as_they_are<'a>(facts: &'a Facts, plan: &Plan) -> Vec<&'a Resolved> {
    let is_taken = |one: &&Resolved| {
        let mut unpinned = plan.builds().flat_map(|(service, _)| facts.unpinned(&service.service));
        unpinned.any(|other| std::ptr::eq(other, *one))
    };
    facts.sources.iter().filter(is_taken).collect()
}

/// Tags that go to images that are there: the mutable ones, and those that images are kept under.
fn reused(facts: &Facts, plan: &Plan) -> Result<Vec<Move>, Failure> {
    let mut moves = Vec::new();
    for service in &plan.services {
        let Action::Reuse(kept) = &service.action else { continue };
        let Some(to) = facts.images.get(kept).map(|image| &image.id) else { continue };
        let built = &facts.project.services[&service.service];
        let keep = built.keep.then(|| key::kept_image(&facts.project, &service.service)).transpose()?;
        for tag in built.names().chain(&keep) {
            let from = facts.images.get(tag).map(|image| image.id.clone());
            if from.as_ref() != Some(to) {
                moves.push(Move { tag: tag.clone(), from, to: to.clone() });
            }
        }
    }
    Ok(moves)
}

/// Copies the local directory that takes the place of a remote, if there is one.
fn copy_local<'a>(facts: &Facts, staged: &'a Staged<'_>) -> anyhow::Result<Option<&'a Utf8Path>> {
    let tree = facts.sources.iter().find_map(|resolved| match &resolved.revision {
        Revision::Local(tree) => Some(tree),
        Revision::Commit(_) => None,
    });
    tree.map(|tree| staged.copy_tree(tree)).transpose()
}
