//! What is known before anything is opened: the project, its sources with what they are now, and its images.

use std::collections::HashMap;

use crate::cli;
use crate::commands::Context;
use crate::error::{CONFIGURATION, Failure};
use crate::facts::config::Config;
use crate::facts::found::Unwatched;
use crate::facts::image::{Image, Store};
use crate::facts::source::{Revision, Source};
use crate::facts::{Facts, gather};
use crate::plan::bases::moved_base;
use crate::plan::decide::plan;
use crate::plan::{Action, Request};
use crate::project::Built;
use crate::settings::Settings;
use crate::ui::Ui;
use crate::value::{Commit, GitUrl, ImageRef, Service, label, show};
use crate::verify::skip::is_inside;
use crate::verify::verdict::{Definition, Evidence, Part};

/// Facts of a verification.
pub struct Known<'a> {
    /// Where output goes.
    pub ui: &'a Ui,
    /// What was gathered; its sources are those below.
    pub facts: Facts,
    /// What images are made from, each with what it is right now, if its remote was asked.
    pub sources: Vec<(Source, Option<Revision>)>,
    /// How the images of services without a source relate to what a rebuild would make of them.
    definitions: HashMap<Service, Definition>,
    /// Why a rebuild would hold a service.
    held: HashMap<Service, String>,
    /// The base image of a service that has moved in its registry, if any has and registries were asked.
    bases: HashMap<Service, String>,
    /// Where they are; what is in those of a registry is not read, only their labels.
    pub store: Store,
}

impl<'a> Known<'a> {
    /// Gathers; with `offline` no remote is asked.
    pub fn gather(context: &'a Context, options: &cli::Verify) -> anyhow::Result<Self> {
        let Context { ui, settings, .. } = context;
        let (selection, store) = (settings.selection(&options.services), Store::of(options.registry));
        let (facts, definitions, held, sources) = if options.offline {
            let (facts, sources) = gather::offline(ui, selection, store)?;
            (facts, HashMap::new(), HashMap::new(), sources.into_iter().map(|source| (source, None)).collect())
        } else {
            let mut facts = gather::facts(ui, selection, None, store, options.pull.then_some(settings.now))?;
            let (definitions, held) = planned(settings, &facts);
            let sources = std::mem::take(&mut facts.sources);
            let sources = sources.into_iter().map(|resolved| (resolved.source, Some(resolved.revision)));
            (facts, definitions, held, sources.collect())
        };
        let moved = |(service, built): (&Service, &Built)| {
            Some((service.clone(), moved_base(&facts, built, facts.images.get(&built.image)?)?))
        };
        let bases = facts.project.services.iter().filter_map(moved).collect();
        Ok(Self { ui, facts, sources, definitions, held, bases, store })
    }

    /// Code in the images of these services, or of all, that nobody watches.
    pub fn unwatched(&self, services: &[Service]) -> Vec<Unwatched> {
        let wanted = |one: &&Unwatched| services.is_empty() || services.contains(&one.service);
        self.facts.found.unwatched.iter().filter(wanted).cloned().collect()
    }

