//! Words of shell scripts, tolerant of everything: enough to know which programs run, with what, and what is unquoted.

mod reader;

use crate::listing::Text;
use crate::values::Values;
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
    /// The word without its quotes; variables whose values are not known stand in it as `$NAME` or `${NAME}`.
    pub text: String,
    /// Where the text goes on on another line: the byte in it, and the line.
    pub breaks: Vec<(usize, usize)>,
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

impl Word {
    /// The text as a script of its own, each character with its line.
    pub fn script(&self) -> Text {
        let mut breaks = self.breaks.iter().copied().peekable();
        let mut line = self.line;
        let with_line = |(at, c)| {
            while let Some((_, next)) = breaks.next_if(|(start, _)| *start <= at) {
                line = next;
            }
            (c, line)
        };
        self.text.char_indices().map(with_line).collect()
    }

    fn push(&mut self, c: char, line: usize) {
        if self.breaks.last().map_or(self.line, |(_, line)| *line) != line {
            self.breaks.push((self.text.len(), line));
        }
        self.text.push(c);
    }
}

/// The commands of a script, those inside `$(...)` before the one around them; variables are replaced as far as values
/// are known, those that the script itself sets too.
pub fn commands(script: &[(char, usize)], values: Option<&Values>) -> Vec<Command> {
    let mut reader = Reader::new(script, values);
    reader.read();
    reader.commands.into_iter().filter_map(finish).collect()
}

/// The delimiters of the here-documents that a script starts, in their order.
pub fn here_documents(script: &[(char, usize)]) -> Vec<String> {
    let line: Text = script.iter().copied().filter(|(c, _)| *c != '\n').collect();
    let mut reader = Reader::new(&line, None);
    reader.read();
    reader.here_documents
}

/// A text with its variables replaced as between double quotes.
pub fn expand(text: &str, values: &Values) -> String {
    let text: Text = text.chars().map(|c| (c, 1)).collect();
    Reader::new(&text, Some(values)).text()
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
    command.words = command.words.into_iter().flat_map(split).collect();
    Some(command)
}

/// The words that the shell makes of one whose variables are all unquoted.
fn split(mut word: Word) -> Vec<Word> {
    let is_split = !word.splits.is_empty() && word.splits.len() == word.expands.len();
    let mut parts = word.text.split_whitespace().map(str::to_owned);
    let Some(first) = parts.next().filter(|first| is_split && *first != word.text) else {
        return vec![word];
    };
    let others: Vec<_> = parts.map(|text| Word { line: word.line, text, ..Word::default() }).collect();
    (word.text, word.breaks) = (first, Vec::new());
    std::iter::once(word).chain(others).collect()
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
    fn known_values_take_the_place_of_variables() {
        let mut values = Values::default();
        for (name, value) in [("A", "a b"), ("E", ""), ("U", "https://h")] {
            values.set(name, value);
        }
        let read = |script: &str| {
            let text: Text = script.chars().map(|c| (c, 1)).collect();
            commands(&text, Some(&values)).last().and_then(|command| command.words.get(1)).map(|word| word.text.clone())
        };
        for (script, text) in [
            ("x $A", "a"),
            ("x '' $A", ""),
            ("x \"$A\"", "a b"),
            ("x \"${A}\"/$E", "a b/"),
            ("x '$A' ", "$A"),
            ("x \\$A", "$A"),
            ("x ${E:-d}${E-e}${N-f}", "df"),
            ("x ${A:+y}${E:+z}${N+z}", "y"),
            ("x \"${N:-$U/${A:-x}}\"", "https://h/a b"),
            ("x $N${N}", "$N${N}"),
            ("B=$U/n; x $B", "https://h/n"),
            ("export B=1 C=$(date) && x $B$C", "1$()"),
            ("x ${U##*/} ${#A}", "${U}"),
        ] {
            values.begin_script();
            assert_eq!(read(script).as_deref(), Some(text), "{script}");
        }
        assert_eq!(expand("$U/\\$A/${E:-'x'}", &values), "https://h/$A/'x'");
    }

    #[test]
    fn values_never_grow_without_limit() {
        let mut values = Values::default();
        values.set("A", &"x".repeat(1000));
        let text: Text = "x ".chars().chain("$A ".repeat(100_000).chars()).map(|c| (c, 1)).collect();
        let length: usize = commands(&text, Some(&values))[0].words.iter().map(|word| word.text.len()).sum();
        assert!(length < 2_000_000, "{length}");
        values.set("B", &"x".repeat(2000));
        assert_eq!(values.get("B"), None);
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
