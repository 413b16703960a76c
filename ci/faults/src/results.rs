//! What happened, as a file.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ROOT;

const FILE: &str = "docs/reliability.json";

/// Everything that was tried. What is tried again at another commit takes the place of what was there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Results {
    /// By part: `fakes`, `classic`, `containerd`, `inputs`, `protections`.
    pub(crate) runs: BTreeMap<String, Run>,
}

/// What came out of one part.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    /// Versions of what it was tested with.
    pub(crate) versions: Vec<String>,
    /// By the name of the test or the protection.
    pub(crate) tests: BTreeMap<String, Ended>,
    /// What tests measured, by its name; several measurements of one name add up.
    pub(crate) figures: BTreeMap<String, Vec<Figure>>,
}

/// How a test ended: as it must, which for a protection that was removed is that its test failed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) right: bool,
    pub(crate) commit: String,
    /// How many random inputs it had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) inputs: u64,
}

/// One measurement.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) commit: String,
    pub(crate) value: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Run {
    /// Adds a measurement to those of the same commit; one with the same `seed` or `line_kb` was made before.
    pub(crate) fn measured(&mut self, what: &str, new: Figure) {
        let all = self.figures.entry(what.to_owned()).or_default();
        let is_same = |old: &Figure| ["seed", "line_kb"].iter().all(|key| old.value[*key] == new.value[*key]);
        all.retain(|old| old.commit == new.commit && !is_same(old));
        all.push(new);
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