    /// The image of a service, and what it should be.
    pub fn service(&self, service: &Service) -> Subject<'_> {
        let built = &self.facts.project.services[service];
        let sources: Vec<_> = self.sources.iter().filter(|(source, _)| source.reaches.contains(service)).collect();
        let image = self.facts.images.get(&built.image);
        // The name may have been given to the image of another service.
        let owner = self.facts.project.owner(service);
        let is_its = |image: &Image| image.label(label::SERVICE) == Some(owner.as_str());
        let ours = image.is_some_and(|image| image.belongs_to(&self.facts.project.name) && is_its(image));
        Subject { alone: false, ..self.subject(Some(service), built.image.clone(), image.cloned(), sources, ours) }
    }

    /// An image of any name, and what it should be by its own labels: made from sources of this project. Others are never
    /// asked, since anybody can write any address into a label.
    pub fn image(&self, name: &ImageRef, image: Option<Image>) -> Subject<'_> {
        let text = |label| image.as_ref().and_then(|image| image.label(label)).unwrap_or_default();
        let urls: Vec<_> = text(label::SOURCE).split_whitespace().collect();
        let of = |url: &&str| self.sources.iter().find(|(source, _)| source.repository.as_str() == *url);
        let sources: Vec<_> = urls.iter().filter_map(of).collect();
        let revisions = text(label::REVISION).split_whitespace().count();
        let ours = !urls.is_empty() && sources.len() == urls.len() && revisions == urls.len();
        let service: Option<Service> = text(label::SERVICE).parse().ok();
        let service = service.filter(|service| ours && self.facts.project.services.contains_key(service));
        Subject { alone: true, ..self.subject(service.as_ref(), name.clone(), image, sources, ours) }
    }

    fn subject<'k>(
        &'k self,
        service: Option<&Service>,
        name: ImageRef,
        image: Option<Image>,
        sources: Vec<&'k (Source, Option<Revision>)>,
        ours: bool,
    ) -> Subject<'k> {
        let config = &self.facts.workspace.config;
        let build_only = service.is_some_and(|service| self.facts.project.services[service].build_only);
        let path = match service {
            Some(service) => config.version_file(service),
            None => config.version_file.as_deref().filter(|path| !path.is_empty()),
        };
        // An image that is only built, never started, has parts of the code at most.
        let complete = !sources.is_empty() && !build_only;
        let remotes: Option<Vec<String>> =
            sources.iter().map(|(_, revision)| revision.as_ref().map(ToString::to_string)).collect();
        let evidence = Evidence {
            exists: image.is_some(),
            ours,
            // Without sources there is nothing to ask, offline or not.
            remote: remotes.map(|revisions| revisions.join(" ")),
            unwatched: self.facts.found.unwatched.iter().any(|one| service == Some(&one.service)),
            held: service.and_then(|service| self.held.get(service)).cloned(),
            base: service.and_then(|service| self.bases.get(service)).cloned(),
            definition: service.and_then(|service| self.definitions.get(service)).copied().unwrap_or_default(),
            id: image.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
            ..Evidence::default()
        };
        let mut subject = Subject {
            service: service.cloned(),
            name,
            image,
            alone: false,
            version_path: path
                .filter(|_| complete && sources.len() == 1 && self.store == Store::Engine)
                .map(str::to_owned),
            complete,
            evidence,
            sources,
        };
        subject.evidence.created = subject.own_label(label::CREATED).and_then(|text| text.parse().ok());
        subject.evidence.label = subject.own_label(label::REVISION).map(str::to_owned);
        subject.evidence.sources = subject.parts();
        // The image may be made from a source that its service does not have any more.
        subject.evidence.gone = subject.labels().len() > subject.sides().iter().filter(|side| side.known).count();
        subject
    }
}

/// What a rebuild would do tells how images without a source relate to their definitions, and which services it would hold
/// and why. Where there is no plan for all services, one for those without a source tells.
fn planned(settings: &Settings, facts: &Facts) -> (HashMap<Service, Definition>, HashMap<Service, String>) {
    // A value for code makes no difference here, so that one that only builds have is not missed.
    let configured = facts.workspace.config.cache_bust.as_deref();
    let rule = settings.chosen_rule(None).and_then(|chosen| settings.rule_or(chosen, configured)).unwrap_or_default();
    let all = Request { rule, now: settings.now, ..Request::default() };
    let has_source = |service: &&Service| facts.sources_of(service).next().is_some();
    let without_source: Vec<_> =
        facts.project.services.keys().filter(|service| !has_source(service)).cloned().collect();
    let planned = plan(facts, &all).or_else(|_| plan(facts, &Request { services: without_source.clone(), ..all }));
    let services = planned.map_or(Vec::new(), |plan| plan.services);
    let definition = |service: &Service| {
        // Of those that share an image the first is planned.
        let planned = services.iter().find(|one| one.service == *facts.project.owner(service))?;
        let built_from = facts.images.get(&planned.image).and_then(|image| image.label(label::KEY));
        Some(match (&planned.action, built_from == Some(planned.key.as_str())) {
            (Action::Fresh, _) | (Action::Reuse(_), true) => Definition::Same,
            // Built although the key is the same: nothing but the build can tell.
            (Action::Build(_), true) => Definition::Unknown,
            _ => Definition::Changed,
        })
    };
    let definitions =
        without_source.iter().filter_map(|service| Some((service.clone(), definition(service)?))).collect();
    let held = services.into_iter().filter(|one| matches!(one.action, Action::Held));
    (definitions, held.map(|one| (one.service, one.why)).collect())
}

