//! One run of the program, and how it ended; the suites with fakes and with a real engine share it.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::DEADLINE;

/// Waits until something is true.
#[track_caller]
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run that has begun.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    line: String,
    started: Instant,
}

impl Running {
    /// Starts a command with its output in files of a directory.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["out", "err"].map(|stream| directory.join(format!("{number}.{stream}")));
        command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let line = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Self { child: command.spawn().unwrap(), stdout, stderr, line, started: Instant::now() }
    }

    /// What it wrote to the standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Sends a signal to this process alone; its children are in groups of their own.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn until_says(&mut self, text: &str) {
        until(text, || {
            let ended = self.has_ended();
            let said = self.stderr().contains(text);
            assert!(said || !ended, "it ended without `{text}`: {}", self.stderr());
            said
        });
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Outcome {
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > DEADLINE {
                self.child.kill().unwrap();
                panic!("`{}` does not end:\n{}", self.line, self.stderr());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().unwrap();
        let [stdout, stderr] =
            [&self.stdout, &self.stderr].map(|path| String::from_utf8(fs::read(path).unwrap()).unwrap());
        record(&stderr);
        Outcome { code: status.code(), stdout, stderr, elapsed: self.started.elapsed(), line: self.line }
    }
}

/// Adds the error that a run ended with to a file, when that is asked for; directories of tests have other names each time.
fn record(stderr: &str) {
    let Some(path) = std::env::var_os("RECORD_ERRORS") else { return };
    let Some(at) = stderr.find("error: ").filter(|at| *at == 0 || stderr[..*at].ends_with('\n')) else { return };
    let mut text = String::new();
    let mut rest = stderr[at..].trim_end();
    while let Some(at) = rest.find("/tmp/xtask-") {
        let path = &rest[at + "/tmp/".len()..];
        text.push_str(&rest[..at]);
        rest = path.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or("", |end| &path[end..]);
    }
    text.push_str(rest);
    let file = File::options().create(true).append(true).open(path);
    std::io::Write::write_all(&mut file.unwrap(), format!("{text}\n\n").as_bytes()).unwrap();
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
    line: String,
}

impl Outcome {
    /// The run ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        super::assert_normal(&self);
        self
    }

    /// The run ended with this status, one error, and a hint.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        let causes = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(causes, 1, "there must be one error\n{self}");
        let hint = |line: &str| ["hint: ", "tip: "].iter().any(|label| line.trim_start().starts_with(label));
        assert!(self.stderr.lines().any(hint), "there must be a hint\n{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }

    /// The standard error has this text; for what no state shows.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not said\n{self}");
        self
    }

    /// Every line of the standard output as JSON.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("`{line}` is no JSON\n{self}"));
        self.stdout.lines().map(parse).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, elapsed, line } = self;
        write!(f, "xtask {line}\nexit status {code:?} after {elapsed:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

/// Writes down what a test measured, where somebody wants to know it: a line of JSON in the file of FAULTS_FIGURES.
#[allow(dead_code, reason = "not every suite measures")]
pub(crate) fn figure(what: &str, value: Value) {
    let Some(path) = std::env::var_os("FAULTS_FIGURES") else { return };
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    writeln!(file, "{}", serde_json::json!({"what": what, "value": value})).unwrap();
}
