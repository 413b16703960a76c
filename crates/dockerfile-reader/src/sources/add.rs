//! `ADD` of what BuildKit looks after itself.

use super::archives::archive;
use super::fetch::Cover;
use super::told::told;
use super::walk::Walk;
use crate::address::Reference;
use crate::lines::Instruction;
use crate::reads::{Wanted, What, wanted};

/// Most addresses that are looked at for what they tell.
const MOST: usize = 16;

impl Walk {
    /// A repository is code; the answer of a hosting service about a branch makes every step below run again, which covers the
    /// clones of that repository and of no other.
    pub(super) fn add(&mut self, instruction: &Instruction) {
        for wanted in wanted(instruction, &self.values) {
            match wanted {
                Wanted::What(What::Git { address, reference }) => self.added(instruction.line, address, reference),
                Wanted::What(What::Url { address, has_checksum: false }) => {
                    if let Some((repository, reference)) = archive(&address) {
                        self.added(instruction.line, repository, reference);
                    }
                    let all = &mut self.place().told;
                    if told(&address).is_some() && all.len() < MOST && !all.contains(&address) {
                        all.push(address);
                    }
                }
                _ => {}
            }
        }
    }

    fn added(&mut self, line: usize, repository: String, reference: Reference) {
        let found = self.found(line, repository, reference, None);
        self.found[found].cover = Cover::Builder;
    }
}
