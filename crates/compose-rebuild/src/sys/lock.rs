//! One run that changes images per engine and Compose project at a time, whoever starts it on this machine.

use std::fs::{File, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Failure;
use crate::sys::{files, interrupt};
use crate::ui::Ui;

/// Where locks are: users and their variables for temporary files differ, and all of them can write here.
const DIRECTORY: &str = "/tmp";

/// A held lock; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    path: Utf8PathBuf,
    file: File,
    /// Whether somebody else held it first, so that facts gathered before are out of date.
    pub waited: bool,
}

impl Drop for Lock {
    /// Leaves nothing behind. Whoever waits for this file looks whether it is still there.
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = fs_err::remove_file(&self.path);
        }
    }
}

/// Who holds the lock named `name`, if somebody does; it is not made, and shared with others for as long as the question takes.
pub fn holder(name: &str) -> Option<String> {
    let file = files::careful().read(true).open(path_of(name)).ok()?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| named(&file))
}

fn path_of(name: &str) -> Utf8PathBuf {
    Utf8Path::new(DIRECTORY).join(format!("compose-rebuild-{name}.lock"))
}

/// What the holder of a lock wrote into its file.
fn named(mut file: &File) -> String {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut holder));
    if read.is_err() || holder.is_empty() { "another run".to_owned() } else { holder }
}

/// Opens the file of a lock, which is made if it is not there; that of another user can only be read, which is enough.
fn open(path: &Utf8Path) -> anyhow::Result<File> {
    // Not truncated: until the lock is ours, the content names the holder.
    let file = match files::careful().read(true).write(true).create(true).mode(0o644).open(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => files::careful().read(true).open(path),
        opened => opened,
    };
    let file = file.with_context(|| format!("could not open the lock `{path}`"))?;
    let metadata = file.metadata()?;
    // One with another name is somebody's own file: it would be emptied.
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Err(files::irregular(path).into());
    }
    Ok(file)
}

/// Whether this path leads to this file: the last holder may have removed it.
fn is_at(file: &File, path: &Utf8Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Takes the lock named `name`, waiting for its holder and saying so, unless `wait` is false.
///
/// # Errors
/// Exit code 3 when it is held and `wait` is false, 130 when a signal came while waiting.
pub fn acquire(ui: &Ui, name: &str, wait: bool) -> anyhow::Result<Lock> {
    acquire_at(ui, path_of(name), name, wait)
}

fn acquire_at(ui: &Ui, path: Utf8PathBuf, name: &str, wait: bool) -> anyhow::Result<Lock> {
    let mut file = open(&path)?;
    let mut waited = false;
    loop {
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => break,
            Ok(()) => {
                file = open(&path)?;
                continue;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks. Tags still move only after verification.
                ui.warning(&format!("`{path}` cannot be locked ({error}); do not start two runs at once"));
                break;
            }
        }
        if !waited {
            let holder = named(&file);
            if !wait {
                return Err(Failure::precondition(format!("`{name}` is locked by {holder}"))
                    .hint("wait for it to end, or leave out `--no-wait`")
                    .into());
            }
            ui.status("Blocking", &format!("waiting for {holder} to finish (skip the wait with `--no-wait`)"));
            waited = true;
        }
        interrupt::check()?;
        thread::sleep(Duration::from_millis(50));
    }
    // In the file of another user nobody can be named.
    let _ = file
        .set_len(0)
        .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
        .and_then(|()| write!(file, "process {} ({name})", std::process::id()));
    Ok(Lock { path, file, waited })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui() -> Ui {
        let options = crate::ui::Options {
            message_format: crate::ui::Format::Human,
            quiet: true,
            verbose: false,
            color: clap::ColorChoice::Never,
        };
        Ui::new("x".to_owned(), &options, true, false)
    }

    #[test]
    fn the_lock_of_another_user_is_a_lock_and_nothing_stays_behind() {
        let directory = tempfile::tempdir().expect("temporary");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("lock");
        let take = || acquire_at(&ui(), path.clone(), "p", false);
        let first = take().expect("free");
        assert!(take().is_err(), "held");
        drop(first);
        assert!(!path.exists());

        let own = path.with_file_name("own");
        fs_err::write(&own, "precious").expect("written");
        fs_err::hard_link(&own, &path).expect("linked");
        assert!(take().is_err(), "a file with another name");
        assert_eq!(fs_err::read_to_string(&own).expect("read"), "precious");
        fs_err::remove_file(&path).expect("removed");

        // A file that this user cannot write to.
        fs_err::write(&path, "").expect("written");
        fs_err::set_permissions(&path, Permissions::from_mode(0o444)).expect("changed");
        let first = take().expect("free");
        assert!(take().is_err(), "held");
        drop(first);
    }

    #[test]
    fn who_waited_for_a_file_that_is_gone_takes_the_new_one() {
        let directory = tempfile::tempdir().expect("temporary");
        let path = Utf8Path::from_path(directory.path()).expect("UTF-8").join("lock");
        let first = acquire_at(&ui(), path.clone(), "p", true).expect("free");
        let second = thread::scope(|scope| {
            let waiting = scope.spawn(|| acquire_at(&ui(), path.clone(), "p", true));
            drop(first);
            waiting.join().expect("joined").expect("taken")
        });
        assert!(is_at(&second.file, &path));
        assert!(acquire_at(&ui(), path, "p", false).is_err(), "held");
    }
}
