//! What `--deep` leaves out.

use crate::error::Failure;
use crate::value::show;

/// What the Dockerfile leaves out of images or adds to them on purpose.
#[derive(Clone, Debug, Default)]
pub struct Skip {
    paths: Vec<Vec<u8>>,
    names: Vec<Vec<u8>>,
}

impl Skip {
    /// Reads a list of paths from the working directory, each with all that is below it, and of `**/NAME`.
    pub fn parse(list: &[String]) -> Result<Self, Failure> {
        let mut skip = Self::default();
        for text in list {
            let (into, path) = match text.strip_prefix("**/") {
                Some(name) if !name.contains('/') => (&mut skip.names, name),
                Some(_) => return Err(refused(text)),
                None => (&mut skip.paths, text.strip_suffix('/').unwrap_or(text)),
            };
            if !is_inside(path) || path.contains(['*', '?', '[', '\\']) {
                return Err(refused(text));
            }
            into.push(path.as_bytes().to_vec());
        }
        Ok(skip)
    }

    /// Skips further paths.
    pub fn add(&mut self, paths: impl IntoIterator<Item = Vec<u8>>) {
        self.paths.extend(paths);
    }

    /// Whether a path is not compared.
    pub fn covers(&self, path: &[u8]) -> bool {
        let below =
            |above: &Vec<u8>| path.strip_prefix(above.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
        let part = |part: &[u8]| self.names.iter().any(|name| name == part);
        self.paths.iter().any(below) || path.split(|&b| b == b'/').any(part)
    }
}

/// Whether a path leads from the working directory to something in it.
pub fn is_inside(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn refused(text: &str) -> Failure {
    Failure::usage(format!("`deep-skip` of the configuration has {}", show(text)))
        .hint("write a path from the working directory, such as `backend/dist`, or `**/NAME` for a name anywhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(list: &[&str]) -> Result<Skip, u8> {
        let list: Vec<_> = list.iter().map(|&text| text.to_owned()).collect();
        Skip::parse(&list).map_err(|failure| failure.code)
    }

    #[test]
    fn skipped_is_a_path_with_all_below_or_a_name_anywhere() {
        let skip = skip(&["frontend", "backend/dist/", "**/__pycache__"]).expect("valid");
        for path in ["frontend", "frontend/a/b", "backend/dist/x", "a/__pycache__/b.pyc", "__pycache__"] {
            assert!(skip.covers(path.as_bytes()), "{path}");
        }
        for path in ["frontend2", "backend/frontend", "backend/distance", "backend/dist.py", "a/x__pycache__"] {
            assert!(!skip.covers(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for bad in ["", "/", "/a", "a/../b", "./a", "*.pyc", "a/**", "**/a/b", "**/", "a//b", "[ab]"] {
            assert_eq!(skip(&[bad]).err(), Some(2), "{bad}");
        }
    }
}
