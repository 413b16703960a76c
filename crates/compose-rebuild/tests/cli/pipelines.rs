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
    assert_eq!(found.len(), 4, "{found:?}");
    found
}

/// The command lines of this tool in a text, as lists of words.
fn calls(text: &str) -> Vec<Vec<String>> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let starts = code.flat_map(|line| line.split("cargo xtask ").skip(1));
    let words = |rest: &str| {
        let end = rest.find([';', '|', '&', '>', '#', '`', '\'', ')']).unwrap_or(rest.len());
        rest[..end].split_whitespace().map(str::to_owned).collect()
    };
    starts.map(words).collect()
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
    for (name, text) in workflows().into_iter().chain([("ci/gitlab.yml".to_owned(), read("ci/gitlab.yml"))]) {
        let found = calls(&text);
        assert_understood(&name, &found);
        assert!(!found.is_empty() || text.contains("ci/test\n"), "{name} calls nothing");
        commands.extend(found.into_iter().map(|call| call[0].clone()));
    }
    for wanted in ["rebuild", "release", "prune"] {
        assert!(commands.iter().filter(|command| *command == wanted).count() >= 2, "{wanted}: {commands:?}");
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/test").is_file());
}

#[test]
fn every_command_that_the_readme_shows_exists() {
    let readme = read("README.md");
    let shown = readme.lines().filter(|line| ["$ ", "    sh -c", "*/"].iter().any(|start| line.starts_with(start)));
    let found = calls(&shown.collect::<Vec<_>>().join("\n"));
    assert!(found.len() > 7, "{found:?}");
    assert_understood("README.md", &found);
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
        assert!(write.iter().all(|line| *line == "packages: write"), "{name}: {write:?}");
        for action in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let (_, version) = action.split_once('@').unwrap();
            let (commit, version) = version.split_once(" # ").unwrap_or((version, ""));
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                pinned && version.starts_with('v'),
                "{name}: `{action}` is not pinned to a commit with its version"
            );
        }
        // A value of GitHub's reaches a shell only as a variable.
        let scripts = text.lines().filter(|line| line.contains("run:") || line.starts_with("          "));
        let pasted: Vec<_> = scripts.filter(|line| line.contains("${{") && !line.contains("TOKEN:")).collect();
        assert!(pasted.is_empty(), "{name}: {pasted:?}");
    }
}
