//! Words of shell scripts, tolerant of everything: enough to know which programs run, with what, and what is unquoted.

mod pattern;
mod reader;
mod word;

use crate::text::Text;
use reader::Reader;
use word::KEYWORDS;
pub(crate) use word::names_commit;
pub use word::{Command, Variables, Word, is_assignment};

/// The commands of a script, those inside `$(...)` before the one around them; variables are replaced as far as values
/// are known, those that the script itself sets too.
pub fn commands(script: &[(char, usize)], values: Option<&dyn Variables>) -> Vec<Command> {
    let mut reader = Reader::new(script, values);
    reader.read();
    reader.commands.into_iter().filter_map(finish).collect()
}

/// A word of a Dockerfile as its builder reads it: without quotes, and with its variables replaced as far as they are known.
pub fn expand(text: &str, escape: char, values: &dyn Variables) -> Word {
    let text: Text = text.chars().map(|c| (c, 1)).collect();
    Reader::new(&text, Some(values)).escaping_with(escape).whole()
}

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
    if command.words.iter().any(Word::is_split) {
        command.words = command.words.into_iter().flat_map(Word::split).collect();
    }
    Some(command)
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
        commands(&text, None)
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
    fn a_quoted_script_knows_its_lines() {
        let command = of("sh -c \"a &&\n b\"").remove(0);
        let inner = commands(&command.words[2].script(), None);
        assert_eq!((inner[0].line, inner[1].line), (1, 2));
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
