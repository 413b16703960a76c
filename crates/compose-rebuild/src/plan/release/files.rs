//! What a release writes into files of the repository; all else in them stays as it is, byte for byte.

use std::collections::BTreeSet;

use semver::Version;
use toml_edit::{Item, Value};

use crate::error::Failure;
use crate::facts::checkout::{Checkout, LOCK, MANIFEST};
use crate::facts::workspace::toml;

/// A file of the repository as a release has it.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The name.
    pub file: &'static str,
    /// All of it.
    pub text: String,
    /// Whether it is like that on disk.
    pub written: bool,
    /// Whether it is like that in the commit that is checked out.
    pub committed: bool,
}

/// The files of a release, made from those of the commit; without a changelog when that has nothing to say.
pub fn edits(checkout: &Checkout, version: &Version, today: &str) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    for (file, committed) in &checkout.committed {
        let on_disk = checkout.on_disk.get(file);
        let plain = committed.replace("\r\n", "\n");
        // Lines end as they did, where all end in the same way.
        let windows = plain != *committed && plain.replace('\n', "\r\n") == *committed;
        let plain = if windows { &plain } else { committed };
        let text = match *file {
            MANIFEST => manifest(plain, version)?,
            LOCK => lock(plain, &checkout.members, version)?,
            _ => {
                // A run that goes on the next day keeps the day that it wrote.
                let day = on_disk.and_then(|text| date_in(text, version)).unwrap_or(today);
                let Some(text) = changelog(plain, version, day) else { continue };
                text
            }
        };
        let text = if windows { text.replace('\n', "\r\n") } else { text };
        let (written, committed) = (on_disk == Some(&text), *committed == text);
        edits.push(Edit { file, text, written, committed });
    }
    Ok(edits)
}

/// Cargo.toml with this version of the workspace.
pub fn manifest(text: &str, version: &Version) -> Result<String, Failure> {
    let mut document = toml("Cargo.toml", text)?;
    // Unlike an index of its own, a table adds nothing that is not there.
    let workspace = document.get_mut("workspace").and_then(Item::as_table_like_mut);
    let package = workspace.and_then(|table| table.get_mut("package")?.as_table_like_mut());
    let place = package.and_then(|table| table.get_mut("version"));
    set(place.ok_or_else(no_version)?, version);
    Ok(document.to_string())
}

/// A manifest without a version that a release could count.
pub fn no_version() -> Failure {
    Failure::usage("the committed Cargo.toml has no `[workspace.package] version`, which a release raises")
        .hint("add one, and let the members inherit it with `version.workspace = true`")
}

/// Cargo.lock with this version of the members that inherit it.
pub fn lock(text: &str, members: &BTreeSet<String>, version: &Version) -> Result<String, Failure> {
    let mut document = toml("Cargo.lock", text)?;
    let packages = document.get_mut("package").and_then(Item::as_array_of_tables_mut);
    for package in packages.into_iter().flat_map(|packages| packages.iter_mut()) {
        let own = package.get("source").is_none();
        let name = package.get("name").and_then(Item::as_str);
        if own && name.is_some_and(|name| members.contains(name)) {
            package.get_mut("version").into_iter().for_each(|place| set(place, version));
        }
    }
    Ok(document.to_string())
}

/// Another version in the same place, with the white space and the comment around it.
fn set(place: &mut Item, version: &Version) {
    if let Item::Value(old) = place {
        let decor = old.decor().clone();
        *old = Value::from(version.to_string());
        *old.decor_mut() = decor;
    }
}

const UNRELEASED: &str = "## [Unreleased]";

/// The changelog with a heading for this version: the one that it has, or a new one over what is unreleased. Nothing when
/// there is nothing to say about the version.
pub fn changelog(text: &str, version: &Version, date: &str) -> Option<String> {
    if date_in(text, version).is_some() {
        return Some(text.to_owned());
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        start += line.len();
        if line.trim_end().eq_ignore_ascii_case(UNRELEASED) {
            let is_link = |line: &str| line.starts_with('[') && line.contains("]: ");
            let says = |line: &str| {
                !line.trim().is_empty() && !line.starts_with("###") && !line.starts_with("<!--") && !is_link(line)
            };
            let section = text[start..].lines().take_while(|line| !line.starts_with("## "));
            let heading = format!("\n## [{version}] - {date}\n");
            return section.into_iter().any(says).then(|| [&text[..start], &heading, &text[start..]].concat());
        }
    }
    None
}

/// What stands behind the version in its heading, which is the day of the release.
pub fn date_in<'a>(text: &'a str, version: &Version) -> Option<&'a str> {
    let heading = format!("## [{version}]");
    let rest = text.lines().find_map(|line| line.strip_prefix(&heading))?;
    Some(rest.trim().trim_start_matches('-').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("version")
    }

    #[test]
    fn only_the_version_changes_in_the_manifest() {
        let text =
            "# top\n[workspace]\nmembers = [ 'a',\n 'b' ]\n\n[workspace.package]  # p\nversion   =  '0.1.0'  # v\n";
        let wanted = text.replace("'0.1.0'", "\"0.2.0\"");
        assert_eq!(manifest(text, &version("0.2.0")).expect("valid"), wanted);
        assert_eq!(manifest("[workspace]\n", &version("0.2.0")).map_err(|failure| failure.code), Err(2));
        assert_eq!(manifest("[", &version("0.2.0")).map_err(|failure| failure.code), Err(2));
    }

    #[test]
    fn the_lock_file_changes_for_members_that_inherit() {
        let entry = |name: &str, version: &str, rest: &str| {
            format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{rest}")
        };
        let file = |new: &str| {
            let registry = "source = \"registry+https://x\"\nchecksum = \"0\"\n";
            let ours = entry("ours", new, "dependencies = [\n \"other\",\n]\n");
            ["# made by Cargo\nversion = 4\n", &ours, &entry("own", "0.1.0", ""), &entry("ours", "0.1.0", registry)]
                .concat()
        };
        let members = BTreeSet::from(["ours".to_owned(), "absent".to_owned()]);
        assert_eq!(lock(&file("0.1.0"), &members, &version("0.2.0")).expect("valid"), file("0.2.0"));
    }

    #[test]
    fn what_is_unreleased_gets_the_heading_of_the_version() {
        let text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One\n\n## [0.1.0] - 2026-01-01\n\n- Zero\n";
        let wanted = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-22\n\n### Added\n\n- One\n\n## [0.1.0] - 2026-01-01\n\n- Zero\n";
        let made = changelog(text, &version("0.2.0"), "2026-11-22");
        assert_eq!(made.as_deref(), Some(wanted));
        assert_eq!(changelog(wanted, &version("0.2.0"), "2027-01-01").as_deref(), Some(wanted));
        assert_eq!(date_in(wanted, &version("0.2.0")), Some("2026-11-22"));
        // Nothing is unreleased any more.
        assert_eq!(changelog(wanted, &version("0.3.0"), "2027-01-01"), None);
        assert_eq!(changelog("# Changelog\n", &version("0.3.0"), "2027-01-01"), None);
        // One version is not the beginning of another.
        assert_eq!(date_in(wanted, &version("0.2.0-rc.1")), None);
    }
}
