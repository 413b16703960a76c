//! The reader behind `commands`: one pass, every character once.

mod expansion;
mod flow;

use super::word::{Command, KEYWORDS, Variables, Word, is_assignment};
use flow::{Between, Flow, Runs, Step};

pub(super) struct Reader<'a> {
    text: &'a [(char, usize)],
    at: usize,
    depth: usize,
    values: Option<&'a dyn Variables>,
    escape: char,
    /// What was found.
    pub(super) commands: Vec<Command>,
    /// Here-documents that begin below the line that is read.
    awaited: Vec<Awaited>,
    /// Where the brackets stand that are open.
    subshells: Vec<usize>,
    flow: Flow,
    /// Characters that loops may still read again.
    again: usize,
}

/// How deep subshells are told apart.
const DEEPEST: usize = 16;
/// Characters that the loops of a script may read again.
const AGAIN: usize = 1 << 14;

/// A here-document before its lines are read.
struct Awaited {
    name: String,
    strips_tabs: bool,
    /// Which command reads it, once that has ended.
    reader: Option<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [(char, usize)], values: Option<&'a dyn Variables>) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            values,
            escape: '\\',
            commands: Vec::new(),
            awaited: Vec::new(),
            subshells: Vec::new(),
            flow: Flow::default(),
            again: AGAIN,
        }
    }

    pub(super) fn escaping_with(self, escape: char) -> Self {
        Self { escape, ..self }
    }

    /// Reads everything.
    pub(super) fn read(&mut self) {
        while self.peek().is_some() {
            self.list(false);
        }
    }

    /// Everything as one word, whatever stands in it.
    pub(super) fn whole(mut self) -> Word {
        let mut word = Word { line: self.line(), ..Word::default() };
        let mut is_quoted = false;
        while let Some(c) = self.next() {
            let next = self.peek();
            match c {
                '"' => is_quoted = !is_quoted,
                '\'' if !is_quoted => self.single_quoted(&mut word),
                '$' if next.is_some_and(|next| next == '{' || is_name(next)) => self.dollar(&mut word, false),
                c if c == self.escape
                    && !(is_quoted && next.is_some_and(|next| next != c && !"\"$".contains(next))) =>
                {
                    self.escaped(&mut word);
                }
                c => self.put(&mut word, c),
            }
        }
        word
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
        // The first here-document that is not one of an ended command.
        let mut awaited = self.awaited.len();
        let mut open = 0_usize;
        loop {
            let Some(c) = self.peek() else {
                match self.end(&mut command, &mut awaited) {
                    true => continue,
                    false => break,
                }
            };
            match c {
                '(' if command.words.is_empty() && self.text.get(self.at + 1).is_some_and(|(c, _)| *c == '(') => {
                    self.at += 2;
                    self.arithmetic();
                }
                // A loop may take the reader back to its body.
                '\n' | ';' | '&' | '|' | '(' | ')' if self.end(&mut command, &mut awaited) => {}
                '\n' => {
                    self.at += 1;
                    self.here_documents();
                    awaited = 0;
                }
                ';' | '&' | '|' => {
                    self.at += 1;
                    self.flow.between = match c {
                        '&' if self.take('&') => Between::And,
                        '|' if self.take('|') => Between::Or,
                        _ => Between::Nothing,
                    };
                }
                '(' => {
                    self.at += 1;
                    open += 1;
                    self.subshells.push(self.at);
                    self.flow.open();
                }
                ')' => {
                    self.at += 1;
                    if inner && open == 0 {
                        break;
                    }
                    if open > 0 {
                        self.subshells.pop();
                        self.flow.close();
                    }
                    open = open.saturating_sub(1);
                }
                '<' | '>' => self.redirect(&mut command),
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1
                    }
                }
                c if c.is_whitespace() => self.at += 1,
                '\\' if self.text.get(self.at + 1).is_none_or(|(c, _)| *c == '\n') => self.at += 2,
                _ => {
                    let word = self.word();
                    // The number of a redirected stream.
                    let stream =
                        word.text.bytes().all(|b| b.is_ascii_digit()) && matches!(self.peek(), Some('<' | '>'));
                    let begins = command.words.is_empty() && word.text == "do";
                    if !stream {
                        command.words.push(word);
                    }
                    if begins && let (Some(values), Some((name, value))) = (self.values, self.flow.body(self.at)) {
                        values.set_in_script(&name, Some(&value));
                    }
                }
            }
        }
    }

    /// Ends a command, and says whether the reader went back to the body of a loop.
    fn end(&mut self, command: &mut Command, awaited: &mut usize) -> bool {
        if let Some(values) = self.values.filter(|_| !command.words.is_empty()) {
            match self.flow.step(&command.words) {
                Step::Again { start, name, value } if self.at - start <= self.again => {
                    self.again -= self.at - start;
                    self.at = start;
                    *command = Command::default();
                    values.set_in_script(&name, Some(&value));
                    return true;
                }
                Step::Again { .. } => {}
                Step::On(Runs::No) => *command = Command::default(),
                Step::On(runs) => remember(values, &command.words, runs == Runs::Yes),
            }
        }
        let reader = (!command.words.is_empty()).then_some(self.commands.len());
        let from = std::mem::replace(awaited, self.awaited.len());
        for one in self.awaited.iter_mut().skip(from) {
            one.reader = one.reader.or(reader);
        }
        if !command.words.is_empty() {
            command.subshells = self.subshells.iter().copied().take(DEEPEST).collect();
            self.commands.push(std::mem::take(command));
        }
        false
    }

    fn redirect(&mut self, command: &mut Command) {
        let mut operator = String::new();
        while let Some(c) = self.peek().filter(|c| matches!(c, '<' | '>' | '&' | '|')) {
            operator.push(c);
            self.at += 1;
        }
        let is_document = operator == "<<";
        let strips_tabs = is_document && self.take('-');
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        if self.peek().is_some_and(|c| !is_end(c)) {
            let target = self.word();
            if is_document && !target.text.is_empty() {
                self.awaited.push(Awaited { name: target.text, strips_tabs, reader: None });
            } else if matches!(operator.as_str(), ">" | ">>" | ">|") {
                command.writes.push(target);
            } else if operator == "<" {
                command.reads.push(target);
            }
        }
    }

    /// Reads the lines of the here-documents that were begun.
    fn here_documents(&mut self) {
        for Awaited { name, strips_tabs, reader } in std::mem::take(&mut self.awaited) {
            let start = self.at;
            let mut end = start;
            while self.peek().is_some() {
                let mut line = String::new();
                while let Some(c) = self.next().filter(|&c| c != '\n') {
                    line.push(c);
                }
                if name == if strips_tabs { line.trim_start_matches('\t') } else { &line } {
                    break;
                }
                end = self.at;
            }
            if let Some(command) = reader.and_then(|reader| self.commands.get_mut(reader)) {
                command.documents.push(self.text[start..end.min(self.text.len())].to_vec());
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
fn remember(values: &dyn Variables, words: &[Word], is_sure: bool) {
    let words = words.iter().map(|word| word.text.as_str());
    let mut words = words.skip_while(|word| KEYWORDS.contains(word)).peekable();
    words.next_if(|word| matches!(*word, "export" | "local" | "readonly" | "declare" | "typeset"));
    if words.clone().all(is_assignment) {
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            // What a command prints is better known by the name of the variable.
            values.set_in_script(name, Some(value).filter(|value| is_sure && !matches!(*value, "$()" | "``")));
        }
    }
}

/// Whether a character ends a word.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}

/// Whether a character may stand in the name of a variable.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
