//! What the shell puts in the place of `$...`.

use super::{Reader, is_name};
use crate::shell::pattern;
use crate::shell::word::Word;

/// How deep substitutions may be in each other; deeper ones are read as text.
const DEPTH: usize = 40;
/// Longest text that still takes the value of a variable.
const LONGEST: usize = 1 << 16;

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
                    self.subshells.push(self.at);
                    self.list(true);
                    self.subshells.pop();
                }
                word.text.push_str("$()");
            }
            Some('{') => {
                self.at += 1;
                self.braces(word, quoted);
            }
            Some(c) if is_name(c) => {
                let name = self.name();
                match self.value(&word.text, &name).or_else(|| self.values?.unset(&name)) {
                    Some(value) if value.is_empty() => word.gaps.push((word.text.len(), name.clone())),
                    Some(value) => word.text.push_str(&value),
                    None => word.text.push_str(&format!("${name}")),
                }
                word.uses(name, quoted);
            }
            _ => word.text.push('$'),
        }
        self.depth -= 1;
    }

    pub(super) fn arithmetic(&mut self) {
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
        let colon = self.take(':');
        let operator = self.peek().filter(|c| matches!(c, '-' | '=' | '+' | '?' | '}'));
        if operator.is_some_and(|c| c != '}') {
            self.at += 1;
        }
        let mut other = Word { line: self.line(), ..Word::default() };
        let mut is_quoted = false;
        while let Some(c) = self.next().filter(|&c| c != '}') {
            is_quoted |= c == self.escape || matches!(c, '\'' | '"' | '$' | '`');
            match c {
                c if c == self.escape => self.escaped(&mut other),
                '\'' if !quoted => self.single_quoted(&mut other),
                '"' => self.quoted(&mut other),
                '$' => self.dollar(&mut other, quoted),
                '`' => self.backticks(&mut other),
                c => self.put(&mut other, c),
            }
        }
        let start = word.text.len();
        match self.values.filter(|_| !length) {
            Some(values) => {
                let value = self.value(&word.text, &name);
                let is_set = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
                match (operator, value) {
                    (Some('+' | '-' | '='), None) if values.may_be_set(&name) => {
                        word.text.push_str(&format!("${{{name}}}"));
                    }
                    (Some('+'), _) if is_set => word.text.push_str(&other.text),
                    (Some('+'), _) => {}
                    (Some('-' | '='), _) if !is_set => word.text.push_str(&other.text),
                    (Some(_), Some(value)) => word.text.push_str(&value),
                    (None, Some(value)) => {
                        // What a quoted pattern means, or one of a value that the shell makes, is not followed.
                        let is_sure = !is_quoted && !value.contains(['$', '`']);
                        let unknown = || format!("${{{name}}}");
                        let cut = pattern::apply(&value, &other.text).filter(|_| is_sure);
                        word.text.push_str(&cut.unwrap_or_else(unknown));
                    }
                    _ => word.text.push_str(&self.unset(&name)),
                }
            }
            None => word.text.push_str(&self.unset(&name)),
        }
        if word.text.len() == start && operator != Some('+') {
            word.gaps.push((start, name.clone()));
        }
        word.uses(name, quoted || length || operator == Some('+'));
        word.expands.append(&mut other.expands);
        word.splits.append(&mut other.splits);
    }

    /// What a variable is; values that are made of values may not grow without limit.
    fn value(&self, before: &str, name: &str) -> Option<String> {
        self.values.filter(|_| before.len() <= LONGEST)?.get(name)
    }

    /// What stands in the place of a variable without a known value.
    fn unset(&self, name: &str) -> String {
        self.values.and_then(|values| values.unset(name)).unwrap_or_else(|| format!("${{{name}}}"))
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
