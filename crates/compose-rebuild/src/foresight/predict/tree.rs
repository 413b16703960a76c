//! What a part of a commit's tree is, as far as a copy of it can tell.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use crate::facts::tree::{Blob, Tree};
use crate::foresight::predict::mark::Mark;

/// The part of a tree that a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The path below the root of the tree; empty is all of it.
    pub(super) path: String,
    /// What is there.
    pub(super) mark: Mark,
    /// Whether it is files alone, which nothing else can be added to.
    pub(super) is_file: bool,
}

/// The part at `path`, which may have wildcards; nothing when the tree has no such thing.
pub(super) fn part(tree: &Tree, path: &str) -> Option<Part> {
    let matched = match path.contains(['*', '?', '[', '\\']) {
        true => matches(tree, path),
        false => [path.as_bytes().to_vec()].into_iter().filter(|path| files(tree, path).next().is_some()).collect(),
    };
    if matched.is_empty() {
        return None;
    }
    let mark = matched.iter().map(|found| {
        // The name counts where it was not written.
        let name = found.rsplit(|&b| b == b'/').next().filter(|_| found != path.as_bytes()).unwrap_or_default();
        Mark::of(&[&String::from_utf8_lossy(name)]).and(one(tree, found))
    });
    let mark = mark.reduce(Mark::and)?;
    // More may have been found than the pattern means.
    let mark = if path.contains(['[', '\\']) { mark.doubtful() } else { mark };
    let is_file = matched.iter().all(|path| tree.files.contains_key(path));
    Some(Part { path: path.to_owned(), mark, is_file })
}

/// All of a tree.
pub(super) fn whole(tree: &Tree) -> Mark {
    one(tree, b"")
}

/// The rules for line ends and the like, which change what is checked out of the same tree.
pub(super) fn attributes(tree: &Tree) -> Mark {
    let rule = |(path, blob): (&Vec<u8>, &Blob)| Mark::of(&[&String::from_utf8_lossy(path), &blob.id]);
    tree.attributes().map(rule).fold(Mark::of(&[]), Mark::and)
}

/// A file, or everything below a directory. What a link points to, and what is in a submodule, nobody knows.
fn one(tree: &Tree, path: &[u8]) -> Mark {
    let mut mark = Mark::of(&[]);
    for file in files(tree, path) {
        let blob = &tree.files[file];
        let kind = match (blob.link, tree.executable.contains(file)) {
            (true, _) => "link",
            (_, true) => "program",
            _ => "file",
        };
        mark = mark.and(Mark::of(&[&String::from_utf8_lossy(&file[path.len()..]), kind, &blob.id]));
        if blob.link && file == path {
            mark = mark.and(Mark::unknown("link"));
        }
    }
    match tree.submodules.iter().any(|submodule| is_below(submodule, path)) {
        true => mark.and(Mark::unknown("submodule")),
        false => mark,
    }
}

fn files<'a>(tree: &'a Tree, path: &'a [u8]) -> impl Iterator<Item = &'a Vec<u8>> {
    let from = tree.files.range(path.to_vec()..).map(|(file, _)| file);
    from.take_while(move |file| file.starts_with(path)).filter(move |file| is_below(file, path))
}

fn is_below(file: &[u8], path: &[u8]) -> bool {
    path.is_empty() || file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The files and directories that a path with wildcards means.
fn matches(tree: &Tree, pattern: &str) -> BTreeSet<Vec<u8>> {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let prefix = |file: &Vec<u8>| {
        let parts: Vec<&[u8]> = file.split(|&b| b == b'/').take(wanted.len()).collect();
        let fits = |(part, wanted): (&&[u8], &&str)| fits(wanted, &String::from_utf8_lossy(part));
        (parts.len() == wanted.len() && parts.iter().zip(&wanted).all(fits)).then(|| parts.join(&b'/'))
    };
    tree.files.keys().chain(&tree.submodules).filter_map(prefix).collect()
}

/// Whether a name fits a pattern of `*`, `?` and characters; sets of characters are not read, and fit everything.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once(['[', '\\']) {
        Some((known, _)) => WildMatch::new(&format!("{known}*")).matches(name),
        None => WildMatch::new(pattern).matches(name),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tree of files, each `path=content`; with a leading `@` a link.
    pub(in crate::foresight::predict) fn tree_of(files: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for file in files {
            let (path, id) = file.split_once('=').expect("path=content");
            let blob = Blob { link: path.starts_with('@'), id: id.to_owned() };
            tree.files.insert(path.trim_start_matches('@').as_bytes().to_vec(), blob);
        }
        tree
    }

    #[test]
    fn a_part_feels_what_is_in_it_and_nothing_else() {
        let old = tree_of(&["a/x=1", "a/y=2", "a-b=3", "c=4"]);
        let mark = |tree: &Tree, path: &str| part(tree, path).map(|part| part.mark);
        let changed = tree_of(&["a/x=1", "a/y=5", "a-b=3", "c=4"]);
        assert_ne!(mark(&old, "a"), mark(&changed, "a"));
        for same in ["a/x", "c", "a-b", "*-b", "a/x*"] {
            assert!(mark(&old, same).is_some(), "{same}");
            assert_eq!(mark(&old, same), mark(&changed, same), "{same}");
        }
        assert_ne!(mark(&old, "a/*"), mark(&changed, "a/*"));
        assert_ne!(mark(&old, "a/?"), mark(&changed, "a/?"));
        assert_eq!(mark(&old, "b"), None);
        assert!(part(&old, "a/*").expect("files").is_file && !part(&old, "a").expect("directory").is_file);
    }

    #[test]
    fn what_stands_behind_a_link_is_not_known() {
        let linked = tree_of(&["@a=1", "d/b=2"]);
        assert_eq!(part(&linked, "a").expect("link").mark.high, None);
        assert!(whole(&linked).high.is_some(), "inside a directory it is copied as a link");
    }

    #[test]
    fn names_fit_patterns_and_no_pattern_takes_forever() {
        for (pattern, names) in [("*.py", "a.py .py"), ("a?c", "abc aéc"), ("a[bc]d", "abd a"), ("*", "x"), ("x", "x")]
        {
            assert!(names.split(' ').all(|name| fits(pattern, name)), "{pattern}");
        }
        for (pattern, names) in [("*.py", "a.pyc py"), ("a?c", "ac abbc"), ("a[bc]d", "b"), ("x", "xx")] {
            assert!(!names.split(' ').any(|name| fits(pattern, name)), "{pattern}");
        }
        // With every way to divide the name tried after the other, this would not end.
        assert!(!fits(&("*a".repeat(200) + "b"), &"a".repeat(255)));
    }
}
