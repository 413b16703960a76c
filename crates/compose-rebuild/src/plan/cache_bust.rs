//! The value of the bust argument.

use crate::value::time::Timestamp;
use semver::Version;

use crate::error::Failure;
use crate::value::digest::sha256;
use crate::value::{CacheBust, short, show};

/// How the value is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// `v{version}-{commit}`.
    #[default]
    Auto,
    /// `v{version}`.
    Version,
    /// The commit.
    Commit,
    /// A value that depends on neither.
    Fixed(CacheBust),
}

impl Rule {
    /// Reads the form that flag, environment and configuration share, for a run that started at `now` and has this number
    /// in its CI system.
    pub fn parse(text: &str, now: Timestamp, build_number: Option<&str>) -> Result<Self, Failure> {
        let fixed = match text {
            "auto" => return Ok(Self::Auto),
            "version" => return Ok(Self::Version),
            "commit" => return Ok(Self::Commit),
            "timestamp" => now.compact().replace('T', "-").parse(),
            "build-number" => match build_number {
                Some(number) => number.parse().map_err(|_| {
                    Failure::usage(format!("the build number {} is not a cache-bust value", show(number)))
                        .hint("GITHUB_RUN_NUMBER, CI_PIPELINE_IID or BUILD_NUMBER must be a number")
                }),
                None => Err(Failure::usage("there is no build number in the environment")
                    .hint("set GITHUB_RUN_NUMBER, CI_PIPELINE_IID or BUILD_NUMBER, or use `--cache-bust auto`")),
            },
            value => value.parse(),
        };
        fixed.map(Self::Fixed)
    }
}

/// The value for one service.
pub fn value(rule: &Rule, version: &Version, revisions: &[String]) -> Result<CacheBust, Failure> {
    let version = format!("v{version}").replace('+', "_");
    let revision = match revisions {
        [] => None,
        [one] => Some(short(one).to_owned()),
        several => Some(sha256(several.join("\n"))[..12].to_owned()),
    };
    match (rule, revision) {
        (Rule::Fixed(value), _) => Ok(value.clone()),
        (Rule::Auto, Some(revision)) => format!("{version}-{revision}").parse(),
        (Rule::Commit, Some(revision)) => revision.parse(),
        _ => version.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(rule: &str, version: &str, revisions: &[&str], number: Option<&str>) -> Result<String, u8> {
        let revisions: Vec<_> = revisions.iter().map(|r| (*r).to_owned()).collect();
        let rule = Rule::parse(rule, Timestamp::UNIX_EPOCH, number).map_err(|failure| failure.code)?;
        let made = value(&rule, &version.parse().expect("version"), &revisions);
        made.map(|value| value.to_string()).map_err(|failure| failure.code)
    }

    #[test]
    fn every_rule_makes_its_value() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(made("auto", "0.3.0", &["e5b0b779c755"], None), ok("v0.3.0-e5b0b779c755"));
        assert_eq!(made("auto", "1.2.3+build.5", &["e5b0b779c755"], None), ok("v1.2.3_build.5-e5b0b779c755"));
        assert_eq!(made("auto", "0.3.0", &[], None), ok("v0.3.0"));
        assert_eq!(made("version", "0.3.0-rc.1", &["a"], None), ok("v0.3.0-rc.1"));
        assert_eq!(made("commit", "0.3.0", &["e5b0b779c755"], None), ok("e5b0b779c755"));
        assert_eq!(made("timestamp", "0.3.0", &["a"], None), ok("19700101-000000"));
        assert_eq!(made("build-number", "0.3.0", &["a"], Some("17")), ok("17"));
        assert_eq!(made("mine", "0.3.0", &["a"], None), ok("mine"));
    }

    #[test]
    fn several_revisions_become_one_digest_of_all() {
        let two = made("auto", "1.0.0", &["aaa", "bbb"], None).expect("value");
        assert_eq!(two.len(), "v1.0.0-".len() + 12);
        assert_ne!(two, made("auto", "1.0.0", &["aaa", "bbc"], None).expect("value"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(made("build-number", "1.0.0", &[], None), Err(2));
        assert_eq!(made("build-number", "1.0.0", &[], Some("$(id)")), Err(2));
        assert_eq!(made("a b", "1.0.0", &[], None), Err(2));
        assert_eq!(made("auto", &format!("1.0.0-{}", "a".repeat(130)), &["b"], None), Err(2));
    }
}
