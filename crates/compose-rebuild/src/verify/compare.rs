//! The files of an image against those of a commit: what is the same, and what is missing, added or changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::facts::tree::{Blob, Tree};
use crate::ui::plain;
use crate::verify::skip::Skip;

/// Most files of a kind that are named.
const NAMED: usize = 20;

/// What an image is expected to hold.
#[derive(Debug)]
pub struct Expected {
    pub(super) files: BTreeMap<Vec<u8>, Blob>,
    /// What the commits have in their roots; nothing else is read.
    pub(super) entries: BTreeSet<Vec<u8>>,
    skip: Skip,
    /// Whether files may be in Git LFS, so that the commits have pointers in their place.
    pub(super) has_pointers: bool,
}

impl Expected {
    /// The files of trees, each below a directory, without what is skipped; what is in submodules is never compared.
    pub fn new(trees: Vec<(String, Tree)>, mut skip: Skip) -> Self {
        let (mut files, mut entries) = (BTreeMap::new(), BTreeSet::new());
        // Which files are in Git LFS stands in such a file, and nowhere else.
        let has_pointers = trees.iter().any(|(_, tree)| tree.attributes().next().is_some());
        for (directory, tree) in trees {
            let start = if directory.is_empty() { String::new() } else { format!("{directory}/") }.into_bytes();
            skip.add(tree.submodules.into_iter().map(|path| [start.as_slice(), &path].concat()));
            for (path, blob) in tree.files {
                let whole = [start.as_slice(), &path].concat();
                if !skip.covers(&whole) {
                    let first = path.iter().position(|&b| b == b'/').unwrap_or(path.len());
                    entries.insert(whole[..start.len() + first].to_vec());
                    files.insert(whole, blob);
                }
            }
        }
        Self { files, entries, skip, has_pointers }
    }

    /// Whether a path that no commit has should not be there either.
    fn is_closed(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([path.len()]);
        ends.into_iter().any(|end| self.entries.contains(&path[..end])) && !self.skip.covers(path)
    }
}

/// What was seen of an image.
#[derive(Debug, Default)]
pub struct Seen {
    /// The expected paths that are there, each with what it is; nothing for what is neither file nor link.
    found: BTreeMap<Vec<u8>, Option<Blob>>,
    changed: FirstNames,
    extra: FirstNames,
}

impl Seen {
    /// Takes note of a path that is no directory.
    pub fn note(&mut self, expected: &Expected, path: Vec<u8>, is: Option<Blob>) {
        match expected.files.get(&path) {
            Some(wanted) => {
                if Some(wanted) != is.as_ref() {
                    self.changed.add(&path);
                }
                self.found.insert(path, is);
            }
            None if expected.is_closed(&path) => self.extra.add(&path),
            None => {}
        }
    }

    /// What was seen at an expected path.
    pub fn at(&self, path: &[u8]) -> Option<Blob> {
        self.found.get(path).cloned().flatten()
    }
}

/// How an image differs from a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How many files were compared.
    pub compared: u64,
    /// Files that the image does not have.
    pub missing: FirstNames,
    /// Files that the commit does not have.
    pub extra: FirstNames,
    /// Files with another content.
    pub changed: FirstNames,
}

impl Difference {
    /// What follows from all that was seen.
    pub fn new(expected: &Expected, all: &[Seen]) -> Self {
        let mut difference = Self { compared: expected.files.len() as u64, ..Self::default() };
        for path in expected.files.keys() {
            if !all.iter().any(|seen| seen.found.contains_key(path)) {
                difference.missing.add(path);
            }
        }
        for seen in all {
            difference.extra.append(&seen.extra);
            difference.changed.append(&seen.changed);
        }
        difference
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        [&self.missing, &self.extra, &self.changed].iter().all(|names| names.count == 0)
    }
}

/// Some names, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FirstNames {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

impl FirstNames {
    fn add(&mut self, path: &[u8]) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(plain(&String::from_utf8_lossy(path), 200));
        }
    }

    fn append(&mut self, other: &Self) {
        self.count += other.count;
        let room = NAMED - self.first.len();
        self.first.extend(other.first.iter().take(room).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(id: &str) -> Blob {
        Blob { link: false, id: id.to_owned() }
    }

    fn expected(paths: &[&str], skipped: &[&str]) -> Expected {
        let files = paths.iter().map(|path| (path.as_bytes().to_vec(), blob(path))).collect();
        let skipped: Vec<_> = skipped.iter().map(|&text| text.to_owned()).collect();
        let skip = Skip::parse(&skipped).expect("valid");
        Expected::new(
            vec![(String::new(), Tree { files, submodules: BTreeSet::from([b"d/sub".to_vec()]), ..Tree::default() })],
            skip,
        )
    }

    #[test]
    fn missing_extra_and_changed_are_told_apart() {
        let expected = expected(&["a", "d/b", "d/c", "e", "out/x"], &["out", "d/made"]);
        assert_eq!(expected.entries.iter().collect::<Vec<_>>(), [&b"a"[..], b"d", b"e"]);
        let mut seen = Seen::default();
        for (path, is) in [
            ("a", Some(blob("a"))),
            ("d/b", Some(blob("other"))),
            ("d/new", Some(blob("x"))),
            ("d/made", None),
            ("d/sub/y", None),
            ("venv/x", None),
            ("e", Some(Blob { link: true, id: "e".to_owned() })),
        ] {
            seen.note(&expected, path.as_bytes().to_vec(), is);
        }
        let difference = Difference::new(&expected, &[seen]);
        assert_eq!((difference.compared, difference.is_none()), (4, false));
        assert_eq!(difference.missing.first, ["d/c"]);
        assert_eq!(difference.extra.first, ["d/new"]);
        assert_eq!(difference.changed.first, ["d/b", "e"]);
    }

    #[test]
    fn sources_are_compared_where_they_are_in_the_image() {
        let tree = |path: &str| Tree { files: [(path.as_bytes().to_vec(), blob(path))].into(), ..Tree::default() };
        let trees = vec![(String::new(), tree("run.py")), ("web/app".to_owned(), tree("src/page.ts"))];
        let expected = Expected::new(trees, Skip::default());
        assert_eq!(expected.entries.iter().collect::<Vec<_>>(), [&b"run.py"[..], b"web/app/src"]);
        let mut seen = Seen::default();
        for path in ["web/app/src/new.ts", "web/app/dist/x", "web/y"] {
            seen.note(&expected, path.as_bytes().to_vec(), None);
        }
        let difference = Difference::new(&expected, &[seen]);
        assert_eq!(difference.missing.first, ["run.py", "web/app/src/page.ts"]);
        assert_eq!(difference.extra.first, ["web/app/src/new.ts"]);
    }

    #[test]
    fn at_most_twenty_are_named_and_all_counted() {
        let expected = expected(&["d/a"], &[]);
        let mut seen = [Seen::default(), Seen::default()];
        for number in 0..30 {
            seen[number % 2].note(&expected, format!("d/\u{1b}]0;{number}").into_bytes(), None);
        }
        let extra = Difference::new(&expected, &seen).extra;
        assert_eq!((extra.count, extra.first.len()), (30, 20));
        assert!(extra.first.iter().all(|name| !name.contains('\u{1b}')));
    }
}
