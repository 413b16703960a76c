//! What images are made from: a repository and what is followed there, or a directory in its place.

use std::collections::BTreeSet;
use std::fmt;

use buildkit_report::upstream::Missed;
use camino::Utf8PathBuf;
use dockerfile_reader::Reference;

use crate::facts::tree::Tree;
use crate::value::paths::Paths;
use crate::value::{ArgName, Commit, GitRef, GitUrl, Service};

/// A repository and a ref that images are made from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name in messages.
    pub name: String,
    /// Where it is.
    pub repository: GitUrl,
    /// What is followed there.
    pub wanted: Wanted,
    /// The build argument that takes the commit.
    pub commit_arg: Option<ArgName>,
    /// The files that matter; none means all.
    pub paths: Paths,
    /// The services whose builds fetch it.
    pub services: BTreeSet<Service>,
    /// The services whose images hold it: those, and all that are made from them.
    pub reaches: BTreeSet<Service>,
}

impl Source {
    /// Whether what it follows is what BuildKit takes from there.
    pub fn follows(&self, repository: &str, reference: &Reference) -> bool {
        let name = match reference {
            Reference::Head => "HEAD",
            Reference::Named(name) => name.trim_start_matches("refs/heads/"),
            _ => return false,
        };
        let is_same = |wanted: &GitRef| wanted.as_str().trim_start_matches("refs/heads/") == name;
        self.repository.to_string() == repository && matches!(&self.wanted, Wanted::Ref(wanted) if is_same(wanted))
    }

    /// What is followed, in words.
    pub fn describe(&self) -> String {
        match &self.wanted {
            Wanted::Ref(git_ref) => git_ref.to_string(),
            Wanted::Commit(_) => self.commit_arg.as_ref().map_or("the commit".to_owned(), |name| format!("`{name}`")),
        }
    }
}

/// What a source follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The commit that a ref points to.
    Ref(GitRef),
    /// One commit, whatever the remote does.
    Commit(Commit),
}

/// A source and what it is right now.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub source: Source,
    /// What it is now: with paths the newest commit that changed one of them.
    pub revision: Revision,
    /// The commits behind that one which changed none of its paths.
    pub idle: Option<Idle>,
}

/// Commits of a branch that change nothing for an image.
#[derive(Clone, Debug)]
pub struct Idle {
    /// The newest of them, the tip of the branch.
    pub tip: Commit,
    /// How many there are.
    pub count: u64,
    /// The newest of them in words.
    pub commits: Vec<Missed>,
}

/// What is built of a source.
#[derive(Clone, Debug)]
pub enum Revision {
    /// A commit of the remote.
    Commit(Commit),
    /// A directory of this machine.
    Local(Local),
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => commit.fmt(f),
            Self::Local(local) => write!(f, "local-{}", local.digest),
        }
    }
}

/// The files of a directory.
#[derive(Clone, Debug)]
pub struct Local {
    /// The directory.
    pub root: Utf8PathBuf,
    /// Files and symbolic links below it, those of submodules too, relative and sorted; what Git ignores is left out.
    pub files: Vec<Utf8PathBuf>,
    /// The files as a commit would have them.
    pub tree: Tree,
    /// The first 12 hexadecimal digits of the SHA-256 of all names, kinds and contents.
    pub digest: String,
}
