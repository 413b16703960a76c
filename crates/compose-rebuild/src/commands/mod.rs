//! One short orchestration a command.

pub mod doctor;
pub mod full;
mod kept;
pub mod notify;
pub mod plan;
pub mod prune;
mod publish;
pub mod rebuild;
mod record;
pub mod release;
pub mod report;
pub mod rollback;
mod run;
pub mod verify;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use buildkit_report::summary::Summary;

use crate::cli;
use crate::project::Project;
use crate::settings::Settings;
use crate::sys::lock::{self, Lock};
use crate::sys::{docker, interrupt};
use crate::ui::Ui;
use crate::up::Up;
use crate::value::digest::sha256;
use crate::value::{ImageRef, ProjectName};

/// What every command works with.
#[derive(Debug)]
pub struct Context {
    /// Where output goes.
    pub ui: Ui,
    /// What was asked for in general.
    pub settings: Settings,
    /// When the process started.
    pub started: Instant,
    /// What is said at the end.
    pub ending: Ending,
}

/// What a run leaves for its end.
#[derive(Debug, Default)]
pub struct Ending {
    /// The command that is to be told, once that is known.
    notify: OnceLock<Vec<String>>,
    /// What the run did, if it changed something or failed.
    summary: OnceLock<Summary>,
}

impl Context {
    /// Takes the lock of a project on the engine of this environment.
    fn lock(&self, project: &ProjectName, wait: bool) -> anyhow::Result<Lock> {
        lock::acquire(&self.ui, &self.lock_name(project)?, wait)
    }

    /// How services are started whose images have these names.
    fn starting<'a>(&'a self, project: &'a Project, names: Vec<ImageRef>, options: &cli::Up) -> Up<'a> {
        let all = options.up == Some(cli::Started::All);
        Up { ui: &self.ui, options: &self.settings.compose, project, names, wait: options.wait_timeout, all }
    }

    /// The name of the lock: the engine may have several names, and says itself which one it is. A build elsewhere may need
    /// no engine, so that one that does not answer goes by its name.
    fn lock_name(&self, project: &ProjectName) -> anyhow::Result<String> {
        let id = docker::engine_id().ask(&self.ui, Duration::from_secs(30));
        interrupt::check()?;
        let id = id.map(|id| id.trim().to_owned()).unwrap_or_default();
        let engine = sha256(if id.is_empty() { &self.settings.environment.engine } else { &id });
        Ok(format!("{project}-{}", &engine[..8]))
    }
}
