//! What a reader of shell scripts finds: commands and their words.

use std::collections::BTreeMap;

use crate::text::{Text, plain};

/// What variables are where a text stands.
pub trait Variables {
    /// The value of a variable, if it is known.
    fn get(&self, name: &str) -> Option<String>;

    /// What takes the place of a variable that nothing sets, where that is sure.
    fn unset(&self, _name: &str) -> Option<String> {
        None
    }

    /// Whether something may set a variable without a known value.
    fn may_be_set(&self, _name: &str) -> bool {
        false
    }

    /// Keeps what a script sets, for the rest of it; nothing where it may have set something else.
    fn set_in_script(&self, _name: &str, _value: Option<&str>) {}
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

impl Variables for BTreeMap<String, Option<String>> {
    fn get(&self, name: &str) -> Option<String> {
        self.get(name).cloned().flatten()
    }
}

/// A simple command: what stands between `;`, `&&`, `|` and the like, keywords and leading assignments apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The line of its first word.
    pub line: usize,
    /// The subshells that it runs in, the outermost first.
    pub(crate) subshells: Vec<usize>,
    /// The words, at least one.
    pub words: Vec<Word>,
    /// The files that its output goes to.
    pub writes: Vec<Word>,
    /// The files that its input comes from.
    pub reads: Vec<Word>,
    /// The here-documents that it reads.
    pub documents: Vec<Text>,
}

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The line that it starts on.
    pub line: usize,
    /// The word without its quotes; variables whose values are not known stand in it as `$NAME` or `${NAME}`.
    pub text: String,
    /// Where the text goes on on another line: the byte in it, and the line.
    pub breaks: Vec<(usize, usize)>,
    /// The variables that the shell replaces in it.
    pub expands: Vec<String>,
    /// Which of them have a value that the shell splits into words.
    pub splits: Vec<String>,
    /// Replaced variables with an empty value, each with the byte of the text where it would stand.
    pub(crate) gaps: Vec<(usize, String)>,
}

impl Command {
    /// The program's name without its directory.
    pub fn program(&self) -> &str {
        self.words[0].text.rsplit('/').next().unwrap_or_default()
    }
}

impl Word {
    /// The text as a script of its own, each character with its line; empty variables have their names again.
    pub fn script(&self) -> Text {
        let (mut breaks, mut gaps) = (self.breaks.iter().peekable(), self.gaps.iter().peekable());
        let (mut line, mut script) = (self.line, Text::new());
        for (at, c) in self.text.char_indices().chain([(self.text.len(), '\n')]) {
            while let Some((_, next)) = breaks.next_if(|(start, _)| *start <= at) {
                line = *next;
            }
            while let Some((_, name)) = gaps.next_if(|(start, _)| *start <= at) {
                script.extend(format!("${{{name}}}").chars().map(|c| (c, line)));
            }
            script.push((c, line));
        }
        script
    }

    /// The text with the names of empty variables.
    pub(crate) fn filled(&self) -> String {
        plain(&self.script()).trim_end_matches('\n').to_owned()
    }

    /// Whether all variables in it are unquoted.
    pub(super) fn is_split(&self) -> bool {
        !self.splits.is_empty() && self.splits.len() == self.expands.len()
    }

    /// The words that the shell makes of one whose variables are all unquoted.
    pub(super) fn split(mut self) -> Vec<Self> {
        let is_split = self.is_split();
        let mut parts = self.text.split_whitespace().map(str::to_owned);
        let Some(first) = parts.next().filter(|first| is_split && *first != self.text) else {
            return vec![self];
        };
        let others: Vec<_> = parts.map(|text| Self { line: self.line, text, ..Self::default() }).collect();
        self.gaps.retain(|(at, _)| *at == 0);
        (self.text, self.breaks) = (first, Vec::new());
        std::iter::once(self).chain(others).collect()
    }

    pub(super) fn push(&mut self, c: char, line: usize) {
        if self.breaks.last().map_or(self.line, |(_, line)| *line) != line {
            self.breaks.push((self.text.len(), line));
        }
        self.text.push(c);
    }
}

/// Words that stand before a command and are none.
pub(super) const KEYWORDS: [&str; 12] =
    ["if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done"];

/// Whether a word is `NAME=...`.
pub fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether a variable takes a commit, as its name says.
pub(crate) fn names_commit(name: &str) -> bool {
    let is_such = |part: &str| ["COMMIT", "SHA", "REV", "REVISION"].iter().any(|end| part.ends_with(end));
    name.to_ascii_uppercase().split('_').any(is_such)
}
