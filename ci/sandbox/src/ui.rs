//! Progress messages, on stderr only: stdout belongs to COMMAND.

use std::io::{IsTerminal as _, Write as _};

/// Prints one line of progress with a verb in Cargo's style, 12 wide.
pub(crate) fn status(verb: &str, message: impl std::fmt::Display) {
    let mut err = std::io::stderr().lock();
    // A closed stderr is no reason to stop.
    let _ = if err.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        writeln!(err, "\x1b[1;32m{verb:>12}\x1b[0m {message}")
    } else {
        writeln!(err, "{verb:>12} {message}")
    };
}

/// Prints an error and its causes.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
}
