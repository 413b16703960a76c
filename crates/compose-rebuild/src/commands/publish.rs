//! What `--push` and builders add to a run: where images go, what must be there first, and the tags of the registry.

use super::run::Run;
use crate::build::Output;
use crate::facts::image::{Image, Images, Store};
use crate::facts::{Facts, builder, images, registry};
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
        let parallel = settings.parallel(self.options.parallel)?;
        let exports = plan.builds().any(|(service, _)| facts.project.services[&service.service].exports_cache());
        let named = settings.builder.is_some() || docker::builder_was_chosen();
        if !named && !self.options.push && !exports {
            return Ok(Output { store: Store::Engine, cache: true, parallel, step_timeout: self.step_timeout });
        }
        let builder = builder::ask(ui, settings.builder.as_ref())?;
        let output = Output {
            store: store_of(&builder, self.options.push)?,
            cache: !exports || builder::exports_cache(ui, &builder)?,
            parallel,
            step_timeout: self.step_timeout,
        };
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

    /// Brings verified images to the registry and moves the tags there, then the engine's own; whether they are now where
    /// this run wants them.
    pub(super) fn publish(
        &self,
        facts: &Facts,
        plan: &Plan,
        verified: &[Verified<'_>],
        store: Store,
    ) -> anyhow::Result<bool> {
        let pushed = self.upload(facts, verified, store)?;
        let promoted = self.settle(facts, plan, pushed)?;
        if promoted && store == Store::Engine {
            self.follow(facts, verified)?;
        }
        Ok(promoted)
    }

    /// Brings verified images to the registry under names of their own, which nobody relies on yet; what is there under
    /// these names, as far as that was read back.
    fn upload(&self, facts: &Facts, verified: &[Verified<'_>], store: Store) -> anyhow::Result<Images> {
        let ui = &self.context.ui;
        let own = verified.iter().map(|one| goal::own_image(facts, one.service));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        // Another run may have been faster; what it pushed may already be in use.
        let there = if self.full { Images::new() } else { registry::inspect(ui, &own)? };
        let bring = |one: &Verified<'_>, name: &ImageRef| -> anyhow::Result<Option<Image>> {
            let wanted = |image: &&Image| goal::is_wanted(facts, one.service, image);
            if let Some(image) = there.get(name).filter(wanted) {
                return Ok(Some(image.clone()));
            }
            ui.status("Pushing", &name.to_string());
            match store {
                Store::Engine => {
                    let own = Move { tag: name.clone(), from: None, to: one.image.id.clone() };
                    promote::add_tags(ui, Store::Engine, &[own])?;
                    push::upload(ui, name).map(Some)
                }
                Store::Registry => promote::point(ui, name, &one.image.id).map(|()| None),
            }
        };
        let brought = at_once(verified.iter().zip(&own), |(one, name)| bring(one, name));
        let brought = brought.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(own.into_iter().zip(brought).filter_map(|(name, image)| Some((name, image?))).collect())
    }

    /// Moves the mutable tags of the registry, which has these images already; whether they are now where this run wants them.
    pub(super) fn settle(&self, facts: &Facts, plan: &Plan, pushed: Images) -> anyhow::Result<bool> {
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
