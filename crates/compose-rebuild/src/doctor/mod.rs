//! Which code a project fetches, what is wrong, and how it is fixed: from facts, without a process, a file or a clock.

pub mod compose;
pub mod dockerfile;
pub mod engine;
pub mod machine;
pub mod patch;
pub mod place;
pub mod table;

use serde::Serialize;

use patch::Edit;

use crate::facts::config::{Config, SourceConfig};

/// The name of every finding, each with a section in docs/findings.md.
pub const CHECKS: [&str; 40] = [
    "engine-silent",
    "engine-old",
    "compose-missing",
    "compose-old",
    "buildx-missing",
    "buildx-old",
    "builder-unusable",
    "builder-apart",
    "cache-too-small",
    "disk-full",
    "disk-low",
    "git-missing",
    "git-old",
    "variable-without-effect",
    "state-directory",
    "lock-held",
    "leftovers",
    "configuration",
    "compose-refuses",
    "project",
    "sources",
    "no-dockerfile",
    "services-disagree",
    "argument-not-passed",
    "argument-not-taken",
    "bust-not-passed",
    "kept-takes-bust",
    "same-image",
    "bad-value",
    "secret-argument",
    "clone-without-bust",
    "source-not-watched",
    "hard-coded-checkout",
    "bust-above-installs",
    "installs-below-clone",
    "bust-in-model-stage",
    "bust-without-dollar",
    "unquoted-argument",
    "model-without-revision",
    "secret-in-dockerfile",
];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A build fails, or builds something else than was asked for.
    Error,
    /// The project works, but slower, less safely or less surely than it could.
    Warning,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// The Docker engine, its plugins, its builder and its disk.
    Engine,
    /// This machine: git, the lock, what earlier runs left.
    Machine,
    /// The configuration of this tool.
    Configuration,
    /// The compose project.
    Compose,
    /// A Dockerfile.
    Dockerfile,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// The file, when it is about one.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// The name of the check that found it.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
    /// Why that matters, in one sentence.
    pub why: String,
    /// What to do.
    pub cure: String,
    /// Why the configuration allows it, if it does.
    pub allowed: Option<String>,
    /// The edits of the file that are the cure, where it can be written down.
    #[serde(skip)]
    pub edits: Vec<Edit>,
}

impl Finding {
    fn new(severity: Severity, area: Area, check: &'static str, what: String) -> Self {
        debug_assert!(CHECKS.contains(&check), "{check}");
        let (why, cure, allowed, edits) = (String::new(), String::new(), None, Vec::new());
        Self { area, file: None, line: None, severity, check, what, why, cure, allowed, edits }
    }

    /// A finding that makes the verdict bad.
    pub fn error(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, area, check, what.into())
    }

    /// A finding that does not.
    pub fn warning(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, area, check, what.into())
    }

    /// Says where it is.
    #[must_use]
    pub fn at(self, file: &str, line: Option<usize>) -> Self {
        Self { file: Some(file.to_owned()), line, ..self }
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn cure(self, cure: impl Into<String>) -> Self {
        Self { cure: cure.into(), ..self }
    }
}

/// The names of the build arguments that checks look for.
#[derive(Clone, Debug)]
pub struct Names {
    /// The bust argument.
    pub bust: String,
    /// Arguments that hold a repository.
    pub repositories: Vec<String>,
    /// Arguments that hold a branch or tag.
    pub refs: Vec<String>,
    /// Arguments that hold a commit.
    pub commits: Vec<String>,
    /// Transports that are allowed beside the usual ones.
    pub transports: Vec<String>,
}

impl Names {
    /// The names that a configuration leads to.
    pub fn of(config: &Config) -> Self {
        let sources = config.sources();
        let args = |argument: fn(&SourceConfig) -> &Option<String>| {
            sources.iter().filter_map(|source| argument(source).clone()).collect()
        };
        Self {
            bust: config.bust_arg().map_or("CACHE_BUST".to_owned(), |name| name.to_string()),
            repositories: args(|source| &source.repository_arg),
            refs: args(|source| &source.ref_arg),
            commits: args(|source| &source.commit_arg),
            transports: config.transports.clone(),
        }
    }
}

/// `"a"`, `"a and b"`, `"a, b and c"`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn every_finding_has_a_section_in_the_documents() {
        let text = include_str!("../../../../docs/findings.md");
        let mut sections: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let mut checks = CHECKS.to_vec();
        sections.sort_unstable();
        checks.sort_unstable();
        assert_eq!(sections, checks);
        for section in text.split("\n### ").skip(1) {
            let is_bad_and_good =
                ["# bad", "# good"].iter().all(|word| section.contains(word)) || section.contains("Good:");
            assert!(is_bad_and_good, "{section}");
        }
    }
}
