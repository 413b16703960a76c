//! Rules of this repository about itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod order;

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folders of all crates that are published.
fn crates() -> [PathBuf; 3] {
    ["buildkit-report", "compose-rebuild", "dockerfile-reader"]
        .map(|name| source().ancestors().nth(2).unwrap().join(name))
}

/// All files of Rust below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text of every file of the tool, by its path below `src`.
fn texts() -> Vec<(String, String)> {
    let name = |path: &Path| path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
    files(&source()).iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn no_shell_is_ever_between() {
    // Folders that start nothing may read about shells: Dockerfiles and BuildKit's descriptions are full of them.
    let is_pure = |name: &str| order::PURE.iter().chain(&["value"]).any(|pure| name.starts_with(pure));
    let starting = texts().into_iter().filter(|(name, _)| !is_pure(name));
    for (name, text) in starting {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let shell =
                ["\"sh\"", "\"bash\"", "sh -c", "bash -c", "/bin/sh"].iter().find(|shell| line.contains(**shell));
            assert_eq!(shell, None, "{name}:{}: no shell stands between us and a process", number + 1);
        }
    }
}

#[test]
fn no_file_needs_scrolling_to_be_understood() {
    for path in crates().iter().flat_map(|folder| files(&folder.join("src"))) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 350, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_architecture_names_files_that_exist() {
    let text = fs::read_to_string(source().join("../../../ARCHITECTURE.md")).unwrap();
    let names = text.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") || name.ends_with('/'));
    let all: Vec<_> = crates().iter().flat_map(|folder| files(folder)).collect();
    for name in names.filter(|name| !name.starts_with("target/")) {
        let is_named = |path: &PathBuf| format!("/{}", path.display()).contains(&format!("/{name}"));
        assert!(all.iter().any(is_named), "ARCHITECTURE.md names `{name}`");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    for folder in crates() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let (mut section, mut seen) = ("", 0);
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && !line.trim().is_empty() && !line.starts_with('#') {
                let reason = line.split_once('#').map_or("", |(_, reason)| reason.trim());
                assert!(reason.len() > 5, "`{line}` has no reason");
                seen += 1;
            }
        }
        assert!(seen >= 2, "{manifest}");
    }
}

#[test]
fn every_message_of_a_failure_is_written_in_the_same_voice() {
    // Causes start in lower case, and no exclamation or apology is in them.
    for (name, text) in texts() {
        for start in ["Failure::usage(\"", "Failure::precondition(\"", "Failure::no(\"", "Failure::step(\""] {
            for cause in text.split(start).skip(1) {
                assert!(
                    !cause.starts_with(|c: char| c.is_ascii_uppercase()),
                    "{name}: {}",
                    &cause[..40.min(cause.len())]
                );
            }
        }
        for word in ["Oops", "Sorry", "Please", "failed to "] {
            assert!(!text.contains(&format!("(\"{word}")), "{name}: {word}");
        }
    }
}

#[test]
fn every_exit_code_is_documented() {
    let documented =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/exit-codes.md")).unwrap();
    let constants = fs::read_to_string(source().join("error.rs")).unwrap();
    let codes = constants.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": u8 = "));
    let codes: Vec<_> = codes.map(|(_, code)| code.trim_end_matches(';')).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "101", "130"]);
    for code in codes {
        let row = documented.lines().any(|line| line.starts_with(&format!("| {code} |")));
        assert!(row, "docs/exit-codes.md has no row for exit code {code}");
    }
}
