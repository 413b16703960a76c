//! Asking programs; no answer is an answer too.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use xshell::{Cmd, Shell};

use crate::doctor::engine::Engine;
use crate::doctor::{Area, Finding};
use crate::error::Failure;
use crate::facts::join;
use crate::sys::process::{self, Finished};
use crate::sys::{disk, docker};
use crate::ui::Ui;
use crate::value::Builder;

/// How long any of them may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a command prints, or why it prints nothing.
pub(super) fn answer(ui: &Ui, command: impl for<'a> FnOnce(&'a Shell) -> Cmd<'a>) -> Result<String, Failure> {
    let sh = Shell::new().map_err(|error| Failure::precondition(error.to_string()))?;
    let finished = process::output(ui, command(&sh), DEADLINE).map_err(|error| Failure::of(&error))?;
    match finished.status.success() {
        true => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
        false => Err(Failure { cause: cause(&finished), ..docker::failure(&finished) }),
    }
}

/// What a program says is wrong: its first line that is neither a warning nor empty.
fn cause(finished: &Finished) -> String {
    let says = |line: &&str| !line.is_empty() && !line.contains("level=warning");
    finished.stderr.lines().map(str::trim).find(says).unwrap_or("no message").to_owned()
}

/// The lines of an answer.
pub(super) fn lines(answer: Result<String, Failure>) -> impl Iterator<Item = String> {
    let text = answer.unwrap_or_default();
    text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect::<Vec<_>>().into_iter()
}

/// A failure that another module explains, as a finding.
pub(super) fn finding(area: Area, check: &'static str, failure: &Failure) -> Finding {
    Finding::error(area, check, &failure.cause)
        .why("`cargo xtask rebuild` ends here.")
        .cure(failure.hint.clone().unwrap_or_default())
}

/// Engine, Compose, buildx and the builder, all at the same time.
pub(super) fn engine(ui: &Ui, builder: Option<&Builder>) -> Engine {
    thread::scope(|scope| {
        let compose = scope.spawn(|| answer(ui, docker::compose_version));
        let buildx = scope.spawn(|| answer(ui, docker::buildx_version));
        let inspected = scope.spawn(|| answer(ui, |sh| docker::builder_inspect(sh, builder)));
        let info = answer(ui, docker::info);
        let cause = |failure: Failure| failure.cause;
        let mut engine = Engine {
            compose: Some(join(compose).map_err(cause)),
            buildx: Some(join(buildx).map_err(cause)),
            builder: Some(join(inspected).map_err(cause)),
            ..Engine::default()
        };
        match info {
            Ok(text) => {
                let info: Value = serde_json::from_str(&text).unwrap_or_default();
                engine.version = info["ServerVersion"].as_str().map(str::to_owned);
                let root = info["DockerRootDir"].as_str();
                engine.disk = root.and_then(|root| Some((root.to_owned(), disk::free(root)?)));
            }
            Err(failure) => engine.silent = Some((failure.cause, failure.hint.unwrap_or_default())),
        }
        engine
    })
}
