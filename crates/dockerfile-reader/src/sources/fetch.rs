//! Code that a Dockerfile fetches from Git remotes.

use crate::address::Reference;

/// Code from a Git remote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The position of the stage in which its instruction is written.
    pub stage: usize,
    /// The position of its instruction in that stage.
    pub instruction: usize,
    /// The position of the stage in which it runs, which is a later one for `ONBUILD`.
    pub runs_in: usize,
    /// The line that fetches it.
    pub line: usize,
    /// The address without user information; `$` stays in it where nothing says what a variable is. Of submodules it is that
    /// of the repository which they are part of, as far as it is known.
    pub repository: String,
    /// What is taken from there.
    pub reference: Reference,
    /// What makes the step run again.
    pub cover: Cover,
    /// The build argument, empty now, that takes a commit in the place of the reference.
    pub commit_arg: Option<String>,
}

/// What makes a step run again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cover {
    /// Nothing: it stays cached whatever is pushed.
    Nothing,
    /// Nothing either: the step may run again, but a cache mount keeps what it once cloned.
    Kept,
    /// Another value of this build argument.
    Argument(String),
    /// BuildKit, which looks at the remote for every build.
    Builder,
    /// BuildKit, which looks at this branch for every build, if that is what HEAD of the remote points to.
    Branch(String),
}

impl Cover {
    /// Whether the step stays cached, or keeps what it has, as far as anybody knows who does not ask the remote.
    fn is_missing(&self) -> bool {
        !matches!(self, Self::Argument(_) | Self::Builder)
    }
}

impl Fetch {
    /// The name whose meaning to the remote decides whether a push to this code is noticed.
    pub fn question(&self) -> Option<&str> {
        match (&self.reference, &self.cover) {
            (Reference::Head, Cover::Branch(_)) => Some("HEAD"),
            (Reference::Named(name), cover) if cover.is_missing() && self.reference.moves().is_none() => Some(name),
            _ => None,
        }
    }

    /// Whether the step stays cached whatever is pushed; `meaning` is the full name of the ref that [`Fetch::question`] means
    /// to the remote, if that was asked.
    pub fn is_stale(&self, meaning: Option<&str>) -> bool {
        let moves = match (&self.reference, &self.cover, meaning) {
            (Reference::Head, Cover::Branch(branch), Some(full)) => full.strip_prefix("refs/heads/") != Some(branch),
            (Reference::Named(_), _, Some(full)) => !full.starts_with("refs/tags/"),
            (Reference::Named(name), _, None) if self.reference.moves().is_none() => !is_version(name),
            _ => self.reference.moves() != Some(false),
        };
        self.cover.is_missing() && moves
    }

    /// The last part of the address.
    pub fn name(&self) -> &str {
        let path = self.repository.trim_end_matches(".git");
        path.rsplit(['/', ':']).next().unwrap_or_default()
    }
}

/// Whether a name is far more often that of a tag than of a branch: `v1.2`, `1.2.3-rc1`. Of `release/1.2`, `3.11` and
/// `1.2.3-fork` nobody knows.
pub(super) fn is_version(name: &str) -> bool {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_');
    let is_whole = |(at, c): (usize, char)| {
        let (before, rest) = name.split_at(at);
        let (numbers, suffix) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let count = numbers.split(['.', '_']).filter(|part| !part.is_empty()).count();
        let is_enough = count > 2 || (count == 2 && before == "v");
        c.is_ascii_digit() && !before.ends_with(|c: char| c.is_ascii_digit()) && is_enough && is_of_release(suffix)
    };
    !name.contains('/') && !name.contains("branch") && name.char_indices().any(is_whole)
}

/// Whether what stands behind the numbers of a version is no word of its own: `-rc1`, `.Final`, `i`, `-4`.
fn is_of_release(suffix: &str) -> bool {
    let word = suffix.trim_start_matches(['-', '.', '_', '+', '~']);
    let word = word[..word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len())].to_ascii_lowercase();
    let is_letter = word.len() == 1 && word != "x";
    is_letter || RELEASES.contains(&word.as_str())
}

/// Words behind the numbers of versions that are released.
const RELEASES: [&str; 11] = ["", "rc", "alpha", "beta", "pre", "preview", "post", "final", "release", "ga", "sp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_versions_are_taken_for_tags() {
        for (name, expected) in [
            ("v1.0", true),
            ("1.2.3", true),
            ("app-1.2.3-rc1", true),
            ("app2-1.2.3", true),
            ("1.2.3.Final", true),
            ("v1.2.3a4", true),
            ("APP_1_2_3i", true),
            ("1.2.3-4", true),
            ("1.2.3-fork", false),
            ("APP_1_2_3-stable", false),
            ("branch-1.2.3", false),
            ("1.2.x", false),
            ("v1.2.x", false),
            ("v5.", false),
            ("v5.x", false),
            ("3.11", false),
            ("stable-2.4", false),
            ("release/1.2", false),
            ("release/1.2.3", false),
            ("main", false),
        ] {
            assert_eq!(is_version(name), expected, "{name}");
        }
    }
}
