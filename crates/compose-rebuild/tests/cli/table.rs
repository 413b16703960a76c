//! The table of what may change has no hole: everything that a build section and a Dockerfile can say has a row.

#[path = "../support/table.rs"]
mod rows;

use std::collections::BTreeSet;

use rows::Expectation;

/// Everything that there is, as its own projects list it.
const LISTS: [&str; 3] = [
    include_str!("../fixtures/table/build-section.txt"),
    include_str!("../fixtures/table/dockerfile.txt"),
    include_str!("../fixtures/table/arguments.txt"),
];

/// The items of a list of facts, whose comments name its source.
fn items(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn everything_that_may_change_has_a_row() {
    let rows: BTreeSet<&str> = rows::rows().iter().map(|row| row.title.split(" (").next().unwrap()).collect();
    let missing: Vec<_> = LISTS.iter().flat_map(|list| items(list)).filter(|item| !rows.contains(item)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn every_row_changes_something_and_says_why_the_key_does_not() {
    let rows = rows::rows();
    for row in &rows {
        let [before, after] = [false, true].map(|after| row.inputs(after));
        assert!(before.files != after.files || before.variables != after.variables, "{}", row.title);
        assert_eq!(row.reason.is_empty(), row.expectation == Expectation::Other, "{}", row.title);
    }
    let titles: BTreeSet<&str> = rows.iter().map(|row| row.title).collect();
    assert_eq!(titles.len(), rows.len(), "two rows have one title");
}
