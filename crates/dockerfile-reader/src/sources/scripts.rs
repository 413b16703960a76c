//! Repositories in scripts of R and Julia, which are read no further than strings and names.

use super::archives::{archive, whole};
use crate::address::{self, Reference};

/// Functions of R that install packages, and where `owner/name` is for them.
const FUNCTIONS: [(&str, &str); 10] = [
    ("install_github(", "github.com"),
    ("install_gitlab(", "gitlab.com"),
    ("install_bitbucket(", "bitbucket.org"),
    ("install_git(", ""),
    ("pkg_install(", "github.com"),
    ("pak(", "github.com"),
    ("BiocManager::install(", "github.com"),
    ("renv::install(", "github.com"),
    ("install_url(", ARCHIVES),
    ("source(", ARCHIVES),
];

/// In the place of a host: nothing but archives and files.
const ARCHIVES: &str = "archives";

/// The repositories that a script of R installs from: `install_github("owner/name@ref", ref = "...")` and its relatives.
pub(super) fn r(script: &str) -> Vec<(String, Reference)> {
    let script: String = script.lines().map(|line| line.split(" #").next().unwrap_or_default()).collect();
    FUNCTIONS.iter().flat_map(|(function, host)| calls(&script, function, host)).collect()
}

fn calls(script: &str, function: &str, host: &str) -> Vec<(String, Reference)> {
    let mut found = Vec::new();
    for call in script.split(function).skip(1) {
        let (mut repositories, mut reference, mut host) = (Vec::new(), None, host);
        // Every other part is a string; what stands before it says which argument it is.
        let parts: Vec<&str> = call.split(['"', '\'']).collect();
        let mut open = 1_usize;
        for pair in parts.chunks_exact(2) {
            let before = pair[0].trim_end();
            for c in before.chars().filter(|c| matches!(c, '(' | ')')) {
                open = if c == '(' { open + 1 } else { open.saturating_sub(1) };
            }
            if open == 0 {
                break;
            }
            let argument = before.rsplit([',', '(']).next().unwrap_or_default().trim();
            match argument.strip_suffix('=').map(str::trim_end) {
                None | Some("repo" | "url" | "pkg" | "packages") => repositories.push(pair[1]),
                Some("ref" | "branch") => reference = Some(Reference::of(pair[1])),
                Some("host") => host = pair[1],
                Some(_) => {}
            }
        }
        let all = repositories.into_iter().filter_map(|text| package(text, host));
        found.extend(all.map(|(url, own)| (url, reference.clone().unwrap_or(own))));
    }
    found
}

/// What a string means where a package is installed from `host`.
fn package(text: &str, host: &str) -> Option<(String, Reference)> {
    let named = text.split_once('=').filter(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
    let text = named.map_or(text, |(_, text)| text);
    match text.split_once("::") {
        _ if host == ARCHIVES => archive(text),
        Some(("github", text)) => address::r(text, "github.com"),
        Some(("gitlab", text)) => address::r(text, "gitlab.com"),
        Some(("git", text)) => git(text),
        Some(("url", text)) => archive(text),
        Some(_) => None,
        None if text.contains("://") || text.starts_with("git@") => git(text).or_else(|| archive(text)),
        None => address::r(text, host).filter(|_| !host.is_empty()),
    }
}

fn git(text: &str) -> Option<(String, Reference)> {
    let (address, reference) = address::with_reference(text)?;
    Some((address::remote(address)?, Reference::of(reference)))
}

/// The repositories that a script of Julia adds: `Pkg.add(url="...", rev="...")`.
pub(super) fn julia(script: &str) -> Vec<(String, Reference)> {
    let parts: Vec<&str> = script.split('"').collect();
    let strings = || parts.chunks_exact(2);
    let revision = strings().find(|pair| pair[0].trim_end().ends_with("rev="));
    let reference = |own| revision.map_or(own, |pair| Reference::of(pair[1]));
    let all = strings().filter(|pair| !pair[0].trim_end().ends_with("rev=")).filter_map(|pair| whole(pair[1]));
    all.map(|(url, own)| (url, reference(own))).collect()
}
