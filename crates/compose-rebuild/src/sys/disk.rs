//! Free space.

/// Free bytes for this user on the file system of `path`, or nothing when `path` is not on this machine.
pub fn free(path: &str) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    #[allow(clippy::useless_conversion, reason = "macOS counts blocks with 32 bits")]
    let blocks = u64::from(stat.blocks_available());
    Some(blocks * stat.fragment_size())
}
