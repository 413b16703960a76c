//! Moving tags to images that were verified, and reading them back.

use std::time::Duration;

use crate::error::Failure;
use crate::facts::image::Store;
use crate::sys::docker;
use crate::sys::threads::at_once;
use crate::ui::Ui;
use crate::value::ImageRef;

/// How long a store may take to move a tag.
const MOVE: Duration = Duration::from_secs(60);

/// A tag and the image that it shall point to.
#[derive(Clone, Debug)]
pub struct Move {
    /// The tag that moves.
    pub tag: ImageRef,
    /// The ID of the image that it points to before, if there is one.
    pub from: Option<String>,
    /// The ID of the image that it points to afterwards.
    pub to: String,
}

/// Moves tags, all at the same time; when one cannot move, the others go back.
pub fn move_tags(ui: &Ui, store: Store, moves: &[Move]) -> anyhow::Result<()> {
    let Err(error) = add_tags(ui, store, moves) else { return Ok(()) };
    let mut lost = Vec::new();
    for one in moves {
        let back = match (&one.from, store) {
            (Some(id), Store::Engine) => docker::tag(id, &one.tag).cleanup(ui),
            (None, Store::Engine) => docker::untag(std::slice::from_ref(&one.tag)).cleanup(ui),
            (Some(digest), Store::Registry) => docker::registry_tag(&one.tag, digest).cleanup(ui),
            // Registries take no tag away; the next run moves the others after it.
            (None, Store::Registry) => continue,
        };
        let absent = |stderr: &str| one.from.is_none() && stderr.to_lowercase().contains("no such image");
        if !back.is_ok_and(|done| done.status.success() || absent(&done.stderr)) {
            lost.push(one.tag.to_string());
        }
    }
    let kept = match lost.is_empty() {
        true => "every tag is where it was".to_owned(),
        false => format!("tags that may have moved, and could not be moved back: {}", lost.join(", ")),
    };
    Err(Failure::of(&error).kept(kept).into())
}

/// Gives images further tags, all at the same time; nothing depends on where these pointed before.
pub fn add_tags(ui: &Ui, store: Store, moves: &[Move]) -> anyhow::Result<()> {
    at_once(moves, |one| tag(ui, store, one)).into_iter().collect()
}

/// Checks where tags point after they moved.
pub fn read_back(ui: &Ui, store: Store, moves: &[Move]) -> anyhow::Result<()> {
    let tags: Vec<_> = moves.iter().map(|one| one.tag.clone()).collect();
    let found = store.inspect(ui, &tags)?;
    for one in moves {
        let id = found.get(&one.tag).map_or("nothing", |image| image.id.as_str());
        if id != one.to {
            return Err(Failure::precondition(format!("`{}` points to {id} instead of {}", one.tag, one.to))
                .hint("something else moves the same tags; run it again when that has ended")
                .into());
        }
    }
    Ok(())
}

fn tag(ui: &Ui, store: Store, one: &Move) -> anyhow::Result<()> {
    if store == Store::Registry {
        return point(ui, &one.tag, &one.to);
    }
    docker::tag(&one.to, &one.tag).ask(ui, MOVE).map(drop)
}

/// Makes a tag point to a manifest that its repository has; the registry does that at once, or not at all.
pub fn point(ui: &Ui, tag: &ImageRef, digest: &str) -> anyhow::Result<()> {
    let finished = docker::registry_tag(tag, digest).output(ui, MOVE)?;
    if finished.status.success() { Ok(()) } else { Err(docker::registry_failure(&finished, tag).into()) }
}
