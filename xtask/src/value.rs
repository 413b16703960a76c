//! Values that came from outside, parsed once: a value of one of these types is safe to pass to a process.

use std::fmt;
use std::str::FromStr;

use crate::error::Failure;

/// Declares a string type whose only way in is a check.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    /// A branch, a tag, a full ref name below `refs/heads/` or `refs/tags/`, or `HEAD`
    /// (a subset of `git check-ref-format` that no shell and no option parser reads otherwise).
    GitRef, "branch or tag name",
    "use at most 128 letters, digits and `._/+@=#-`, without `..`, `//`, `@{` or a leading `-`, `.` or `/`",
    is_ref
);

impl Commit {
    /// The first 12 digits, for people and for tags.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

fn is_tag(s: &str) -> bool {
    let mut bytes = s.bytes();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    s.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_name(s: &str) -> bool {
    is_tag(s) && !s.starts_with('_')
}

fn is_ref(s: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._/+@=#-".contains(&b);
    !s.is_empty()
        && s.len() <= 128
        && s.bytes().all(allowed)
        && !s.starts_with(['-', '/', '.', '@'])
        && !s.ends_with(['/', '.'])
        && (!s.starts_with("refs/") || s.starts_with("refs/heads/") || s.starts_with("refs/tags/"))
        && !["..", "//", "@{", "/."].iter().any(|bad| s.contains(bad))
        && !s.split('/').any(|part| part.ends_with(".lock"))
}

/// A name for an image: a repository and a tag (grammar: distribution/reference).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// The repository, with its registry if it names one.
    pub repository: String,
    /// The tag, `latest` when none was written.
    pub tag: String,
}

impl ImageRef {
    /// The name as Docker lists it: without `docker.io/` and its `library/`.
    pub fn familiar(&self) -> String {
        let short = self.repository.strip_prefix("docker.io/").unwrap_or(&self.repository);
        format!("{}:{}", short.strip_prefix("library/").unwrap_or(short), self.tag)
    }

