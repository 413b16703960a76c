//! Where the time of a run goes, process by process, as the tool itself tells with `-v`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use sandbox::{Kind, Sandbox};

use crate::contenders::{CONTENDERS, Entry, Project, XTASK};
use crate::engine::containerd;
use crate::results::{Process, Profile, rounded};

/// Runs of each; the one in the middle is shown.
const ROUNDS: usize = 5;

/// A run with nothing to do, and one after a push to the backend.
pub(crate) fn measure(sandbox: &Sandbox, root: &Utf8Path) -> Result<Vec<Profile>> {
    let tool = CONTENDERS.iter().find(|contender| contender.name == XTASK).context("no tool")?;
    let other = containerd()?;
    let (here, pushing) = (
        Entry::new(sandbox, root, tool, Project::Vibevoice, false)?,
        Entry::new(&other, root, tool, Project::Vibevoice, true)?,
    );
    let mut profiles = Vec::new();
    for (name, sandbox, tool, kind) in [
        ("nothing was pushed", sandbox, &here, None),
        ("backend push", sandbox, &here, Some(Kind::Backend)),
        ("backend push, images in a registry", &other, &pushing, Some(Kind::Backend)),
    ] {
        tool.run()?;
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            kind.map(|kind| sandbox.push(kind)).transpose()?;
            runs.push(once(tool, root, name)?);
        }
        runs.sort_by(|a, b| a.total_s.total_cmp(&b.total_s));
        profiles.push(runs.swap_remove(ROUNDS / 2));
    }
    Ok(profiles)
}

fn once(tool: &Entry<'_>, root: &Utf8Path, name: &str) -> Result<Profile> {
    let mut cargo = tool.command("cargo");
    cargo
        .args(["xtask", "rebuild", "-v"])
        .args(tool.push())
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = cargo.spawn()?;
    let mut processes = Vec::new();
    for line in BufReader::new(child.stderr.take().context("no output")?).lines() {
        let (line, now) = (line?, started.elapsed().as_secs_f64());
        if processes.is_empty() {
            // Its first line is the first thing that the tool does.
            processes.push(Process { command: "cargo run".to_owned(), from_s: 0.0, to_s: rounded(now) });
        }
        if let Some((seconds, command)) = ended(&line) {
            processes.push(Process { command: brief(command), from_s: rounded(now - seconds), to_s: rounded(now) });
        }
    }
    if !child.wait()?.success() {
        bail!("`cargo xtask rebuild -v` failed");
    }
    processes.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    Ok(Profile { name: name.to_owned(), total_s: rounded(started.elapsed().as_secs_f64()), processes })
}

/// The seconds and the command of a line about a command that ended.
fn ended(line: &str) -> Option<(f64, &str)> {
    let (seconds, command) = line.trim_start().strip_prefix("Ended after ")?.split_once(" s: ")?;
    Some((seconds.parse().ok()?, command))
}

/// The program and what it was told to do, without options, paths and names.
fn brief(command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let is_verb = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-') && *word != "json"
    };
    let verbs = words.skip_while(|word| !is_verb(word)).take_while(is_verb);
    [program].into_iter().chain(verbs).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_it_was_told_to_do() {
        let line =
            "       Ended after 0.043 s: /x/docker-compose -f /a/compose.yml --profile=* --progress json build -- web";
        let (seconds, command) = ended(line).expect("a command that ended");
        assert_eq!((seconds, brief(command).as_str()), (0.043, "docker-compose build"));
        assert_eq!(brief("git -c gc.auto=0 --git-dir /a/b.git fetch --quiet -- https://x main"), "git fetch");
        assert_eq!(brief("docker image inspect -- a:b"), "docker image inspect");
        assert_eq!(brief("docker create --pull never -- a:b"), "docker create");
        assert_eq!(ended("     Running git ls-remote"), None);
    }
}
