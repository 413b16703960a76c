//! Removes the iptables rules that an engine leaves when it stops.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process::run_to_end;

/// Removes every rule with a word that is ours, and Docker's own chains when no engine is left to use them.
pub(crate) fn remove(is_ours: impl Fn(&str) -> bool) -> Result<()> {
    let saved = run_to_end(&mut Command::new("iptables-save"))?;
    restore(&removals(&saved, &is_ours))?;
    if !another_engine() {
        let saved = run_to_end(&mut Command::new("iptables-save"))?;
        restore(&chain_removals(&saved))?;
    }
    Ok(())
}

/// Applies commands in the format of `iptables-restore`, all of a table at once.
fn restore(commands: &str) -> Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    let mut file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, commands.as_bytes())?;
    run_to_end(Command::new("iptables-restore").args(["--noflush", "--wait", "10"]).arg(file.path()))?;
    Ok(())
}

/// Whether Docker's chains are in use by the machine's own engine or by another sandbox.
fn another_engine() -> bool {
    let interfaces = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut names = interfaces.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name == "docker0" || name.starts_with("sbx-")) || Path::new("/run/docker.pid").exists()
}

/// The commands that delete the rules with a word of ours from the output of `iptables-save`.
fn removals(saved: &str, is_ours: &impl Fn(&str) -> bool) -> String {
    edit(saved, |line, commands| {
        if let Some(rule) = line.strip_prefix("-A ")
            && rule.split_whitespace().any(is_ours)
        {
            let _ = writeln!(commands, "-D {rule}");
        }
    })
}

/// The commands that delete Docker's chains, except for a `DOCKER-USER` which somebody filled.
fn chain_removals(saved: &str) -> String {
    let is_docker = |chain: &str| chain == "DOCKER" || chain.starts_with("DOCKER-");
    let user_rules = |line: &str| line.starts_with("-A DOCKER-USER ") && line != "-A DOCKER-USER -j RETURN";
    let keep_user = saved.lines().any(user_rules);
    let goes = |chain: &str| is_docker(chain) && !(keep_user && chain == "DOCKER-USER");
    let rules = |line: &str, commands: &mut String| {
        let Some(rule) = line.strip_prefix("-A ") else {
            return;
        };
        let target = rule.split_once(" -j ").map_or("", |(_, target)| target);
        if goes(rule.split(' ').next().unwrap_or_default()) || goes(target) {
            let _ = writeln!(commands, "-D {rule}");
        }
    };
    let chains = |line: &str, commands: &mut String| {
        if let Some(chain) = line.strip_prefix(':').and_then(|line| line.split(' ').next())
            && goes(chain)
        {
            let _ = writeln!(commands, "-X {chain}");
        }
    };
    // Two passes: a chain can only go when no rule jumps to it.
    edit(saved, rules) + &edit(saved, chains)
}

/// Maps each table of `iptables-save` to commands; tables without any are left out.
fn edit(saved: &str, change: impl Fn(&str, &mut String)) -> String {
    let (mut result, mut table, mut commands) = (String::new(), "", String::new());
    for line in saved.lines() {
        match line.strip_prefix('*') {
            Some(name) => (table, commands) = (name, String::new()),
            None if line == "COMMIT" && !commands.is_empty() => {
                let _ = write!(result, "*{table}\n{commands}COMMIT\n");
            }
            None => change(line, &mut commands),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A INPUT -s 192.0.2.7/32 -j DROP\n-A DOCKER ! -i sbx-213-0 -o sbx-213-0 -j DROP\nCOMMIT\n\
        *nat\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A POSTROUTING -s 10.213.0.0/24 ! -o sbx-213-0 -j MASQUERADE\nCOMMIT\n";

    #[test]
    fn only_our_rules_go() {
        let commands = removals(SAVED, &|word: &str| word == "sbx-213-0");
        assert_eq!(
            commands,
            "*filter\n-D DOCKER ! -i sbx-213-0 -o sbx-213-0 -j DROP\nCOMMIT\n*nat\n-D POSTROUTING -s 10.213.0.0/24 ! -o sbx-213-0 -j MASQUERADE\nCOMMIT\n"
        );
        assert_eq!(removals(SAVED, &|_: &str| false), "");
    }

    #[test]
    fn the_last_engine_takes_the_chains_along() {
        let rest = SAVED.replace("-A DOCKER ! -i sbx-213-0 -o sbx-213-0 -j DROP\n", "");
        assert_eq!(
            chain_removals(&rest),
            "*filter\n-D FORWARD -j DOCKER-USER\nCOMMIT\n*nat\n-D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n\
             *filter\n-X DOCKER\n-X DOCKER-USER\nCOMMIT\n*nat\n-X DOCKER\nCOMMIT\n"
        );
    }

    #[test]
    fn rules_that_a_user_wrote_stay() {
        let saved = SAVED.replace("COMMIT\n*nat", "-A DOCKER-USER -s 192.0.2.8/32 -j DROP\nCOMMIT\n*nat");
        let commands = chain_removals(&saved);
        assert!(!commands.contains("DOCKER-USER"), "{commands}");
    }
}
