//! Arguments that the shell splits into words.

use std::collections::BTreeMap;

use super::view::View;
use super::{Finding, warning};
use crate::doctor::list;

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for run in &view.runs {
        // What `echo` prints can be anything.
        let commands = run.commands.iter().filter(|command| !matches!(command.program(), "echo" | ":"));
        for word in commands.flat_map(|command| &command.words) {
            for name in &word.splits {
                let shown = format!("`${name}`");
                let declared = view.args.iter().any(|arg| arg.name == *name && arg.order < run.order);
                let names = lines.entry(word.line).or_default();
                if declared && !names.contains(&shown) {
                    names.push(shown);
                }
            }
        }
    }
    let findings = lines.into_iter().filter(|(_, names)| !names.is_empty()).map(|(line, names)| {
        warning("unquoted-argument", line, format!("{} without quotes", list(&names)))
            .why("The shell splits the value at spaces, so that it can become options of the command.")
            .cure(format!("put double quotes around it: `\"{}\"`", names[0].trim_matches('`')))
    });
    findings.collect()
}
