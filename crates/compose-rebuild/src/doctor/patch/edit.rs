//! Edits of the lines of a text, and the diff that shows them.

use std::ops::Range;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// Lines that go and lines that come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The line, from 1, above which the new lines stand, and the first that goes.
    pub(super) at: usize,
    pub(super) remove: usize,
    pub(super) insert: Vec<String>,
}

impl Edit {
    /// Whether lines go away and none come in their place.
    pub(crate) fn removes(&self) -> bool {
        self.remove > 0 && self.insert.is_empty()
    }
}

/// How the lines of a text end.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A text with its edits, which are in their order.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut new, mut at) = (String::new(), 0);
    for edit in edits {
        new.extend(lines[at..edit.at - 1].iter().copied());
        new.extend(edit.insert.iter().map(|line| format!("{line}{end}", end = line_end(text))));
        at = edit.at - 1 + edit.remove;
    }
    new.extend(lines[at..].iter().copied());
    new
}

/// The edits of a file as a unified diff.
pub fn unified(file: &str, text: &str, edits: &[Edit]) -> String {
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    let mut diff = format!("--- a/{file}\n+++ b/{file}\n");
    let mut shift = 0_isize;
    for hunk in edits.chunk_by(|one, next| next.at <= one.at + one.remove + 2 * CONTEXT) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let start = (first.at - 1).saturating_sub(CONTEXT);
        let end = (last.at - 1 + last.remove + CONTEXT).min(lines.len());
        let mut body = String::new();
        let add = |body: &mut String, mark: char, range: Range<usize>| {
            let is_open = !range.is_empty() && range.end == lines.len() && !text.ends_with('\n');
            body.extend(lines[range].iter().map(|line| format!("{mark}{line}\n")));
            body.push_str(if is_open { "\\ No newline at end of file\n" } else { "" });
        };
        let mut at = start;
        for edit in hunk {
            let next = edit.at - 1;
            add(&mut body, ' ', at..next);
            at = next + edit.remove;
            add(&mut body, '-', next..at);
            body.extend(edit.insert.iter().map(|line| format!("+{line}{}", line_end(text))));
        }
        add(&mut body, ' ', at..end);
        let grown: isize = hunk.iter().map(|edit| edit.insert.len() as isize - edit.remove as isize).sum();
        let (old, from) = (end - start, start + 1);
        diff.push_str(&format!("@@ -{from},{old} +{},{} @@\n{body}", from as isize + shift, old as isize + grown));
        shift += grown;
    }
    diff
}
