//! The files of a commit, or of a directory in its place.

use std::collections::{BTreeMap, BTreeSet};

/// The files of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Files and symbolic links by their paths, which need not be UTF-8.
    pub files: BTreeMap<Vec<u8>, Blob>,
    /// Which of them are programs.
    pub executable: BTreeSet<Vec<u8>>,
    /// Paths of submodules, whose files are in other repositories.
    pub submodules: BTreeSet<Vec<u8>>,
}

impl Tree {
    /// The files that have rules for others, such as line ends or Git LFS.
    pub fn attributes(&self) -> impl Iterator<Item = (&Vec<u8>, &Blob)> {
        self.files.iter().filter(|(path, _)| path.rsplit(|&b| b == b'/').next() == Some(b".gitattributes"))
    }
}

/// The content of a file, or the target of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Whether it is a symbolic link.
    pub link: bool,
    /// The ID that Git gives to this content, in hexadecimal digits.
    pub id: String,
}
