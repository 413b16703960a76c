//! `cargo xtask`: parse, dispatch, and map the outcome to an exit code.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use camino::Utf8PathBuf;
use clap::Parser;

use xtask::cli::{Cli, Command};
use xtask::commands::{self, Context};
use xtask::error::{Failure, exit_code};
use xtask::settings::{Environment, Settings};
use xtask::sys::interrupt;
use xtask::ui::{self, Ui};

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ui::usage(&error, &std::env::args_os().collect::<Vec<_>>()),
    };
    let global = &cli.global;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let ui = Ui::new(global.message_format, global.quiet, global.verbose, global.color, no_color, github);
    match run(&ui, &cli, started) {
        Ok(()) => ExitCode::from(exit_code::OK),
        Err(error) => {
            let failure = Failure::of(&error);
            ui.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn run(ui: &Ui, cli: &Cli, started: Instant) -> anyhow::Result<()> {
    interrupt::install()?;
    let directory = Utf8PathBuf::try_from(std::env::current_dir()?)?;
    let settings = Settings::new(&cli.global, Environment::read(), &directory, SystemTime::now().into())?;
    let context = Context { ui: ui.clone(), settings, started };
    match &cli.command {
        Command::Rebuild(options) => commands::rebuild::run(&context, options),
        Command::Plan(options) => commands::plan::run(&context, options),
        Command::Full(options) => commands::full::run(&context, options),
        Command::Verify(options) => commands::verify::run(&context, options),
        Command::Report(options) => commands::report::run(&context, options),
        Command::Prune(options) => commands::prune::run(&context, options),
        Command::Rollback(options) => commands::rollback::run(&context, options),
        Command::Release(options) => commands::release::run(&context, options),
        Command::Doctor(options) => commands::doctor::run(&context, options),
    }
}
