//! The tree of a commit, as its remote has it.

use crate::error::Failure;
use crate::facts::repository::{Remote, Repository, TREES};
use crate::facts::tree::{Blob, Tree};
use crate::sys::git;
use crate::value::Commit;

/// The files of a commit with the IDs of their contents, which stay at the remote. What was fetched before is not asked for
/// again; with `offline` nothing is.
///
/// # Errors
/// Exit code 3 when the remote does not serve the commit, or when it would have to be asked.
pub fn of_commit(remote: Remote<'_>, commit: &Commit, offline: bool) -> anyhow::Result<Tree> {
    let repository = Repository::open(TREES, remote, commit)?;
    let list = || repository.ask(|path| git::ls_tree(path, commit));
    let listed = match list()? {
        Some(listed) => Some(listed),
        None if offline => {
            return Err(Failure::precondition(format!("the files of commit {} are not known here", commit.short()))
                .kept("nothing was changed")
                .hint("run it once without `--offline`")
                .into());
        }
        None => {
            repository.fetch_tree(commit)?;
            list()?
        }
    };
    let listed = listed.ok_or_else(|| {
        Failure::precondition(format!("the remote {} sent commit {} without its tree", remote.url, commit.short()))
            .kept("nothing was changed")
            .hint("run it again")
    })?;
    Ok(parse(&listed).ok_or_else(|| {
        Failure::precondition("the list of a commit's files is cut or garbled")
            .kept("nothing was changed")
            .hint("run it again")
    })?)
}

/// Reads what `git ls-tree -r -z` prints: `mode type id TAB path NUL`.
fn parse(listed: &[u8]) -> Option<Tree> {
    let mut tree = Tree::default();
    if !listed.is_empty() && !listed.ends_with(b"\0") {
        return None;
    }
    for line in listed.split(|&b| b == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|&b| b == b'\t')?;
        let (about, path) = (str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]);
        let &[mode, kind, id] = about.split(' ').collect::<Vec<_>>().as_slice() else { return None };
        // A tree with such names would lead out of the directory that is compared.
        let mut parts = path.split(|&b| b == b'/');
        if id.parse::<Commit>().is_err() || parts.any(|part| matches!(part, b"" | b"." | b"..")) {
            return None;
        }
        match (mode, kind) {
            (_, "commit") => drop(tree.submodules.insert(path.to_vec())),
            (mode, "blob") => {
                if mode == "100755" {
                    tree.executable.insert(path.to_vec());
                }
                tree.files.insert(path.to_vec(), Blob { link: mode == "120000", id: id.to_owned() });
            }
            _ => return None,
        }
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_links_and_submodules_are_told_apart() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let listed =
            format!("100644 blob {a}\td/x y\0100755 blob {a}\trun\0120000 blob {b}\tlink\0160000 commit {b}\tsub\0");
        let tree = parse(listed.as_bytes()).expect("valid");
        assert_eq!(tree.files.len(), 3);
        assert_eq!(tree.files[&b"link"[..]], Blob { link: true, id: b });
        assert!(!tree.files[&b"d/x y"[..]].link);
        assert_eq!(tree.executable, [b"run".to_vec()].into());
        assert!(tree.submodules.contains(&b"sub"[..]));
        assert_eq!(parse(b"").expect("empty"), Tree::default());
    }

    #[test]
    fn what_is_cut_or_leads_elsewhere_is_refused() {
        let a = "a".repeat(40);
        for bad in [
            format!("100644 blob {a}\tcut"),
            format!("100644 blob {a}\t../etc/passwd\0"),
            format!("100644 blob {a}\ta//b\0"),
            format!("100644 blob {a}\t/etc\0"),
            "100644 blob $(id)\tx\0".to_owned(),
            format!("040000 tree {a}\tx\0"),
            "100644 blob\0".to_owned(),
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
