//! What is wrong, and how it is cured: findings from facts, without a process, a file or a clock.

pub mod compose;
pub mod dockerfile;
pub mod engine;
pub mod machine;
pub mod secrets;
pub mod tools;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A build fails, or builds something else than was asked for.
    Error,
    /// It works, but slower, less safely or less surely than it could.
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
}

impl Finding {
    fn new(severity: Severity, area: Area, check: &'static str, what: impl Into<String>) -> Self {
        let (what, why, cure) = (what.into(), String::new(), String::new());
        Self { area, file: None, line: None, severity, check, what, why, cure }
    }

    /// A finding that makes the verdict bad.
    pub fn error(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, area, check, what)
    }

    /// A finding that does not.
    pub fn warning(area: Area, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, area, check, what)
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, file: &str, line: Option<usize>) -> Self {
        self.file = Some(file.to_owned());
        self.line = line;
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = cure.into();
        self
    }

    /// `file:line`, or nothing.
    pub fn place(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => String::new(),
        }
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

impl Default for Names {
    fn default() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            bust: "CACHE_BUST".to_owned(),
            repositories: one("GITHUB_REPO"),
            refs: one("GITHUB_BRANCH"),
            commits: one("GITHUB_COMMIT"),
            transports: Vec::new(),
        }
    }
}

impl Names {
    /// Whether an argument is there to run steps again: the configured one, or one of the names that people give it.
    pub fn is_bust(&self, name: &str) -> bool {
        let plain: String = name.chars().filter(|&c| c != '_').map(|c| c.to_ascii_uppercase()).collect();
        name == self.bust || plain.starts_with("CACHEBUST")
    }
}

/// `"a"`, `"a and b"`, `"a, b and c"`.
pub(crate) fn list(items: &[impl AsRef<str>]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [all @ .., last] => {
            let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", all.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_sorted_by_area_and_place() {
        let finding = |line| Finding::warning(Area::Dockerfile, "x", "y").at("Dockerfile", Some(line));
        let mut all = vec![finding(10), finding(9), Finding::error(Area::Engine, "x", "y")];
        all.sort();
        assert_eq!(all.iter().map(Finding::place).collect::<Vec<_>>(), ["", "Dockerfile:9", "Dockerfile:10"]);
    }

    #[test]
    fn words_are_listed_as_people_do() {
        assert_eq!(list(&[""; 0]), "");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
