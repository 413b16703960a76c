//! Code that a Dockerfile fetches from Git remotes.

use crate::address::Reference;

/// Code from a Git remote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The position of the stage in which its instruction is written.
    pub stage: usize,
    /// The position of its instruction in that stage.
    pub instruction: usize,
    /// The position of the stage in which it runs, which is a later one for `ONBUILD`.
    pub runs_in: usize,
    /// The line that fetches it.
    pub line: usize,
    /// The address without user information; `$` stays in it where nothing says what a variable is. Of submodules it is that
    /// of the repository which they are part of, as far as it is known.
    pub repository: String,
    /// What is taken from there.
    pub reference: Reference,
    /// What makes the step run again.
    pub cover: Cover,
    /// The build argument, empty now, that takes a commit in the place of the reference.
    pub commit_arg: Option<String>,
}

/// What makes a step run again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cover {
    /// Nothing: it stays cached whatever is pushed.
    Nothing,
    /// Nothing either: the step may run again, but a cache mount keeps what it once cloned.
    Kept,
    /// Another value of this build argument.
    Argument(String),
    /// BuildKit, which looks at the remote for every build.
    Builder,
}

impl Fetch {
    /// Whether the step stays cached whatever is pushed.
    pub fn is_stale(&self) -> bool {
        let digits_around_dot = |name: &str| {
            name.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit())
        };
        let moves = match (&self.reference, self.reference.moves()) {
            (Reference::Named(name), None) => !digits_around_dot(name),
            (_, moves) => moves != Some(false),
        };
        matches!(self.cover, Cover::Nothing | Cover::Kept) && moves
    }

    /// The last part of the address.
    pub fn name(&self) -> &str {
        let path = self.repository.trim_end_matches(".git");
        path.rsplit(['/', ':']).next().unwrap_or_default()
    }
}
