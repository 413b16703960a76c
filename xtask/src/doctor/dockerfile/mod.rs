//! What is wrong in a Dockerfile, line by line.

mod bust;
mod clone;
mod model;
mod quoting;
mod secret;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;

use super::{Area, Finding, Names};
use crate::dockerfile::listing::Listing;
use view::View;

/// A Dockerfile to check.
#[derive(Clone, Debug)]
pub struct Patient<'a> {
    /// Its name in findings.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The stages of services whose images are kept, in lower case.
    pub kept: BTreeSet<String>,
}

/// Everything that is wrong in a Dockerfile.
pub fn check(patient: &Patient<'_>, names: &Names) -> Vec<Finding> {
    let listing = Listing::read(patient.text);
    let mut findings = secret::check(&listing);
    for stage in 0..listing.stages.len() {
        let view = View::of(&listing, stage);
        findings.extend(clone::check(&view, names));
        findings.extend(bust::check(&view, names, &patient.kept));
        findings.extend(quoting::check(&view));
        findings.extend(model::check(&view));
    }
    findings.into_iter().map(|finding| Finding { file: Some(patient.file.to_owned()), ..finding }).collect()
}

fn error(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::error(Area::Dockerfile, check, what).at("", Some(line))
}

fn warning(check: &'static str, line: usize, what: impl Into<String>) -> Finding {
    Finding::warning(Area::Dockerfile, check, what).at("", Some(line))
}
