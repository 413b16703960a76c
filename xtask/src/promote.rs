//! Moving tags to images that were verified: the versioned ones first, the mutable ones last, then reading them back.

use std::thread;
use std::time::Duration;

use xshell::Shell;

use crate::error::Failure;
use crate::facts::{images, join};
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::ImageRef;

/// A tag and the image that it shall point to: an image ID, or another tag.
#[derive(Clone, Debug)]
pub struct Move {
    /// The tag that moves.
    pub tag: ImageRef,
    /// Where it points afterwards.
    pub to: String,
}

/// Moves all of `first`, then all of `last`, and checks where the latter point; those moves have image IDs.
///
/// # Errors
/// Exit code 3 when the engine refuses, or when a tag points elsewhere afterwards.
pub fn promote(ui: &Ui, first: &[Move], last: &[Move]) -> anyhow::Result<()> {
    for moves in [first, last] {
        thread::scope(|scope| {
            let threads: Vec<_> = moves.iter().map(|one| scope.spawn(|| tag(ui, one))).collect();
            threads.into_iter().map(join).collect::<anyhow::Result<Vec<()>>>()
        })?;
    }
    let tags: Vec<_> = last.iter().map(|one| one.tag.clone()).collect();
    let found = images::inspect(ui, &tags)?;
    for one in last {
        let id = found.get(&one.tag).map_or("nothing", |image| image.id.as_str());
        if id != one.to {
            return Err(Failure::precondition(format!("`{}` points to {id} instead of {}", one.tag, one.to))
                .hint("something else moves the same tags; run it again when that has ended")
                .into());
        }
    }
    Ok(())
}

fn tag(ui: &Ui, one: &Move) -> anyhow::Result<()> {
    let sh = Shell::new()?;
    let finished = process::output(ui, docker::tag(&sh, &one.to, &one.tag), Duration::from_secs(60))?;
    if finished.status.success() { Ok(()) } else { Err(docker::failure(&finished).into()) }
}
