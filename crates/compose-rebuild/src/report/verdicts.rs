//! The table of a verification: a line a service, and below it what is wrong.

use crate::facts::containers::Container;
use crate::facts::history::Relation;
use crate::ui::{Ui, plain};
use crate::verify::compare::FirstNames;
use crate::verify::verdict::{Row, Verdict};

/// Writes all rows as data.
pub fn show(ui: &Ui, rows: &[Row]) {
    let width = rows.iter().map(|row| row.name().chars().count()).max().unwrap_or(0).max(20);
    let line = |cells: [&str; 6]| {
        let [name, remote, label, file, running, verdict] = cells;
        ui.data(&format!("{name:<width$} {remote:<18} {label:<18} {file:<18} {running:<18} {verdict}"));
    };
    line(["service", "remote", "label", "version file", "running", "verdict"]);
    for row in rows {
        let evidence = &row.evidence;
        let cell = |revision: Option<&str>| revision.filter(|text| !text.is_empty()).map_or("-".to_owned(), short);
        line([
            &row.name(),
            &cell(evidence.remote.as_deref()),
            &cell(evidence.label.as_deref()),
            &cell(evidence.version_file.as_deref()),
            &running(&evidence.containers),
            &row.words(),
        ]);
        for detail in details(row) {
            ui.data(&format!("    {detail}"));
        }
        ui.message("verdict", row);
    }
}

/// What is wrong, a line each.
fn details(row: &Row) -> Vec<String> {
    let evidence = &row.evidence;
    let mut lines = Vec::new();
    for part in evidence.sources.iter().filter(|_| evidence.sources.len() > 1) {
        let commit = |commit: &Option<String>| commit.as_deref().map_or("-".to_owned(), short);
        let (label, remote) = (commit(&part.label), commit(&part.remote));
        lines.push(format!("{} {}: remote {remote}, label {label}", part.repository, part.wanted));
    }
    lines.extend(evidence.no_version.clone());
    lines.extend(evidence.base.iter().map(|base| plain(base, 300)));
    if let Some(difference) = &evidence.deep {
        for (what, names) in
            [("missing", &difference.missing), ("extra", &difference.extra), ("changed", &difference.changed)]
        {
            lines.extend(named(what, names));
        }
    }
    if let (Verdict::Behind | Verdict::RolledBack, Some(Relation::Behind { by, missed })) =
        (row.verdict, &evidence.relation)
    {
        lines.extend(missed.iter().map(|one| one.to_string()));
        lines.extend(more(*by, missed.len()));
    }
    lines.extend(evidence.newer.iter().map(|name| format!("newer: {}", plain(name, 300))));
    if row.verdict != Verdict::NeverBuilt {
        lines.extend(evidence.outdated().map(|container| {
            let from = container.revision.as_deref().map_or("an unknown commit".to_owned(), short);
            format!("{} runs another image, from {from}", container.name)
        }));
    }
    lines
}

fn named(what: &str, names: &FirstNames) -> Vec<String> {
    let mut lines: Vec<_> = names.first.iter().map(|name| format!("{what}: {name}")).collect();
    lines.extend(more(names.count, names.first.len()).map(|more| format!("{what}: {more}")));
    lines
}

fn more(count: u64, shown: usize) -> Option<String> {
    let rest = count.saturating_sub(shown as u64);
    (rest > 0).then(|| format!("and {rest} more"))
}

/// What the containers were started from.
fn running(containers: &[Container]) -> String {
    let mut from: Vec<_> =
        containers.iter().map(|container| container.revision.as_deref().map_or("unknown".to_owned(), short)).collect();
    from.sort();
    from.dedup();
    match from.as_slice() {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{} +{}", first.chars().take(12).collect::<String>(), rest.len()),
    }
}

/// The first digits of every revision.
fn short(revision: &str) -> String {
    let words: Vec<String> = revision.split_whitespace().map(|one| one.chars().take(18).collect()).collect();
    plain(&words.join(" "), 200)
}
