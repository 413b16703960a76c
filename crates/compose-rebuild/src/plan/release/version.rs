//! Which version is released.

use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};

use crate::error::Failure;
use crate::facts::checkout::{Checkout, MANIFEST};
use crate::facts::workspace::workspace_version;
use crate::plan::release::files;
use crate::value::show;

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The next major version.
    Major,
    /// The next minor version.
    Minor,
    /// The next patch version.
    Patch,
    /// The next release candidate.
    Rc,
    /// This version.
    Exactly(Version),
}

impl FromStr for Wanted {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Ok(match text {
            "major" => Self::Major,
            "minor" => Self::Minor,
            "patch" => Self::Patch,
            "rc" => Self::Rc,
            _ => Self::Exactly(text.parse().map_err(|error| {
                Failure::usage(format!("{} is not a version: {error}", show(text)))
                    .hint("use major, minor, patch, rc, or a version such as 1.2.3")
            })?),
        })
    }
}

/// The version to release: counted from `base`, the version before this release; without a wish what Cargo.toml says now.
///
/// # Errors
/// Exit code 2 for one that is below what Cargo.toml says.
pub fn choose(wanted: Option<&Wanted>, base: &Version, current: &Version) -> Result<Version, Failure> {
    let version = wanted.map_or_else(|| current.clone(), |wanted| next(wanted, base));
    if version < *current {
        return Err(Failure::usage(format!("version `{version}` is below `{current}`, which Cargo.toml says already"))
            .kept("nothing was changed")
            .hint("name a later version, or none to release the one in Cargo.toml"));
    }
    Ok(version)
}

/// What Cargo.toml of the commit says, and what it said before this release: the commit may be the one that a release made.
pub fn current_and_base(checkout: &Checkout) -> Result<(Version, Version), Failure> {
    let read = |text: Option<&String>| text.map_or(Ok(None), |text| workspace_version(text));
    let current = read(checkout.committed.get(MANIFEST))?.ok_or_else(files::no_version)?;
    let before = read(checkout.before.as_ref()).ok().flatten();
    let base = before.filter(|_| checkout.subject == subject(&current));
    Ok((current.clone(), base.unwrap_or(current)))
}

/// The subject of the commit that makes a version.
pub fn subject(version: &Version) -> String {
    format!("Release {version}")
}

/// A pre-release becomes the version that it was made for, when that is of the wanted level.
fn next(wanted: &Wanted, base: &Version) -> Version {
    let Version { major, minor, patch, .. } = *base;
    let is_pre = !base.pre.is_empty();
    match wanted {
        Wanted::Exactly(version) => version.clone(),
        Wanted::Major if is_pre && minor == 0 && patch == 0 => Version::new(major, 0, 0),
        Wanted::Major => Version::new(major + 1, 0, 0),
        Wanted::Minor if is_pre && patch == 0 => Version::new(major, minor, 0),
        Wanted::Minor => Version::new(major, minor + 1, 0),
        Wanted::Patch if is_pre => Version::new(major, minor, patch),
        Wanted::Patch => Version::new(major, minor, patch + 1),
        Wanted::Rc => {
            let number: Option<u64> = base.pre.strip_prefix("rc.").and_then(|number| number.parse().ok());
            let pre = Prerelease::new(&format!("rc.{}", number.unwrap_or(0) + 1)).unwrap_or_default();
            let patch = if is_pre { patch } else { patch + 1 };
            Version { major, minor, patch, pre, build: BuildMetadata::EMPTY }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: &str, base: &str, current: &str) -> Result<String, u8> {
        let parse = |text: &str| text.parse::<Version>().expect("version");
        let wanted: Wanted = wanted.parse().map_err(|failure: Failure| failure.code)?;
        let version = choose(Some(&wanted), &parse(base), &parse(current)).map_err(|failure| failure.code)?;
        Ok(version.to_string())
    }

    #[test]
    fn levels_count_from_the_version_before() {
        for (base, major, minor, patch, rc) in [
            ("0.1.0", "1.0.0", "0.2.0", "0.1.1", "0.1.1-rc.1"),
            ("1.2.3", "2.0.0", "1.3.0", "1.2.4", "1.2.4-rc.1"),
            ("1.2.3+build.5", "2.0.0", "1.3.0", "1.2.4", "1.2.4-rc.1"),
            ("1.2.4-rc.1", "2.0.0", "1.3.0", "1.2.4", "1.2.4-rc.2"),
            ("1.3.0-rc.9", "2.0.0", "1.3.0", "1.3.0", "1.3.0-rc.10"),
            ("2.0.0-rc.1", "2.0.0", "2.0.0", "2.0.0", "2.0.0-rc.2"),
            ("1.0.0-beta", "1.0.0", "1.0.0", "1.0.0", "1.0.0-rc.1"),
        ] {
            for (level, wanted) in [("major", major), ("minor", minor), ("patch", patch), ("rc", rc)] {
                assert_eq!(chosen(level, base, base).as_deref(), Ok(wanted), "{level} after {base}");
            }
        }
        // Again, after Cargo.toml was changed: the same version.
        assert_eq!(chosen("minor", "0.1.0", "0.2.0").as_deref(), Ok("0.2.0"));
    }

    #[test]
    fn a_version_never_goes_back() {
        assert_eq!(chosen("1.2.3", "1.2.3", "1.2.3").as_deref(), Ok("1.2.3"));
        assert_eq!(chosen("1.2.2", "1.2.3", "1.2.3"), Err(2));
        assert_eq!(chosen("1.2.3-rc.1", "1.2.3", "1.2.3"), Err(2));
        for bad in ["v1.2.3", "1.2", "latest", "", "1.2.3; id", "-1.0.0"] {
            assert_eq!(chosen(bad, "1.2.3", "1.2.3"), Err(2), "{bad}");
        }
    }
}
