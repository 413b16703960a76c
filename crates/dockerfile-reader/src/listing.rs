//! A Dockerfile as it is written: every instruction with its line, whatever is wrong with the rest.

mod lines;

use crate::shell::{self, Command, Word};
use crate::tools::tool;
use crate::values::Values;
use lines::instructions;

/// Characters, each with the line that it stands on.
pub type Text = Vec<(char, usize)>;

/// Stages and what stands above the first one.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// What stands above the first stage.
    pub global: Vec<Instruction>,
    /// The stages.
    pub stages: Vec<Stage>,
}

/// A stage as it is written.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The name after `AS`, lower case.
    pub name: Option<String>,
    /// What follows `FROM`, as it is written.
    pub base: String,
    /// Its instructions without `FROM`.
    pub instructions: Vec<Instruction>,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The line that it starts on, from 1.
    pub line: usize,
    /// Its keyword in upper case.
    pub keyword: String,
    /// Its flags without their dashes: `from=x`.
    pub flags: Vec<String>,
    /// What follows, without flags and with continued lines joined.
    pub text: Text,
    /// Its here-documents.
    pub documents: Vec<Text>,
}

/// One `NAME=value` of an `ARG` or `ENV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub name: String,
    /// The value without quotes, if there is one.
    pub value: Option<String>,
    /// The line of the name.
    pub line: usize,
}

impl Listing {
    /// Reads a Dockerfile; what makes no sense becomes an instruction that nothing looks for.
    pub fn read(text: &str) -> Self {
        let mut listing = Self::default();
        for instruction in instructions(text.trim_start_matches('\u{feff}')) {
            if instruction.keyword == "FROM" {
                let text: String = instruction.text.iter().map(|(c, _)| c).collect();
                let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
                let name = words.get(2).filter(|_| words[1] == "as").cloned();
                let base = text.split_whitespace().next().unwrap_or_default().to_owned();
                listing.stages.push(Stage { name, base, instructions: Vec::new() });
            } else {
                match listing.stages.last_mut() {
                    Some(stage) => stage.instructions.push(instruction),
                    None => listing.global.push(instruction),
                }
            }
        }
        listing
    }
}

impl Instruction {
    /// What follows, as one text.
    pub fn plain(&self) -> String {
        self.text.iter().map(|(c, _)| c).collect()
    }

    /// The value of a flag.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('='))
    }

    /// What an `ARG` or `ENV` declares; nothing for other instructions.
    pub fn declares(&self) -> Vec<Assignment> {
        if !matches!(self.keyword.as_str(), "ARG" | "ENV") {
            return Vec::new();
        }
        let mut words: Vec<(String, usize)> = Vec::new();
        let (mut quote, mut between) = (None, true);
        for &(c, line) in &self.text {
            match quote {
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' => quote = Some(c),
                None if c.is_whitespace() => between = true,
                _ => {
                    if std::mem::take(&mut between) {
                        words.push((String::new(), line));
                    }
                    words.last_mut().expect("pushed before").0.push(c);
                }
            }
        }
        // The old form `ENV NAME the rest`.
        if let [(name, line), rest @ ..] = words.as_slice()
            && self.keyword == "ENV"
            && !name.contains('=')
        {
            let value = rest.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
            return vec![Assignment { name: name.clone(), value: Some(value), line: *line }];
        }
        let assignment = |(word, line): (String, usize)| match word.split_once('=') {
            Some((name, value)) => Assignment { name: name.to_owned(), value: Some(value.to_owned()), line },
            None => Assignment { name: word, value: None, line },
        };
        words.into_iter().map(assignment).collect()
    }

    /// The commands that a `RUN` runs, with variables replaced as far as values are known; nothing for other instructions.
    pub fn commands(&self, values: Option<&Values>) -> Vec<Command> {
        if self.keyword != "RUN" {
            return Vec::new();
        }
        let plain: String = self.text.iter().map(|(c, _)| c).collect();
        if let Ok(words) = serde_json::from_str::<Vec<String>>(plain.trim()) {
            return self.exec_form(words, values);
        }
        let mut commands = shell::commands(&self.text, values);
        let is_script = match commands.as_slice() {
            [] => true,
            [one] => tool(one).is_some_and(|tool| {
                let is_option = |word: &Word| word.text.starts_with('-') || word.text == "pipefail";
                is_shell(tool.name) && tool.args.iter().all(is_option)
            }),
            _ => false,
        };
        for document in self.documents.iter().filter(|_| is_script) {
            let first: String = document.iter().map(|(c, _)| *c).take_while(|&c| c != '\n').collect();
            if !first.starts_with("#!") || first.split([' ', '/']).any(is_shell) {
                commands.extend(shell::commands(document, values));
            }
        }
        commands
    }

    fn exec_form(&self, words: Vec<String>, values: Option<&Values>) -> Vec<Command> {
        let line = self.line;
        if let [shell, options @ ..] = words.as_slice()
            && is_shell(shell)
            && let Some(at) = options.iter().position(|option| option.starts_with('-') && option.ends_with('c'))
            && let Some(script) = options.get(at + 1)
        {
            return shell::commands(&script.chars().map(|c| (c, line)).collect::<Text>(), values);
        }
        let words: Vec<_> = words.into_iter().map(|text| Word { line, text, ..Word::default() }).collect();
        if words.is_empty() { Vec::new() } else { vec![Command { line, words, ..Command::default() }] }
    }
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    matches!(name, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_their_lines_and_flags_are_not_part_of_them() {
        let listing = Listing::read(
            "# x\nARG A=1\nFROM a AS Base\nRUN --mount=type=cache,target=/x \\\n  # no\n  one && \\\n\n  two\nFROM base\nENV B c d\nARG \\\n C=\"e f\" D\n",
        );
        assert_eq!(listing.global[0].line, 2);
        assert_eq!((listing.stages[0].name.as_deref(), listing.stages[1].base.as_str()), (Some("base"), "base"));
        let run = &listing.stages[0].instructions[0];
        let commands = run.commands(None);
        assert_eq!((run.line, commands[0].line, commands[1].line), (4, 6, 8));
        let last = &listing.stages[1].instructions;
        assert_eq!(last[0].declares()[0].value.as_deref(), Some("c d"));
        let args = last[1].declares();
        assert_eq!((args[0].name.as_str(), args[0].value.as_deref(), args[0].line), ("C", Some("e f"), 12));
        assert_eq!((args[1].name.as_str(), args[1].value.as_deref()), ("D", None));
    }

    #[test]
    fn here_documents_are_scripts_only_where_a_shell_reads_them() {
        let programs = |text: &str| -> Vec<(String, usize)> {
            let listing = Listing::read(text);
            let all = listing.stages[0].instructions.iter().flat_map(|one| one.commands(None));
            all.map(|command| (command.words[0].text.clone(), command.line)).collect()
        };
        assert_eq!(programs("FROM a\nRUN <<'E'\none\ntwo\nE\nRUN three\n").len(), 3);
        assert_eq!(programs("FROM a\nRUN bash <<E\none\nE\n")[1], ("one".to_owned(), 3));
        assert_eq!(programs("FROM a\nRUN cat <<E > /x\nnot\nE\nRUN b\n"), [("cat".to_owned(), 2), ("b".to_owned(), 5)]);
        assert_eq!(programs("FROM a\nRUN <<E\n#!/usr/bin/env python3\nnot\nE\n"), []);
        assert_eq!(programs("FROM a\nRUN [\"bash\", \"-ec\", \"one; two\"]\n").len(), 2);
        assert_eq!(programs("# escape=`\nFROM a\nRUN one `\n two\n")[0].1, 3);
    }
}
