//! What changed upstream between the images and what is built now.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The way of one source from the commit in an image to the one that is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// What is followed.
    pub name: String,
    /// The services whose images have the old commit.
    pub services: Vec<String>,
    /// The commit in these images.
    pub from: String,
    /// The commit that is built.
    pub to: String,
    /// How many commits were added; nothing when the branch was rewritten or the remote cannot tell.
    pub count: Option<u64>,
    /// The newest of them.
    pub commits: Vec<Missed>,
}

/// A commit that an image does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The ID.
    pub commit: String,
    /// When its author made it, as RFC 3339 has it.
    pub date: String,
    /// The first line of its message, without control characters.
    pub subject: String,
}

/// Short ID, day and subject.
impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.date.split('T').next().unwrap_or_default();
        write!(f, "{:.12} {day} {}", self.commit, self.subject)
    }
}

impl Upstream {
    /// All of it in lines: where from and to, then a line a commit.
    pub fn lines(&self) -> Vec<String> {
        let count = match self.count {
            Some(1) => ", 1 commit".to_owned(),
            Some(count) => format!(", {count} commits"),
            None => ", not a straight line".to_owned(),
        };
        let mut lines = vec![format!("{} moved {:.12}..{:.12}{count}", self.name, self.from, self.to)];
        lines.extend(self.commit_lines());
        lines
    }

    /// A line a commit.
    pub fn commit_lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.commits.iter().map(ToString::to_string).collect();
        let rest = self.count.unwrap_or(0).saturating_sub(self.commits.len() as u64);
        lines.extend((rest > 0).then(|| format!("and {rest} more")));
        lines
    }
}
