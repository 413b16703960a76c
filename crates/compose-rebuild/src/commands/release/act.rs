//! The steps of a release. Each can be done again, and none relies on what an earlier run remembered.

use super::Session;
use crate::commands::run::Run;
use crate::facts::image::{Images, Store};
use crate::facts::{builder, checkout, images, registry};
use crate::plan::cache_bust::Rule;
use crate::plan::release::files::Edit;
use crate::plan::release::steps::ReleaseStep;
use crate::plan::release::{tag_name, version};
use crate::plan::{Attestations, Request, ServicePlan};
use crate::promote::{self, Move};
use crate::sys::git::checkout as git;
use crate::sys::{docker, files};
use crate::value::{ImageRef, label};
use crate::{cli, push};

/// The image that BuildKit looks into others with, to list what is in them.
const SCANNER: &str = "docker.io/docker/buildkit-syft-scanner:stable-1";

impl Session<'_> {
    /// Does a step and returns the verb for it.
    pub(super) fn act(&mut self, step: ReleaseStep) -> anyhow::Result<&'static str> {
        match step {
            ReleaseStep::Write => self.write().map(|()| "Wrote"),
            ReleaseStep::Commit => self.commit().map(|()| "Committed"),
            ReleaseStep::Build => self.build().map(|()| "Verified"),
            ReleaseStep::Name => self.name().map(|()| "Promoted"),
            ReleaseStep::Tag => self.tag().map(|()| "Tagged"),
            ReleaseStep::PushImages => self.push_images().map(|()| "Pushed"),
            ReleaseStep::PushGit => self.push_git().map(|()| "Pushed"),
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut edits = self.release.edits.iter().filter(|edit| !edit.written);
        edits.try_for_each(|Edit { file, text, .. }| files::write(&self.checkout.root.join(file), text.as_bytes()))
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let (ui, root) = (&self.context.ui, &self.checkout.root);
        let files: Vec<_> = self.release.edits.iter().filter(|edit| !edit.committed).map(|edit| edit.file).collect();
        checkout::required(ui, git::commit(root, &version::subject(&self.release.version), &files))?;
        self.checkout.head = checkout::required(ui, git::head(root))?.trim().parse()?;
        Ok(())
    }

    /// Builds what is not there, verifies it, and gives it the name that never moves.
    fn build(&mut self) -> anyhow::Result<()> {
        let ui = &self.context.ui;
        self.fetch()?;
        let (attestations, now) = (self.attestations()?, self.context.settings.now);
        let run = Run {
            context: self.context,
            command: "release",
            limits: cli::Limits::default(),
            push: false,
            local: None,
            // A release says its version and its commit, whatever is usual here.
            chosen: Some(Rule::Auto),
            request: Request { forward: true, attestations, now, ..Request::default() },
        };
        let (facts, mut plan) = run.gather()?;
        plan.services.retain(|service| !self.has(service));
        let made: Vec<_> = plan.services.iter().map(|plan| (plan.service.clone(), plan.made().clone())).collect();
        if !self.release.latest {
            plan.leave_mutable();
        }
        if !plan.services.is_empty() {
            run.carry_out(&facts, &plan, || Ok(Vec::new()))?;
        }
        let sources: Vec<_> = made.iter().map(|(_, made)| made.clone()).collect();
        let found = images::inspect(ui, &sources)?;
        let own = made.iter().filter_map(|(service, made)| {
            Some(Move { tag: self.release.tags[service].own.clone(), from: None, to: found.get(made)?.id.clone() })
        });
        let own: Vec<_> = own.collect();
        promote::add_tags(ui, Store::Engine, &own)?;
        promote::read_back(ui, Store::Engine, &own)?;
        let wanted: Vec<_> = self.release.tags.values().map(|tags| tags.own.clone()).collect();
        self.local.extend(images::inspect(ui, &wanted)?);
        Ok(())
    }

    /// Takes from the registry what another machine released.
    fn fetch(&mut self) -> anyhow::Result<()> {
        let ui = &self.context.ui;
        let absent: Vec<_> = self.registered.keys().filter(|tag| !self.local.contains_key(tag)).cloned().collect();
        for tag in &absent {
            let finished = docker::pull(tag).output(ui, push::UPLOAD)?;
            if !finished.status.success() {
                return Err(docker::registry_failure(&finished, tag).into());
            }
        }
        self.local.extend(images::inspect(ui, &absent)?);
        Ok(())
    }

    /// Whether an earlier run made the image of a service: after the Git tag was made any is right, before it only the one
    /// that would be made now.
    fn has(&self, plan: &ServicePlan) -> bool {
        let own = self.own(&plan.service, &self.release.tags[&plan.service].own);
        own.is_some_and(|image| self.release.cut || image.label(label::KEY) == Some(plan.key.as_str()))
    }

    /// What images can say about how they were built, here and now.
    fn attestations(&self) -> anyhow::Result<Attestations> {
        let ui = &self.context.ui;
        let provenance = builder::has_containerd_store(ui)?;
        let scanner: ImageRef = SCANNER.parse()?;
        let sbom = provenance && registry::image(ui, &scanner).is_ok_and(|image| image.is_some());
        match (provenance, sbom) {
            (false, _) => ui.status(
                "Note",
                "no provenance and no SBOM: this engine's image store cannot hold them, containerd's can",
            ),
            (true, false) => ui.status("Note", &format!("no SBOM: `{SCANNER}` cannot be reached")),
            (true, true) => {}
        }
        Ok(Attestations { provenance, sbom })
    }

    /// Moves the names that move, all of them or none.
    fn name(&self) -> anyhow::Result<()> {
        let ui = &self.context.ui;
        let tags = self.release.tags.values();
        let pairs: Vec<_> = tags.flat_map(|tags| tags.moving.iter().map(|tag| (tag.clone(), &tags.own))).collect();
        let before = images::inspect(ui, &pairs.iter().map(|(tag, _)| tag.clone()).collect::<Vec<_>>())?;
        let id = |images: &Images, tag: &ImageRef| images.get(tag).map(|image| image.id.clone());
        let moves = pairs
            .into_iter()
            .filter_map(|(tag, own)| Some(Move { from: id(&before, &tag), to: id(&self.local, own)?, tag }));
        let moves: Vec<_> = moves.collect();
        promote::move_tags(ui, Store::Engine, &moves)?;
        promote::read_back(ui, Store::Engine, &moves)
    }

    fn tag(&self) -> anyhow::Result<()> {
        let version = &self.release.version;
        let images = self.release.tags.iter().map(|(service, tags)| {
            let revision = self.local.get(&tags.own).and_then(|image| image.label(label::REVISION)).unwrap_or_default();
            format!("{service}: {} {revision}\n", tags.own)
        });
        let message = format!("{}\n\n{}", version::subject(version), images.collect::<String>());
        let command = git::tag(&self.checkout.root, &tag_name(version), &message, &self.checkout.head);
        checkout::required(&self.context.ui, command).map(|_| ())
    }

    /// Uploads under the names that never move, reads back, and only then moves the others.
    fn push_images(&mut self) -> anyhow::Result<()> {
        let ui = &self.context.ui;
        for tags in self.release.tags.values() {
            if self.registered.contains_key(&tags.own) {
                continue;
            }
            let digest = push::upload(ui, &tags.own)?;
            let image = push::read_back(ui, &tags.own, &digest)?;
            ui.status("Uploaded", &format!("{} {}", tags.own, image.id));
            self.registered.insert(tags.own.clone(), image);
        }
        for tags in self.release.tags.values() {
            let digest = &self.registered[&tags.own].id;
            for tag in &tags.moving {
                promote::point(ui, tag, digest)?;
                push::read_back(ui, tag, digest)?;
            }
        }
        Ok(())
    }

    fn push_git(&self) -> anyhow::Result<()> {
        let command = git::push(&self.checkout.root, &self.release.branch, &tag_name(&self.release.version));
        checkout::required(&self.context.ui, command).map(|_| ())
    }
}
