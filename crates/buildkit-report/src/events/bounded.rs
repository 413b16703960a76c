//! Limits of what is kept of a stream that nobody may trust.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// Bytes of text that are kept of all steps together.
const TEXT_LIMIT: usize = 8 << 20;

/// The first elements of a list; the rest is read and dropped.
#[derive(Debug)]
pub(super) struct First<const N: usize, T>(pub(super) Vec<T>);

impl<const N: usize, T> Default for First<N, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for First<N, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for First<N, T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while self.0.len() < N {
            match list.next_element()? {
                Some(element) => self.0.push(element),
                None => return Ok(self),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

/// How much text is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    bytes: usize,
}

impl Text {
    /// The text, or nothing when there is no room for it.
    pub(super) fn keep(&mut self, text: impl Iterator<Item = char>) -> String {
        let text: String = text.collect();
        if self.bytes + text.len() > TEXT_LIMIT {
            return String::new();
        }
        self.bytes += text.len();
        text
    }

    /// Makes room again.
    pub(super) fn release(&mut self, text: &str) {
        self.bytes -= text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_beyond_the_limit_is_dropped_until_there_is_room() {
        let mut text = Text { bytes: TEXT_LIMIT - 3 };
        assert_eq!([text.keep("ab".chars()), text.keep("cd".chars())], ["ab", ""]);
        text.release("ab");
        assert_eq!(text.keep("cd".chars()), "cd");
    }

    #[test]
    fn a_list_is_read_to_its_end_and_kept_to_its_limit() {
        let lists: Vec<First<2, u8>> = serde_json::from_str("[[1, 2, 3, 4], [], [5]]").expect("lists");
        let kept: Vec<_> = lists.into_iter().map(|list| list.0).collect();
        assert_eq!(kept, [vec![1, 2], vec![], vec![5]]);
    }
}
