//! `cargo sandbox COMMAND...`: runs a command with a Docker engine, a Git server and a model hub.

use sandbox::{Options, Sandbox};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sandbox = Sandbox::start(Options::default())?;
    sandbox.command(&words[0]).args(&words[1..]).status()?;
    Ok(())
}
