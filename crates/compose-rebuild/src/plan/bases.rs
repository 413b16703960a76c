//! Base images: which a service has, and whether one of them moved since its image was made.

use std::collections::HashMap;

use crate::facts::Facts;
use crate::facts::image::Image;
use crate::project::Built;
use crate::value::{ImageRef, label};

/// The names of a service's base images, and their digests in their registries when these were asked.
pub(super) fn bases(facts: &Facts, built: &Built) -> (Vec<ImageRef>, Option<Vec<String>>) {
    let mut names: Vec<_> = facts.project.bases_of(built).collect();
    names.sort();
    names.dedup();
    let digests = names.iter().map(|name| facts.bases.get(name).cloned()).collect();
    (names, digests)
}

/// Which base image is another one in its registry than the image was made from, if any is.
pub fn moved_base(facts: &Facts, built: &Built, current: &Image) -> Option<String> {
    let (names, now) = bases(facts, built);
    let now = now?;
    let words = |label| current.label(label).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    let (before, digests) = (words(label::BASE_NAME), words(label::BASE_DIGEST));
    let before: HashMap<_, _> = before.into_iter().zip(digests).collect();
    names.iter().zip(now).find_map(|(name, now)| match before.get(name.to_string().as_str()) {
        Some(before) if *before == now => None,
        Some(before) => Some(format!("base image {name} moved {before:.19}..{now:.19}")),
        None => Some(format!("nothing says which `{name}` it was made from, so BuildKit decides")),
    })
}
