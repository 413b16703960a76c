//! Every fault of the matrix has a test that exists, or a reason why it is not tried.

use std::fs;
use std::path::Path;

const MATRIX: &str = include_str!("../../../../ci/faults/matrix.txt");
const INPUTS: &str = include_str!("../../../../ci/faults/inputs.txt");
const PROTECTIONS: &str = include_str!("../../../../ci/faults/protections.txt");

/// Whether a test of this name is where its name says.
fn exists(name: &str) -> bool {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (suite, path) = name.split_once("::").unwrap_or_default();
    let (module, test) = path.rsplit_once("::").unwrap_or(("", path));
    let module = module.replace("::", "/");
    let files = match suite {
        "cli" | "engine" => [format!("compose-rebuild/tests/{suite}/{module}.rs"), String::new()],
        "lib" => [
            format!("compose-rebuild/src/{module}.rs"),
            format!("compose-rebuild/src/{}.rs", module.trim_end_matches("/tests")),
        ],
        "corpus" => ["dockerfile-reader/tests/corpus/main.rs".to_owned(), String::new()],
        "events" => ["buildkit-report/tests/properties.rs".to_owned(), String::new()],
        _ => return false,
    };
    let text = files.iter().find_map(|file| fs::read_to_string(crates.join(file)).ok()).unwrap_or_default();
    // In a `proptest!` the function has arguments.
    text.split("#[test]").skip(1).any(|rest| rest.contains(&format!("fn {test}(")))
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect())
}

#[test]
fn every_fault_has_a_test_or_a_reason() {
    for (index, row) in rows(MATRIX).enumerate() {
        let [number, _, _, proof] = row[..] else { panic!("{row:?}") };
        assert_eq!(number, (index + 1).to_string());
        if let Some(reason) = proof.strip_prefix("not tried: ") {
            assert!(reason.len() > 10, "{number}: {reason}");
            continue;
        }
        let missing: Vec<_> = proof.split_whitespace().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty() && !proof.is_empty(), "{number}: there is no {missing:?}");
    }
    assert!(rows(MATRIX).count() >= 75, "the matrix has lost rows");
}

#[test]
fn every_property_and_every_test_of_a_protection_exists() {
    let properties = rows(INPUTS).flat_map(|row| row[1].split_whitespace().collect::<Vec<_>>());
    let protecting = PROTECTIONS.lines().filter_map(|line| line.strip_prefix("test: "));
    let missing: Vec<_> = properties.chain(protecting).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_protection_is_where_its_removal_looks_for_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for block in PROTECTIONS.split("\n\n").filter(|block| block.contains("file: ")) {
        let part = |sign: &str| block.lines().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n");
        let text = fs::read_to_string(root.join(part("file: "))).unwrap();
        assert_eq!(text.matches(&part("- ")).count(), 1, "{block}");
    }
}

#[test]
fn the_page_is_of_this_matrix() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md")).unwrap();
    for row in rows(MATRIX) {
        let start = format!("| {} | {} | {} |", row[0], row[1], row[2]);
        assert!(page.contains(&start), "docs/reliability.md is of another matrix: cargo run --package faults render");
    }
}
