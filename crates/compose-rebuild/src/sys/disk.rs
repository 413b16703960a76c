//! Free space.

/// Free bytes for this user on the file system of `path`, or nothing when `path` is not on this machine.
pub fn free(path: &str) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}
