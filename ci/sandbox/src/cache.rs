//! What is kept between runs.

use std::fs::{File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::process::{check_interrupt, run, run_to_end};
use crate::ui::status;

/// The engine, the base image and some builds: about 2 GiB.
const MIN_FREE_MIB: u64 = 3072;

/// The directory that survives: `$SANDBOX_CACHE`, else the user's cache directory.
pub(crate) fn root() -> Result<Utf8PathBuf> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from);
    let root = variable("SANDBOX_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("xtask-sandbox")))
        .or_else(|| Some(variable("HOME")?.join(".cache/xtask-sandbox")))
        .context("no directory for the cache; hint: set SANDBOX_CACHE")?;
    if root.as_str().len() > 80 {
        bail!("`{root}` is too long for the path of a socket below it; hint: set SANDBOX_CACHE to a shorter path");
    }
    fs_err::create_dir_all(&root)?;
    Ok(Utf8PathBuf::try_from(fs_err::canonicalize(root)?)?)
}

/// The directory `name` in the cache, made by `build` when it is not there yet.
///
/// Others wait meanwhile, and a `build` that was killed leaves nothing that counts.
pub(crate) fn ensure(root: &Utf8Path, name: &str, build: impl FnOnce(&Utf8Path) -> Result<()>) -> Result<Utf8PathBuf> {
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

/// A short name for the inputs of something in the cache.
pub(crate) fn digest(inputs: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Waits for an exclusive lock, which the kernel releases when its holder ends.
pub(crate) fn lock(path: &Utf8Path) -> Result<File> {
    let file = open(path)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("could not lock `{path}`"));
            }
            Err(TryLockError::WouldBlock) if !told => {
                status("Waiting", format_args!("for another sandbox that holds {path}"));
                told = true;
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
        }
        check_interrupt()?;
    }
}

pub(crate) fn open(path: &Utf8Path) -> Result<File> {
    Ok(fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)?.into())
}

/// Removes a directory with everything in it, which may be a lot.
pub(crate) fn remove_dir(path: &Utf8Path) -> Result<()> {
    run_to_end(std::process::Command::new("rm").args(["-rf", "--", path.as_str()])).map(drop)
}

/// Fails when the disk has too little room for an engine's images.
pub(crate) fn check_space(root: &Utf8Path) -> Result<()> {
    let disk = rustix::fs::statvfs(root.as_std_path())?;
    let free = disk.f_bavail * disk.f_frsize / (1 << 20);
    if free < MIN_FREE_MIB {
        bail!(
            "only {free} MiB are free for {root}, a sandbox needs {MIN_FREE_MIB}; \
             hint: make room, or set SANDBOX_CACHE to a directory on another disk"
        );
    }
    Ok(())
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
    let mount =
        run(crate::process::confined("mount").args(["-t", "overlay", "overlay", "-o", &options, merged.as_str()]));
    check_interrupt()?;
    Ok(mount.is_ok())
}
