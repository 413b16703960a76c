//! The one door for output: messages on the standard error, data on the standard output, both free of control
//! sequences that came from outside.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one door for output")]

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use buildkit_report::summary::SCHEMA;
pub use buildkit_report::text::{clean, plain};
use clap::{Args, ColorChoice, ValueEnum};
use serde::Serialize;

use crate::error::Failure;

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// One JSON object per line, see `docs/messages.md`.
    Json,
}

/// What the command line says about output.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Format of the data: human or json
    #[arg(long, value_enum, default_value_t, global = true, hide_possible_values = true, value_name = "FORMAT")]
    pub message_format: Format,
    /// Print only warnings, errors and data
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print commands, and a line for every service and step
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Whether to colour messages: auto, always or never
    #[arg(long, value_enum, default_value_t, global = true, hide_possible_values = true, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// What texts call the program; hints name it as it was started, with the options that say which project it is.
const PROGRAM: &str = "cargo xtask";

/// Where messages and data go, and how.
#[derive(Clone, Debug)]
pub struct Ui {
    program: String,
    format: Format,
    quiet: bool,
    verbose: bool,
    color: bool,
    github: bool,
    progress: indicatif::MultiProgress,
}

const GREEN: &str = "\u{1b}[1;32m";
const YELLOW: &str = "\u{1b}[1;33m";
const RED: &str = "\u{1b}[1;31m";
const CYAN: &str = "\u{1b}[1;36m";
const RESET: &str = "\u{1b}[0m";

impl Ui {
    /// Output of `program` as the command line asks for it; `no_color` is whether NO_COLOR is set, `github` whether the log is one of
    /// GitHub Actions, which takes some lines for commands.
    pub fn new(program: String, options: &Options, no_color: bool, github: bool) -> Self {
        let Options { message_format: format, quiet, verbose, color } = *options;
        let terminal = std::io::stderr().is_terminal();
        let color = match color {
            ColorChoice::Auto => terminal && !no_color,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let target =
            if quiet { indicatif::ProgressDrawTarget::hidden() } else { indicatif::ProgressDrawTarget::stderr() };
        let progress = indicatif::MultiProgress::with_draw_target(target);
        Self { program, format, quiet, verbose, color, github, progress }
    }

    /// Whether data goes out as JSON lines.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether more was asked for than usual.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether progress can be redrawn, that is, the standard error is a terminal.
    pub fn is_live(&self) -> bool {
        !self.progress.is_hidden()
    }

    /// The lines that are redrawn while something runs.
    pub fn progress(&self) -> &indicatif::MultiProgress {
        &self.progress
    }

    /// A line of normal output: a verb, right-aligned to 12, and what it is about.
    pub fn status(&self, verb: &str, about: &str) {
        if !self.quiet {
            self.line(GREEN, &format!("{verb:>12}"), about);
        }
    }

    /// A line for those who asked for more.
    pub fn detail(&self, verb: &str, about: &str) {
        if self.verbose && !self.quiet {
            self.line(CYAN, &format!("{verb:>12}"), about);
        }
    }

    /// A command about to run, as one could paste it.
    pub fn command(&self, command: &impl ToString) {
        self.detail("Running", &command.to_string());
    }

    /// A command that ran to its end.
    pub fn ended(&self, command: &str, after: Duration) {
        self.detail("Ended", &format!("after {:.3} s: {command}", after.as_secs_f64()));
    }

    /// Something that does not stop the run.
    pub fn warning(&self, text: &str) {
        self.line(YELLOW, "warning:", text);
        self.annotate("warning", text);
    }

    /// An annotation of the run in GitHub Actions: `error`, `warning` or `notice`.
    pub fn annotate(&self, level: &str, text: &str) {
        if self.github && !(self.quiet && level == "notice") {
            let text = clean(text).replace("##[", "## [").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
            self.write(&format!("::{level} title=xtask::{text}\n"));
        }
    }

    /// Why the run ends, what was kept and what to do next; in JSON a line with the reason `error` too.
    pub fn failure(&self, failure: &Failure) {
        self.line(RED, "error:", &failure.cause);
        for (label, text) in [("kept:", &failure.kept), ("hint:", &failure.hint)] {
            if let Some(text) = text {
                self.line(CYAN, &format!(" {label}"), text);
            }
        }
        self.annotate("error", &failure.cause);
        self.error_message(failure);
    }

    fn error_message(&self, failure: &Failure) {
        let Failure { code, cause, kept, hint } = failure;
        self.message("error", &serde_json::json!({"code": code, "cause": cause, "kept": kept, "hint": hint}));
    }

    /// Data for people; left out when data goes out as JSON.
    pub fn data(&self, text: &str) {
        if !self.is_json() {
            write_out(&self.inert(clean_lines(&format!("{text}\n"))));
        }
    }

    /// Data for programs: one line with its `reason` and the schema version; left out otherwise.
    pub fn message(&self, reason: &str, value: &impl Serialize) {
        if self.is_json() {
            self.fields(reason, serde_json::to_value(value).unwrap_or_default());
        }
    }

    fn fields(&self, reason: &str, mut line: serde_json::Value) {
        line["reason"] = reason.into();
        line["schema"] = SCHEMA.into();
        harmless(&mut line);
        let line = self.named(line.to_string());
        // The same string in JSON, and no command of GitHub Actions.
        write_out(&format!("{}\n", if self.github { line.replace("##[", "##\\u005b") } else { line }));
    }

    /// A question on the terminal; no terminal, no answer, and none when it is `interrupted` before there is one.
    pub fn confirm(&self, question: &str, interrupted: impl Fn() -> bool) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        self.line(YELLOW, "confirm:", &format!("{question} [y/N]"));
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer);
            send.send(read.map(|_| answer))
        });
        loop {
            match receive.recv_timeout(Duration::from_millis(20)) {
                Ok(answer) => return Some(matches!(answer.ok()?.trim(), "y" | "Y" | "yes")),
                Err(_) if interrupted() => return None,
                Err(_) => {}
            }
        }
    }

    fn line(&self, style: &str, label: &str, text: &str) {
        let (start, end) = if self.color { (style, RESET) } else { ("", "") };
        self.write(&self.inert(format!("{start}{label}{end} {}\n", clean(text))));
    }

    fn write(&self, text: &str) {
        self.progress.suspend(|| {
            // A closed standard error is no reason to fail.
            let _ = std::io::stderr().write_all(text.as_bytes());
        });
    }

    /// A text that calls the program by the name under which it was started.
    pub fn named(&self, text: String) -> String {
        if self.program == PROGRAM { text } else { text.replace(PROGRAM, &self.program) }
    }

    /// Lines that no CI system takes for commands.
    fn inert(&self, text: String) -> String {
        let text = self.named(text);
        if self.github { no_commands(&text) } else { text }
    }
}

