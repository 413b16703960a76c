//! What Docker answers, and why it does not.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::sys::process::{CommandLine, Finished};
use crate::ui::Ui;
use crate::value::ImageRef;

/// Commands of Docker.
impl CommandLine {
    /// What it prints; it has to work.
    pub fn ask(&self, ui: &Ui, limit: Duration) -> anyhow::Result<String> {
        text(self.output(ui, limit)?, |_| false)
    }

    /// What it prints about things that may be gone: that one is gone is an answer too.
    pub fn ask_existing(&self, ui: &Ui, limit: Duration) -> anyhow::Result<String> {
        text(self.output(ui, limit)?, is_absent)
    }

    /// The lines that it prints, sorted, each once: an image with several names comes several times.
    pub fn ask_lines(&self, ui: &Ui, limit: Duration) -> anyhow::Result<Vec<String>> {
        let lines: BTreeSet<_> = self.ask(ui, limit)?.split_whitespace().map(str::to_owned).collect();
        Ok(lines.into_iter().collect())
    }
}

/// Whether an error says that something is not there.
pub(super) fn is_absent(error: &str) -> bool {
    error.contains("no such image") || error.contains("no such container")
}

/// An answer, whatever status comes with it as long as every line of the standard error is one of the `expected`.
pub(super) fn text(finished: Finished, expected: fn(&str) -> bool) -> anyhow::Result<String> {
    let errors = finished.stderr.to_lowercase();
    let mut errors = errors.lines().filter(|line| !line.trim().is_empty()).peekable();
    if !finished.status.success() && (errors.peek().is_none() || !errors.all(expected)) {
        return Err(failure(&finished).into());
    }
    Ok(finished.text())
}

/// Reads an answer in JSON.
pub fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer).map_err(|error| {
        Failure::precondition(format!("the engine's answer is cut or garbled: {error}")).hint("run it again")
    })
}

/// The failure behind a question to a registry, or a push to it.
pub fn registry_failure(finished: &Finished, image: &ImageRef) -> Failure {
    let text = finished.stderr.to_lowercase();
    let error = finished.last_error();
    let failure = Failure::precondition(format!("the registry refused the request for `{image}`: {error}"));
    let login = ["unauthorized", "denied", "authorization", "no basic auth"].iter().any(|sign| text.contains(sign));
    let hint = match login {
        true => "log in with `docker login`, and check that the repository is there and that you may write to it",
        false => "check the registry and the network, then run it again",
    };
    failure.kept("the tags in the registry are where they were").hint(hint)
}

/// The failure behind a Docker command that should have worked.
pub fn failure(finished: &Finished) -> Failure {
    let error = finished.last_error();
    let text = finished.stderr.to_lowercase();
    let failure = Failure::precondition(format!("docker: {error}"));
    if ["cannot connect", "is the docker daemon running", "connection refused", "no such host", "failed to connect"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        return Failure::precondition(format!("the Docker engine does not answer: {error}"))
            .kept("nothing was changed")
            .hint("start it (`systemctl start docker`), or check DOCKER_HOST and `docker context ls`");
    }
    if text.contains("permission denied") {
        return failure.hint("add yourself to the group `docker`, or run as root");
    }
    if text.contains("no space left") {
        return failure.hint("free disk space: `docker builder prune` removes build cache; the kept model stays");
    }
    failure.hint("run it again with `-v` to see the command")
}
