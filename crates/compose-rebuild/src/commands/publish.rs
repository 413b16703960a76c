//! What `--push` and builders add to a run: where images go, what must be there first, and the tags of the registry.

use super::run::Run;
use crate::build::Output;
use crate::facts::builder::{self, Builder};
use crate::facts::image::{Image, Images, Store};
use crate::facts::{Facts, images, registry};
use crate::plan::Plan;
use crate::plan::store::store_of;
use crate::promote::{self, Move};
use crate::push::{self, goal, settle};
use crate::sys::docker;
use crate::sys::threads::at_once;
use crate::value::ImageRef;
use crate::verify::Verified;

impl Run<'_> {
    /// Asks the builder, as far as something depends on it, where images and cache will be; before anything is built.
    pub(super) fn output(&self, facts: &Facts, plan: &Plan) -> anyhow::Result<Output> {
        let super::Context { ui, settings, .. } = self.context;
        let parallel = settings.parallel(self.limits.parallel)?;
        let output = |store, cache| Output { store, cache, parallel, step_timeout: self.limits.step_timeout };
        let exports = plan.builds().any(|(service, _)| facts.project.services[&service.service].exports_cache());
        let named = settings.builder.is_some() || docker::builder_was_chosen();
        if !named && !self.push && !exports {
            return Ok(output(Store::Engine, true));
        }
        let builder = match named {
            true => builder::ask(ui, settings.builder.as_ref())?,
            // What nobody chose is the engine's own, of which buildx would say no more.
            false => Builder { name: "default".to_owned(), driver: "docker".to_owned() },
        };
        let output = output(store_of(&builder, self.push)?, !exports || builder::exports_cache(ui, &builder)?);
        if !output.cache {
            ui.warning(&format!(
                "`cache_to` is left out: the builder `{}` cannot write it with this image store; set \
                 `\"features\": {{\"containerd-snapshotter\": true}}` in daemon.json, or use a docker-container builder",
                builder.name
            ));
        }
        for kept in &facts.only_here {
            ui.status("Pushing", &kept.to_string());
            push::upload(ui, kept)?;
        }
        Ok(output)
    }

    /// What the registry has under the names that the images of a plan get there: another run may have been faster, and what
    /// it pushed may already be in use.
    pub(super) fn pushed_before(&self, facts: &Facts, plan: &Plan) -> anyhow::Result<Images> {
        if self.request.full {
            return Ok(Images::new());
        }
        let own = plan.builds().map(|(service, _)| goal::own_image(facts, service)).collect::<Result<Vec<_>, _>>()?;
        registry::inspect(&self.context.ui, &own)
    }

    /// Brings verified images to the registry and moves the tags there, then the engine's own; whether they are now where
    /// this run wants them.
    pub(super) fn publish(
        &self,
        facts: &Facts,
        plan: &Plan,
        verified: &[Verified<'_>],
        (store, there): (Store, Images),
    ) -> anyhow::Result<bool> {
        let pushed = self.upload(facts, verified, store, &there)?;
        let promoted = self.settle(facts, plan, pushed)?;
        if promoted && store == Store::Engine {
            self.follow(facts, verified)?;
        }
        Ok(promoted)
    }

    /// Brings verified images to the registry under names of their own, which nobody relies on yet; the digest that each
    /// name has there now.
    fn upload(
        &self,
        facts: &Facts,
        verified: &[Verified<'_>],
        store: Store,
        there: &Images,
    ) -> anyhow::Result<Vec<(ImageRef, String)>> {
        let ui = &self.context.ui;
        let bring = |one: &Verified<'_>| -> anyhow::Result<(ImageRef, String)> {
            let name = goal::own_image(facts, one.service)?;
            let wanted = |image: &&Image| goal::is_wanted(facts, one.service, image);
            if let Some(image) = there.get(&name).filter(wanted) {
                return Ok((name, image.id.clone()));
            }
            ui.status("Pushing", &name.to_string());
            let to = one.image.id.clone();
            let digest = match store {
                Store::Engine => {
                    promote::add_tags(ui, Store::Engine, &[Move { tag: name.clone(), from: None, to }])?;
                    push::upload(ui, &name)?
                }
                Store::Registry => promote::point(ui, &name, &to).map(|()| to)?,
            };
            Ok((name, digest))
        };
        at_once(verified, bring).into_iter().collect()
    }

    /// Moves the mutable tags of the registry, which has these images already; whether they are now where this run wants them.
    pub(super) fn settle(&self, facts: &Facts, plan: &Plan, pushed: Vec<(ImageRef, String)>) -> anyhow::Result<bool> {
        let superseded = settle::settle(&self.context.ui, facts, &self.request(facts)?, plan, pushed)?;
        if let Some(value) = &superseded {
            self.context
                .ui
                .status("Keeping", &format!("the tags at {value}, a newer commit that another run has pushed"));
        }
        Ok(superseded.is_none())
    }

    /// Lets the engine's own mutable tags follow.
    fn follow(&self, facts: &Facts, verified: &[Verified<'_>]) -> anyhow::Result<()> {
        let ui = &self.context.ui;
        let names =
            |one: &Verified<'_>| facts.project.services[&one.service.service].names().cloned().collect::<Vec<_>>();
        let tags: Vec<_> = verified.iter().flat_map(names).collect();
        let before = images::inspect(ui, &tags)?;
        let moves = verified.iter().flat_map(|one| {
            let from = |tag: &ImageRef| before.get(tag).map(|image| image.id.clone());
            names(one).into_iter().map(move |tag| Move { from: from(&tag), tag, to: one.image.id.clone() })
        });
        promote::move_tags(ui, Store::Engine, &moves.collect::<Vec<_>>())
    }
}
