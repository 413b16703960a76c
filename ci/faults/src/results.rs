//! What happened, as a file.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ROOT;

const FILE: &str = "docs/reliability.json";

/// Everything that was tried.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Results {
    /// By part: `fakes`, `classic`, `containerd`, `inputs`.
    pub(crate) runs: BTreeMap<String, Run>,
    /// By the name of the protection: whether its test failed without it.
    pub(crate) protections: BTreeMap<String, bool>,
    /// The commit whose protections were tried.
    pub(crate) protections_at: String,
}

/// What one part was, at one commit.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    /// What was tested.
    pub(crate) commit: String,
    /// Versions of what it was tested with.
    pub(crate) versions: Vec<String>,
    /// By the name of the test: whether it passed.
    pub(crate) tests: BTreeMap<String, bool>,
    /// What tests measured.
    pub(crate) figures: BTreeMap<String, Value>,
}

impl Results {
    /// The results of a part at this commit; those of another one go.
    pub(crate) fn run(&mut self, part: &str, commit: &str) -> &mut Run {
        let run = self.runs.entry(part.to_owned()).or_default();
        if run.commit != commit {
            *run = Run { commit: commit.to_owned(), ..Run::default() };
        }
        run
    }
}

/// The commit that is checked out, with a plus when what is tested differs from it.
pub(crate) fn commit() -> Result<String> {
    let git = |args: &[&str]| -> Result<String> {
        let output = Command::new("git").arg("-C").arg(ROOT).args(args).output().context("git")?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    Ok(if changes.is_empty() { head } else { format!("{head}+") })
}

/// Reads what there is, changes it, and writes it back; another part that runs at the same time waits.
pub(crate) fn change<T>(act: impl FnOnce(&mut Results) -> Result<T>) -> Result<T> {
    let path = format!("{ROOT}/{FILE}");
    let file = fs_err::OpenOptions::new().read(true).append(true).create(true).open(&path)?;
    file.file().lock()?;
    let bytes = fs_err::read(&path)?;
    let mut results = if bytes.is_empty() { Results::default() } else { serde_json::from_slice(&bytes)? };
    let done = act(&mut results)?;
    fs_err::write(&path, serde_json::to_string_pretty(&results)? + "\n")?;
    Ok(done)
}
