//! Ctrl-C, SIGTERM and SIGHUP: counted here, acted on where a process runs or a phase ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::error::Failure;

/// How many signals came; a signal handler can reach nothing but a static.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// Starts counting signals instead of dying from them.
pub fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        SIGNALS.fetch_add(1, Ordering::SeqCst);
    })?;
    Ok(())
}

/// How many signals came so far.
pub fn count() -> usize {
    SIGNALS.load(Ordering::SeqCst)
}

/// Ends the run between two effects.
pub fn check() -> Result<(), Failure> {
    check_since(0)
}

/// Ends an effect that is itself the answer to the first `seen` signals.
pub fn check_since(seen: usize) -> Result<(), Failure> {
    if count() > seen { Err(Failure::interrupted()) } else { Ok(()) }
}

/// Whether there is a process with this ID, whoever it belongs to.
pub fn is_alive(id: i32) -> bool {
    kill(Pid::from_raw(id), None) != Err(Errno::ESRCH)
}
