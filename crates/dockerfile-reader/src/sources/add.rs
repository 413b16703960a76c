//! `ADD` of what BuildKit looks after itself.

use super::archives::archive;
use super::fetch::Cover;
use super::told::is_told;
use super::walk::Walk;
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
                Wanted::What(What::Git { address, reference }) => {
                    let found = self.found(instruction.line, address, reference, None);
                    self.found[found].cover = Cover::Builder;
                }
                Wanted::What(What::Url { address, has_checksum: false }) => {
                    if let Some((repository, reference)) = archive(&address) {
                        let found = self.found(instruction.line, repository, reference, None);
                        self.found[found].cover = Cover::Builder;
                    }
                    let told = &mut self.place().told;
                    if is_told(&address) && told.len() < MOST && !told.contains(&address) {
                        told.push(address);
                    }
                }
                _ => {}
            }
        }
    }
}
