//! Values that came from outside, parsed once: a value of one of these types is safe to pass to a process.

use std::str::FromStr;

use crate::error::Failure;

/// Declares a type for text that nothing but the module around it makes.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<std::ffi::OsStr> for $name {
            fn as_ref(&self) -> &std::ffi::OsStr {
                self.0.as_ref()
            }
        }
    };
}
pub(crate) use text;

pub mod digest;
mod git_url;
mod image_ref;
pub mod label;
pub mod measure;
pub mod paths;
pub mod secrets;
mod show;

pub use buildkit_report::time;
pub use git_url::GitUrl;
pub use image_ref::{ImageRef, is_tag};
pub use show::{redact, show};

/// Declares a type for text whose only way in is a check.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        text!($(#[$doc])* $name);

        impl FromStr for $name {
            type Err = Failure;

            fn from_str(text: &str) -> Result<Self, Failure> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(Failure::usage(format!("{} is not a {}", show(text), $what)).hint($rule))
            }
        }
    };
}

checked!(
    /// A value for the bust argument, which is also a valid image tag
    /// (grammar: distribution/reference, `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`).
    CacheBust, "cache-bust value",
    "use 1 to 128 letters, digits, `.`, `_` and `-`, not starting with `.` or `-`", is_tag
);

checked!(
    /// The name of a Compose service.
    Service, "service name",
    "use letters, digits, `.`, `_` and `-`, starting with a letter or digit", is_name
);

checked!(
    /// The name of a Compose project (compose-spec: `[a-z0-9][a-z0-9_-]*`).
    ProjectName, "project name",
    "use lower-case letters, digits, `-` and `_`, starting with a letter or digit",
    |s| s.len() <= 128
        && s.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
);

checked!(
    /// The name of a buildx builder.
    Builder, "builder name",
    "use letters, digits, `.`, `_` and `-`; `docker buildx ls` lists builders", is_name
);

checked!(
    /// The name of a build argument.
    ArgName, "build argument name",
    "use letters, digits and `_`, not starting with a digit",
    |s| s.len() <= 128
        && !s.starts_with(|c: char| c.is_ascii_digit())
        && !s.is_empty()
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

checked!(
    /// A full commit ID: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    Commit, "full commit ID",
    "use all 40 or 64 hexadecimal digits",
    |s| matches!(s.len(), 40 | 64) && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);

checked!(
    /// A branch, a tag, the full name of any ref such as `refs/pull/7/head`, or `HEAD`
    /// (a subset of `git check-ref-format` that no shell and no option parser reads otherwise).
    GitRef, "branch or tag name",
    "use at most 128 letters, digits and `._/+@=#-`, without `..`, `//`, `@{` or a leading `-`, `+`, `.` or `/`",
    is_ref
);

impl Commit {
    /// The first 12 digits, for people and for tags.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

fn is_name(s: &str) -> bool {
    is_tag(s) && !s.starts_with('_')
}

fn is_ref(s: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._/+@=#-".contains(&b);
    !s.is_empty()
        && s.len() <= 128
        && s.bytes().all(allowed)
        // `+x` would be a refspec.
        && !s.starts_with(['-', '/', '.', '@', '+'])
        && !s.ends_with(['/', '.'])
        && !["..", "//", "@{", "/."].iter().any(|bad| s.contains(bad))
        && !s.split('/').any(|part| part.ends_with(".lock"))
}

/// Whether a text is the ID of an image, as engines write them.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_digest)
}

/// Whether a text is a SHA-256 in hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A commit, or the digest of a local directory in its place, as people read it.
pub fn short(revision: &str) -> &str {
    let digits = if revision.starts_with("local-") { 18 } else { 12 };
    revision.get(..digits).unwrap_or(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_bust_values_are_image_tags() {
        for good in ["v0.3.0-e5b0b779c755", "_", "1", &"a".repeat(128)] {
            assert!(good.parse::<CacheBust>().is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "$(id)", "a:b", "--upload-pack=x", "\u{1b}[2J", "é", &"a".repeat(129)] {
            assert!(bad.parse::<CacheBust>().is_err(), "{bad}");
        }
    }

    #[test]
    fn refs_cannot_be_options_or_shell() {
        for good in ["main", "feature/x-1", "v1.2.3", "refs/heads/main", "HEAD", "dependabot/npm_and_yarn/a@1"] {
            assert!(good.parse::<GitRef>().is_ok(), "{good}");
        }
        for good in ["refs/pull/7/head", "refs/merge-requests/7/merge", "refs/changes/34/1234/5"] {
            assert!(good.parse::<GitRef>().is_ok(), "{good}");
        }
        for bad in ["", "--upload-pack=x", "$(id)", "a b", "`id`", "a;b", "a|b", "a..b", "a//b", "@{u}", "x.lock"] {
            assert!(bad.parse::<GitRef>().is_err(), "{bad}");
        }
        for bad in
            ["refs/", "refs/pull/*/head", "refs/pull/7/head^{}", "refs/pull/7:x", "+refs/pull/7/head", "refs/../x"]
        {
            assert!(bad.parse::<GitRef>().is_err(), "{bad}");
        }
    }
}
