//! Starting services from the images that were promoted, and going back to what ran before when one is not healthy.

pub mod bad;
pub mod pending;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Failure, exit_code};
use crate::facts::containers::{self, Condition, Container};
use crate::facts::image::{Images, Store};
use crate::plan::hold::{self, Bad, Why};
use crate::project::{Project, key};
use crate::promote::{self, Move};
use crate::sys::docker::{self, ComposeOptions};
use crate::sys::interrupt;
use crate::sys::threads::both;
use crate::ui::Ui;
use crate::value::{ImageRef, Service, label};
use pending::Pending;

/// How long Compose may take beside the waiting for health: old containers get time to end.
const COMPOSE: Duration = Duration::from_secs(60);
/// How often containers are looked at.
const TICK: Duration = Duration::from_millis(200);

/// How services are started.
#[derive(Debug)]
pub struct Up<'a> {
    /// Where output goes.
    pub ui: &'a Ui,
    /// What Compose is told about the project.
    pub options: &'a ComposeOptions,
    pub project: &'a Project,
    /// The images whose containers are looked at.
    pub names: Vec<ImageRef>,
    /// How long to wait until they are healthy.
    pub wait: Duration,
    /// Whether everything is started, not only what ran from other images.
    pub all: bool,
}

/// What was started.
struct Started {
    services: BTreeSet<String>,
    failed: Vec<Failed>,
}

/// A service that did not become healthy.
struct Failed {
    service: String,
    image: Option<ImageRef>,
    why: String,
}

