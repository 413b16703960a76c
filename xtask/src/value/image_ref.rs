//! Names of images.

use std::fmt;
use std::str::FromStr;

use super::{is_tag, show};
use crate::error::Failure;

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
        for bad in ["A/b", "a//b", "-a", "a:", "a@sha256:00", "a b", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
