//! Digests that say whether two builds made the same.

use std::collections::BTreeMap;

use crate::value::digest::Parts;

/// A digest of what something is made from, read twice: `low` leaves out what may or may not have changed, `high` has it
/// all, and is missing where nobody can know. A step whose `low` is new runs for sure; one whose `high` was there before
/// comes from the cache for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Without what is doubtful.
    pub low: u64,
    /// With everything.
    pub high: Option<u64>,
}

impl Mark {
    /// The mark of something that is fully known.
    pub fn of(parts: &[&str]) -> Self {
        let digest = digest(parts.iter().map(|part| part.as_bytes()));
        Self { low: digest, high: Some(digest) }
    }

    /// Something that nobody can know; `about` tells it from other such things.
    pub fn unknown(about: &str) -> Self {
        Self { low: Self::of(&["unknown", about]).low, high: None }
    }

    /// Something that may have changed when `self` has.
    pub fn doubtful(self) -> Self {
        Self { low: Self::of(&["doubtful"]).low, ..self }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let join = |one: u64, other: u64| digest([&one.to_le_bytes()[..], &other.to_le_bytes()[..]].into_iter());
        Self { low: join(self.low, other.low), high: self.high.zip(other.high).map(|(one, other)| join(one, other)) }
    }
}

/// The first eight bytes of a SHA-256 over parts, each with its length.
fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut digest = Parts::default();
    parts.for_each(|part| digest.add(part));
    u64::from_le_bytes(digest.finish()[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

/// The mark of an image, which is another one when its name moved.
pub(super) fn image(bases: &BTreeMap<String, String>, name: &str) -> Mark {
    match bases.get(name) {
        _ if name.contains("@sha256:") => Mark::of(&["image", name]),
        Some(id) => Mark::of(&["image", id]),
        None => Mark::unknown(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_doubtful_counts_in_one_reading_only() {
        let with = |part: &str| Mark::of(&["a"]).and(Mark::of(&[part]).doubtful());
        assert_eq!(with("b").low, with("c").low);
        assert_ne!(with("b").high, with("c").high);
        assert_eq!(with("b").and(Mark::unknown("x")).high, None);
        assert_ne!(Mark::of(&["ab", "c"]), Mark::of(&["a", "bc"]));
    }
}
