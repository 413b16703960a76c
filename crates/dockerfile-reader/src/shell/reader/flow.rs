//! Which commands of a script run, as far as its values tell: branches that are not taken, and loops over known words.

use crate::shell::word::{KEYWORDS, Word, names_commit};

/// Most words that a loop is followed for.
const MOST_WORDS: usize = 32;

/// Whether a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Runs {
    No,
    Maybe,
    #[default]
    Yes,
}

/// What stands between two commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Between {
    #[default]
    Nothing,
    And,
    Or,
}

/// Where a script is.
#[derive(Debug, Default)]
pub(super) struct Flow {
    frames: Vec<Frame>,
    /// What stands before the command that is read now.
    pub(super) between: Between,
    /// Whether the last command succeeded, and whether it was only a question.
    status: (Option<bool>, bool),
    /// The words of the `for` whose `do` is awaited.
    awaited: Option<(String, Vec<String>)>,
}

/// What is open.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    runs: Runs,
}

#[derive(Debug)]
enum Kind {
    /// The condition that was just read, and whether a branch further down may still run.
    If {
        open: Runs,
        condition: Option<Option<bool>>,
    },
    /// The variable, the words that are left, and where the body starts.
    Loop {
        name: String,
        words: Vec<String>,
        start: usize,
    },
    Group,
}

/// What a command does to the place where the reader is.
pub(super) enum Step {
    On(Runs),
    /// The body of a loop again, with another value of its variable.
    Again {
        start: usize,
        name: String,
        value: String,
    },
}

impl Flow {
    /// A bracket opens; what is in it runs as a command would.
    pub(super) fn open(&mut self) {
        let runs = self.now();
        self.frames.push(Frame { kind: Kind::Group, runs });
        (self.between, self.status) = (Between::Nothing, (None, false));
    }

    /// The innermost bracket closes.
    pub(super) fn close(&mut self) {
        self.pop(|kind| matches!(kind, Kind::Group));
    }

    /// The keyword `do` was read; the body begins at `start`. The first value of the loop's variable, where it is known.
    pub(super) fn body(&mut self, start: usize) -> Option<(String, String)> {
        let (name, mut words) = self.awaited.take()?;
        let value = words.pop()?;
        let runs = self.now();
        self.frames.push(Frame { kind: Kind::Loop { name: name.clone(), words, start }, runs });
        Some((name, value))
    }

    /// What a command means for those that follow, and whether it runs.
    pub(super) fn step(&mut self, words: &[Word]) -> Step {
        let mut negated = false;
        let keywords = words.iter().take_while(|word| KEYWORDS.contains(&word.text.as_str())).count();
        for word in &words[..keywords] {
            match word.text.as_str() {
                "if" => {
                    let runs = self.now();
                    self.frames.push(Frame { kind: Kind::If { open: runs, condition: None }, runs });
                }
                "then" => self.branch(true),
                "else" => self.branch(false),
                "elif" => self.branch(false),
                "fi" => self.pop(|kind| matches!(kind, Kind::If { .. })),
                "while" | "until" => self.repeat(),
                "do" if self.awaited.take().is_some() => self.repeat(),
                "done" => {
                    if let Some(Frame { kind: Kind::Loop { name, words, start }, .. }) = self.frames.last_mut()
                        && let Some(value) = words.pop()
                    {
                        return Step::Again { start: *start, name: name.clone(), value };
                    }
                    self.pop(|kind| matches!(kind, Kind::Loop { .. }));
                }
                "{" => self.open(),
                "}" => self.close(),
                "!" => negated = !negated,
                _ => {}
            }
            if word.text != "!" {
                self.between = Between::Nothing;
            }
        }
        let rest = &words[keywords..];
        let Some(first) = rest.first() else { return Step::On(Runs::Yes) };
        let (own, runs) = (self.own(), self.now());
        match first.text.as_str() {
            "for" => {
                self.awaited = Some(loop_words(rest).unwrap_or_default());
                self.awaited.as_mut().expect("just set").1.reverse();
            }
            "case" => self.frames.push(Frame { kind: Kind::Group, runs: runs.min(Runs::Maybe) }),
            "esac" => self.close(),
            _ => {}
        }
        if runs != Runs::No {
            let is_question =
                matches!(first.text.as_str(), "[" | "[[" | "test" | "grep" | "which" | "command" | "type");
            let result = result(rest).map(|result| result != negated);
            self.status = (result.filter(|_| own == Runs::Yes), is_question || negated);
        }
        if let Some(Frame { kind: Kind::If { condition, .. }, .. }) = self.frames.last_mut() {
            // More than one command in a condition is more than is understood here.
            *condition = Some(if condition.is_some() { None } else { self.status.0 });
        }
        self.between = Between::Nothing;
        Step::On(runs)
    }

