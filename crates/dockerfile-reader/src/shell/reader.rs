//! The reader behind `commands`: one pass, every character once.

mod expansion;

use super::{Command, KEYWORDS, Word, is_assignment};
use crate::values::Values;

pub(super) struct Reader<'a> {
    text: &'a [(char, usize)],
    at: usize,
    depth: usize,
    values: Option<&'a Values>,
    /// What was found.
    pub(super) commands: Vec<Command>,
    /// Delimiters of here-documents.
    pub(super) here_documents: Vec<String>,
    /// How many of them were skipped.
    skipped: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [(char, usize)], values: Option<&'a Values>) -> Self {
        Self { text, at: 0, depth: 0, values, commands: Vec::new(), here_documents: Vec::new(), skipped: 0 }
    }

    /// Reads everything.
    pub(super) fn read(&mut self) {
        while self.peek().is_some() {
            self.list(false);
        }
    }

    /// Everything as one text between double quotes.
    pub(super) fn text(mut self) -> String {
        let mut word = Word { line: self.line(), ..Word::default() };
        while self.peek().is_some() {
            self.quoted(&mut word);
        }
        word.text
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).map(|(c, _)| *c)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Adds the character that was just read.
    fn put(&self, word: &mut Word, c: char) {
        let line = self.at.checked_sub(1).and_then(|at| self.text.get(at)).map_or(word.line, |(_, line)| *line);
        word.push(c, line);
    }

    fn line(&self) -> usize {
        self.text.get(self.at).or(self.text.last()).map_or(1, |(_, line)| *line)
    }

    /// Commands up to the end, or up to the bracket that closes a substitution.
    fn list(&mut self, inner: bool) {
        let mut command = Command::default();
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.at += 1;
                    self.end(&mut command);
                    self.skip_here_documents();
                }
                '(' if command.words.is_empty() && self.text.get(self.at + 1).is_some_and(|(c, _)| *c == '(') => {
                    self.at += 2;
                    self.arithmetic();
                }
                ';' | '&' | '|' | '(' => {
                    self.at += 1;
                    open += usize::from(c == '(');
                    self.end(&mut command);
                }
                ')' => {
                    self.at += 1;
                    if inner && open == 0 {
                        break;
                    }
                    open = open.saturating_sub(1);
                    self.end(&mut command);
                }
                '<' | '>' => self.redirect(&mut command),
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1
                    }
                }
                c if c.is_whitespace() => self.at += 1,
                _ => {
                    let word = self.word();
                    // The number of a redirected stream.
                    let stream =
                        word.text.bytes().all(|b| b.is_ascii_digit()) && matches!(self.peek(), Some('<' | '>'));
                    if !stream {
                        command.words.push(word);
                    }
                }
            }
        }
        self.end(&mut command);
    }

    fn end(&mut self, command: &mut Command) {
        if let Some(values) = self.values {
            remember(values, &command.words);
        }
        if !command.words.is_empty() {
            self.commands.push(std::mem::take(command));
        }
    }

    fn redirect(&mut self, command: &mut Command) {
        let mut operator = String::new();
        while let Some(c) = self.peek().filter(|c| matches!(c, '<' | '>' | '&' | '|')) {
            operator.push(c);
            self.at += 1;
        }
        let document = operator == "<<" && {
            self.take('-');
            true
        };
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        if self.peek().is_some_and(|c| !is_end(c)) {
            let target = self.word();
            if document && !target.text.is_empty() {
                self.here_documents.push(target.text);
            } else if matches!(operator.as_str(), ">" | ">>" | ">|") {
                command.writes.push(target);
            }
        }
    }

    fn skip_here_documents(&mut self) {
        while let Some(delimiter) = self.here_documents.get(self.skipped).cloned() {
            self.skipped += 1;
            while self.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.next().filter(|&c| c != '\n') {
                    line.push(c);
                }
                if line.trim_start_matches('\t') == delimiter {
                    break;
                }
            }
        }
    }

    fn word(&mut self) -> Word {
        let mut word = Word { line: self.line(), ..Word::default() };
        while let Some(c) = self.peek().filter(|&c| !is_end(c)) {
            self.at += 1;
            match c {
                '\'' => self.single_quoted(&mut word),
                '"' => self.quoted(&mut word),
                '\\' => self.escaped(&mut word),
                '$' => self.dollar(&mut word, false),
                '`' => self.backticks(&mut word),
                c => self.put(&mut word, c),
            }
        }
        word
    }

    fn single_quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.next().filter(|&c| c != '\'') {
            self.put(word, c);
        }
    }

    fn quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.next().filter(|&c| c != '"') {
            match c {
                '\\' => self.escaped(word),
                '$' => self.dollar(word, true),
                '`' => self.backticks(word),
                c => self.put(word, c),
            }
        }
    }

    fn escaped(&mut self, word: &mut Word) {
        if let Some(c) = self.next().filter(|&c| c != '\n') {
            self.put(word, c);
        }
    }

    fn backticks(&mut self, word: &mut Word) {
        let start = self.at;
        while self.next().is_some_and(|c| c != '`') {}
        let end = self.at.min(self.text.len());
        let inner = self.text.get(start..end.saturating_sub(1)).unwrap_or_default();
        // Nothing in it has a backtick, so this goes one level deep only.
        let mut reader = Reader::new(inner, self.values);
        reader.depth = self.depth;
        reader.read();
        self.commands.extend(reader.commands);
        word.text.push_str("``");
    }
}

/// Keeps what a command sets: `A=b`, `export A=b`.
fn remember(values: &Values, words: &[Word]) {
    let words = words.iter().map(|word| word.text.as_str());
    let mut words = words.skip_while(|word| KEYWORDS.contains(word)).peekable();
    words.next_if(|word| matches!(*word, "export" | "local" | "readonly" | "declare" | "typeset"));
    if words.clone().all(is_assignment) {
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            values.set_in_script(name, value);
        }
    }
}

/// Whether a character ends a word.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}
