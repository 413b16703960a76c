//! How many bytes images take together, shared layers counted once.
//!
//! The engine tells the size of a whole image and of the layers that only this image has. Every image therefore gives two
//! points: the size of all its layers, and the size of those up to where it parts from every other image. Where neither is
//! known for a prefix, the size of the nearest longer known one is taken, so that what is freed is never overstated.

use std::collections::{HashMap, HashSet};

use crate::facts::store::Stored;

/// Sizes of layer prefixes, learned from all images of a store.
#[derive(Debug, Default)]
pub struct Sizes {
    /// Bytes of a prefix, by its hash.
    known: HashMap<u64, u64>,
}

/// A set of layers, by the hashes of their prefixes.
pub type Layers = HashSet<u64>;

impl Sizes {
    /// Learns from all images.
    pub fn new<'a>(images: impl Iterator<Item = &'a Stored> + Clone) -> Self {
        let mut count: HashMap<u64, usize> = HashMap::new();
        for prefix in images.clone().flat_map(|image| image.layers.iter().copied()) {
            *count.entry(prefix).or_default() += 1;
        }
        let mut sizes = Self::default();
        for image in images {
            let prefixes = &image.layers;
            let shared = prefixes.iter().take_while(|prefix| count[*prefix] > 1).count();
            sizes.learn(prefixes.last(), image.size);
            sizes.learn(
                shared.checked_sub(1).and_then(|last| prefixes.get(last)),
                image.size.saturating_sub(image.unique),
            );
        }
        sizes
    }

    /// Adds an image to a set of layers and returns by how many bytes the set grows.
    pub fn add(&self, image: &Stored, layers: &mut Layers) -> u64 {
        let prefixes = &image.layers;
        let there = prefixes.iter().take_while(|prefix| layers.contains(prefix)).count();
        layers.extend(&prefixes[there..]);
        if there == 0 {
            return image.size;
        }
        let at_least = prefixes[there - 1..].iter().find_map(|prefix| self.known.get(prefix).copied());
        image.size.saturating_sub(at_least.unwrap_or(image.size))
    }

    /// Bytes of images together.
    pub fn union<'a>(&self, images: impl Iterator<Item = &'a Stored>) -> u64 {
        let mut layers = Layers::default();
        images.map(|image| self.add(image, &mut layers)).sum()
    }

    fn learn(&mut self, prefix: Option<&u64>, size: u64) {
        if let Some(prefix) = prefix {
            let known = self.known.entry(*prefix).or_insert(size);
            *known = (*known).max(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::facts::store;
    use crate::value::time::Timestamp;

    use super::*;

    fn image(layers: &[(&str, u64)], unique: u64) -> Stored {
        Stored {
            tags: Vec::new(),
            labels: BTreeMap::new(),
            created: Timestamp::UNIX_EPOCH,
            had: Timestamp::UNIX_EPOCH,
            is_exact: true,
            size: layers.iter().map(|(_, size)| size).sum(),
            unique,
            layers: store::layers(&layers.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()),
        }
    }

    #[test]
    fn shared_layers_count_once() {
        // Two old versions share a venv that the new one does not have.
        let new = image(&[("base", 100), ("venv2", 60), ("code3", 3)], 63);
        let old = [
            image(&[("base", 100), ("venv1", 50), ("code1", 1)], 1),
            image(&[("base", 100), ("venv1", 50), ("code2", 2)], 2),
        ];
        let all = [&new, &old[0], &old[1]];
        let sizes = Sizes::new(all.into_iter());
        assert_eq!(sizes.union(all.into_iter()), 100 + 60 + 3 + 50 + 1 + 2);
        let mut layers = Layers::default();
        sizes.add(&new, &mut layers);
        assert_eq!(sizes.add(&old[0], &mut layers), 51);
        assert_eq!(sizes.add(&old[1], &mut layers), 2);
        assert_eq!(sizes.add(&old[1], &mut layers), 0);
    }

    #[test]
    fn an_image_below_another_frees_nothing() {
        let (lower, upper) = (image(&[("base", 100)], 0), image(&[("base", 100), ("top", 5)], 5));
        let sizes = Sizes::new([&lower, &upper].into_iter());
        let mut layers = Layers::default();
        sizes.add(&upper, &mut layers);
        assert_eq!(sizes.add(&lower, &mut layers), 0);
    }
}
