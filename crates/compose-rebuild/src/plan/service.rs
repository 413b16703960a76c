//! What happens to one service, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use buildkit_report::summary::SourceSummary;

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::image::Image;
use crate::facts::source::{Resolved, Revision};
use crate::plan::bases::{bases, moved_base};
use crate::plan::inputs::Keyed;
use crate::plan::{Action, Build, LOCAL_STAGE, Request, ServicePlan, VersionFile};
use crate::project::edges::{By, Input, inputs_of, is_input};
use crate::project::key;
use crate::project::{IMAGE, TARGET};
use crate::value::{self, CacheBust, ImageRef, Service, label};

/// What is known when it is decided what happens to a service.
pub struct Deciding<'a> {
    pub facts: &'a Facts,
    /// What the user asks for.
    pub request: &'a Request,
    /// What every service is made from.
    pub keyed: &'a HashMap<&'a Service, Keyed<'a>>,
    /// The services that are built in this run, as far as they are decided: all that this one is made from.
    pub built: BTreeSet<&'a Service>,
}

impl Deciding<'_> {
    /// Plans one service of those that were keyed.
    ///
    /// # Errors
    /// Exit code 2 for tags that do not fit, and for a local directory that has no stage to replace.
    pub fn plan(&self, service: &Service) -> Result<ServicePlan, Failure> {
        let Self { facts, request, keyed, .. } = *self;
        let keyed = &keyed[service];
        let Keyed { built, cache_bust, key, .. } = keyed;
        let current = facts.images.get(&built.image);
        let kept = kept_image(facts, service)?;
        let again = request.full && (request.models || !built.keep);
        let reason = match current {
            None => Some("never built".to_owned()),
            Some(_) if again => Some("everything was asked for".to_owned()),
            Some(current) => self.outdated(service, current),
        };
        let (action, why) = match (&kept, current, reason) {
            (Some((name, image)), current, _) if !again && !built.takes_files() => match current {
                Some(current) if current.id == image.id && name.is_kept() => {
                    (Action::Fresh, format!("kept as {}", name.tag))
                }
                _ => (Action::Reuse(name.clone()), format!("kept as {}", name.tag)),
            },
            (_, Some(current), None) => {
                let elsewhere = |tag: &&ImageRef| facts.images.get(tag).is_none_or(|image| image.id != current.id);
                match built.tags.iter().find(elsewhere) {
                    Some(tag) => (Action::Reuse(built.image.clone()), format!("`{tag}` is not its image yet")),
                    None => {
                        let value = current.label(label::CACHE_BUST).unwrap_or_default();
                        (Action::Fresh, format!("{value} is current"))
                    }
                }
            }
            (_, _, reason) => match self.adopted(service)?.filter(|_| !again) {
                Some(name) => (Action::Reuse(name), "it was built and verified earlier".to_owned()),
                None => (Action::Build(self.build(service, current)?), reason.unwrap_or_default()),
            },
        };
        let why = [why].into_iter().chain(idle(facts, service)).collect::<Vec<_>>().join("; ");
        let (service, image) = (service.clone(), built.image.clone());
        let (cache_bust, revision, key) = (cache_bust.clone(), keyed.revision(), key.clone());
        let taken = |(one, held): (&Resolved, &String)| SourceSummary {
            repository: one.source.repository.to_string(),
            wanted: one.source.describe(),
            revision: held.clone(),
        };
        let sources = facts.sources_of(&service).zip(&keyed.revisions).map(taken).collect();
        Ok(ServicePlan { service, image, cache_bust, revision, sources, key, action, why })
    }

    /// The versioned image of a service, if it is what would be built: a run that ended between its tags left it.
    fn adopted(&self, service: &Service) -> Result<Option<ImageRef>, Failure> {
        // What is built from it in the same run takes the name that moves, and that moves at the end.
        if is_input(&self.facts.project, service) {
            return Ok(None);
        }
        let name = own_image(self.facts, service, &self.keyed[service].cache_bust)?;
        let is_same = |image: &Image| self.outdated(service, image).is_none();
        Ok(self.facts.images.get(&name).is_some_and(is_same).then_some(name))
    }

    /// Why an image that exists has to be built, or may have to be: nothing for one that is fresh.
    fn outdated(&self, service: &Service, current: &Image) -> Option<String> {
        let Self { facts, request, .. } = *self;
        let keyed = &self.keyed[service];
        let prior = current.label(label::REVISION).unwrap_or_default();
        let short = |revisions: &str| revisions.split(' ').map(value::short).collect::<Vec<_>>().join(" ");
        if !current.belongs_to(&facts.project.name) || current.label(label::SERVICE) != Some(service.as_str()) {
            return Some("the image was not built by this tool".to_owned());
        }
        let revision = keyed.revision();
        if prior != revision {
            let sources: Vec<_> = facts.sources_of(service).collect();
            let priors: Vec<_> = prior.split(' ').collect();
            let moved = |what: &str, from: &str, to: &str| match (from, to) {
                ("", _) => format!("the image names no commit, {what} is at {}", short(to)),
                (_, "") => format!("it has no source any more, and the image is from {}", short(from)),
                _ => format!("{what} moved {}..{}", short(from), short(to)),
            };
            // With several sources those that moved, as long as they are the same ones.
            if sources.len() > 1 && sources.len() == priors.len() {
                let moves = sources.iter().zip(&keyed.revisions).zip(priors).filter_map(|((one, now), prior)| {
                    let what = format!("{} {}", one.source.name, one.source.describe());
                    (now != prior).then(|| moved(&what, prior, now))
                });
                return Some(moves.collect::<Vec<_>>().join(", "));
            }
            let names: Vec<_> = sources.iter().map(|resolved| resolved.source.describe()).collect();
            return Some(moved(&names.join(", "), prior, &revision));
        }
        if current.label(label::KEY) != Some(keyed.key.as_str()) {
            return Some(match current.label(label::CACHE_BUST) {
                Some(value) if value != keyed.cache_bust.as_str() => format!("the cache-bust value was {value}"),
                _ => "the Dockerfile, an argument or the image it is built from changed".to_owned(),
            });
        }
        if let Some(reason) = self.undecided(service) {
            return Some(format!("{reason}, so BuildKit decides"));
        }
        if let Some(newer) = newer_input(facts, service, current) {
            return Some(format!("the image of `{newer}`, which it is made from, is newer"));
        }
        // What is kept comes out the same when it is made again.
        let is_built =
            |input: &Input<'_>| self.built.contains(input.service) && !facts.project.services[input.service].keep;
        if let Some(input) = inputs_of(&facts.project, service).into_iter().find(is_built) {
            return Some(format!("it is made from `{}`, which is built", input.service));
        }
        let base = request.pull.then(|| moved_base(facts, keyed.built, current)).flatten();
        base.or_else(|| request.attestations.provenance.then(|| "a release says how it was built".to_owned()))
    }

    /// Why only BuildKit can tell whether another image would come out: of a service, or of one that it is made from.
    fn undecided(&self, service: &Service) -> Option<String> {
        let facts = self.facts;
        let project = &facts.project;
        let built = &project.services[service];
        let inputs = inputs_of(project, service);
        let watched = |repository: &str, reference: &_| {
            facts.fetched_by(service).any(|one| one.source.follows(repository, reference))
        };
        let below = inputs.iter().map(|input| project.services[input.service].image.clone());
        let triggers = || {
            let mut all = built.images().chain(below);
            all.find(|name| facts.images.get(name).is_some_and(|image| image.has_triggers))
        };
        let own = built.undecided(&self.keyed[service].args, watched);
        let own = own.or_else(|| triggers().map(|name| format!("`{name}` has instructions for what is made from it")));
        let leaves =
            || facts.leaving.contains(service).then(|| "a base image copies files of the context into it".to_owned());
        let own = own.or_else(leaves);
        own.or_else(|| {
            // What is kept changes only with its key, unless files go into it.
            let is_kept = |input: &Input<'_>| {
                let built = &project.services[input.service];
                built.keep && !built.takes_files()
            };
            inputs.iter().filter(|input| !is_kept(input)).find_map(|input| {
                let reason = self.undecided(input.service)?;
                Some(format!("it is made from `{}`, and {reason}", input.service))
            })
        })
    }

    /// What takes the place of stages, named contexts and images that a build names: kept images, and the services that it is
    /// made from, built in the same run or as they are.
    fn contexts(&self, service: &Service) -> Result<BTreeMap<String, String>, Failure> {
        let project = &self.facts.project;
        let mut contexts = BTreeMap::new();
        for Input { service: input, name, by } in inputs_of(project, service) {
            let other = &project.services[input];
            let is_built = self.built.contains(input);
            let kept = kept_image(self.facts, input)?.filter(|_| !is_built);
            let context = match (kept, by) {
                (Some((kept, _)), _) => format!("{IMAGE}{kept}"),
                (None, By::Stage) => continue,
                (None, _) if is_built => format!("{TARGET}{}", other.bake_target),
                (None, By::Context) => format!("{IMAGE}{}", other.image),
                // The name means the current image by itself.
                (None, By::Image) => continue,
            };
            contexts.insert(name, context);
        }
        Ok(contexts)
    }

    fn build(&self, service: &Service, current: Option<&Image>) -> Result<Build, Failure> {
        let Self { facts, request, .. } = *self;
        let keyed = &self.keyed[service];
        let Keyed { built, cache_bust, args, key, .. } = keyed;
        let image = &built.image;
        let own = own_image(facts, service, cache_bust)?;
        let mut contexts = self.contexts(service)?;
        let (base_names, base_digests) = bases(facts, built);
        // What was resolved is what is built from.
        for (name, digest) in base_names.iter().zip(base_digests.iter().flatten()) {
            let pinned = format!("{IMAGE}{}@{digest}", name.repository);
            let is_its = |value: &&str| value.parse().is_ok_and(|image: ImageRef| image == *name);
            let named = built.contexts.iter().filter(|(_, value)| value.strip_prefix(IMAGE).filter(is_its).is_some());
            contexts.extend(named.map(|(context, _)| (context.clone(), pinned.clone())));
            contexts.entry(name.familiar()).or_insert(pinned);
        }
        let sources: Vec<_> = facts.sources_of(service).collect();
        let fetched: Vec<_> = facts.fetched_by(service).collect();
        let local = fetched.iter().any(|resolved| matches!(resolved.revision, Revision::Local(_)));
        if local && !built.closure.as_ref().is_some_and(|closure| closure.stages.contains(LOCAL_STAGE)) {
            return Err(Failure::usage(format!(
                "`--local` needs a stage `{LOCAL_STAGE}` in `{}`",
                built.dockerfile_path
            ))
            .hint(
                "add `FROM scratch AS local-source`, and use its files when there are any; the shipped Dockerfile does",
            ));
        }
        // An image that comes out the same keeps its time, so that it keeps its ID too.
        let created = current.filter(|current| current.label(label::KEY) == Some(key.as_str()) && !request.full);
        let created = created.filter(|current| newer_input(facts, service, current).is_none());
        let created = created.filter(|current| !request.pull || moved_base(facts, built, current).is_none());
        let created = created.and_then(|current| current.label(label::CREATED)).map(str::to_owned);
        reused_value(facts, service, keyed, current)?;
        let repositories: Vec<_> = sources.iter().map(|resolved| resolved.source.repository.to_string()).collect();
        let labels = [
            (label::PROJECT, facts.project.name.to_string()),
            (label::SERVICE, service.to_string()),
            (label::KEY, key.to_string()),
            (label::CACHE_BUST, cache_bust.to_string()),
            (label::VERSION, facts.workspace.version_of(service)?.to_string()),
            (label::CREATED, created.unwrap_or_else(|| request.now.to_string())),
            (label::SOURCE, repositories.join(" ")),
            (label::REVISION, keyed.revision()),
            (label::BASE_NAME, base_names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            (label::BASE_DIGEST, base_digests.clone().unwrap_or_default().join(" ")),
        ];
        let version_file = match (facts.workspace.config.version_file(service), fetched.as_slice()) {
            // An image that is only built, never started, has parts of the code at most.
            (Some(path), [one]) if !built.build_only => {
                Some(VersionFile { path: path.to_owned(), content: one.revision.to_string() })
            }
            _ => None,
        };
        Ok(Build {
            staged: image.with_tag(format!("staged-{service}-{}", key.short()))?,
            promote: [own].into_iter().chain(built.names().cloned()).collect(),
            args: args.clone(),
            labels: labels.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
            contexts,
            local,
            version_file,
        })
    }
}

