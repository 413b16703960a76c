//! `doctor --patch`: a diff that cures findings; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use crate::commands::Context;
use crate::doctor::Finding;
use crate::doctor::patch::{Edit, unified};
use crate::error::Failure;
use crate::project::Project;
use crate::ui::{Ui, clean_lines};
use crate::value::measure::counted;

/// Prints the diff of every file that a finding has edits for, with paths from the top of the repository.
pub(super) fn print(context: &Context, project: &Project, findings: &[Finding]) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let mut files: BTreeMap<&str, BTreeSet<&Edit>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.allowed.is_none() && !finding.edits.is_empty()) {
        files.entry(finding.file.as_deref().unwrap_or_default()).or_default().extend(&finding.edits);
    }
    let top = top(settings.directory(), files.keys());
    let mut diff = String::new();
    let mut count = 0;
    for (&file, edits) in &files {
        let built = project.services.values().find(|built| built.dockerfile_path == file);
        let text = built.and_then(|built| Some(&built.dockerfile.as_ref()?.text));
        let (Ok(path), Some(text)) = (Utf8Path::new(file).strip_prefix(top), text) else {
            ui.warning(&format!("`{file}` is not a file below `{top}`, so it is not in the patch"));
            continue;
        };
        let edits: Vec<Edit> = edits.iter().copied().cloned().collect();
        diff.push_str(&of_file(path, file, text, &edits)?);
        count += 1;
    }
    if diff.is_empty() {
        ui.status("Finished", "nothing to patch");
        return Ok(());
    }
    finish(ui, &diff, count, if top == settings.here { String::new() } else { format!(" -C {top}") });
    Ok(())
}

/// The directory that `git apply` takes paths from: the top of the repository, or else what has all files below it.
fn top<'a>(directory: &'a Utf8Path, mut files: impl Iterator<Item = &'a &'a str> + Clone) -> &'a Utf8Path {
    let has_all = |above: &&Utf8Path| files.all(|file| Utf8Path::new(file).starts_with(above));
    let repository = directory.ancestors().find(|above| above.join(".git").exists());
    repository.or_else(|| directory.ancestors().find(has_all)).unwrap_or(directory)
}

fn of_file(path: &Utf8Path, file: &str, text: &str, edits: &[Edit]) -> Result<String, Failure> {
    let diff = unified(path.as_str(), text, edits);
    match clean_lines(&diff) == diff {
        true => Ok(diff),
        false => Err(Failure::usage(format!(
            "`{file}` has control characters or an address with a credential, which no output carries"
        ))
        .hint("fix by hand what `cargo xtask doctor` finds")),
    }
}

fn finish(ui: &Ui, diff: &str, count: usize, there: String) {
    ui.data(diff.trim_end_matches('\n'));
    ui.message("patch", &serde_json::json!({"patch": diff}));
    let files = counted(count, "file");
    ui.status("Finished", &format!("a patch of {files}: cargo xtask doctor --patch | git{there} apply"));
}
