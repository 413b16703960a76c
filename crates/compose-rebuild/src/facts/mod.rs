//! What is true now; everything after this is decided from these values.

pub mod bases;
pub mod builder;
pub mod checkout;
pub mod compose;
pub mod config;
pub mod containers;
pub mod disk;
pub mod early;
pub mod found;
pub mod gather;
pub mod history;
pub mod image;
pub mod images;
pub mod leaving;
pub mod local;
pub mod registry;
pub mod relevant;
mod remembered;
pub mod remotes;
pub mod repository;
pub mod source;
pub mod sources;
pub mod store;
pub mod tree;
pub mod trees;
pub mod workspace;

use std::collections::{BTreeMap, BTreeSet};

use crate::project::{Built, Project};
use crate::value::{ImageRef, Service};
use found::Found;
use image::Images;
use source::{Resolved, Wanted};
use workspace::Workspace;

/// All facts of one run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Versions and configuration.
    pub workspace: Workspace,
    /// What Compose builds.
    pub project: Project,
    /// What the images are made from, each with what it is right now.
    pub sources: Vec<Resolved>,
    /// What the Dockerfiles say beside that.
    pub found: Found,
    /// The images of the services and the kept ones, as far as they exist.
    pub images: Images,
    /// What registries have under the names of base images, when they were asked.
    pub bases: bases::Digests,
    /// Services into which a base image that only a registry has copies files of the context (`ONBUILD`), as builds showed.
    pub leaving: BTreeSet<Service>,
    /// The kept images among these that only the engine has, although the registry was asked.
    pub only_here: Vec<ImageRef>,
}

impl Facts {
    /// The sources whose code is in the image of a service, by itself or through services that it is made from.
    pub fn sources_of(&self, service: &Service) -> impl Iterator<Item = &Resolved> {
        self.sources.iter().filter(move |resolved| resolved.source.reaches.contains(service))
    }

    /// The sources that the build of a service fetches.
    pub fn fetched_by(&self, service: &Service) -> impl Iterator<Item = &Resolved> {
        self.sources.iter().filter(move |resolved| resolved.source.services.contains(service))
    }

    /// The IDs of the base images of a service that are on this machine, by their names; other services are none.
    pub fn bases_of(&self, built: &Built) -> BTreeMap<String, &str> {
        let bases = self.project.bases_of(built);
        bases.filter_map(|name| Some((name.to_string(), self.images.get(&name)?.id.as_str()))).collect()
    }

    /// The sources that a Dockerfile takes as they are at the time of the build: it does not take the commit.
    pub fn unpinned(&self, service: &Service) -> impl Iterator<Item = &Resolved> {
        let built = &self.project.services[service];
        self.fetched_by(service).filter(|Resolved { source, .. }| {
            let takes_commit = source.commit_arg.as_ref().is_some_and(|name| built.takes(name.as_str()));
            matches!(source.wanted, Wanted::Ref(_)) && !takes_commit
        })
    }
}
