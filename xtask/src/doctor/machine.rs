//! This machine: git, the lock, the directory for reports, and what interrupted runs left.

use super::{Area, Finding};

/// What was learned about this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// What git says of its version, or why it says nothing.
    pub git: Option<Result<String, String>>,
    /// Who holds the project's lock.
    pub lock: Option<String>,
    /// Why logs and reports cannot be written, and the cure.
    pub state: Option<(String, String)>,
    /// The file that names what an interrupted run staged.
    pub marker: Option<String>,
    /// Containers that an interrupted verification left.
    pub containers: usize,
    /// Tags that an interrupted build left.
    pub staged: Vec<String>,
}

/// Everything that is wrong with this machine.
pub fn check(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (error, warning) = (
        |check, what: String| Finding::error(Area::Machine, check, what),
        |check, what: String| Finding::warning(Area::Machine, check, what),
    );
    match &machine.git {
        Some(Err(cause)) => findings.push(
            error("git-missing", format!("git does not answer: {cause}"))
                .why("Without it nobody can ask the remote which commit it has.")
                .cure("install git"),
        ),
        Some(Ok(text)) if is_old(text) => findings.push(
            warning("git-old", format!("{} is older than 2.26", text.trim()))
                .why("It asks remotes in the first version of the protocol, which lists every ref of a repository each time.")
                .cure("install a newer git"),
        ),
        _ => {}
    }
    if let Some((cause, cure)) = &machine.state {
        findings.push(
            error("state-directory", cause.clone())
                .why("Logs and reports of builds go there, so none starts.")
                .cure(cure),
        );
    }
    if let Some(holder) = &machine.lock {
        findings.push(
            warning("lock-held", format!("the lock of this project is held by {holder}"))
                .why("Another run changes this project's images now, and the next one waits for it.")
                .cure("wait for it to end"),
        );
        // What it staged is no leftover.
        return findings;
    }
    let mut left = Vec::new();
    left.extend(machine.marker.as_ref().map(|marker| format!("the marker `{marker}`")));
    left.extend(match machine.containers {
        0 => None,
        1 => Some("1 container".to_owned()),
        several => Some(format!("{several} containers")),
    });
    left.extend(machine.staged.iter().map(|tag| format!("the tag `{tag}`")));
    if !left.is_empty() {
        findings.push(
            warning("leftovers", format!("an interrupted run left {}", super::list(&left)))
                .why("They do no harm, but they keep images on the disk.")
                .cure("run `cargo xtask rebuild`: the next build removes them"),
        );
    }
    findings
}

fn is_old(text: &str) -> bool {
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map_while(|word| word.parse().ok())
        .take(2)
        .collect();
    matches!(numbers.as_slice(), [major, minor] if (*major, *minor) < (2, 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_found(machine: &Machine, expected: &[&str]) {
        assert_eq!(check(machine).iter().map(|finding| finding.check).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn git_is_there_and_not_too_old() {
        let git = |answer: Result<&str, &str>| Machine {
            git: Some(answer.map(str::to_owned).map_err(str::to_owned)),
            ..Machine::default()
        };
        assert_found(&git(Ok("git version 2.47.3")), &[]);
        assert_found(&git(Ok("git version 3.0")), &[]);
        assert_found(&git(Ok("git version 2.17.1")), &["git-old"]);
        assert_found(&git(Ok("git")), &[]);
        assert_found(&git(Err("could not start")), &["git-missing"]);
    }

    #[test]
    fn leftovers_are_those_of_runs_that_ended() {
        let left = Machine {
            marker: Some("staged-p".to_owned()),
            containers: 2,
            staged: vec!["a:staged-1".to_owned()],
            ..Machine::default()
        };
        assert_found(&left, &["leftovers"]);
        let what = &check(&left)[0].what;
        assert_eq!(what, "an interrupted run left the marker `staged-p`, 2 containers and the tag `a:staged-1`");
        assert_found(&Machine { lock: Some("process 1".to_owned()), ..left }, &["lock-held"]);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error() {
        let state = Some(("`x` is a symbolic link".to_owned(), "remove it".to_owned()));
        assert_found(&Machine { state, ..Machine::default() }, &["state-directory"]);
    }
}
