//! The fake bare repositories: commits that were fetched, as far as the remote sends them.

use std::collections::BTreeSet;
use std::path::Path;

use compose_rebuild::value::digest::git_blob;

use crate::Reply;
use crate::state::{Engine, Entry, Fetched, GitCommit};

pub(crate) fn run(state: &Path, args: &[&str]) -> Reply {
    match args {
        ["init", "--quiet", "--bare", "--template=", .., "--", directory] => {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(Path::new(directory).join("config"), "").unwrap();
            Engine::update(state, |engine| engine.fetched.remove(*directory));
            Reply::default()
        }
        [
            "-c",
            "protocol.version=2",
            "-c",
            "gc.auto=0",
            "-c",
            "maintenance.auto=false",
            "--git-dir",
            directory,
            "fetch",
            "--quiet",
            filter,
            "--no-tags",
            "--no-write-fetch-head",
            depth,
            "--",
            _,
            wanted @ ..,
        ] => Engine::update(state, |engine| fetch(engine, directory, filter, depth, wanted)),
        ["--git-dir", directory, rest @ ..] => {
            let mut engine = Engine::read(state);
            let fetched = engine.fetched.remove(*directory).unwrap_or_default();
            local(&engine, &fetched, rest)
        }
        _ => Reply::error(129, format!("the fake git does not know: {}", args.join(" "))),
    }
}

fn fetch(engine: &mut Engine, directory: &str, filter: &str, depth: &str, wanted: &[&str]) -> Reply {
    let depth: usize = depth.strip_prefix("--depth=").unwrap().parse().unwrap();
    let mut fetched = engine.fetched.remove(directory).unwrap_or_default();
    fetched.shallow = false;
    for refspec in wanted {
        let (id, _) = refspec.strip_prefix('+').unwrap().split_once(':').unwrap();
        let mut next = Some(id.to_owned());
        for number in 0.. {
            let Some(id) = next else { break };
            let Some(commit) = engine.commits.get(&id) else {
                return Reply::error(128, format!("fatal: remote error: upload-pack: not our ref {id}"));
            };
            if number == depth {
                fetched.shallow = true;
                break;
            }
            if engine.no_filter || filter == "--filter=blob:none" {
                fetched.trees.insert(id.clone());
            }
            next = commit.parent.clone();
            fetched.commits.insert(id);
        }
    }
    engine.fetched.insert(directory.to_owned(), fetched);
    Reply::default()
}

/// A commit and everything before it that is here, newest first.
fn ancestors(engine: &Engine, fetched: &Fetched, of: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut next = Some(of.to_owned()).filter(|id| fetched.commits.contains(id));
    next.as_ref()?;
    while let Some(id) = next {
        next = engine.commits[&id].parent.clone().filter(|id| fetched.commits.contains(id));
        found.push(id);
    }
    Some(found)
}

fn local(engine: &Engine, fetched: &Fetched, args: &[&str]) -> Reply {
    let bad = || Reply::error(128, "fatal: bad object");
    let both = |range: &str, by: &str| {
        let (left, right) = range.split_once(by).unwrap();
        Some((ancestors(engine, fetched, left)?, ancestors(engine, fetched, right)?))
    };
    let without = |all: &[String], other: &[String]| -> Vec<String> {
        let other: BTreeSet<_> = other.iter().collect();
        all.iter().filter(|id| !other.contains(id)).cloned().collect()
    };
    match args {
        ["cat-file", "-e", tree] => match fetched.trees.contains(tree.strip_suffix("^{tree}").unwrap()) {
            true => Reply::default(),
            false => bad(),
        },
        ["rev-list", "--left-right", "--count", range, "--"] => match both(range, "...") {
            Some((left, right)) => {
                let (ahead, behind) = (without(&left, &right).len(), without(&right, &left).len());
                Reply::ok(format!("{ahead}\t{behind}\n"))
            }
            None => bad(),
        },
        ["merge-base", left, right] => match both(&format!("{left} {right}"), " ") {
            Some((left, right)) if without(&left, &right).len() < left.len() => Reply::ok("found\n"),
            _ => Reply::error(1, ""),
        },
        ["rev-parse", "--is-shallow-repository"] => Reply::ok(format!("{}\n", fetched.shallow)),
        ["log", "-z", .., most, range, "--"] => {
            let most: usize = most.strip_prefix("--max-count=").unwrap().parse().unwrap();
            let Some((from, to)) = both(range, "..") else { return bad() };
            let line = |id: &String| format!("{id} 2026-01-02T03:04:05+00:00 {}\0", engine.commits[id].subject);
            Reply::ok(without(&to, &from).iter().take(most).map(line).collect::<String>())
        }
        ["ls-tree", "-r", "-z", "--full-tree", commit] if fetched.trees.contains(*commit) => {
            Reply::ok(listed(&engine.commits[*commit], commit.len()))
        }
        ["ls-tree", ..] => bad(),
        _ => Reply::error(129, format!("the fake git does not know: {}", args.join(" "))),
    }
}

fn listed(commit: &GitCommit, digits: usize) -> String {
    let line = |(path, entry): (&String, &Entry)| {
        let (mode, kind, content) = match entry {
            Entry::File(content) => ("100644", "blob", content),
            Entry::Link(target) => ("120000", "blob", target),
            Entry::Submodule => ("160000", "commit", path),
        };
        let id = git_blob(digits, content.len() as u64, &mut content.as_bytes()).unwrap();
        format!("{mode} {kind} {id}\t{path}\0")
    };
    commit.tree.iter().map(line).collect()
}
