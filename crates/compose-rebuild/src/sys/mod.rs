//! The only effects: processes, signals, files, locks and disks.

pub mod compose_files;
pub mod disk;
pub mod docker;
pub mod files;
pub mod git;
pub mod interrupt;
pub mod lock;
pub mod process;
pub mod threads;
