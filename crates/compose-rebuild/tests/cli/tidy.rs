//! Rules of this repository about itself.

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files at or below a path of the source, by their names relative to it, without their tests.
fn files(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![source().join(below)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push((name, text.split("#[cfg(test)]").next().unwrap().to_owned()));
        }
    }
    found.sort();
    found
}

/// Lines of these files that have one of these words, comments apart.
fn lines_with(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[track_caller]
fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn plans_and_events_know_no_process_environment_file_or_clock() {
    let mut pure = files("plan");
    pure.extend(files("doctor"));
    pure.extend(files("foresight/predict"));
    pure.extend(files("foresight/predict.rs"));
    pure.extend(files("foresight/upstream.rs"));
    pure.extend(files("report"));
    pure.extend(files("verify/compare.rs"));
    pure.extend(files("verify/skip.rs"));
    pure.extend(files("verify/verdict.rs"));
    assert!(pure.len() >= 5);
    let effects = [
        "std::process",
        "std::env",
        "std::fs",
        "fs_err",
        "xshell",
        "crate::sys",
        "Timestamp::now",
        "Instant::now",
        "SystemTime",
        "Shell::new",
        "env!(",
    ];
    assert_none(&lines_with(&pure, &effects), "what is decided or summed up is decided from values");
}

#[test]
fn reports_know_no_process_environment_or_clock() {
    let effects = ["std::process", "std::env", "xshell", "Timestamp::now", "Instant::now", "SystemTime", "Shell::new"];
    assert_none(&lines_with(&files("report"), &effects), "a report is made from a summary");
}

#[test]
fn only_one_module_starts_processes() {
    let others: Vec<_> = files("").into_iter().filter(|(name, _)| name != "sys/process.rs").collect();
    let starts = ["Command::new", ".spawn()", ".run()?", ".read()?", ".output()", ".status()?", "process::Command"];
    let found = lines_with(&others, &starts);
    let found: Vec<_> = found.into_iter().filter(|line| !line.contains("scope.spawn")).collect();
    assert_none(&found, "processes are started in sys/process.rs");
}

#[test]
fn no_shell_is_ever_between() {
    // Folders that start nothing may read about shells: Dockerfiles and BuildKit's descriptions are full of them.
    let pure = ["doctor/", "plan/", "foresight/predict/"];
    let others: Vec<_> =
        files("").into_iter().filter(|(name, _)| !pure.iter().any(|start| name.starts_with(start))).collect();
    for text in ["\"sh\"", "\"bash\"", "sh -c", "bash -c", "/bin/sh"] {
        assert_none(&lines_with(&others, &[text]), "no shell between us and a process");
    }
}

#[test]
fn only_the_output_module_writes_to_the_streams() {
    let others: Vec<_> = files("").into_iter().filter(|(name, _)| name != "ui.rs").collect();
    let writes = ["println!", "print!(", "eprintln!", "eprint!(", "io::stdout", "io::stderr", "stdout()", "stderr()"];
    assert_none(&lines_with(&others, &writes), "output goes through ui.rs");
}

#[test]
fn only_main_exits_and_reads_the_clock_of_the_run() {
    let others: Vec<_> = files("")
        .into_iter()
        .filter(|(name, _)| !["main.rs", "lib.rs", "program.rs"].contains(&name.as_str()))
        .collect();
    assert_none(&lines_with(&others, &["process::exit", "std::process::abort"]), "program.rs exits");
    assert_none(&lines_with(&others, &["Timestamp::now", "SystemTime::now"]), "program.rs reads the time once");
    let codes: Vec<_> = others.into_iter().filter(|(name, _)| name != "ui.rs" && name != "error.rs").collect();
    assert_none(&lines_with(&codes, &["ExitCode"]), "program.rs maps failures to exit codes");
}

#[test]
fn the_environment_is_read_in_few_places() {
    let allowed = [
        "program.rs",
        "settings.rs",
        "sys/git.rs",
        "sys/docker.rs",
        "sys/files.rs",
        "sys/compose_files.rs",
        "facts/workspace.rs",
    ];
    let others: Vec<_> = files("").into_iter().filter(|(name, _)| !allowed.contains(&name.as_str())).collect();
    assert_none(&lines_with(&others, &["env::var", "env::temp_dir", "env::current_dir"]), "settings.rs reads it");
}

#[test]
fn no_file_needs_scrolling_to_be_understood() {
    let mut open = vec![source()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 350, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut seen = 0;
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !line.trim().is_empty() && !line.starts_with('#') {
            let reason = line.split_once('#').map_or("", |(_, reason)| reason.trim());
            assert!(reason.len() > 5, "`{line}` has no reason");
            seen += 1;
        }
    }
    assert!(seen >= 10);
}

#[test]
fn every_message_of_a_failure_is_written_in_the_same_voice() {
    // Causes start in lower case, and no exclamation or apology is in them.
    for (name, text) in files("") {
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
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let constants = fs::read_to_string(source().join("error.rs")).unwrap();
    let codes = constants.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": u8 = "));
    let codes: Vec<_> = codes.map(|(_, code)| code.trim_end_matches(';')).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "101", "130"]);
    for code in codes {
        let row = readme.lines().any(|line| line.starts_with(&format!("| {code} |")));
        assert!(row, "README.md has no row for exit code {code}");
    }
}
