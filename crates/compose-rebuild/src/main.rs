//! `compose-rebuild`: the command without a Cargo workspace around it.

#![expect(clippy::disallowed_types, reason = "the exit code is that of the library")]

use std::process::ExitCode;

fn main() -> ExitCode {
    compose_rebuild::main("compose-rebuild")
}
