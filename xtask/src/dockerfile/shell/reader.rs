//! The reader behind `commands`: one pass, every character once.

use super::{Command, Word};

/// How deep substitutions may be in each other; deeper ones are read as text.
const DEPTH: usize = 40;

pub(super) struct Reader<'a> {
    text: &'a [(char, usize)],
    at: usize,
    depth: usize,
    /// What was found.
    pub(super) commands: Vec<Command>,
    /// Delimiters of here-documents.
    pub(super) here_documents: Vec<String>,
    /// How many of them were skipped.
    skipped: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [(char, usize)]) -> Self {
        Self { text, at: 0, depth: 0, commands: Vec::new(), here_documents: Vec::new(), skipped: 0 }
    }

    /// Reads everything.
    pub(super) fn read(&mut self) {
        while self.peek().is_some() {
            self.list(false);
        }
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
                '<' | '>' => self.redirect(),
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
        if !command.words.is_empty() {
            self.commands.push(std::mem::take(command));
        }
    }

    fn redirect(&mut self) {
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
                '\'' => {
                    while let Some(c) = self.next().filter(|&c| c != '\'') {
                        word.text.push(c)
                    }
                }
                '"' => self.quoted(&mut word),
                '\\' => word.text.extend(self.next().filter(|&c| c != '\n')),
                '$' => self.dollar(&mut word, false),
                '`' => self.backticks(&mut word),
                c => word.text.push(c),
            }
        }
        word
    }

    fn quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.next().filter(|&c| c != '"') {
            match c {
                '\\' => word.text.extend(self.next().filter(|&c| c != '\n')),
                '$' => self.dollar(word, true),
                '`' => self.backticks(word),
                c => word.text.push(c),
            }
        }
    }

    fn backticks(&mut self, word: &mut Word) {
        let start = self.at;
        while self.next().is_some_and(|c| c != '`') {}
        let end = self.at.min(self.text.len());
        let inner = self.text.get(start..end.saturating_sub(1)).unwrap_or_default();
        // Nothing in it has a backtick, so this goes one level deep only.
        let mut reader = Reader::new(inner);
        reader.depth = self.depth;
        reader.read();
        self.commands.extend(reader.commands);
        word.text.push_str("``");
    }

    /// What follows a `$`.
    fn dollar(&mut self, word: &mut Word, quoted: bool) {
        if self.depth >= DEPTH {
            word.text.push('$');
            return;
        }
        self.depth += 1;
        match self.peek() {
            Some('(') => {
                self.at += 1;
                if self.take('(') {
                    self.arithmetic()
                } else {
                    self.list(true)
                }
                word.text.push_str("$()");
            }
            Some('{') => {
                self.at += 1;
                self.braces(word, quoted);
            }
            Some(c) if is_name(c) => {
                let name = self.name();
                word.text.push('$');
                word.text.push_str(&name);
                word.uses(name, quoted);
            }
            _ => word.text.push('$'),
        }
        self.depth -= 1;
    }

    fn arithmetic(&mut self) {
        let mut open = 2_usize;
        while open > 0 {
            match self.next() {
                Some('(') => open += 1,
                Some(')') => open -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    /// The rest of `${NAME...}`; the length of a value and the word of `${NAME:+word}` are never its value.
    fn braces(&mut self, word: &mut Word, quoted: bool) {
        let length = self.take('#');
        let name = self.name();
        word.text.push_str(&format!("${{{name}}}"));
        self.take(':');
        let whole = quoted || length || self.peek() == Some('+');
        word.uses(name, whole);
        let mut ignored = Word::default();
        while let Some(c) = self.next().filter(|&c| c != '}') {
            match c {
                '\\' => drop(self.next()),
                '\'' if !quoted => while self.next().is_some_and(|c| c != '\'') {},
                '"' => self.quoted(&mut ignored),
                '$' => self.dollar(&mut ignored, quoted),
                '`' => self.backticks(&mut ignored),
                _ => {}
            }
        }
        word.expands.append(&mut ignored.expands);
        word.splits.append(&mut ignored.splits);
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|&c| is_name(c)) {
            name.push(c);
            self.at += 1;
        }
        name
    }
}

impl Word {
    fn uses(&mut self, name: String, whole: bool) {
        if !name.is_empty() {
            self.splits.extend((!whole).then(|| name.clone()));
            self.expands.push(name);
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a character ends a word.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}
