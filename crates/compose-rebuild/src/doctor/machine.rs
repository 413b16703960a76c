//! This machine: git, the lock, the directory for reports, and what interrupted runs left.

use super::engine::{Answer, program};
use super::{Area, Finding, list};

/// What was learned about this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// What git says of its version.
    pub git: Option<Answer>,
    /// Who holds the project's lock.
    pub lock: Option<String>,
    /// Why logs and reports cannot be written, and the fix.
    pub state: Option<(String, String)>,
    /// What interrupted runs left, in words.
    pub left: Vec<String>,
    /// Variables of the environment that change how Compose builds, and nothing here, with their values.
    pub without_effect: Vec<(&'static str, String)>,
}

/// Everything that is wrong with this machine.
pub fn check(machine: &Machine) -> Vec<Finding> {
    let warning = |check, what: String| Finding::warning(Area::Machine, check, what);
    let old = warning("git-old", "git is older than 2.26".to_owned())
        .why("It asks remotes in the first version of the protocol, which lists every ref of a repository each time.")
        .cure("install a newer git");
    let missing = Finding::error(Area::Machine, "git-missing", "git does not answer")
        .why("Without it the remote cannot be asked which commit it has.")
        .cure("install git");
    let mut findings = Vec::from_iter(program(machine.git.as_ref(), missing, ((2, 26), old)));
    for (name, value) in &machine.without_effect {
        findings.push(
            warning("variable-without-effect", format!("`{name}={value}` is set"))
                .why("It has no effect: buildx builds with BuildKit, whatever it says.")
                .cure(format!("unset {name}")),
        );
    }
    if let Some((cause, cure)) = &machine.state {
        let finding = Finding::error(Area::Machine, "state-directory", cause);
        findings.push(finding.why("Logs and reports are written there, so no build can start.").cure(cure));
    }
    if let Some(holder) = &machine.lock {
        findings.push(
            warning("lock-held", format!("the lock of this project is held by {holder}"))
                .why("Another run changes this project's images now, and the next one waits for it.")
                .cure("wait for it to end"),
        );
    } else if !machine.left.is_empty() {
        findings.push(
            warning("leftovers", format!("an interrupted run left {}", list(&machine.left)))
                .why("They do no harm, but they keep images on the disk.")
                .cure("run `cargo xtask rebuild`: the next build removes them"),
        );
    }
    findings
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
        for (answer, expected) in [
            (Ok("git version 2.47.3"), &[][..]),
            (Ok("git version 3.0"), &[]),
            (Ok("git"), &[]),
            (Ok("git version 2.17.1"), &["git-old"]),
            (Err("could not start"), &["git-missing"]),
        ] {
            let git = Some(answer.map(str::to_owned).map_err(str::to_owned));
            assert_found(&Machine { git, ..Machine::default() }, expected);
        }
    }

    #[test]
    fn a_variable_that_changes_nothing_is_named() {
        let without_effect = vec![("DOCKER_BUILDKIT", "0".to_owned()), ("COMPOSE_BAKE", "false".to_owned())];
        let machine = Machine { without_effect, ..Machine::default() };
        assert_found(&machine, &["variable-without-effect", "variable-without-effect"]);
        assert_eq!(check(&machine)[1].cure, "unset COMPOSE_BAKE");
    }

    #[test]
    fn what_the_holder_of_the_lock_staged_is_no_leftover() {
        let left = Machine { left: vec!["the tag `a`".to_owned()], ..Machine::default() };
        assert_found(&left, &["leftovers"]);
        assert_found(&Machine { lock: Some("process 1".to_owned()), ..left }, &["lock-held"]);
    }
}
