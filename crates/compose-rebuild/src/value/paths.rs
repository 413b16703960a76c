//! Patterns of the files in a repository that matter for an image.

use crate::error::{CONFIGURATION, Failure};
use crate::value::show;

/// Patterns, as Git takes them: a file counts when one of them matches it and none with `!` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Paths {
    /// The patterns in the form of Git's pathspecs.
    pub specs: Vec<String>,
}

impl Paths {
    /// Reads patterns such as `backend/**`, `!**/*.md` or `pyproject.toml`.
    pub fn parse(patterns: &[String]) -> Result<Self, Failure> {
        let spec = |text: &String| {
            let (magic, pattern) = match text.strip_prefix('!') {
                Some(pattern) => ("top,exclude,glob", pattern),
                None => ("top,glob", text.as_str()),
            };
            let parts = pattern.strip_suffix('/').unwrap_or(pattern).split('/');
            let leads_out = parts.into_iter().any(|part| matches!(part, "" | "." | ".."));
            if leads_out || pattern.contains(|c: char| c.is_control() || matches!(c, '{' | '}')) {
                return Err(Failure::usage(format!("`paths` of the configuration has {}", show(text))).hint(format!(
                    "write patterns such as `backend/**` or `!**/*.md` in {CONFIGURATION}; two patterns instead of braces"
                )));
            }
            Ok(format!(":({magic}){pattern}"))
        };
        Ok(Self { specs: patterns.iter().map(spec).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(patterns: &[&str]) -> Result<Vec<String>, u8> {
        let patterns: Vec<_> = patterns.iter().map(|&text| text.to_owned()).collect();
        Paths::parse(&patterns).map(|paths| paths.specs).map_err(|failure| failure.code)
    }

    #[test]
    fn patterns_become_pathspecs_and_nothing_leads_out_of_the_repository() {
        let found = specs(&["backend/**", "!**/*.md", "docs/", ":(attr:x)y"]);
        let wanted =
            [":(top,glob)backend/**", ":(top,exclude,glob)**/*.md", ":(top,glob)docs/", ":(top,glob):(attr:x)y"];
        assert_eq!(found, Ok(wanted.map(str::to_owned).to_vec()));
        for bad in ["", "!", "/", "/etc", "../x", "a/../b", "a//b", "./a", "src/*.{js,ts}", "a\nb"] {
            assert_eq!(specs(&[bad]), Err(2), "{bad}");
        }
    }
}
