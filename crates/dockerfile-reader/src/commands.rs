//! The commands that a `RUN` runs.

use std::borrow::Cow;

use crate::lines::Instruction;
use crate::shell::{self, Command, Variables, Word};
use crate::text::{Text, document};
use crate::tools::{is_shell, tool};

/// How deep scripts may be in the here-documents of each other.
const DEPTH: usize = 4;

impl Instruction {
    /// The commands that a `RUN` runs, with variables replaced as far as values are known; nothing for other instructions.
    pub fn commands(&self, values: Option<&dyn Variables>) -> Vec<Command> {
        if self.keyword != "RUN" {
            return Vec::new();
        }
        let mut found = Vec::new();
        match self.json() {
            Some(words) => self.exec_form(words, values, &mut found),
            None => run(&self.script(), values, 0, &mut found),
        }
        found
    }

    /// What the shell reads.
    fn script(&self) -> Cow<'_, [(char, usize)]> {
        match self.documents.as_slice() {
            [] => Cow::Borrowed(&self.text),
            [only] if document(&self.plain()).is_some() => Cow::Borrowed(&only.text),
            documents => {
                let mut script = self.text.clone();
                for document in documents {
                    let line = document.text.last().map_or(self.line, |(_, line)| *line) + 1;
                    script.push(('\n', self.line));
                    script.extend(&document.text);
                    script.extend(document.name.chars().map(|c| (c, line)));
                }
                Cow::Owned(script)
            }
        }
    }

    fn exec_form(&self, words: Vec<String>, values: Option<&dyn Variables>, found: &mut Vec<Command>) {
        let line = self.line;
        let words: Vec<_> = words.into_iter().map(|text| Word { line, text, ..Word::default() }).collect();
        if words.is_empty() {
            return;
        }
        let command = Command { line, words, ..Command::default() };
        match tool(&command).filter(|tool| is_shell(tool.name)).and_then(|tool| tool.script()) {
            Some(script) => run(&script.script(), values, 0, found),
            None => found.push(command),
        }
    }
}

/// Adds the commands of a script, and those that its shells read from here-documents.
fn run(script: &[(char, usize)], values: Option<&dyn Variables>, depth: usize, found: &mut Vec<Command>) {
    let interpreter: String = script.iter().map(|(c, _)| *c).take_while(|&c| c != '\n').collect();
    if interpreter.starts_with("#!") && !interpreter.split([' ', '/']).any(is_shell) {
        return;
    }
    for mut command in shell::commands(script, values) {
        let reads = depth < DEPTH && tool(&command).is_some_and(|tool| tool.reads_script());
        let documents: Vec<Text> = if reads { std::mem::take(&mut command.documents) } else { Vec::new() };
        found.push(command);
        for document in &documents {
            run(document, values, depth + 1, found);
        }
    }
}
