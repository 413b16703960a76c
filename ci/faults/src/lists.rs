//! What is to be tried: faults, parsers and protections, each written down once.

use anyhow::{Context as _, Result, ensure};

const MATRIX: &str = include_str!("../matrix.txt");
const INPUTS: &str = include_str!("../inputs.txt");
const PROTECTIONS: &str = include_str!("../protections.txt");

/// A fault of the matrix.
pub(crate) struct Fault {
    pub(crate) number: usize,
    pub(crate) fault: &'static str,
    pub(crate) must: &'static str,
    pub(crate) proof: Proof,
}

/// How it is known what the tool does.
pub(crate) enum Proof {
    /// Tests, each named by its suite and its path there.
    Tests(Vec<&'static str>),
    /// No test, for this reason.
    NotTried(&'static str),
}

/// A parser of what comes from outside, and the properties that random inputs are tried on.
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    pub(crate) tests: Vec<&'static str>,
}

/// Something that protects, and the test that fails without it.
pub(crate) struct Protection {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) test: &'static str,
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").map(str::trim).collect())
}

pub(crate) fn faults() -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for row in rows(MATRIX) {
        let [number, fault, must, proof] = row[..] else { anyhow::bail!("a fault has four fields: {row:?}") };
        let proof = match proof.strip_prefix("not tried: ") {
            Some(reason) => Proof::NotTried(reason),
            None => Proof::Tests(proof.split_whitespace().collect()),
        };
        let number = number.parse().with_context(|| number.to_owned())?;
        ensure!(number == faults.len() + 1, "fault {} is missing", faults.len() + 1);
        faults.push(Fault { number, fault, must, proof });
    }
    Ok(faults)
}

pub(crate) fn parsers() -> Result<Vec<Parser>> {
    let parser = |row: Vec<&'static str>| {
        let [name, tests] = row[..] else { anyhow::bail!("a parser has two fields: {row:?}") };
        Ok(Parser { name, tests: tests.split_whitespace().collect() })
    };
    rows(INPUTS).map(parser).collect()
}

pub(crate) fn protections() -> Result<Vec<Protection>> {
    let mut found = Vec::new();
    for block in PROTECTIONS.split("\n\n").map(str::trim).filter(|block| !block.is_empty() && !block.starts_with("# "))
    {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.with_context(|| format!("no `{name}` in\n{block}"))
        };
        let part = |sign: &str| {
            let lines = block.lines().filter_map(|line| line.strip_prefix(sign));
            lines.collect::<Vec<_>>().join("\n")
        };
        let (name, file, test) = (field("protection: ")?, field("file: ")?, field("test: ")?);
        found.push(Protection { name, file, old: part("- "), new: part("+ "), test });
    }
    Ok(found)
}