/// One source of an image.
pub struct Side<'a> {
    /// Where it is.
    pub url: &'a GitUrl,
    /// Whether the image says that it was made from it.
    pub known: bool,
    /// The commit that the label has for it.
    pub label: Option<Commit>,
    /// The commit that the remote has, if it was asked.
    pub tip: Option<Commit>,
}

/// One image to verify.
pub struct Subject<'a> {
    pub service: Option<Service>,
    pub name: ImageRef,
    /// The image, if it exists.
    pub image: Option<Image>,
    /// Whether it was named by itself.
    pub alone: bool,
    /// The version file, if it has to have one.
    pub version_path: Option<String>,
    /// Whether all code of its sources is in it.
    pub complete: bool,
    /// What is known of it already.
    pub evidence: Evidence,
    sources: Vec<&'a (Source, Option<Revision>)>,
}

impl Subject<'_> {
    /// A label of the image, if it is one of ours.
    fn own_label(&self, name: &str) -> Option<&str> {
        self.image.as_ref().filter(|_| self.evidence.ours)?.label(name)
    }

    /// The sources in words, each with what the label and the remote say.
    fn parts(&self) -> Vec<Part> {
        let sides = self.sides().into_iter().zip(&self.sources);
        let parts = sides.map(|(side, (source, _))| Part {
            repository: source.repository.to_string(),
            wanted: source.describe(),
            known: side.known,
            label: side.label.as_ref().map(ToString::to_string),
            remote: side.tip.as_ref().map(ToString::to_string),
        });
        parts.collect()
    }

    /// The repositories and revisions that the image says it was made from.
    fn labels(&self) -> Vec<(&str, &str)> {
        let words = |name| self.own_label(name).unwrap_or_default().split_whitespace();
        words(label::SOURCE).zip(words(label::REVISION)).collect()
    }

    /// What the image should be made from, each with what the labels say about the same repository.
    pub fn sides(&self) -> Vec<Side<'_>> {
        let mut labels = self.labels();
        let sides = self.sources.iter().map(|(source, revision)| {
            let at = labels.iter().position(|(repository, _)| *repository == source.repository.as_str());
            let label = at.map(|at| labels.remove(at).1);
            let tip = match revision {
                Some(Revision::Commit(commit)) => Some(commit.clone()),
                _ => None,
            };
            Side {
                url: &source.repository,
                known: label.is_some(),
                label: label.and_then(|text| text.parse().ok()),
                tip,
            }
        });
        sides.collect()
    }

    /// Where the files of each source are in the image, from its working directory; empty is that itself.
    ///
    /// # Errors
    /// Exit code 2 when several sources are in it and the configuration does not say where.
    pub fn directories(&self, config: &Config) -> Result<Vec<String>, Failure> {
        let directory = |(source, _): &(Source, Option<Revision>)| {
            let configured = config.sources.iter().find(|one| one.name == source.name);
            match configured.and_then(|one| one.path.as_deref()) {
                None if self.sources.len() == 1 => Ok(String::new()),
                Some("" | ".") => Ok(String::new()),
                Some(path) if is_inside(path.trim_end_matches('/')) => Ok(path.trim_end_matches('/').to_owned()),
                path => {
                    let (name, image) = (show(&source.name), &self.name);
                    let cause = match path {
                        Some(path) => format!("source {name} has the path {}", show(path)),
                        None => {
                            format!("`{image}` has several sources, and where the files of {name} are is not known")
                        }
                    };
                    Err(Failure::usage(cause).kept("nothing was changed").hint(format!(
                        "set `path` of the source in {CONFIGURATION}: its directory in the image, from the working directory, \
                         such as `web` or `.`"
                    )))
                }
            }
        };
        self.sources.iter().map(|source| directory(source)).collect()
    }
}
