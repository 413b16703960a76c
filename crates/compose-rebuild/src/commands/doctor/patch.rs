//! `doctor --patch`: a diff that lets pushes be noticed; nothing is changed.

use camino::Utf8Path;

use super::gather;
use crate::commands::Context;
use crate::doctor::Names;
use crate::doctor::patch::{Edit, apply, compose, dockerfile, unified};
use crate::error::Failure;
use crate::facts::compose::examine;
use crate::facts::workspace;
use crate::ui::{Ui, clean_lines};
use dockerfile_reader::Dockerfile;
use dockerfile_reader::sources::Busts;

/// Prints the diff of every file that it can cure, with paths from `directory`.
pub(super) fn run(context: &Context, directory: &Utf8Path) -> anyhow::Result<()> {
    let Context { ui, settings, .. } = context;
    let examined = examine(ui, settings.selection(&[]))?;
    let workspace = workspace::read(ui, directory)?.configured(&examined.project.extension)?;
    let names = Names::of(&workspace.config);
    let files = gather::compose_files(&settings.files);
    let mut changed: Vec<(&str, &str, Vec<Edit>)> = Vec::new();
    let patients = gather::dockerfiles(&examined, &files, &mut Vec::new());
    for patient in &patients {
        let edits = dockerfile(patient, &names.bust, &names.commits);
        let new = apply(&patient.text, &edits);
        let patched = Dockerfile::read(&new);
        let busts = Busts::of(&patched, [names.bust.clone()]);
        let of_file = |(_, built): &(&_, &crate::project::Built)| built.dockerfile_path == patient.file;
        for (service, built) in examined.project.services.iter().filter(of_file) {
            let args = patched.closure(&built.build()).into_iter().flat_map(|closure| closure.args.into_keys());
            for name in args.filter(|name| busts.has(name) && !built.args.contains_key(name)) {
                // A later file has the last word, and often says only a little: the first that has the form counts.
                let edit =
                    files.0.iter().find_map(|(file, text)| Some((file, text, compose(text, service.as_str(), &name)?)));
                let Some((file, text, edit)) = edit else { continue };
                match changed.iter_mut().find(|(other, ..)| other == file) {
                    Some((.., edits)) => edits.push(edit),
                    None => changed.push((file, text, vec![edit])),
                }
            }
        }
        if !edits.is_empty() {
            changed.push((&patient.file, &patient.text, edits));
        }
    }
    changed.sort();
    print(ui, directory, changed)
}

fn print(ui: &Ui, directory: &Utf8Path, changed: Vec<(&str, &str, Vec<Edit>)>) -> anyhow::Result<()> {
    let mut diff = String::new();
    let count = changed.len();
    for (file, text, mut edits) in changed {
        edits.sort();
        let Ok(path) = Utf8Path::new(file).strip_prefix(directory) else {
            ui.warning(&format!("`{file}` is outside `{directory}`, so it is not in the patch"));
            continue;
        };
        let one = unified(path.as_str(), text, &edits);
        if clean_lines(&one) != one {
            return Err(Failure::usage(format!(
                "`{file}` has control characters or an address with a credential, which no output carries"
            ))
            .hint("cure what `cargo xtask doctor` finds by hand")
            .into());
        }
        diff.push_str(&one);
    }
    if diff.is_empty() {
        ui.status("Finished", "nothing to patch");
        return Ok(());
    }
    ui.data(diff.trim_end_matches('\n'));
    ui.message("patch", &serde_json::json!({"patch": diff}));
    ui.status("Finished", &format!("a patch of {count} files: cargo xtask doctor --patch | git apply"));
    Ok(())
}
