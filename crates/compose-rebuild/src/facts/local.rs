//! A directory of this machine in place of a remote.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::Shell;

use crate::error::Failure;
use crate::facts::source::{Local, Source};
use crate::facts::tree::{Blob, Tree};
use crate::sys::{git, process};
use crate::ui::Ui;
use crate::value::digest::{Parts, git_blob, hex};
use crate::value::show;

/// Checks that `path` can take the place of the sources.
///
/// # Errors
/// Exit code 2 when it is no directory, or when there is not exactly one source that takes a commit.
pub fn check(path: &Utf8Path, sources: &[Source]) -> Result<(), Failure> {
    if !path.is_dir() {
        return Err(Failure::usage(format!("`--local` {} is not a directory", show(path.as_str())))
            .hint("name the directory of a checkout"));
    }
    match sources {
        [source] if source.commit_arg.is_some() => Ok(()),
        _ => Err(Failure::usage(format!(
            "`--local` replaces one source that takes a commit, the project has {}",
            sources.len()
        ))
        .hint("push the change to a branch, and build that")),
    }
}

/// Lists and digests the files of `root`.
///
/// # Errors
/// Exit code 3 for a file that cannot be read.
pub fn read(ui: &Ui, root: &Utf8Path) -> anyhow::Result<Local> {
    let root = root.canonicalize_utf8()?;
    let sh = Shell::new()?;
    let listed = process::output(ui, git::list_files(&sh, &root), git::DEADLINE)?;
    let mut files = if listed.status.success() {
        let names = String::from_utf8(listed.stdout)
            .map_err(|_| Failure::usage(format!("`{root}` has a file name that is not UTF-8")).hint("rename it"))?;
        names.split_terminator('\0').map(Utf8PathBuf::from).collect()
    } else {
        let mut found = Vec::new();
        walk(&root, Utf8Path::new(""), &mut found)?;
        found
    };
    files.sort();
    files.dedup();
    // A listed file may be deleted, and a listed directory is a submodule.
    files.retain(|file| fs_err::symlink_metadata(root.join(file)).is_ok_and(|metadata| !metadata.is_dir()));
    let mut tree = Tree::default();
    for file in &files {
        let path = root.join(file);
        let metadata = fs_err::symlink_metadata(&path)?;
        let link = metadata.is_symlink();
        let content = if link { path.read_link_utf8()?.into_string().into_bytes() } else { fs_err::read(&path)? };
        let mut id = git_blob(40, content.len() as u64, &mut content.as_slice())?;
        match metadata.permissions().mode() & 0o755 {
            0o644 => {}
            0o755 => drop(tree.executable.insert(file.as_str().into())),
            // Git has no other modes, the build has them.
            mode => id.push_str(&format!(" {mode:o}")),
        }
        tree.files.insert(file.as_str().into(), Blob { link, id });
    }
    let mut digest = Parts::default();
    for (path, Blob { link, id }) in &tree.files {
        let kind = [u8::from(*link), u8::from(tree.executable.contains(path))];
        [path.as_slice(), &kind, id.as_bytes()].into_iter().for_each(|part| digest.add(part));
    }
    let digest = hex(&digest.finish())[..12].to_owned();
    Ok(Local { root, files, tree, digest })
}

/// All files below `root`/`below` but those of Git itself.
fn walk(root: &Utf8Path, below: &Utf8Path, found: &mut Vec<Utf8PathBuf>) -> std::io::Result<()> {
    for entry in root.join(below).read_dir_utf8()? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if entry.file_name() != ".git" {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}
