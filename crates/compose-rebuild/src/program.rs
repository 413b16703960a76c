//! The program from its command line to its exit code.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a run begins and ends here")]

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use camino::Utf8PathBuf;

use crate::cli::{Cli, Command, Global};
use crate::commands::notify::told;
use crate::commands::{self, Context, Ending};
use crate::error::{Failure, exit_code};
use crate::settings::{Environment, Settings};
use crate::sys::interrupt;
use crate::ui::{self, Ui};

/// Runs the command line of this process, whose help and hints call the program `name`, and returns its exit code.
pub fn main(name: &'static str) -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    match Cli::read(name, &words) {
        Ok(cli) => run(name, &cli.global, &cli.command),
        Err(error) => ui::usage(name, &error, &words),
    }
}

/// Runs one command and returns its exit code; hints call the program `name`.
pub fn run(name: &'static str, global: &Global, command: &Command) -> ExitCode {
    let started = Instant::now();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let ui = Ui::new(global.called(name), &global.output, no_color, github);
    match execute(&ui, global, command, started) {
        Ok(()) => ExitCode::from(exit_code::OK),
        Err(error) => {
            let failure = Failure::of(&error);
            ui.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn execute(ui: &Ui, global: &Global, command: &Command, started: Instant) -> anyhow::Result<()> {
    interrupt::install()?;
    let directory = Utf8PathBuf::try_from(std::env::current_dir()?)?;
    let settings = Settings::new(global, Environment::read(), &directory, SystemTime::now().into())?;
    let context = Context { ui: ui.clone(), settings, started, ending: Ending::default() };
    match command {
        Command::Rebuild(options) => {
            told(&context, "rebuild", &options.build.services, || commands::rebuild::run(&context, options))
        }
        Command::Plan(options) => commands::plan::run(&context, options),
        Command::Full(options) => {
            told(&context, "full", &options.build.services, || commands::full::run(&context, options))
        }
        Command::Verify(options) => commands::verify::run(&context, options),
        Command::Report(options) => commands::report::run(&context, options),
        Command::Prune(options) => commands::prune::run(&context, options),
        Command::Rollback(options) => commands::rollback::run(&context, options),
        Command::Release(options) => commands::release::run(&context, options),
        Command::Doctor(options) => commands::doctor::run(&context, options),
    }
}
