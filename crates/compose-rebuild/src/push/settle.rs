//! Moving the mutable tags of a registry while others may do the same.
//!
//! Every run pushes all its images under names of their own before it moves a tag, and looks again after it moved one. So
//! whoever moves last sees everything that was there before, and ends only when all tags belong to one commit: that of the
//! remote's tip when its images are there, else its own.

use crate::error::Failure;
use crate::facts::image::{Images, Store};
use crate::facts::{Facts, gather, registry};
use crate::plan::decide::plan;
use crate::plan::{Plan, Request};
use crate::promote;
use crate::push::{self, goal};
use crate::sys::threads::both;
use crate::ui::Ui;
use crate::value::ImageRef;

/// How often tags may be found elsewhere than they were just moved to.
const ROUNDS: usize = 5;

/// Moves the mutable tags to the images of `ours`, or to those of a newer commit that another run has pushed meanwhile; the
/// bust value of that one, if it is so. `pushed` are names with the digests that the registry shall have there.
///
/// # Errors
/// Exit code 3 when remote or registry do not answer, something else is there than was pushed, or the tags do not come to
/// rest.
pub fn settle(
    ui: &Ui,
    facts: &Facts,
    request: &Request,
    ours: &Plan,
    pushed: Vec<(ImageRef, String)>,
) -> anyhow::Result<Option<String>> {
    // What was asked for has been done: from here on the images that are there count.
    let request = Request { full: false, pull: false, ..request.clone() };
    let mut found = Images::new();
    let wanted = goal::images_of(facts, ours)?;
    for round in 0..ROUNDS {
        // Only names that move have to be asked for again.
        found.retain(|name, _| facts.project.services.values().all(|built| built.names().all(|own| own != name)));
        let (sources, looked) = both(|| gather::resolve_again(ui, facts), || look(ui, &mut found, &wanted));
        looked?;
        if round == 0 {
            pushed.iter().try_for_each(|(name, digest)| push::is_there(found.get(name), name, digest))?;
        }
        let tip = plan(&Facts { sources: sources?, ..facts.clone() }, &request)?;
        let more: Vec<_> = goal::images_of(facts, &tip)?.into_iter().filter(|name| !wanted.contains(name)).collect();
        look(ui, &mut found, &more)?;
        let revisions = |plan: &Plan| plan.services.iter().map(|one| one.revision.clone()).collect::<Vec<_>>();
        let newer = match revisions(&tip) != revisions(ours) {
            true => goal::moves(facts, &tip, &found)?,
            false => None,
        };
        let superseded = newer.is_some().then(|| tip.services[0].cache_bust.to_string());
        let Some(moves) = newer.map_or_else(|| goal::moves(facts, ours, &found), |moves| Ok(Some(moves)))? else {
            return Err(unsettled("images that were just pushed are gone from the registry").into());
        };
        if moves.is_empty() {
            return Ok(superseded);
        }
        promote::move_tags(ui, Store::Registry, &moves)?;
    }
    Err(unsettled("the tags in the registry do not come to rest").into())
}

/// Asks the registry for the names of which nothing is known.
fn look(ui: &Ui, found: &mut Images, names: &[ImageRef]) -> anyhow::Result<()> {
    let mut open: Vec<_> = names.iter().filter(|name| !found.contains_key(name)).cloned().collect();
    open.sort();
    open.dedup();
    found.extend(registry::inspect(ui, &open)?);
    Ok(())
}

fn unsettled(cause: &str) -> Failure {
    Failure::precondition(cause)
        .kept("the images are in the registry under the names of their versions")
        .hint("something else moves the same tags; run it again when that has ended")
}