    /// Whether the next command runs.
    fn now(&self) -> Runs {
        self.frames.last().map_or(Runs::Yes, |frame| frame.runs).min(self.own())
    }

    /// Whether the next command runs, by the one before it.
    fn own(&self) -> Runs {
        match (self.between, self.status) {
            (Between::Nothing, _) | (Between::And, (Some(true), _)) | (Between::Or, (Some(false), _)) => Runs::Yes,
            (Between::And, (Some(false), _)) | (Between::Or, (Some(true), _)) => Runs::No,
            // What ends a build in failure does not count.
            (Between::And, (None, is_question)) if !is_question => Runs::Yes,
            _ => Runs::Maybe,
        }
    }

    /// A branch of the innermost `if` begins.
    fn branch(&mut self, is_then: bool) {
        let outer = self.frames.iter().rev().nth(1).map_or(Runs::Yes, |frame| frame.runs);
        let Some(Frame { kind: Kind::If { open, condition }, runs }) = self.frames.last_mut() else { return };
        *runs = match (is_then, condition.take().flatten()) {
            (true, Some(true)) => std::mem::replace(open, Runs::No),
            (true, Some(false)) => Runs::No,
            (true, None) => {
                *open = (*open).min(Runs::Maybe);
                *open
            }
            (false, _) => *open,
        }
        .min(outer);
    }

    /// A loop whose rounds are not known begins.
    fn repeat(&mut self) {
        let runs = self.now().min(Runs::Maybe);
        self.frames.push(Frame { kind: Kind::Loop { name: String::new(), words: Vec::new(), start: 0 }, runs });
    }

    fn pop(&mut self, is_such: impl Fn(&Kind) -> bool) {
        if self.frames.last().is_some_and(|frame| is_such(&frame.kind)) {
            self.frames.pop();
        }
        self.status = (None, false);
    }
}

/// Whether nothing in a word is left to the shell, or to a commit that a build may be told.
fn is_known(word: &Word) -> bool {
    let takes_commit = || word.text.is_empty() && word.expands.iter().any(|name| names_commit(name));
    !(word.text.contains(['$', '`']) || takes_commit())
}

/// The variable of a `for` and its words, where all are known.
fn loop_words(words: &[Word]) -> Option<(String, Vec<String>)> {
    let [_, name, within, list @ ..] = words else { return None };
    let list: Vec<_> = list.iter().cloned().flat_map(Word::split).collect();
    let is_plain = |word: &Word| is_known(word) && !word.text.contains(['*', '?', '[', '{']);
    let all = within.text == "in" && list.len() <= MOST_WORDS && list.iter().all(is_plain);
    all.then(|| (name.text.clone(), list.into_iter().map(|word| word.text).collect()))
}

/// What a test says, where its words are known.
fn result(words: &[Word]) -> Option<bool> {
    let (first, rest) = words.split_first()?;
    let is_glob = first.text == "[[";
    let operands = match (first.text.as_str(), rest.split_last()) {
        ("true" | ":", _) => return Some(true),
        ("false", _) => return Some(false),
        ("test", _) => rest,
        ("[", Some((last, operands))) if last.text == "]" => operands,
        ("[[", Some((last, operands))) if last.text == "]]" => operands,
        _ => return None,
    };
    // An unquoted variable without a value is no word at all.
    let operands: Vec<_> =
        operands.iter().filter(|word| is_glob || !word.text.is_empty() || word.splits.is_empty()).collect();
    let operands: Option<Vec<&str>> =
        operands.iter().map(|word| is_known(word).then_some(word.text.as_str())).collect();
    compare(&operands?, is_glob)
}

fn compare(operands: &[&str], is_glob: bool) -> Option<bool> {
    match operands {
        [] => Some(false),
        ["!", rest @ ..] if !rest.is_empty() => compare(rest, is_glob).map(|result| !result),
        [one] => Some(!one.is_empty()),
        ["-n", one] => Some(!one.is_empty()),
        ["-z", one] => Some(one.is_empty()),
        [_, "=" | "==" | "!=", pattern] if is_glob && pattern.contains(['*', '?', '[']) => None,
        [one, "=" | "==", other] => Some(one == other),
        [one, "!=", other] => Some(one != other),
        _ => None,
    }
}