/// Prints what clap says about the command line: help as it is, errors without control sequences of the arguments; a line
/// of JSON too when the command line asks for that.
pub fn usage(program: &'static str, error: &clap::Error, args: &[OsString]) -> std::process::ExitCode {
    if error.use_stderr() {
        let hint = &format!("`{program} --help` says what is possible");
        let text = error.render().to_string().replace("For more information, try '--help'.", &format!(" hint: {hint}"));
        let _ = std::io::stderr().write_all(no_commands(&clean(&text)).as_bytes());
        let cause = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::usage(cause).hint(hint.as_str());
        let is_json = args.windows(2).any(|pair| pair[0] == "--message-format" && pair[1] == "json")
            || args.iter().any(|word| word == "--message-format=json");
        let message_format = if is_json { Format::Json } else { Format::Human };
        let options = Options { message_format, quiet: true, verbose: false, color: ColorChoice::Never };
        Ui::new(program.to_owned(), &options, true, true).error_message(&failure);
        return failure.code.into();
    }
    let _ = error.print();
    crate::error::exit_code::OK.into()
}

/// Makes every string of a value harmless, each by itself: in the text of the whole one could reach into the next.
fn harmless(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(harmless),
        Value::Object(fields) => {
            *fields = std::mem::take(fields).into_iter().map(|(name, value)| (clean(&name), value)).collect();
            fields.values_mut().for_each(harmless);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Writes data; a reader that went away, as `head` does, ends nothing.
fn write_out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A text without what could forge output, whose lines may end as on Windows: a patch has to.
pub fn clean_lines(text: &str) -> String {
    text.split("\r\n").map(clean).collect::<Vec<_>>().join("\r\n")
}

/// The text without the commands of GitHub Actions: `::` at the start of a line, and `##[` anywhere.
fn no_commands(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for line in text.replace("##[", "## [").split_inclusive('\n') {
        let word = line.trim_start();
        let (space, word) = line.split_at(line.len() - word.len());
        safe.push_str(space);
        safe.push_str(if word.starts_with("::") { ": " } else { "" });
        safe.push_str(word);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_a_value_cannot_swallow_the_next() {
        let mut value = serde_json::json!({"source": "https://host", "by": ["a@b", {"https://u:p@h": "\u{9b}x"}]});
        harmless(&mut value);
        assert_eq!(value, serde_json::json!({"source": "https://host", "by": ["a@b", {"https://***@h": "x"}]}));
    }

    #[test]
    fn no_line_is_a_command_of_github() {
        let text = "::add-mask::a\n  ::error::b\n##[command]c ####[d]\n[x] ::e\n";
        assert_eq!(no_commands(text), ": ::add-mask::a\n  : ::error::b\n## [command]c #### [d]\n[x] ::e\n");
    }
}