    /// The same repository under another tag.
    ///
    /// # Errors
    /// Exit code 2 when the tag does not fit the grammar, for example because it is too long.
    pub fn with_tag(&self, tag: String) -> Result<Self, Failure> {
        if !is_tag(&tag) {
            return Err(Failure::usage(format!("{} is not an image tag", show(&tag)))
                .hint("a tag has at most 128 letters, digits, `.`, `_` and `-`"));
        }
        Ok(Self { repository: self.repository.clone(), tag })
    }
}

impl FromStr for ImageRef {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let bad = || {
            Failure::usage(format!("{} is not an image name with a tag", show(text)))
                .hint("a repository is lower case, as in `registry.example:5000/team/name:tag`")
        };
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (text, "latest"),
        };
        let mut parts = repository.split('/').peekable();
        let first = parts.peek().copied().unwrap_or_default();
        if repository.contains('/') && (first.contains(['.', ':']) || first == "localhost") {
            let host = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
            if !first.bytes().all(host) || first.starts_with('-') {
                return Err(bad());
            }
            parts.next();
        }
        let component = |part: &str| {
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
            part.starts_with(edge) && part.ends_with(edge) && part.bytes().all(inner)
        };
        if repository.len() > 255 || !parts.all(component) || !is_tag(tag) {
            return Err(bad());
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl serde::Serialize for ImageRef {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The address of a Git repository over one of the allowed transports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct GitUrl(String);

impl GitUrl {
    /// Checks an address: `https`, `ssh` (also as `user@host:path`), `git`, `http` on this machine's loopback, and
    /// whatever `also` names.
    ///
    /// # Errors
    /// Exit code 2 for another transport, a credential in the address, or characters that are not in plain addresses.
    pub fn parse(text: &str, also: &[String]) -> Result<Self, Failure> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~:/@%+=,-[]".contains(&b);
        if text.is_empty() || text.len() > 1024 || text.starts_with('-') || !text.bytes().all(plain) {
            return Err(Failure::usage(format!("{} is not a repository address", show(&redact(text))))
                .hint("use an address such as `https://host/owner/name.git`, without spaces or shell characters"));
        }
        let (transport, rest) = match text.split_once("://") {
            Some((transport, rest)) => (transport, rest),
            None if text.contains("::") || text.contains("//") => ("remote helper", text),
            None if text.starts_with(['/', '.']) => ("file", text),
            None if text.contains('@') && text.contains(':') => ("ssh", text),
            None => ("file", text),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| userinfo);
        let host = authority.rsplit('@').next().unwrap_or_default();
        let loopback = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')));
        let allowed = matches!(transport, "https" | "ssh" | "git")
            || (transport == "http" && loopback)
            || also.iter().any(|name| name == transport);
        if !allowed {
            return Err(Failure::usage(format!("protocol `{transport}` is not allowed for {}", show(&redact(text))))
                .hint("use https, ssh or git, or list the protocol in `transports` of [workspace.metadata.xtask]"));
        }
        let secret = match transport {
            "ssh" => userinfo.is_some_and(|user| user.contains(':')),
            _ => userinfo.is_some(),
        };
        if secret {
            return Err(Failure::usage(format!("`{}` carries a credential", redact(text)))
                .hint("leave it out; git asks your credential helper, the build takes a BuildKit secret"));
        }
        if transport != "file" && (host.is_empty() || host.starts_with('-')) {
            return Err(Failure::usage(format!("{} names no host", show(text))).hint("check the repository address"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The checked address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::ffi::OsStr> for GitUrl {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.0.as_ref()
    }
}

/// Everything between the transport and the last `@` is replaced, so that no credential is ever printed.
fn redact(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    match text.rfind('@') {
        Some(at) if at >= start => format!("{}***{}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    }
}

/// A rejected value as an error may show it: escaped, in backticks, cut after 60 characters.
pub fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    format!("`{shown}`")
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
        for bad in
            ["", "--upload-pack=x", "$(id)", "a b", "`id`", "a;b", "a|b", "a..b", "a//b", "@{u}", "refs/x/y", "x.lock"]
        {
            assert!(bad.parse::<GitRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn image_names_keep_a_registry_port_apart_from_the_tag() {
        let parse = |text: &str| text.parse::<ImageRef>().map(|i| (i.repository, i.tag)).ok();
        let pair = |r: &str, t: &str| Some((r.to_owned(), t.to_owned()));
        assert_eq!(parse("localhost:5000/a/b"), pair("localhost:5000/a/b", "latest"));
        assert_eq!(parse("localhost:5000/a:x"), pair("localhost:5000/a", "x"));
        assert_eq!(parse("vibevoicefusion:model-downloader"), pair("vibevoicefusion", "model-downloader"));
        for bad in ["A/b", "a//b", "-a", "a:", "a@sha256:00", "a b", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_have_an_allowed_transport_and_no_credential() {
        let ok = |text: &str| GitUrl::parse(text, &[]).is_ok();
        for good in ["https://h/o/n.git", "ssh://git@h/n", "git@h:o/n.git", "git://h:1/n", "http://127.0.0.1:8/n"] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "ext::sh -c id",
            "ext::id",
            "file:///x",
            "/x",
            "../x",
            "x",
            "http://h/n",
            "http://127.0.0.1.evil/n",
            "--upload-pack=x",
            "https://user:pass@h/n",
            "https://token@h/n",
            "ssh://u:p@h/n",
            "ssh://-oProxyCommand=x/n",
            "https://h/$(id)",
        ] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(GitUrl::parse("/x", &["file".to_owned()]).is_ok());
    }

    #[test]
    fn a_refused_credential_is_not_shown() {
        let error = GitUrl::parse("https://user:canary@h/n", &[]).expect_err("refused").to_string();
        assert!(!error.contains("canary"), "{error}");
        let error = GitUrl::parse("https://user:canary secret@h/n", &[]).expect_err("refused").to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
