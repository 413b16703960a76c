//! The table of a verification: a line a service, and below it what is wrong.

use std::collections::BTreeSet;

use crate::facts::containers::Container;
use crate::facts::history::Relation;
use crate::report::human::{groups, names_or_count};
use crate::ui::{Ui, plain};
use crate::verify::compare::FirstNames;
use crate::verify::verdict::{Row, Verdict};

/// Writes all rows as data; many of which the same is true share one.
pub fn show(ui: &Ui, rows: &[Row]) {
    let head = ["service", "remote", "label", "version file", "running", "verdict"].map(str::to_owned);
    let groups = groups(ui, rows, |row| (cells(row, ""), details(row)));
    let name = |group: &[&Row]| names_or_count(group, Row::name, "service");
    let cells: Vec<_> = groups.iter().map(|group| cells(group[0], &name(group))).collect();
    let widths = [0, 1, 2, 3, 4].map(|column| {
        let all = cells.iter().chain([&head]);
        all.map(|cells| cells[column].chars().count()).max().unwrap_or(0)
    });
    let line = |[name, remote, label, file, running, verdict]: &[String; 6]| {
        let [a, b, c, d, e] = widths;
        ui.data(&format!("{name:<a$} {remote:<b$} {label:<c$} {file:<d$} {running:<e$} {verdict}"));
    };
    line(&head);
    for (group, cells) in groups.iter().zip(&cells) {
        line(cells);
        for detail in details(group[0]).into_iter().chain(outdated(ui, group)) {
            ui.data(&format!("    {detail}"));
        }
    }
    if groups.iter().any(|group| group.len() > 1) {
        ui.status("Note", "with `-v` each service has a row of its own");
    }
    rows.iter().for_each(|row| ui.message("verdict", row));
}

fn cells(row: &Row, name: &str) -> [String; 6] {
    let evidence = &row.evidence;
    let cell = |revision: &Option<String>| {
        let revision = revision.as_deref().filter(|text| !text.is_empty());
        revision.map_or("-".to_owned(), of_text)
    };
    [
        name.to_owned(),
        cell(&evidence.remote),
        cell(&evidence.label),
        cell(&evidence.version_file),
        running(&evidence.containers),
        row.words(),
    ]
}

/// The first of several revisions, and how many more there are.
fn first_of<'a>(revisions: impl IntoIterator<Item = &'a str>) -> String {
    let mut revisions = revisions.into_iter();
    let first = revisions.next().map_or("-".to_owned(), short);
    match revisions.count() {
        0 => first,
        more => format!("{first} +{more}"),
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
    lines.extend(row.held().map(str::to_owned));
    let tag = |name: &String| plain(name.rsplit(':').next().unwrap_or(name), 300);
    lines.extend(evidence.newer.iter().map(|name| format!("newer: {}", tag(name))));
    lines
}

/// The containers that run another image than that of their service.
fn outdated(ui: &Ui, rows: &[&Row]) -> Vec<String> {
    let built = rows.iter().filter(|row| row.verdict != Verdict::NeverBuilt);
    let containers: Vec<&Container> = built.flat_map(|row| row.evidence.outdated()).collect();
    let groups = groups(ui, &containers, |container| &container.revision);
    let line = |group: &Vec<&&Container>| {
        let from = group[0].revision.as_deref().map_or("an unknown commit".to_owned(), of_text);
        let name = names_or_count(group, |container| container.name.clone(), "container");
        let verb = if group.len() > 1 { "run" } else { "runs" };
        format!("{name} {verb} another image, from {from}")
    };
    groups.iter().map(line).collect()
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
    let revision = |container: &Container| container.revision.as_deref().map_or("unknown".to_owned(), of_text);
    let from: BTreeSet<_> = containers.iter().map(revision).collect();
    first_of(from.iter().map(String::as_str))
}

/// The first revision of a label, and how many more there are.
fn of_text(revisions: &str) -> String {
    first_of(revisions.split_whitespace())
}

/// The first digits of a revision.
fn short(revision: &str) -> String {
    plain(crate::value::short(revision), 70)
}
