//! `ADD` of what BuildKit looks after itself.

use super::{Cover, Walk, address};

impl Walk {
    /// A repository is code; the answer of a hosting service about a branch makes every step below run again.
    pub(super) fn add(&mut self, text: &str, line: usize) {
        let words: Vec<String> = serde_json::from_str(text.trim()).unwrap_or_else(|_| {
            text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
        });
        for source in words.iter().rev().skip(1).rev() {
            let source = self.values.expand(source);
            if let Some((repository, reference)) = address::add(&source) {
                let found = self.found(line, repository, reference, None);
                self.found[found].cover = Cover::Builder;
            } else if tells_commit(&source) && self.place().cover == Cover::Nothing {
                self.place().cover = Cover::Builder;
            }
        }
    }
}

/// Whether what is at an address changes with a push.
fn tells_commit(address: &str) -> bool {
    let signs = ["/git/refs/", "/git/ref/", "/commits", "/branches/", "/info/refs", "/refs/heads/"];
    address.starts_with("https://") && signs.iter().any(|sign| address.contains(sign))
}