/// The kept image of a service, if it exists and is ours; under its other name when it has lost that which it is kept under.
pub fn kept_image<'a>(facts: &'a Facts, service: &Service) -> Result<Option<(ImageRef, &'a Image)>, Failure> {
    if !facts.project.services[service].keep {
        return Ok(None);
    }
    let name = key::kept_image(&facts.project, service)?;
    let own = |name: &ImageRef| facts.images.get(name).filter(|image| image.belongs_to(&facts.project.name));
    if let Some(image) = own(&name) {
        return Ok(Some((name, image)));
    }
    let current = &facts.project.services[service].image;
    let is_its = |image: &&Image| image.label(label::KEY).is_some_and(|key| name.tag == format!("keep-{key:.12}"));
    Ok(own(current).filter(is_its).map(|image| (current.clone(), image)))
}

/// The name that an image of a service has beside its mutable tag: that of its version, or that it is kept under.
pub fn own_image(facts: &Facts, service: &Service, cache_bust: &CacheBust) -> Result<ImageRef, Failure> {
    let built = &facts.project.services[service];
    match built.keep {
        true => key::kept_image(&facts.project, service),
        false => built.image.with_tag(built.image.versioned_tag(cache_bust.as_str())),
    }
}

/// What the newest commits of its sources are for a service, as far as they change nothing for it.
fn idle(facts: &Facts, service: &Service) -> impl Iterator<Item = String> {
    let words = |one: &Resolved| {
        let (count, wanted) = (one.idle.as_ref()?.count, one.source.describe());
        Some(match count {
            1 => format!("1 commit on {wanted} changes nothing for this image"),
            count => format!("{count} commits on {wanted} change nothing for this image"),
        })
    };
    facts.sources_of(service).filter_map(words)
}

