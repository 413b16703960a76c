//! The directories of the sandboxes that run now, and what killed ones left.

use std::fs::File;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};

use crate::cache::{lock, open, remove_dir};
use crate::network::{self, Subnet};
use crate::ui::status;

/// The directory and the addresses of a sandbox; dropping it removes every trace of them.
pub(crate) struct State {
    dir: Utf8PathBuf,
    /// None when the machine's own engine is used.
    subnet: Option<Subnet>,
    /// Held as long as the sandbox lives; the kernel releases it when we are killed.
    lock: Option<File>,
}

impl State {
    /// Takes a free block of addresses, with a bridge, and a directory.
    pub(crate) fn with_network(cache: &Utf8Path) -> Result<State> {
        let _lock = lock(&cache.join("run.lock"))?;
        remove_dead(cache)?;
        let subnet = network::create()?;
        State::create(cache, &subnet.id(), Some(subnet))
    }

    /// Takes a directory only.
    pub(crate) fn without_network(cache: &Utf8Path) -> Result<State> {
        let _lock = lock(&cache.join("run.lock"))?;
        remove_dead(cache)?;
        State::create(cache, &format!("host-{}", std::process::id()), None)
    }

    fn create(cache: &Utf8Path, id: &str, subnet: Option<Subnet>) -> Result<State> {
        let mut state = State { dir: cache.join("run").join(id), subnet, lock: None };
        fs_err::create_dir_all(&state.dir)?;
        let file = open(&state.dir.join("lock"))?;
        file.try_lock().with_context(|| format!("`{}` is in use", state.dir))?;
        state.lock = Some(file);
        Ok(state)
    }

    /// The directory of this sandbox.
    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The addresses of this sandbox.
    pub(crate) fn subnet(&self) -> Option<Subnet> {
        self.subnet
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let network = self.subnet.map_or(Ok(()), network::remove);
        if let Err(error) = network.and_then(|()| remove_dir(&self.dir)) {
            status("Warning", format_args!("something is left behind: {error:#}"));
        }
        drop(self.lock.take());
    }
}

/// Removes what killed sandboxes left; with their parent the kernel has killed their daemons.
fn remove_dead(cache: &Utf8Path) -> Result<()> {
    let all = cache.join("run");
    fs_err::create_dir_all(&all)?;
    for entry in fs_err::read_dir(&all)?.flatten() {
        let dir = Utf8PathBuf::try_from(entry.path())?;
        // One that ends right now takes its directory along.
        let Ok(file) = open(&dir.join("lock")) else { continue };
        // Only the lock of a dead one can be taken.
        if file.try_lock().is_ok() {
            status("Removing", format_args!("what a killed sandbox left in {dir}"));
            let subnet = dir.file_name().and_then(Subnet::from_id);
            drop(State { dir, subnet, lock: Some(file) });
        }
    }
    Ok(())
}
