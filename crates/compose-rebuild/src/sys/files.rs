//! Files of our own: written whole or not at all, never through a symbolic link.

#![expect(clippy::disallowed_methods, reason = "the environment says where temporary files are")]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::sys::interrupt::is_alive;
use crate::value::digest::sha256;

/// Ends the name of a file while it is written, after the id of the process that writes it.
const TEMPORARY: &str = ".tmp";

/// Most bytes that are read of what an earlier run wrote down, except for a report.
pub const STATE_LIMIT: u64 = 8 << 20;

/// Creates a directory of ours and its parents, and removes what a run that was killed in [`write`] left there.
pub fn create_directory(path: &Utf8Path) -> anyhow::Result<()> {
    refuse_link(path)?;
    fs_err::create_dir_all(path)?;
    for left in newest(path, TEMPORARY) {
        let writer = left.as_str().trim_end_matches(TEMPORARY).rsplit('.').next().and_then(|pid| pid.parse().ok());
        if writer.is_some_and(|pid| !is_alive(pid)) {
            remove_tree(&left)?;
        }
    }
    Ok(())
}

/// How a file is opened that anybody may have made: no link, and no waiting for whoever writes into a pipe.
pub(super) fn careful() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    options
}

/// Creates or empties a file of ours.
pub fn create(path: &Utf8Path) -> anyhow::Result<std::fs::File> {
    refuse_link(path)?;
    let opened = careful().write(true).create(true).truncate(true).open(path);
    opened.with_context(|| format!("could not create `{path}`"))
}

/// Reads a file of ours, if it is one, no link and no pipe, and not longer than `limit`.
pub fn read(path: &Utf8Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    refuse_link(path)?;
    let file = careful().read(true).open(path).with_context(|| format!("could not read `{path}`"))?;
    if !file.metadata()?.is_file() {
        return Err(irregular(path).into());
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes a directory of ours with everything in it, if there is one; a link in its place goes without what it points to.
pub fn remove_tree(path: &Utf8Path) -> anyhow::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The failure for something else in the place of a file of ours, such as a pipe.
pub fn irregular(path: &Utf8Path) -> Failure {
    Failure::precondition(format!("`{path}` is not a regular file")).hint(format!("remove it: rm -r {path}"))
}

/// Adds `bytes` to the end of a file that another program made for us.
pub fn append(path: &Utf8Path, bytes: &[u8]) -> anyhow::Result<()> {
    refuse_link(path)?;
    fs_err::OpenOptions::new().append(true).open(path)?.write_all(bytes)?;
    Ok(())
}

/// Writes `bytes` to a temporary file beside `path` and renames it, so that readers see all or nothing.
pub fn write(path: &Utf8Path, bytes: &[u8]) -> anyhow::Result<()> {
    refuse_link(path)?;
    let temporary = Utf8PathBuf::from(format!("{path}.{}{TEMPORARY}", std::process::id()));
    let written = fs_err::OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        fs_err::rename(&temporary, path)
    });
    if written.is_err() {
        // Nothing may stay behind; the first error is the one to report.
        let _ = fs_err::remove_file(&temporary);
    }
    written.with_context(|| format!("could not write `{path}`"))
}

/// Removes all but the newest `keep` names of a directory, each with all its endings.
pub fn keep_newest(directory: &Utf8Path, keep: usize) -> anyhow::Result<()> {
    let paths = newest(directory, "");
    let stem = |path: &Utf8PathBuf| path.file_name().and_then(|name| name.split('.').next()).map(str::to_owned);
    let mut stems: Vec<_> = paths.iter().map(stem).collect();
    stems.dedup();
    for path in paths.iter().filter(|path| stems.iter().skip(keep).any(|old| *old == stem(path))) {
        fs_err::remove_file(path)?;
    }
    Ok(())
}

/// The files of a directory with this ending, the newest first: their names start with a time and so sort by age.
pub fn newest(directory: &Utf8Path, ending: &str) -> Vec<Utf8PathBuf> {
    let entries = directory.read_dir_utf8().into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.into_path())).collect();
    paths.retain(|path| path.as_str().ends_with(ending));
    paths.sort();
    paths.reverse();
    paths
}

/// Why a directory of ours, or the place where it will be made, cannot be used, and the fix; nothing is made.
pub fn obstacle(path: &Utf8Path) -> Option<(String, String)> {
    if let Err(link) = refuse_link(path) {
        return Some((link.cause, link.hint.unwrap_or_default()));
    }
    let exists = path.ancestors().find(|above| above.exists())?;
    let cause = if !exists.is_dir() {
        format!("`{exists}` is not a directory")
    } else if nix::unistd::access(exists.as_std_path(), nix::unistd::AccessFlags::W_OK).is_err() {
        format!("`{exists}` cannot be written")
    } else {
        return None;
    };
    Some((cause, format!("check who owns it: ls -ld {exists}")))
}

/// A directory for what the next run may want, which only this user can write to, the same for every checkout; nothing where
/// somebody else has taken its place.
fn private_directory() -> Option<Utf8PathBuf> {
    let user = nix::unistd::Uid::effective();
    let path = Utf8PathBuf::try_from(std::env::temp_dir()).ok()?.join(format!("xtask-{user}"));
    let _ = std::fs::DirBuilder::new().mode(0o700).create(&path);
    let metadata = fs_err::symlink_metadata(&path).ok()?;
    (metadata.is_dir() && metadata.uid() == user.as_raw()).then_some(path)
}

/// Refuses a path of ours that somebody made a symbolic link.
pub fn refuse_link(path: &Utf8Path) -> Result<(), Failure> {
    if path.is_symlink() {
        return Err(Failure::precondition(format!("`{path}` is a symbolic link"))
            .kept("what it points to is untouched")
            .hint(format!("remove it: rm {path}")));
    }
    Ok(())
}

/// What an earlier run on the same compose files wrote down with [`remember`], if it is still there and fits.
pub fn recall<T: DeserializeOwned>(what: &str, compose_files: &[Utf8PathBuf]) -> Option<T> {
    serde_json::from_slice(&read(&kept_for(what, compose_files)?, STATE_LIMIT).ok()?).ok()
}

/// Writes something down for the next run on the same compose files, which is slower or knows less without it.
pub fn remember(what: &str, compose_files: &[Utf8PathBuf], value: &impl Serialize) {
    if let (Ok(json), Some(path)) = (serde_json::to_vec(value), kept_for(what, compose_files)) {
        let _ = write(&path, &json);
    }
}

fn kept_for(what: &str, compose_files: &[Utf8PathBuf]) -> Option<Utf8PathBuf> {
    let names: Vec<_> = compose_files.iter().map(|file| file.as_str()).collect();
    let digest = sha256(names.join("\n"));
    Some(private_directory()?.join(format!("{what}-{}.json", &digest[..16])))
}
