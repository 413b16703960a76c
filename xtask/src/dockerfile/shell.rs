//! Words of shell scripts, tolerant of everything: enough to know which programs run, with what, and what is unquoted.

mod reader;

use super::listing::Text;
use reader::Reader;

/// A simple command: what stands between `;`, `&&`, `|` and the like, keywords and leading assignments apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The line of its first word.
    pub line: usize,
    /// Its words, at least one.
    pub words: Vec<Word>,
    /// The files that its output goes to.
    pub writes: Vec<Word>,
}

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The line that it starts on.
    pub line: usize,
    /// The word without its quotes; variables stand in it as `$NAME` or `${NAME}`.
    pub text: String,
    /// The variables that the shell replaces in it.
    pub expands: Vec<String>,
    /// Those of them whose value the shell splits into words.
    pub splits: Vec<String>,
}

impl Command {
    /// The program's name without its directory.
    pub fn program(&self) -> &str {
        self.words[0].text.rsplit('/').next().unwrap_or_default()
    }
}

/// The commands of a script, those inside `$(...)` before the one around them.
pub fn commands(script: &[(char, usize)]) -> Vec<Command> {
    let mut reader = Reader::new(script);
    reader.read();
    reader.commands.into_iter().filter_map(finish).collect()
}

/// The delimiters of the here-documents that a script starts, in their order.
pub fn here_documents(script: &[(char, usize)]) -> Vec<String> {
    let line: Text = script.iter().copied().filter(|(c, _)| *c != '\n').collect();
    let mut reader = Reader::new(&line);
    reader.read();
    reader.here_documents
}

/// Words that stand before a command and are none.
const KEYWORDS: [&str; 12] = ["if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done"];

/// Takes keywords and assignments away, and forgets splits where the shell makes none or they are meant.
fn finish(mut command: Command) -> Option<Command> {
    let is_before = |word: &Word| KEYWORDS.contains(&word.text.as_str()) || is_assignment(&word.text);
    let before = command.words.iter().take_while(|word| is_before(word)).count();
    command.words.drain(..before);
    command.line = command.words.first()?.line;
    let keeps_whole = matches!(command.program(), "for" | "case" | "[" | "[[" | "test" | "select");
    let declares = matches!(command.program(), "export" | "local" | "readonly" | "declare" | "typeset");
    for word in &mut command.words {
        if keeps_whole || (declares && is_assignment(&word.text)) {
            word.splits.clear();
        }
    }
    Some(command)
}

/// Whether a word is `NAME=...`.
pub fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(script: &str) -> Vec<Command> {
        let mut line = 1;
        let mut text = Text::new();
        for c in script.chars() {
            text.push((c, line));
            line += usize::from(c == '\n');
        }
        commands(&text)
    }

    fn words(script: &str) -> Vec<String> {
        let join = |command: &Command| command.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
        of(script).iter().map(join).collect()
    }

    fn splits(script: &str) -> Vec<String> {
        of(script).into_iter().flat_map(|command| command.words).flat_map(|word| word.splits).collect()
    }

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(words("a b && c 'd e';f|g >x 2>&1 # h"), ["a b", "c d e", "f", "g"]);
        assert_eq!(words("if [ -f x ]; then A=1 git pull; fi"), ["[ -f x ]", "git pull"]);
        assert_eq!(words("x \"$(git clone y)\" z"), ["git clone y", "x $() z"]);
        assert_eq!(words("f() { g; }; (h)"), ["f", "g", "h"]);
        assert_eq!(words("cat <<E > x\nnot a command\nE\nnext"), ["cat", "next"]);
        assert_eq!(words("a `b c` d\\\n e"), ["b c", "a `` d e"]);
        assert_eq!(of("a\n\nb")[1].line, 3);
    }

    #[test]
    fn only_what_the_shell_splits_is_unquoted() {
        for quoted in [
            "git clone \"$A\" \"${A}\" '$A' \\$A",
            "B=$A; C=${A} true; export D=$A",
            "for x in $A; do true; done; case $A in x) ;; esac",
            "[ $A = x ] && [[ -n $A ]] && test $A",
            "echo x > $A; [ \"${#A}\" -ne 64 ]; echo ${#A} $((A + 1))",
            "echo \"$(cmd \"$A\")\"; x ${A:+yes}",
        ] {
            assert_eq!(splits(quoted), [""; 0], "{quoted}");
        }
        for unquoted in
            ["git clone $A", "x --y=${A}", "x ${A:-b}", "echo \"$(cmd $A)\"", "x \"a\"$A", "! x $A", "x `y $A`"]
        {
            assert_eq!(splits(unquoted), ["A"], "{unquoted}");
        }
        assert_eq!(of("echo \"$A\" '$B'")[0].words.iter().flat_map(|w| w.expands.clone()).collect::<Vec<_>>(), ["A"]);
    }
}
