//! `cargo xtask`: the tasks of this workspace are those of `compose-rebuild`.

use std::process::ExitCode;

fn main() -> ExitCode {
    compose_rebuild::main("cargo xtask")
}
