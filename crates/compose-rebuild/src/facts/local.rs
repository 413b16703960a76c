//! A directory of this machine in place of a remote.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Failure;
use crate::facts::source::{Local, Source};
use crate::facts::tree::{Blob, Tree};
use crate::sys::git;
use crate::sys::process::Finished;
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
/// Exit code 2 for what is no file, 3 for a file that cannot be read, or when git does not say which ones are ignored.
pub fn read(ui: &Ui, root: &Utf8Path) -> anyhow::Result<Local> {
    let root = root.canonicalize_utf8()?;
    let mut listed = Listed { ui, root: root.clone(), files: Vec::new() };
    listed.add(Utf8Path::new(""))?;
    let mut files = listed.files;
    files.sort();
    files.dedup();
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

/// The files of a directory as far as they are known.
struct Listed<'a> {
    ui: &'a Ui,
    root: Utf8PathBuf,
    files: Vec<Utf8PathBuf>,
}

impl Listed<'_> {
    /// Adds what Git does not ignore below a directory, or everything where there is no repository.
    fn add(&mut self, below: &Utf8Path) -> anyhow::Result<()> {
        let directory = self.root.join(below);
        let listed = git::list_files(&directory).output(self.ui, git::DEADLINE)?;
        if !listed.status.success() {
            // Without an answer nobody knows what is ignored, secrets among it.
            return match directory.ancestors().any(|above| above.join(".git").exists()) {
                true => Err(refused(&directory, &listed).into()),
                false => self.walk(below),
            };
        }
        let names = String::from_utf8(listed.stdout).map_err(|_| {
            Failure::usage(format!("`{directory}` has a file name that is not UTF-8")).hint("rename it")
        })?;
        names.split_terminator('\0').try_for_each(|name| self.take(below.join(name.trim_end_matches('/')), true))
    }

    /// Adds everything below a directory but what belongs to Git.
    fn walk(&mut self, below: &Utf8Path) -> anyhow::Result<()> {
        for entry in self.root.join(below).read_dir_utf8()? {
            let entry = entry?;
            if entry.file_name() != ".git" {
                self.take(below.join(entry.file_name()), false)?;
            }
        }
        Ok(())
    }

    /// Adds a path. A directory that Git lists is another repository, such as a submodule.
    fn take(&mut self, path: Utf8PathBuf, is_listed: bool) -> anyhow::Result<()> {
        let whole = self.root.join(&path);
        // A listed file may be deleted.
        let Ok(metadata) = fs_err::symlink_metadata(&whole) else { return Ok(()) };
        if metadata.is_file() || metadata.is_symlink() {
            self.files.push(path);
            return Ok(());
        }
        match (metadata.is_dir(), whole.join(".git").exists()) {
            (true, true) => self.add(&path),
            (true, false) if !is_listed => self.walk(&path),
            // The files in the place of a file that was tracked are listed too.
            (true, false) if whole.read_dir_utf8()?.next().is_some() => Ok(()),
            (true, false) => {
                Err(Failure::usage(format!("the submodule `{path}` of `{}` is not checked out", self.root))
                    .kept("nothing was changed")
                    .hint(format!("git -C {} submodule update --init --recursive", self.root))
                    .into())
            }
            (false, _) => Err(Failure::usage(format!("`{whole}` is neither a file nor a directory nor a link"))
                .kept("nothing was changed")
                .hint("remove it: no image can have it")
                .into()),
        }
    }
}

/// The failure of a repository that git does not read.
fn refused(directory: &Utf8Path, listed: &Finished) -> Failure {
    let fatal = listed.stderr.lines().find_map(|line| line.strip_prefix("fatal: "));
    let reason = fatal.unwrap_or_else(|| listed.last_error());
    Failure::precondition(format!("git does not say which files of `{directory}` are ignored: {reason}"))
        .kept("nothing was changed")
        .hint(format!("see what it says, and try again: git -C {directory} status"))
}
