//! What the shell puts in the place of `$...`.

use super::Reader;
use crate::dockerfile::shell::Word;

/// How deep substitutions may be in each other; deeper ones are read as text.
const DEPTH: usize = 40;

impl Reader<'_> {
    /// What follows a `$`.
    pub(super) fn dollar(&mut self, word: &mut Word, quoted: bool) {
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
