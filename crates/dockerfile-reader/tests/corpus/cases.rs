//! The corpus: Dockerfiles in text files that anyone can extend. README.md beside this file says how a case is written.

use std::collections::BTreeMap;

use dockerfile_reader::{Args, Build};

/// All text files of the corpus.
const TEXTS: &[&str] = &[
    include_str!("clones.txt"),
    include_str!("findings.txt"),
    include_str!("arguments.txt"),
    include_str!("references.txt"),
    include_str!("packages.txt"),
    include_str!("others.txt"),
    include_str!("odd.txt"),
    include_str!("documents.txt"),
    include_str!("covers.txt"),
    include_str!("values.txt"),
    include_str!("tools.txt"),
];

/// A Dockerfile, and what must be found in it.
pub(crate) struct Case {
    /// What it shows.
    pub(crate) title: &'static str,
    /// The arguments that the build is given.
    pub(crate) args: Args,
    /// The stage that is built; nothing is left out without it.
    pub(crate) target: Option<&'static str>,
    /// The named contexts that the build has.
    pub(crate) contexts: BTreeMap<String, String>,
    /// The Dockerfile.
    pub(crate) text: &'static str,
    /// What its code is fetched from, as README.md explains.
    pub(crate) sources: Vec<&'static str>,
    /// What the doctor says about it, `LINE NAME`; nothing where a case does not say.
    pub(crate) findings: Option<Vec<&'static str>>,
}

impl Case {
    /// What is built.
    pub(crate) fn build(&self) -> Build<'_> {
        Build { target: self.target, args: &self.args, contexts: &self.contexts }
    }
}

/// Every case of the corpus.
pub(crate) fn cases() -> Vec<Case> {
    TEXTS.iter().flat_map(|text| text.split("=== ").skip(1)).map(case).collect()
}

fn case(entry: &'static str) -> Case {
    let (head, rest) = entry.split_once('\n').expect("a title");
    let (text, expected) = rest.split_once("---\n").unwrap_or_else(|| panic!("`{head}` does not say what is expected"));
    let (title, build) = head.split_once(" | ").unwrap_or((head, ""));
    let target = build.split_whitespace().find_map(|word| word.strip_prefix("--target="));
    let contexts = build.split_whitespace().filter_map(|word| word.strip_prefix("--context="));
    let contexts = contexts.map(|name| (name.to_owned(), "docker-image://other".to_owned())).collect();
    let given = build.split_whitespace().filter(|word| !word.starts_with("--"));
    let given = given.map(|one| one.split_once('=').unwrap_or_else(|| panic!("`{one}` of `{title}` is no argument")));
    let args = given.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
    let (findings, sources): (Vec<_>, Vec<_>) = expected.lines().partition(|line| line.starts_with("finding "));
    let findings: Vec<_> = findings.iter().filter_map(|line| line.strip_prefix("finding ")).collect();
    let findings = (!findings.is_empty()).then(|| findings.into_iter().filter(|one| *one != "none").collect());
    Case { title, args, target, contexts, text, sources, findings }
}
