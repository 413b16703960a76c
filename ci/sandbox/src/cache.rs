//! What is kept between runs, and the directories of the sandboxes that run now.

use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::network::{self, Subnet};
use crate::process::{check_interrupt, run, run_to_end};
use crate::ui::status;

/// The directory that survives: `$SANDBOX_CACHE`, else the user's cache directory.
pub(crate) fn root() -> Result<Utf8PathBuf> {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(Utf8PathBuf::from)
    };
    let root = variable("SANDBOX_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("xtask-sandbox")))
        .or_else(|| Some(variable("HOME")?.join(".cache/xtask-sandbox")))
        .context("no directory for the cache; hint: set SANDBOX_CACHE")?;
    if root.as_str().len() > 80 {
        bail!(
            "`{root}` is too long for the path of a socket below it; hint: set SANDBOX_CACHE to a shorter path"
        );
    }
    fs_err::create_dir_all(&root)?;
    Ok(Utf8PathBuf::try_from(fs_err::canonicalize(root)?)?)
}

/// The directory `name` in the cache, made by `build` when it is not there yet.
///
/// Others wait meanwhile, and a `build` that was killed leaves nothing that counts.
pub(crate) fn ensure(
    root: &Utf8Path,
    name: &str,
    build: impl FnOnce(&Utf8Path) -> Result<()>,
) -> Result<Utf8PathBuf> {
    let done = root.join(name);
    if done.exists() {
        return Ok(done);
    }
    let _lock = lock(&root.join(format!("{name}.lock")))?;
    if !done.exists() {
        let new = root.join(format!("{name}.new"));
        remove_dir(&new)?;
        fs_err::create_dir(&new)?;
        if let Err(error) = build(&new) {
            let _ = remove_dir(&new);
            return Err(error);
        }
        fs_err::rename(&new, &done)?;
    }
    Ok(done)
}

/// Waits for an exclusive lock, which the kernel releases when its holder ends.
fn lock(path: &Utf8Path) -> Result<File> {
    let file = open(path)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("could not lock `{path}`"));
            }
            Err(TryLockError::WouldBlock) if !told => {
                status(
                    "Waiting",
                    format_args!("for another sandbox that holds {path}"),
                );
                told = true;
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
        }
        check_interrupt()?;
    }
}

fn open(path: &Utf8Path) -> Result<File> {
    Ok(fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?
        .into())
}

/// Removes a directory with everything in it, which may be a lot.
fn remove_dir(path: &Utf8Path) -> Result<()> {
    run_to_end(std::process::Command::new("rm").args(["-rf", "--", path.as_str()])).map(drop)
}

/// The directory and the addresses of a sandbox; dropping it removes every trace of them.
pub(crate) struct State {
    dir: Utf8PathBuf,
    subnet: Subnet,
    lock: Option<File>,
}

impl State {
    /// Removes what killed sandboxes left, then takes a free block of addresses and a directory.
    pub(crate) fn create(root: &Utf8Path) -> Result<State> {
        let all = root.join("run");
        fs_err::create_dir_all(&all)?;
        let _lock = lock(&root.join("run.lock"))?;
        for entry in fs_err::read_dir(&all)?.flatten() {
            let dir = Utf8PathBuf::try_from(entry.path())?;
            let subnet = dir.file_name().and_then(Subnet::from_id);
            // Whose lock can be taken is dead, and the kernel has killed its daemons.
            if let (Some(subnet), Ok(file)) = (subnet, open(&dir.join("lock")))
                && file.try_lock().is_ok()
            {
                status(
                    "Removing",
                    format_args!("what a killed sandbox left in {dir}"),
                );
                drop(State {
                    dir,
                    subnet,
                    lock: Some(file),
                });
            }
        }
        let subnet = network::create()?;
        let dir = all.join(subnet.id());
        let mut state = State {
            dir,
            subnet,
            lock: None,
        };
        fs_err::create_dir_all(&state.dir)?;
        let file = open(&state.dir.join("lock"))?;
        file.try_lock()
            .with_context(|| format!("`{}` is in use", state.dir))?;
        state.lock = Some(file);
        Ok(state)
    }

    /// The directory of this sandbox.
    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The addresses of this sandbox.
    pub(crate) fn subnet(&self) -> Subnet {
        self.subnet
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let removed = network::remove(self.subnet).and_then(|()| remove_dir(&self.dir));
        if let Err(error) = removed {
            status(
                "Warning",
                format_args!("something is left behind: {error:#}"),
            );
        }
        drop(self.lock.take());
    }
}

/// Whether Docker's preferred storage driver can work in this directory.
pub(crate) fn overlay_works(root: &Utf8Path) -> Result<bool> {
    let dir = tempfile::tempdir_in(root)?;
    let path = Utf8Path::from_path(dir.path()).context("a path that is not UTF-8")?;
    for name in ["lower", "upper", "work", "merged"] {
        fs_err::create_dir(path.join(name))?;
    }
    let options = format!("lowerdir={path}/lower,upperdir={path}/upper,workdir={path}/work");
    let merged = path.join("merged");
    let mount = run(crate::process::confined("mount").args([
        "-t",
        "overlay",
        "overlay",
        "-o",
        &options,
        merged.as_str(),
    ]));
    check_interrupt()?;
    Ok(mount.is_ok())
}
