//! How a commit relates to the tip of a branch, as far as the remote can tell.

use buildkit_report::text::plain;
use buildkit_report::upstream::Missed;

use crate::facts::repository::{Remote, Repository, TREES};
use crate::sys::git;
use crate::value::Commit;

/// Most commits that are named.
const NAMED: usize = 20;
/// Most characters of a date.
const DATE: usize = 30;
/// Most characters of a subject that are shown.
const SUBJECT: usize = 100;

/// Where a commit is, seen from the tip of the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// An ancestor of the tip.
    Behind {
        /// How many commits the tip has more.
        by: u64,
        /// The newest of these.
        missed: Vec<Missed>,
    },
    /// A descendant of the tip.
    Ahead {
        /// How many commits it has more.
        by: u64,
    },
    /// Neither.
    Elsewhere,
    /// Nobody can tell.
    Unknown,
}

/// How several sources of one image relate to their tips, taken together.
pub fn together(relations: Vec<Relation>) -> Option<Relation> {
    relations.into_iter().reduce(|one, other| match (one, other) {
        (Relation::Elsewhere, _) | (_, Relation::Elsewhere) => Relation::Elsewhere,
        (Relation::Unknown, _) | (_, Relation::Unknown) => Relation::Unknown,
        (Relation::Behind { by, mut missed }, Relation::Behind { by: more, missed: others }) => {
            missed.extend(others);
            Relation::Behind { by: by + more, missed }
        }
        (Relation::Ahead { by }, Relation::Ahead { by: more }) => Relation::Ahead { by: by + more },
        // One is older and the other newer than what the remotes have.
        _ => Relation::Elsewhere,
    })
}

/// Asks how `label` relates to `tip`: first what was fetched before, then the remote, for commits without trees.
///
/// # Errors
/// Exit code 3 when git does not work here, 130 when a signal came; a remote that cannot tell is no error.
pub fn relation(remote: Remote<'_>, label: &Commit, tip: &Commit) -> anyhow::Result<Relation> {
    if label.as_str().len() != tip.as_str().len() {
        return Ok(Relation::Elsewhere);
    }
    let repository = Repository::open("history", remote, tip)?;
    // Where paths matter, the commits have come with their trees.
    for known in Repository::existing(TREES, remote, tip)?.iter().chain([&repository]) {
        if let Some(found @ (Relation::Behind { .. } | Relation::Ahead { .. })) = compare(known, label, tip)? {
            return Ok(found);
        }
    }
    if !repository.fetch_history(&[(tip, "tip")])? {
        return Ok(Relation::Unknown);
    }
    // A commit that is no ancestor has to be asked for; where it is gone, the branch alone has to answer.
    let found = match compare(&repository, label, tip)? {
        Some(found @ Relation::Behind { .. }) => return Ok(found),
        found => match repository.fetch_history(&[(tip, "tip"), (label, "label")])? {
            true => compare(&repository, label, tip)?,
            false => found,
        },
    };
    match found {
        Some(found) => Ok(found),
        None if is_whole(&repository)? => Ok(Relation::Elsewhere),
        None => Ok(Relation::Unknown),
    }
}

/// What can be said from what is here; nothing when one of both is not here.
pub fn compare(repository: &Repository<'_>, label: &Commit, tip: &Commit) -> anyhow::Result<Option<Relation>> {
    let counted = repository.ask(|path| git::count_apart(path, label, tip))?;
    let Some((ahead, behind)) = counted.as_deref().and_then(counts) else { return Ok(None) };
    Ok(Some(match (ahead, behind) {
        (0, by) => {
            let log = repository.ask(|path| git::log(path, label, tip, NAMED))?;
            Relation::Behind { by, missed: subjects(&log.unwrap_or_default()) }
        }
        (by, 0) => Relation::Ahead { by },
        _ => {
            let joined = repository.ask(|path| git::merge_base(path, label, tip))?.is_some();
            if joined || is_whole(repository)? { Relation::Elsewhere } else { Relation::Unknown }
        }
    }))
}

/// Whether the whole history was fetched, so that what is not in it is nowhere.
fn is_whole(repository: &Repository<'_>) -> anyhow::Result<bool> {
    Ok(repository.ask(git::is_shallow)?.is_some_and(|answer| answer.trim_ascii() == b"false"))
}

/// Two numbers, separated by a tab.
fn counts(text: &[u8]) -> Option<(u64, u64)> {
    let (left, right) = str::from_utf8(text).ok()?.trim().split_once('\t')?;
    Some((left.parse().ok()?, right.parse().ok()?))
}

/// IDs, dates and subjects, NUL-terminated.
fn subjects(log: &[u8]) -> Vec<Missed> {
    let text = String::from_utf8_lossy(log);
    let missed = text.split('\0').filter_map(|line| {
        let (commit, rest) = line.split_once(' ')?;
        let (date, subject) = rest.split_once(' ')?;
        commit.parse::<Commit>().ok()?;
        Some(Missed { commit: commit.to_owned(), date: plain(date, DATE), subject: plain(subject, SUBJECT) })
    });
    missed.take(NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_two_numbers() {
        assert_eq!(counts(b"0\t15\n"), Some((0, 15)));
        for bad in [&b""[..], b"1\n", b"a\tb", b"1\t-2", b"\xff\t1"] {
            assert_eq!(counts(bad), None);
        }
    }

    #[test]
    fn subjects_cannot_write_to_the_terminal() {
        let (a, b) = ("a".repeat(40), "b".repeat(64));
        let log = format!("{a} 2026-01-02 \u{1b}[2Kforged\r\n\u{9b}31m\0{b} \u{1b}x two\0not a commit x\0");
        let found: Vec<_> = subjects(log.as_bytes()).into_iter().map(|one| one.subject).collect();
        assert_eq!(found, ["[2Kforged 31m", "two"]);
        let many = format!("{a} d x\0").repeat(50);
        assert_eq!(subjects(many.as_bytes()).len(), NAMED);
        let long = format!("{a} d {}\0", "y".repeat(5000));
        assert_eq!(subjects(long.as_bytes())[0].subject.chars().count(), SUBJECT + 1);
    }
}
