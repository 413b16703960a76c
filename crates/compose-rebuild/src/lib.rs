//! Rebuilds exactly what the remote changed.
//!
//! Data flows one way: gather facts, plan, build, verify, promote, report.
//!
//! A workspace takes the commands over as its own with [`main`], or beside its other tasks with [`Command`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use clap::{Parser, Subcommand};
//!
//! /// The tasks of this workspace.
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(subcommand)]
//!     task: Task,
//!     #[command(flatten)]
//!     options: compose_rebuild::Global,
//! }
//!
//! #[derive(Subcommand)]
//! enum Task {
//!     /// Generate code.
//!     Codegen,
//!     #[command(flatten)]
//!     Images(compose_rebuild::Command),
//! }
//!
//! fn main() -> ExitCode {
//!     let Cli { task, options } = Cli::parse();
//!     match task {
//!         Task::Codegen => ExitCode::SUCCESS,
//!         Task::Images(command) => compose_rebuild::run("cargo xtask", &options, &command),
//!     }
//! }
//! ```

#[cfg(windows)]
compile_error!("compose-rebuild runs on Linux and macOS; on Windows, use it inside WSL2");

// The tests look inside; the interface is what is exported below.
#[doc(hidden)]
pub mod build;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod commands;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod facts;
#[doc(hidden)]
pub mod foresight;
#[doc(hidden)]
pub mod plan;
mod program;
#[doc(hidden)]
pub mod project;
#[doc(hidden)]
pub mod promote;
#[doc(hidden)]
pub mod push;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod ui;
#[doc(hidden)]
pub mod up;
#[doc(hidden)]
pub mod value;
#[doc(hidden)]
pub mod verify;

pub use cli::{Command, Global};
pub use program::{main, run};
