//! Moving the mutable tags of a registry while others may do the same.
//!
//! Every run pushes all its images under names of their own before it moves a tag, and looks again after it moved one. So
//! whoever moves last sees everything that was there before, and ends only when all tags belong to one commit: that of the
//! remote's tip when its images are there, else its own.

use std::collections::BTreeMap;

use crate::error::Failure;
use crate::facts::image::{Images, Store};
use crate::facts::{Facts, gather, registry};
use crate::plan::decide::plan;
use crate::plan::{Plan, Request};
use crate::promote::{self, Move};
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
/// rest; then those that this run moved go back.
pub fn settle(
    ui: &Ui,
    facts: &Facts,
    request: &Request,
    ours: &Plan,
    pushed: Vec<(ImageRef, String)>,
) -> anyhow::Result<Option<String>> {
    // What was asked for has been done: from here on the images that are there count.
    let request = Request { full: false, pull: false, ..request.clone() };
    let mut moved = BTreeMap::new();
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
        let newer = if revisions(&tip) != revisions(ours) { goal::moves(facts, &tip, &found)? } else { None };
        let superseded = newer.is_some().then(|| tip.services[0].cache_bust.to_string());
        let Some(moves) = newer.map_or_else(|| goal::moves(facts, ours, &found), |moves| Ok(Some(moves)))? else {
            return Err(go_back(ui, &moved, "images that were just pushed are gone from the registry").into());
        };
        if moves.is_empty() {
            return Ok(superseded);
        }
        promote::move_tags(ui, Store::Registry, &moves)?;
        for one in moves {
            moved.entry(one.tag.clone()).or_insert_with(|| one.clone()).to.clone_from(&one.to);
        }
    }
    Err(go_back(ui, &moved, "the tags in the registry do not come to rest").into())
}

/// Asks the registry for the names of which nothing is known.
fn look(ui: &Ui, found: &mut Images, names: &[ImageRef]) -> anyhow::Result<()> {
    let mut open: Vec<_> = names.iter().filter(|name| !found.contains_key(name)).cloned().collect();
    open.sort();
    open.dedup();
    found.extend(registry::inspect(ui, &open)?);
    Ok(())
}

/// Moves tags back to where they were before this run, unless they are where neither this run nor the one before wanted them;
/// what is to be said of it.
fn go_back(ui: &Ui, moved: &BTreeMap<ImageRef, Move>, cause: &str) -> Failure {
    let failure = Failure::precondition(cause)
        .hint("either the registry loses what it confirms, or something else moves the same tags; run it again");
    let names: Vec<_> = moved.keys().cloned().collect();
    let back = |found: &Images| {
        let own = moved.values().filter_map(|one| {
            let now = found.get(&one.tag).map(|image| &image.id);
            let from = one.from.clone().filter(|from| [Some(from), Some(&one.to)].contains(&now))?;
            Some(Move { tag: one.tag.clone(), from: Some(one.to.clone()), to: from })
        });
        // What cannot be moved is seen afterwards.
        let _ = promote::add_tags(ui, Store::Registry, &own.collect::<Vec<_>>());
    };
    let found = registry::inspect(ui, &names).map(|found| back(&found)).and_then(|()| registry::inspect(ui, &names));
    let Ok(found) = found else {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        return failure.kept(format!("it is not known where these tags are: {}", names.join(", ")));
    };
    let at = |one: &Move| found.get(&one.tag).map(|image| image.id.clone());
    let elsewhere = moved.values().filter(|one| at(one) != one.from);
    let elsewhere: Vec<_> = elsewhere
        .map(|one| format!("`{}` is at {}", one.tag, at(one).unwrap_or_else(|| "nothing".to_owned())))
        .collect();
    failure.kept(match elsewhere.as_slice() {
        [] => "every tag is where it was, says the registry".to_owned(),
        some => format!("the registry says that {}; every other tag is where it was", some.join(", ")),
    })
}