/// A service that this one is made from and whose image was made after this one's: from something else, although its key
/// may be the same.
fn newer_input<'a>(facts: &'a Facts, service: &Service, current: &Image) -> Option<&'a Service> {
    let made = |image: &'a Image| image.label(label::CREATED);
    let than = current.label(label::CREATED);
    let is_newer = |input: &Input<'a>| {
        let kept = kept_image(facts, input.service).ok().flatten().map(|(_, image)| image);
        let image = kept.or_else(|| facts.images.get(&facts.project.services[input.service].image));
        image.and_then(made) > than.or(Some(""))
    };
    inputs_of(&facts.project, service).into_iter().find(is_newer).map(|input| input.service)
}

/// Where the bust value alone makes a clone run again, it must not be one that another commit had.
fn reused_value(facts: &Facts, service: &Service, keyed: &Keyed<'_>, current: Option<&Image>) -> Result<(), Failure> {
    let says = |name, value: &str| current.and_then(|current| current.label(name)) == Some(value);
    let reused = says(label::CACHE_BUST, keyed.cache_bust.as_str()) && !says(label::REVISION, &keyed.revision());
    match facts.unpinned(service).next().filter(|_| reused) {
        Some(resolved) => Err(Failure::usage(format!(
            "the cache-bust value `{}` of `{service}` was used for another commit of {}, so its clone would stay cached",
            keyed.cache_bust, resolved.source.repository
        ))
        .kept("nothing was changed")
        .hint("use `--cache-bust auto`, or let the Dockerfile take the commit as a build argument")),
        None => Ok(()),
    }
}
