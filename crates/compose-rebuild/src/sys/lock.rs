//! One run that changes images per engine and Compose project at a time.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::error::Failure;
use crate::sys::{files, interrupt};
use crate::ui::Ui;

/// A held lock; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// Whether somebody else held it first, so that facts gathered before are out of date.
    pub waited: bool,
}

/// Who holds the lock named `name`, if somebody does; it is not made, and shared with others for as long as the question takes.
pub fn holder(name: &str) -> Option<String> {
    let path = files::private_path().ok()?.join(format!("{name}.lock"));
    let file =
        File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path).ok()?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| named(&file))
}

/// What the holder of a lock wrote into its file.
fn named(mut file: &File) -> String {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut holder));
    if read.is_err() || holder.is_empty() { "another run".to_owned() } else { holder }
}

/// Takes the lock named `name`, waiting for its holder and saying so, unless `wait` is false.
///
/// # Errors
/// Exit code 3 when it is held and `wait` is false, 130 when a signal came while waiting.
pub fn acquire(ui: &Ui, name: &str, wait: bool) -> anyhow::Result<Lock> {
    let path = files::private_directory()?.join(format!("{name}.lock"));
    // Not truncated: until the lock is ours, the content names the holder.
    let open = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(&path);
    let mut file = open.with_context(|| format!("could not open the lock `{path}`"))?;
    if !file.metadata()?.is_file() {
        return Err(files::irregular(&path).into());
    }
    let mut waited = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks. Tags still move only after verification.
                ui.warning(&format!("`{path}` cannot be locked ({error}); do not start two runs at once"));
                return Ok(Lock { _file: file, waited });
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
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {} ({name})", std::process::id())?;
    Ok(Lock { _file: file, waited })
}
