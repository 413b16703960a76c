//! The code that a Dockerfile fetches from Git remotes, read off its lines without running any.

mod add;
mod address;
mod bust;
mod git;
mod packages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::listing::{Instruction, Listing, Stage};
use crate::shell::{self, Command, Word};
use crate::tools::{Tool, tool};
use crate::values::Values;
use address::absolute;
pub use bust::Busts;
use git::Repositories;

/// How deep scripts may be quoted in each other.
const DEPTH: usize = 4;

/// Code from a Git remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The position of its stage.
    pub stage: usize,
    /// The position of its instruction in the stage.
    pub instruction: usize,
    /// The line that fetches it.
    pub line: usize,
    /// The address without user information; `$` stays in it where nothing says what a variable is.
    pub repository: String,
    /// What is taken from there.
    pub reference: Reference,
    /// What makes the step run again.
    pub cover: Cover,
    /// The build argument, empty now, that takes a commit in the place of the reference.
    pub commit_arg: Option<String>,
}

impl Fetch {
    /// Whether the step stays cached whatever is pushed.
    pub fn is_stale(&self) -> bool {
        self.cover == Cover::Nothing && self.reference.moves()
    }
}

/// What is taken from a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// What the remote's HEAD points to.
    Head,
    /// A branch or a tag, or words that nobody but Git understands.
    Named(String),
    /// One commit.
    Commit(String),
    /// A version or an abbreviated commit: what does not move, and no remote is asked about.
    Fixed(String),
}

/// What makes a step run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing: it stays cached whatever is pushed.
    Nothing,
    /// Another value of this build argument.
    Argument(String),
    /// BuildKit, which looks at the remote for every build.
    Builder,
}

impl Reference {
    /// The reference behind a name; none is HEAD.
    fn of(name: &str) -> Self {
        let name = name.trim();
        let is_hex = name.bytes().all(|b| b.is_ascii_hexdigit());
        match name.len() {
            0 => Self::Head,
            40 | 64 if is_hex => Self::Commit(name.to_ascii_lowercase()),
            7..40 if is_hex && name.bytes().any(|b| b.is_ascii_digit()) => Self::Fixed(name.to_owned()),
            _ if name == "HEAD" => Self::Head,
            _ => Self::Named(name.to_owned()),
        }
    }

    /// Whether it can mean other code tomorrow; a tag that looks like a version is taken for one.
    pub fn moves(&self) -> bool {
        let digits_around_dot = |name: &str| {
            name.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit())
        };
        match self {
            Self::Head => true,
            Self::Named(name) => !digits_around_dot(name),
            Self::Commit(_) | Self::Fixed(_) => false,
        }
    }
}

impl Fetch {
    /// The last part of the address.
    pub fn name(&self) -> &str {
        let path = self.repository.trim_end_matches(".git");
        path.rsplit(['/', ':']).next().unwrap_or_default()
    }
}

/// The values of the global arguments of a build that is given these.
fn globals(listing: &Listing, args: &BTreeMap<String, Option<String>>) -> (Values, BTreeMap<String, String>) {
    let (mut values, mut global) = (Values::default(), BTreeMap::new());
    for declared in listing.global.iter().flat_map(Instruction::declares) {
        let given = args.get(&declared.name).cloned().flatten();
        let value = given.or(declared.value.map(|value| values.expand(&value))).unwrap_or_default();
        values.set(&declared.name, &value);
        global.insert(declared.name, value);
    }
    (values, global)
}

/// The stage above that each one starts from, if it is one; a global argument may choose it.
pub fn parents(listing: &Listing, args: &BTreeMap<String, Option<String>>) -> Vec<Option<usize>> {
    let (values, _) = globals(listing, args);
    let mut names = HashMap::new();
    let mut parent = |(index, stage): (usize, &'_ Stage)| {
        let parent = names.get(&values.expand(&stage.base).to_lowercase()).copied();
        names.extend(stage.name.clone().map(|name| (name, index)));
        parent
    };
    listing.stages.iter().enumerate().map(&mut parent).collect()
}

