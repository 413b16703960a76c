//! What is wrong in a compose project.

mod agree;
mod attach;
mod locate;
mod project;
mod safety;
#[cfg(test)]
mod tests;
mod values;

use super::{Finding, Names};

pub use attach::{Texts, attach, patients};
pub use locate::Files;
pub use project::{Project, Service};

/// Everything that is wrong in a compose project; contexts belong below `root`.
pub fn check(project: &Project, files: &Files, root: &str, names: &Names) -> Vec<Finding> {
    let mut findings = agree::check(project, files, names);
    findings.extend(values::check(project, files, names));
    findings.extend(safety::check(project, files, root));
    findings
}
