//! Names of images.

use std::fmt;
use std::str::FromStr;

use super::show::show;
use crate::error::Failure;

/// A name for an image: a repository and a tag (grammar: distribution/reference), as Docker lists it: without `docker.io/`
/// and its `library/`, so that two forms of a name are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// The repository, with its registry if it names one.
    pub repository: String,
    /// The tag, `latest` when none was written.
    pub tag: String,
}

impl ImageRef {
    /// The name as people write it: without `:latest`. BuildKit knows a named context that replaces the image by this.
    pub fn familiar(&self) -> String {
        if self.tag == "latest" { self.repository.clone() } else { self.to_string() }
    }

    /// This repository under another tag.
    pub fn with_tag(&self, tag: String) -> Result<Self, Failure> {
        if !is_tag(&tag) {
            return Err(Failure::usage(format!("{} is not an image tag", show(&tag)))
                .hint("a tag has at most 128 letters, digits, `.`, `_` and `-`"));
        }
        Ok(Self { repository: self.repository.clone(), tag })
    }

    /// Whether the tag is one that a build gives its image until that is verified: `staged-SERVICE-KEY`.
    pub fn is_staged(&self) -> bool {
        let key = self.tag.strip_prefix("staged-").and_then(|rest| rest.rsplit_once('-')).map(|(_, key)| key);
        key.is_some_and(is_short_key)
    }

    /// Whether the tag is one that an image is kept under: `keep-KEY`.
    pub fn is_kept(&self) -> bool {
        self.tag.strip_prefix("keep-").is_some_and(is_short_key)
    }

    /// The tag that a version of this image has beside the mutable one.
    pub fn versioned_tag(&self, value: &str) -> String {
        match self.tag.as_str() {
            "latest" => value.to_owned(),
            other => format!("{other}-{value}"),
        }
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
        let path = match repository.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                if !is_host(host) {
                    return Err(bad());
                }
                path
            }
            _ => repository,
        };
        if repository.len() > 255 || !path.split('/').all(is_component) || !is_tag(tag) {
            return Err(bad());
        }
        let short = ["docker.io/", "index.docker.io/"].iter().find_map(|hub| repository.strip_prefix(hub));
        let short = short.unwrap_or(repository);
        let repository = short.strip_prefix("library/").filter(|name| !name.contains('/')).unwrap_or(short);
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

/// Whether these are the first digits of a key.
fn is_short_key(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `path-component` of the grammar: lower-case letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    part.starts_with(inner) && part.ends_with(inner) && part.split(inner).all(separator)
}

/// `domain` of the grammar: a host name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(edge)
            && label.ends_with(edge)
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let address = |host: &str| host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    let known = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(host) => !host.is_empty() && address(host),
        None => host.split('.').all(label),
    };
    known && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
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

/// Whether a text is a tag.
pub fn is_tag(s: &str) -> bool {
    let mut bytes = s.bytes();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    s.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_keep_a_registry_port_apart_from_the_tag() {
        let parse = |text: &str| text.parse::<ImageRef>().map(|i| (i.repository, i.tag)).ok();
        let pair = |r: &str, t: &str| Some((r.to_owned(), t.to_owned()));
        assert_eq!(parse("localhost:5000/a/b"), pair("localhost:5000/a/b", "latest"));
        assert_eq!(parse("localhost:5000/a:x"), pair("localhost:5000/a", "x"));
        assert_eq!(parse("vibevoicefusion:model-downloader"), pair("vibevoicefusion", "model-downloader"));
        assert_eq!(parse("docker.io/library/a:x"), pair("a", "x"));
        assert_eq!(parse("index.docker.io/team/a"), pair("team/a", "latest"));
        assert_eq!(parse("registry.example/library/a"), pair("registry.example/library/a", "latest"));
        for bad in ["A/b", "a//b", "-a", "a:", "a@sha256:00", "a b", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
