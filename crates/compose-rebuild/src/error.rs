//! Failures that a user can act on: a cause, what was kept, and the next command.
//!
//! A function fails with exit code 2 for a value that does not fit, with 3 when a program, the engine, a remote, a registry or
//! the file system does not do what it is asked, with 130 when a signal came, and whenever something fails that it calls. A
//! section `# Errors` stands where that does not say it all.

use std::fmt;

/// Where the configuration of a project stands, for hints.
pub const CONFIGURATION: &str = "`x-xtask` of the compose file or [workspace.metadata.xtask]";

/// Exit codes of the tool; `docs/exit-codes.md` documents them.
pub mod exit_code {
    /// Done, or nothing to do.
    pub const OK: u8 = 0;
    /// The answer is no: stale, or what is there does not match.
    pub const NO: u8 = 1;
    /// Bad input or configuration.
    pub const USAGE: u8 = 2;
    /// Something the run needs is missing: engine, remote, disk, lock.
    pub const PRECONDITION: u8 = 3;
    /// A build step failed.
    pub const STEP: u8 = 4;
    /// A bug of this tool (Rust's own code for a panic).
    pub const BUG: u8 = 101;
    /// Interrupted by a signal.
    pub const INTERRUPTED: u8 = 130;
}

/// A failure with an exit code, in the words that the user reads.
#[derive(Clone, Debug)]
pub struct Failure {
    /// One of [`exit_code`].
    pub code: u8,
    /// The cause, lower case, literals in backticks.
    pub cause: String,
    /// What is still as it was, when something was at stake.
    pub kept: Option<String>,
    /// The next command or the fix.
    pub hint: Option<String>,
}

impl Failure {
    fn new(code: u8, cause: String) -> Self {
        Self { code, cause, kept: None, hint: None }
    }

    /// The answer is no.
    pub fn no(cause: impl Into<String>) -> Self {
        Self::new(exit_code::NO, cause.into())
    }

    /// Bad input or configuration.
    pub fn usage(cause: impl Into<String>) -> Self {
        Self::new(exit_code::USAGE, cause.into())
    }

    /// Something the run needs is missing.
    pub fn precondition(cause: impl Into<String>) -> Self {
        Self::new(exit_code::PRECONDITION, cause.into())
    }

    /// A build step failed.
    pub fn step(cause: impl Into<String>) -> Self {
        Self::new(exit_code::STEP, cause.into())
    }

    /// Ctrl-C, SIGTERM or SIGHUP.
    pub fn interrupted() -> Self {
        Self::new(exit_code::INTERRUPTED, "interrupted".to_owned())
            .kept("tags that were not yet promoted are where they were")
            .hint("run the same command again to go on")
    }

    /// Adds the next command or the fix.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what is still as it was.
    #[must_use]
    pub fn kept(mut self, kept: impl Into<String>) -> Self {
        self.kept = Some(kept.into());
        self
    }

    /// The failure inside an error of any kind: an I/O error is a precondition, anything unforeseen a bug.
    pub fn of(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let cause = format!("{error:#}");
        if let Some(path) = error.chain().find_map(|e| e.downcast_ref::<camino::FromPathBufError>()) {
            return Self::usage(format!("the path {:?} is not UTF-8", path.as_path())).hint("rename it");
        }
        match error.chain().find_map(|e| e.downcast_ref::<std::io::Error>()) {
            Some(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Self::precondition(cause).hint("free disk space and run it again")
            }
            Some(_) => Self::precondition(cause).hint("check the path and its permissions, then run it again"),
            None => Self::new(exit_code::BUG, cause)
                .hint("this is a bug of xtask; please report it with the output of `-v`"),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_path_that_is_not_utf_8_is_bad_input_and_no_bug() {
        let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(b"/srv/\xff".to_vec()));
        let error = camino::Utf8PathBuf::try_from(path).expect_err("not UTF-8");
        let failure = Failure::of(&error.into());
        assert_eq!((failure.code, failure.hint.as_deref()), (exit_code::USAGE, Some("rename it")));
        assert!(failure.cause.contains("/srv/"), "{failure}");
    }
}
