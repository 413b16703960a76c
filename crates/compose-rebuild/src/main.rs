//! `compose-rebuild`: the command without a Cargo workspace around it.

use std::process::ExitCode;

fn main() -> ExitCode {
    compose_rebuild::main("compose-rebuild")
}
