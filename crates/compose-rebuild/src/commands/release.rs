//! `release`: a version of the deployment, from its changelog to its tags.

mod act;

use std::collections::BTreeSet;

use super::{Context, verify};
use crate::cli;
use crate::error::Failure;
use crate::facts::checkout::{self, Checkout};
use crate::facts::gather::read_project;
use crate::facts::image::{Image, Images};
use crate::facts::{images, registry};
use crate::plan::release::checks::{self, Refusal};
use crate::plan::release::steps::{self, Release};
use crate::plan::release::{self, files, version};
use crate::project::Project;
use crate::value::measure::milliseconds;
use crate::value::{ImageRef, Service, label};
use crate::verify::verdict::Verdict;

/// A release with all that it was decided from.
struct Session<'a> {
    context: &'a Context,
    project: Project,
    checkout: Checkout,
    release: Release,
    /// The images of the release that the engine has.
    local: Images,
    /// Images that the registry has under the names that never move.
    registered: Images,
    /// What stands in the way.
    refusals: Vec<Refusal>,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1 when a check says no, 2 for a version that cannot be, 3 when a check cannot be made, and those of a build.
pub fn run(context: &Context, options: &cli::Release) -> anyhow::Result<()> {
    let Context { ui, settings, started, .. } = context;
    let (_, project) = read_project(ui, settings.selection(&[]))?;
    let _lock = context.lock(&project.name, !options.no_wait)?;
    let mut session = Session::gather(context, options)?;
    session.check()?;
    let lines = steps::lines(&session.release);
    for (number, line) in lines.iter().enumerate() {
        let done = if line.done { " (done)" } else { "" };
        ui.data(&format!("{:>12} {}{done}", number + 1, line.what));
        ui.message("plan", line);
    }
    for refusal in &session.refusals {
        ui.data(&format!("{:>12} {}", "refused", refusal.what));
        ui.data(&format!("{:>12} {}", "fix", refusal.cure));
        ui.message("refused", refusal);
    }
    checks::conclude(&session.refusals, &session.release)?;
    let version = session.release.version.clone();
    if !options.execute {
        ui.status("Finished", &format!("nothing was changed; release {version} with `--execute`"));
        return Ok(());
    }
    for line in lines {
        if line.done {
            ui.status("Fresh", &line.what);
            continue;
        }
        let verb = session.act(line.step).map_err(|error| unfinished(&error))?;
        ui.status(verb, &line.what);
    }
    let next = match options.push {
        true => String::new(),
        false => format!("; publish it: cargo xtask release {version} --execute --push"),
    };
    ui.status("Finished", &format!("{version} is released{next}"));
    let total_ms = milliseconds(started.elapsed());
    let project = &session.project.name;
    ui.message(
        "finished",
        &serde_json::json!({"command": "release", "project": project, "version": version, "total_ms": total_ms}),
    );
    Ok(())
}

/// A failure between two steps, of which each stands for itself.
fn unfinished(error: &anyhow::Error) -> Failure {
    let failure = Failure::of(error);
    let again = "run the same command again to go on";
    let hint = failure.hint.as_ref().map_or(again.to_owned(), |hint| format!("{hint}; then {again}"));
    failure.kept("the steps before it stay as they are").hint(hint)
}

