//! `ADD` of what BuildKit looks after itself.

use super::fetch::Cover;
use super::walk::Walk;
use crate::lines::Instruction;
use crate::reads::{Wanted, What, wanted};

impl Walk {
    /// A repository is code; the answer of a hosting service about a branch makes every step below run again, which covers the
    /// clones of that repository and of no other.
    pub(super) fn add(&mut self, instruction: &Instruction) {
        for wanted in wanted(instruction, &self.values) {
            match wanted {
                Wanted::What(What::Git { address, reference }) => {
                    let found = self.found(instruction.line, address, reference, None);
                    self.found[found].cover = Cover::Builder;
                }
                Wanted::What(What::Url { address, .. }) if tells_commit(&address) => self.place().told.push(address),
                _ => {}
            }
        }
    }
}

/// Whether what is at an address changes with a push.
fn tells_commit(address: &str) -> bool {
    let signs = ["/git/refs/", "/git/ref/", "/commits", "/branches/", "/info/refs", "/refs/heads/"];
    address.starts_with("https://") && signs.iter().any(|sign| address.contains(sign))
}
