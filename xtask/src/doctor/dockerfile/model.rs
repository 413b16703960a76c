//! Downloads of models.

use super::view::{Run, View};
use super::{Finding, warning};
use crate::doctor::tools::tool;

/// A download of a model.
pub(super) struct Download {
    pub(super) what: String,
    pub(super) line: usize,
    names_revision: bool,
}

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let all = view.runs.iter().flat_map(downloads).filter(|download| !download.names_revision);
    let findings = all.map(|download| {
        warning("model-without-revision", download.line, format!("`{}` without a revision", download.what))
            .why("The model can change on the hub without any line here changing, so two builds of the same files differ.")
            .cure("declare `ARG MODEL_REVISION=...` and pass it: `--revision \"$MODEL_REVISION\"`, in Python `revision=`")
    });
    findings.collect()
}

/// The downloads of a `RUN`, of the command line and of Python.
pub(super) fn downloads(run: &Run<'_>) -> Vec<Download> {
    let mut found = Vec::new();
    for command in &run.commands {
        if let Some((what, names_revision)) = tool(command).and_then(|tool| tool.downloads_model()) {
            found.push(Download { what, line: command.line, names_revision });
        }
    }
    for text in [&run.instruction.text].into_iter().chain(&run.instruction.documents) {
        let characters: Vec<char> = text.iter().map(|(c, _)| *c).collect();
        for function in ["snapshot_download(", "hf_hub_download("] {
            let wanted: Vec<char> = function.chars().collect();
            let starts = (0..characters.len()).filter(|&at| characters[at..].starts_with(&wanted));
            found.extend(starts.filter(|&at| !in_comment(&characters[..at])).map(|at| Download {
                what: function.trim_end_matches('(').to_owned(),
                line: text[at].1,
                names_revision: call(&characters[at + wanted.len()..]).contains("revision"),
            }));
        }
    }
    found.sort_by_key(|download| download.line);
    found
}

/// Whether the line that ends here is a comment.
fn in_comment(before: &[char]) -> bool {
    let start = before.iter().rposition(|&c| c == '\n').map_or(0, |at| at + 1);
    before[start..].iter().find(|c| !c.is_whitespace()) == Some(&'#')
}

/// The arguments of a call, up to its closing bracket.
fn call(text: &[char]) -> String {
    let mut open = 1_usize;
    let inside = text.iter().take_while(|&&c| {
        open = match c {
            '(' => open + 1,
            ')' => open - 1,
            _ => open,
        };
        open > 0
    });
    inside.collect()
}
