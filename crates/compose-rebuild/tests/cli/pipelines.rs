//! The pipelines call this tool as it is, may do no more than they must, and run nothing that can change under them.

use std::fs;
use std::path::Path;

use clap::Parser;
use compose_rebuild::cli::Cli;

/// A file of the repository.
#[track_caller]
fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

/// The workflows of GitHub Actions, by name.
fn workflows() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/workflows");
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names.map(|name| (name.clone(), read(&format!(".github/workflows/{name}")))).collect();
    found.sort();
    assert_eq!(found.len(), 6, "{found:?}");
    found
}

/// The workflows and the action that other repositories use.
fn workflows_and_action() -> Vec<(String, String)> {
    let action = ".github/actions/rebuild/action.yml";
    workflows().into_iter().chain([(action.to_owned(), read(action))]).collect()
}

/// The command lines of this tool in a text, as lists of words: for a shell, or for the action.
fn calls(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let (comment, code) =
            (line.trim_start().starts_with('#'), line.replace("cargo --locked xtask ", "cargo xtask "));
        let for_shell = code.split("cargo xtask ").skip(1).filter(|_| !comment);
        let for_action = line.trim_start_matches([' ', '#']).strip_prefix("command: ").into_iter();
        for rest in for_shell.chain(for_action) {
            let end = rest.find([';', '|', '&', '>', '#', '`', '\'', ')']).unwrap_or(rest.len());
            found.push(rest[..end].split_whitespace().map(str::to_owned).collect());
        }
    }
    found
}

/// The lines of a workflow that a shell runs.
fn scripts(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut block = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().trim_start_matches("- ").strip_prefix("run: ") {
            Some(script) => {
                block = script.starts_with('|').then_some(indent);
                found.push(script);
            }
            None if block.is_some_and(|start| indent > start) => found.push(line.trim()),
            None => block = None,
        }
    }
    found
}

#[track_caller]
fn assert_understood(place: &str, calls: &[Vec<String>]) {
    for call in calls {
        let words = ["cargo xtask"].into_iter().chain(call.iter().map(String::as_str));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{place}: cargo xtask {}: {error}", call.join(" "));
        }
    }
}

#[test]
fn every_command_of_the_pipelines_exists() {
    let mut commands = Vec::new();
    for (name, text) in workflows_and_action().into_iter().chain([("ci/gitlab.yml".to_owned(), read("ci/gitlab.yml"))])
    {
        let found = calls(&text);
        assert_understood(&name, &found);
        let tests = ["ci/test\n", "cargo test", "--package faults"].iter().any(|call| text.contains(call));
        assert!(!found.is_empty() || tests, "{name} calls nothing");
        commands.extend(found.into_iter().map(|call| call[0].clone()));
    }
    for wanted in ["rebuild", "release", "prune"] {
        assert!(commands.iter().filter(|command| *command == wanted).count() >= 2, "{wanted}: {commands:?}");
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/test").is_file());
}

#[test]
fn every_command_that_the_documents_show_exists() {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")).unwrap();
    let pages = pages.map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    let mut number = 0;
    for name in pages.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned()]) {
        let text = read(&name).replace("/usr/local/bin/", "");
        let starts = ["$ ", "*/", "ExecStart="];
        let shown = text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
        let shown = shown.map(|line| {
            ["plan", "rebuild", "verify", "prune", "report", "release", "rollback", "doctor", "full"]
                .iter()
                .fold(line.to_owned(), |line, command| {
                    line.replace(&format!("compose-rebuild {command}"), &format!("cargo xtask {command}"))
                })
        });
        let found = calls(&shown.collect::<Vec<_>>().join("\n"));
        number += found.len();
        assert_understood(&name, &found);
    }
    assert!(number > 30, "{number}");
}

#[test]
fn workflows_may_little_wait_for_each_other_and_run_what_was_read() {
    for (name, text) in workflows() {
        for wanted in
            ["\npermissions:\n", "\nconcurrency:\n", "cancel-in-progress:", "timeout-minutes:", "contents: read"]
        {
            assert!(text.contains(wanted), "{name} has no `{}`", wanted.trim());
        }
        let write: Vec<_> = text.lines().map(str::trim).filter(|line| line.ends_with(": write")).collect();
        // Only a release adds files to itself.
        let allowed = |line: &str| line == "packages: write" || (line == "contents: write" && name == "release.yml");
        assert!(write.iter().all(|line| allowed(line)), "{name}: {write:?}");
    }
    for (name, text) in workflows_and_action() {
        let used = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
        for action in used.filter(|action| *action != "./.github/actions/rebuild") {
            let (_, version) = action.split_once('@').unwrap();
            let (commit, version) = version.split_once(" # ").unwrap_or((version, ""));
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                pinned && version.starts_with('v'),
                "{name}: `{action}` is not pinned to a commit with its version"
            );
        }
        // A value of GitHub's reaches a shell only as a variable.
        let pasted: Vec<_> = scripts(&text).into_iter().filter(|line| line.contains("${{")).collect();
        assert!(pasted.is_empty(), "{name}: {pasted:?}");
    }
}

#[test]
fn nothing_is_compiled_from_other_versions_than_the_lock_file_names() {
    let gitlab = read("ci/gitlab.yml");
    let scripts = workflows_and_action().into_iter().map(|(name, text)| (name, scripts(&text).join("\n")));
    for (name, script) in scripts.chain([("ci/gitlab.yml".to_owned(), gitlab), ("ci/test".to_owned(), read("ci/test"))])
    {
        let compiles = |line: &&str| {
            !line.trim_start().starts_with('#')
                && ["xtask ", "sandbox ", "build ", "test ", "install ", "clippy ", "doc "].iter().any(|command| {
                    line.contains(&format!("cargo {command}")) || line.contains(&format!("cargo --locked {command}"))
                })
        };
        let loose: Vec<_> = script.lines().filter(compiles).filter(|line| !line.contains("--locked")).collect();
        assert!(loose.is_empty(), "{name}: {loose:?}");
    }
}

#[test]
fn the_oldest_rust_that_is_promised_is_the_one_that_is_tried() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(read(".github/workflows/check.yml").contains(&format!("container: rust:{version}-slim\n")));
    assert!(read("README.md").contains(&format!("Rust {version} or newer")));
}

#[test]
fn names_of_images_are_lower_case_for_every_owner() {
    for (name, text) in workflows() {
        assert!(!text.contains("ghcr.io/${{"), "{name} takes the name of the owner as it is written");
    }
}