/// Everything that the stages fetch, with the arguments that the build is given.
pub fn fetches(listing: &Listing, args: &BTreeMap<String, Option<String>>, busts: &Busts) -> Vec<Fetch> {
    let given = |name: &str| args.get(name).cloned().flatten();
    let (values, global) = globals(listing, args);
    let mut walk = Walk { values, found: Vec::new(), stages: Vec::new() };
    for (stage, parent) in listing.stages.iter().zip(parents(listing, args)) {
        walk.begin(parent);
        for (position, instruction) in stage.instructions.iter().enumerate() {
            walk.place().instruction = position;
            for declared in instruction.declares() {
                let own = declared.value.map(|value| walk.values.expand(&value));
                let value = match instruction.keyword.as_str() {
                    "ARG" => given(&declared.name).or(own).or_else(|| global.get(&declared.name).cloned()),
                    _ => own,
                };
                walk.values.set(&declared.name, &value.unwrap_or_default());
                if instruction.keyword == "ARG" && busts.has(&declared.name) {
                    walk.place().cover = Cover::Argument(declared.name);
                }
            }
            walk.read(instruction);
        }
    }
    walk.found
}

/// One pass over all stages.
struct Walk {
    values: Values,
    found: Vec<Fetch>,
    stages: Vec<Place>,
}

/// A stage as far as it was read.
struct Place {
    parent: Option<usize>,
    cover: Cover,
    instruction: usize,
    workdir: String,
    /// Where the script that is read now has gone.
    directory: String,
    repositories: Repositories,
}

impl Walk {
    fn begin(&mut self, parent: Option<usize>) {
        self.values.begin_stage(parent.map(|parent| parent + 1));
        let above = parent.and_then(|parent| self.stages.get(parent));
        let cover = above.map_or(Cover::Nothing, |above| above.cover.clone());
        let workdir = above.map_or("/".to_owned(), |above| above.workdir.clone());
        let (directory, repositories) = (String::new(), Repositories::default());
        self.stages.push(Place { parent, cover, instruction: 0, workdir, directory, repositories });
    }

    fn place(&mut self) -> &mut Place {
        self.stages.last_mut().expect("a stage was begun")
    }

    fn read(&mut self, instruction: &Instruction) {
        match instruction.keyword.as_str() {
            "WORKDIR" => {
                let path = self.values.expand(&plain(instruction));
                self.place().workdir = absolute(&self.place().workdir, path.trim());
            }
            "ADD" => self.add(&plain(instruction), instruction.line),
            "RUN" => {
                self.values.begin_script();
                self.place().directory = self.place().workdir.clone();
                for command in instruction.commands(Some(&self.values)) {
                    self.command(&command, 0);
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &Command, depth: usize) {
        let Some(tool) = tool(command) else { return };
        match tool.name {
            "cd" | "pushd" => {
                if let Some(word) = tool.args.iter().find(|word| !word.text.starts_with('-')) {
                    self.place().directory = absolute(&self.place().directory, &word.text);
                }
            }
            "git" => self.git(&tool),
            _ => match script(&tool).filter(|_| depth < DEPTH) {
                Some(script) => {
                    for inner in shell::commands(&script.script(), Some(&self.values)) {
                        self.command(&inner, depth + 1);
                    }
                }
                None => self.packages(&tool),
            },
        }
    }

    /// Adds code that was found, and says where it is among all.
    fn found(&mut self, line: usize, repository: String, reference: Reference, commit_arg: Option<String>) -> usize {
        let stage = self.stages.len() - 1;
        let Place { instruction, cover, .. } = self.place();
        let (instruction, cover) = (*instruction, cover.clone());
        self.found.push(Fetch { stage, instruction, line, repository, reference, cover, commit_arg });
        self.found.len() - 1
    }

    /// The variable in the place of a reference that takes a commit, when it has no value.
    fn commit_arg(&self, word: &Word) -> Option<String> {
        let speaks =
            |name: &&String| ["COMMIT", "SHA", "REV"].iter().any(|part| name.to_ascii_uppercase().contains(part));
        let is_empty = |name: &&String| self.values.get(name).is_some_and(|value| value.is_empty());
        word.expands.iter().filter(speaks).find(is_empty).cloned()
    }
}

fn plain(instruction: &Instruction) -> String {
    instruction.text.iter().map(|(c, _)| c).collect()
}

/// The script that `sh -c` and the like run.
fn script<'a>(tool: &Tool<'a>) -> Option<&'a Word> {
    if tool.name == "eval" {
        return tool.args.first();
    }
    if !matches!(tool.name, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "su" | "runuser") {
        return None;
    }
    let is_option =
        |word: &Word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c');
    let at = tool.args.iter().position(is_option)?;
    tool.args[at + 1..].iter().find(|word| !word.text.starts_with('-'))
}