impl<'a> Session<'a> {
    fn gather(context: &'a Context, options: &cli::Release) -> anyhow::Result<Self> {
        let Context { ui, settings, .. } = context;
        let (workspace, project) = read_project(ui, settings.selection(&[]))?;
        let mut checkout = checkout::read(ui, &workspace)?;
        let mut refusals = Vec::new();
        let branch = options.branch.as_ref().map(ToString::to_string).or_else(|| checkout.remote_branch.clone());
        let branch = branch.unwrap_or_else(|| "main".to_owned());
        if options.push
            && let Err(error) = checkout.ask_remote(ui, &branch)
        {
            refusals.push(Refusal::of("remote", Failure::of(&error)));
        }
        let (current, base) = version::current_and_base(&checkout)?;
        let version = version::choose(options.wanted.as_ref(), &base, &current)?;
        let others: BTreeSet<_> = checkout.tags.keys().chain(checkout.remote_tags.keys()).cloned().collect();
        let names = release::names(&version, &others.into_iter().collect::<Vec<_>>());
        let tags = release::tags(&project, &names)?;
        let all: Vec<_> = tags.values().flat_map(|tags| tags.moving.iter().chain([&tags.own])).cloned().collect();
        let own: Vec<_> = tags.values().map(|tags| tags.own.clone()).collect();
        let mut registered = Images::new();
        if options.push {
            match registry::inspect(ui, &own) {
                Ok(found) => registered = found,
                Err(error) => refusals.push(Refusal::of("registry", Failure::of(&error))),
            }
        }
        let at_head = |tags: &std::collections::BTreeMap<_, _>| tags.get(&version) == Some(&checkout.head);
        let published = at_head(&checkout.remote_tags);
        let release = Release {
            edits: files::edits(&checkout, &version, &settings.now.day())?,
            branch,
            cut: at_head(&checkout.tags) || published,
            version,
            tags,
            latest: names.latest,
            built: false,
            named: false,
            push: options.push,
            published,
        };
        let local = images::inspect(ui, &all)?;
        let mut session = Self { context, project, checkout, release, local, registered, refusals };
        session.look();
        Ok(session)
    }

    /// Notes how far the images are.
    fn look(&mut self) {
        let tags = &self.release.tags;
        let built = tags.iter().all(|(service, tags)| self.own(service, &tags.own).is_some());
        let id = |tag: &ImageRef| self.local.get(tag).map(|image| &image.id);
        let named = tags.values().all(|tags| tags.moving.iter().all(|tag| id(tag) == id(&tags.own)));
        // Before the Git tag is made, only a plan can tell whether the images are still the right ones.
        self.release.built = self.release.cut && built;
        self.release.named = self.release.built && named;
    }

    /// The image of a service that the engine has under the name that never moves, if it is one of this project.
    fn own(&self, service: &Service, tag: &ImageRef) -> Option<&Image> {
        self.local.get(tag).filter(|image| self.made_here(service, image))
    }

    fn made_here(&self, service: &Service, image: &Image) -> bool {
        image.belongs_to(&self.project.name) && image.label(label::SERVICE) == Some(service.as_str())
    }

    /// Makes every check.
    fn check(&mut self) -> anyhow::Result<()> {
        let mut found = checks::of_checkout(&self.checkout, &self.release);
        let mut settled = self.release.cut;
        for (service, tags) in &self.release.tags {
            let own = &tags.own;
            let registered = self.registered.get(own);
            let local = self.own(service, own);
            if local.is_none() && self.local.contains_key(own) {
                let what = format!("`{own}` is another image, which this tool did not build for `{service}`");
                found.push(Refusal::no("image", what, format!("take that name away: docker image rm {own}")));
            }
            let same = |image: &Image| {
                let is_known = local.is_none_or(|local| is_same_build(local, image));
                self.release.cut && self.made_here(service, image) && is_known
            };
            if registered.is_some_and(|image| !same(image)) {
                let what = format!("`{own}` is in the registry with another digest");
                found.push(Refusal::no("registry", what, "a released version stays as it is: release the next one"));
            }
            settled &= local.or(registered).is_some();
        }
        self.refusals.append(&mut found);
        // Images of a release were verified before they got its name.
        if !settled {
            self.verify()?;
        }
        Ok(())
    }

    /// Compares what the services have now with the remotes, file by file.
    fn verify(&mut self) -> anyhow::Result<()> {
        let options = cli::Verify { deep: true, ..cli::Verify::default() };
        let rows = match verify::rows(self.context, &options) {
            Ok(rows) => rows,
            Err(error) => {
                self.refusals.push(Refusal::of("verify", Failure::of(&error)));
                return Ok(());
            }
        };
        // Which image a container was started from says nothing about the image.
        let bad = rows.iter().filter(|row| !row.verdict.is_good() && row.verdict != Verdict::ContainerOutdated);
        self.refusals.extend(bad.map(|row| {
            let cure = row.cure.clone().unwrap_or_default();
            Refusal::no("verify", format!("service `{}`: {}", row.name(), row.words()), cure)
        }));
        Ok(())
    }
}

/// Whether two images come from one build: its time is to the millisecond.
fn is_same_build(one: &Image, other: &Image) -> bool {
    [label::KEY, label::CREATED].iter().all(|name| one.label(name) == other.label(name))
}
