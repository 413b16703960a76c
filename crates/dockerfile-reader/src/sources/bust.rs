//! Arguments that are there to run steps again.

use std::collections::{BTreeSet, HashSet};

use super::fetch::Cover;
use crate::arguments::Args;
use crate::dockerfile::Dockerfile;
use crate::lines::Instruction;

/// Parts of names that mean nothing else, without `_`.
const CERTAIN: [&str; 2] = ["CACHEBUST", "BUSTCACHE"];
/// Beginnings of names that may mean something else, so that they count only where nothing uses the argument.
const USUAL: [&str; 18] = [
    "CACHEDATE",
    "CACHEVERSION",
    "CACHEBREAK",
    "CACHEBURST",
    "CACHEINVALID",
    "CACHEKEY",
    "CACHETIMESTAMP",
    "BREAKCACHE",
    "BUST",
    "DISABLECACHE",
    "NOCACHE",
    "REFRESHCACHE",
    "SKIPCACHE",
    "REBUILD",
    "FORCEREBUILD",
    "FORCECLONE",
    "FORCEUPDATE",
    "INVALIDATE",
];

/// Which arguments of a Dockerfile are there to run steps again.
#[derive(Clone, Debug, Default)]
pub struct Busts {
    known: BTreeSet<String>,
    used: HashSet<String>,
}

impl Busts {
    /// Finds the arguments of a Dockerfile, beside the names that are known.
    pub fn of(dockerfile: &Dockerfile, known: impl IntoIterator<Item = String>) -> Self {
        let instructions = || dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
        let declared = instructions().filter(|one| one.keyword == "ARG").flat_map(Instruction::declares);
        let mut used = HashSet::new();
        // To read what every step uses takes long, and few files have such an argument.
        if declared.into_iter().any(|one| is_usual(&one.name)) {
            instructions().for_each(|instruction| uses(instruction, &mut used));
        }
        Self { known: known.into_iter().collect(), used }
    }

    /// Whether an argument is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.known.contains(name)
            || CERTAIN.iter().any(|part| plain(name).contains(part))
            || (is_usual(name) && !self.used.contains(name))
    }
}

/// A name as far as it counts.
fn plain(name: &str) -> String {
    name.chars().filter(|&c| c != '_').map(|c| c.to_ascii_uppercase()).collect()
}

/// Whether a name is one that such an argument often has.
fn is_usual(name: &str) -> bool {
    USUAL.iter().any(|start| plain(name).starts_with(start))
}

/// The arguments that are there to run steps again, where a stage is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Vec<String>);

impl Live {
    /// What runs every step below again.
    pub(super) fn cover(&self) -> Cover {
        self.0.last().map_or(Cover::Nothing, |name| Cover::Argument(name.clone()))
    }

    /// Follows an instruction. Of `ARG` and `ENV` with one name the last counts.
    pub(super) fn follow(&mut self, instruction: &Instruction, busts: &Busts) {
        for one in instruction.declares().into_iter().filter(|one| busts.has(&one.name)) {
            let written = one.written.as_deref().unwrap_or_default();
            if instruction.keyword == "ENV" && instruction.expand(written, &Args::new()).expands.contains(&one.name) {
                continue;
            }
            self.0.retain(|name| *name != one.name);
            if instruction.keyword == "ARG" {
                self.0.push(one.name);
            }
        }
    }
}

/// The variables that an instruction uses for more than to print them.
fn uses(instruction: &Instruction, used: &mut HashSet<String>) {
    if instruction.keyword == "RUN" {
        let commands = instruction.commands(None);
        let works = commands.iter().filter(|command| !matches!(command.program(), "echo" | "printf" | ":" | "true"));
        used.extend(works.flat_map(|command| &command.words).flat_map(|word| word.expands.iter().cloned()));
        return;
    }
    // `ENV NAME=$NAME` and `LABEL` tell what the value was.
    let own = instruction.declares();
    let text: String = instruction.text.iter().map(|(c, _)| c).collect();
    for part in text.split('$').skip(1).filter(|_| instruction.keyword != "LABEL") {
        let name = part.trim_start_matches('{');
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let name = &name[..end];
        if !own.iter().any(|own| own.name == name) {
            used.insert(name.to_owned());
        }
    }
}