impl Up<'_> {
    /// Whether a container runs from another image than its name has now.
    pub fn is_due(&self) -> anyhow::Result<bool> {
        let (found, images) = both(
            || containers::of_project(self.ui, &self.project.name),
            || Store::Engine.inspect(self.ui, &self.names),
        );
        Ok(self.all || outdated(&found?, &images?).next().is_some())
    }

    /// Starts what ran from other images than the tags have now, and waits until it is healthy; the services that are.
    ///
    /// # Errors
    /// Exit code 1 when a service is not healthy: then everything went back as far as possible; 130 when a signal came: the
    /// next run goes on.
    pub fn start(&self, mut pending: Pending) -> anyhow::Result<BTreeSet<String>> {
        let names: Vec<_> = self.names.iter().chain(pending.before.keys()).cloned().collect();
        let (found, images) =
            both(|| containers::of_project(self.ui, &self.project.name), || Store::Engine.inspect(self.ui, &names));
        let (found, images) = (found?, images?);
        for (container, name) in outdated(&found, &images) {
            pending.services.extend(container.service.parse().ok());
            // A tag that an earlier run moved already says nothing about what runs.
            let now = images.get(&name).map(|image| &image.id);
            if pending.before.get(&name).is_none_or(|before| Some(before) == now) {
                pending.before.insert(name, container.image.clone());
            }
        }
        let exists = |service: &Service| found.iter().any(|one| one.service == service.as_str());
        pending.services.retain(|service| self.project.services.contains_key(service) || exists(service));
        if pending.services.is_empty() && !self.all {
            pending.end();
            return Ok(BTreeSet::new());
        }
        pending.write()?;
        let started = self.bring_up(&pending.services, &found)?;
        if started.failed.is_empty() {
            self.ui.status("Healthy", &listed(&pending.services));
            pending.end();
            return Ok(started.services);
        }
        Err(self.go_back(&pending, &started.failed, &images)?.into())
    }

    /// Finishes what an earlier run began: it goes on, or goes back if that run had seen that something is not healthy.
    pub fn resume(&self, mut pending: Pending) -> anyhow::Result<BTreeSet<String>> {
        self.ui.status("Resuming", "what an earlier run began to start");
        pending.before.retain(|name, _| hold::owner_of(self.project, name).is_some());
        let names: Vec<_> = pending.before.keys().cloned().chain(key::marks(self.project)?).collect();
        let images = Store::Engine.inspect(self.ui, &names)?;
        let is_bad = |(name, before): (&ImageRef, &String)| {
            let image = images.get(name).filter(|image| image.id != *before)?;
            let (service, _) = hold::owner_of(self.project, name)?;
            let mut all = hold::known(&images, self.project, service).into_iter();
            let bad = all.find(|bad| image.label(label::KEY) == Some(&bad.key))?;
            Some(Failed { service: service.to_string(), image: Some(name.clone()), why: bad.why.to_string() })
        };
        let failed: Vec<_> = pending.before.iter().filter_map(is_bad).collect();
        if failed.is_empty() { self.start(pending) } else { Err(self.go_back(&pending, &failed, &images)?.into()) }
    }

    /// Lets Compose start services and waits until they are healthy.
    fn bring_up(&self, services: &BTreeSet<Service>, before: &[Container]) -> anyhow::Result<Started> {
        self.ui.status("Starting", &listed(services));
        let mut services = services.clone();
        let refused = self.compose_up(&mut services)?;
        let began = Instant::now();
        let mut restarts = BTreeMap::new();
        loop {
            let found = self.look(&services, before, began.elapsed(), &mut restarts)?;
            let mut failed = Vec::new();
            for (one, condition) in &found {
                if let Condition::Failed(why) = condition {
                    failed.push(self.failed(one, why));
                }
            }
            if let (Some(refused), true) = (&refused, failed.is_empty()) {
                let why = format!("did not start: {refused}");
                failed.push(Failed { service: listed(&services), image: None, why });
            }
            if !failed.is_empty() || found.iter().all(|(_, condition)| *condition == Condition::Healthy) {
                for (done, _) in found.iter().filter(|(one, _)| failed.is_empty() && one.has_succeeded()) {
                    self.ui.status("Done", &format!("{} (ended with status 0)", done.service));
                }
                return Ok(Started { services: found.into_iter().map(|(one, _)| one.service).collect(), failed });
            }
            interrupt::check()?;
            thread::sleep(TICK);
        }
    }

    /// Lets Compose start services, without those that are none any more; why it does not, if it does not.
    fn compose_up(&self, services: &mut BTreeSet<Service>) -> anyhow::Result<Option<String>> {
        loop {
            let up = docker::up(self.options, services.iter().filter(|_| !self.all));
            let done = match up.output_or_leave(self.ui, self.wait + COMPOSE) {
                Ok(done) if done.status.success() => return Ok(None),
                Ok(done) => done,
                Err(error) => {
                    let failure = Failure::of(&error);
                    return match failure.code {
                        exit_code::INTERRUPTED => Err(failure
                            .kept("a service that was stopped to be replaced may be down until the next `rebuild`, which goes on here")
                            .into()),
                        _ => Ok(Some(failure.cause)),
                    };
                }
            };
            let refused = done.last_error();
            let gone = refused.rsplit_once("no such service: ").and_then(|(_, name)| name.parse::<Service>().ok());
            match gone.filter(|_| services.len() > 1).and_then(|gone| services.take(&gone)) {
                Some(gone) => {
                    self.ui.warning(&format!("`{gone}` still runs, although it is no longer a service of the project"));
                }
                None => return Ok(Some(refused.to_owned())),
            }
        }
    }

    /// How the containers are now that were started: those of `services`, and all that were not up `before`.
    fn look(
        &self,
        services: &BTreeSet<Service>,
        before: &[Container],
        waited: Duration,
        restarts: &mut BTreeMap<String, u64>,
    ) -> anyhow::Result<Vec<(Container, Condition)>> {
        let is_wanted = |one: &Container| services.iter().any(|service| service.as_str() == one.service);
        let found = containers::of_project(self.ui, &self.project.name)?;
        let found = found.into_iter().filter(|one| is_wanted(one) || one.was_started(before)).map(|one| {
            let restarts = *restarts.entry(one.id.clone()).or_insert(one.restarts);
            let condition = match one.condition(waited, restarts) {
                // What did not run before may be a job that has the health check of a server's image.
                Condition::Failed(_) if !is_wanted(&one) && one.has_succeeded() => Condition::Healthy,
                Condition::Starting if waited > self.wait.max(containers::GRACE) => {
                    Condition::Failed(format!("was not healthy after {} s", self.wait.as_secs()))
                }
                other => other,
            };
            (one, condition)
        });
        Ok(found.collect())
    }

    /// Says how a container failed: what its health check said, and the end of its log.
    fn failed(&self, container: &Container, why: &str) -> Failed {
        let Container { service, name, image_name, .. } = container;
        self.ui.warning(&format!("`{service}` {why} ({name})"));
        let log = docker::logs(&container.id).output(self.ui, COMPOSE);
        let log = log.map(|log| (log.stderr.clone(), log.text())).unwrap_or_default();
        for (verb, text) in [("Log", log.1.as_str()), ("Log", &log.0), ("Check", &container.last_check)] {
            for line in text.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev() {
                self.ui.status(verb, &crate::ui::plain(line, 500));
            }
        }
        Failed { service: service.clone(), image: image_name.parse().ok(), why: why.to_owned() }
    }

    /// The versions of the services that failed; all that moved, where Compose itself failed.
    fn bad(&self, failed: &[Failed], moves: &[Move], images: &Images) -> Vec<(&Service, Bad)> {
        let named: Vec<_> = failed.iter().filter_map(|one| one.image.as_ref()).collect();
        let bad = |one: &Move| {
            let (service, _) = hold::owner_of(self.project, &one.tag)?;
            Some((service, Bad::of(|name| images.get(&one.tag)?.label(name), Why::Unhealthy)?))
        };
        moves.iter().filter(|one| named.is_empty() || named.contains(&&one.tag)).filter_map(bad).collect()
    }

    /// Writes down that versions are bad. Going back does not depend on it.
    fn mark(&self, bad: &[(&Service, Bad)]) -> anyhow::Result<()> {
        for (service, bad) in bad {
            match bad::add(self.ui, self.project, service, bad.clone()) {
                Err(error) if Failure::of(&error).code == exit_code::INTERRUPTED => return Err(error),
                Err(error) => self.ui.warning(&format!("`{}` is not marked as bad: {error:#}", bad.value)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Moves every tag back to where it was, and starts what ran before; what is to be said of it.
    fn go_back(&self, pending: &Pending, failed: &[Failed], images: &Images) -> anyhow::Result<Failure> {
        let moves = pending.before.iter().filter_map(|(tag, before)| {
            let now = images.get(tag).map(|image| image.id.clone());
            (now.as_ref() != Some(before)).then(|| Move { tag: tag.clone(), from: now, to: before.clone() })
        });
        let moves: Vec<_> = moves.collect();
        let what: Vec<_> = failed.iter().map(|one| format!("`{}` {}", one.service, one.why)).collect();
        let what = what.join(", ");
        if moves.is_empty() {
            pending.end();
            return Ok(Failure::no(format!("{what}, and there is nothing to go back to"))
                .kept("nothing was stopped")
                .hint("look at it: docker compose ps --all; docker compose logs"));
        }
        let bad = self.bad(failed, &moves, images);
        self.mark(&bad)?;
        promote::move_tags(self.ui, Store::Engine, &moves)?;
        let tags: Vec<_> = moves.iter().map(|one| one.tag.clone()).collect();
        let before = Store::Engine.inspect(self.ui, &tags)?;
        let culprit = failed.iter().find_map(|one| before.get(one.image.as_ref()?));
        let value = culprit.or(before.values().next()).and_then(|image| image.label(label::CACHE_BUST));
        let value = crate::ui::plain(value.unwrap_or("what was there before"), 128);
        self.ui.status("Going back", &format!("to {value}"));
        let found = containers::of_project(self.ui, &self.project.name)?;
        let still = self.bring_up(&pending.services, &found)?.failed;
        // What Compose refuses for the old version too is no fault of the new one, which is tried again.
        if failed.iter().chain(&still).all(|one| one.image.is_none()) && !still.is_empty() {
            for (service, bad) in &bad {
                bad::remove(self.ui, self.project, service, &bad.key)?;
            }
        }
        pending.end();
        Ok(match still.first() {
            None => Failure::no(format!("{what}; rolled back to {value}"))
                .kept("every tag is where it was, and what ran before runs again")
                .hint("fix it and push"),
            Some(old) => Failure::no(format!("{what}, and after going back to {value} `{}` {}", old.service, old.why))
                .kept("every tag is where it was; nothing was stopped")
                .hint("look at it: docker compose ps --all; docker compose logs"),
        })
    }
}

fn listed(services: &BTreeSet<Service>) -> String {
    match services.is_empty() {
        true => "all services".to_owned(),
        false => services.iter().map(Service::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// The containers that run from another image than their name has now, each with that name.
fn outdated<'a>(found: &'a [Container], images: &'a Images) -> impl Iterator<Item = (&'a Container, ImageRef)> {
    found.iter().filter(|one| one.is_up()).filter_map(|one| {
        let name: ImageRef = one.image_name.parse().ok()?;
        images.get(&name).filter(|image| image.id != one.image)?;
        Some((one, name))
    })
}
