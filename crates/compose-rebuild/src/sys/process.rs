//! Running one process: its own group, bounded time and memory, stopped by a signal.

#![expect(clippy::disallowed_methods, reason = "processes are started here")]

mod line;
mod streams;

use std::io::{BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use xshell::Shell;

use crate::error::Failure;
use crate::sys::interrupt;
use crate::ui::Ui;
use crate::value::secrets::is_token;
pub use line::CommandLine;
use streams::{Tail, read_line, tail};

/// A limit for what may take the engine a while, such as removing many images.
pub const LONG: Duration = Duration::from_secs(600);
/// A limit for what cleans up after a run.
pub const CLEANUP: Duration = Duration::from_secs(60);
/// Most bytes that are kept of one stream.
pub const OUTPUT_LIMIT: u64 = 64 << 20;
/// How often a wait looks for signals and deadlines.
const TICK: Duration = Duration::from_millis(20);
/// How long the standard error is waited for after everything else has ended.
const LINGER: Duration = Duration::from_millis(200);
/// How long a process may take to stop after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How long a process may take to stop that nobody waits for.
const BRIEF: Duration = Duration::from_millis(500);

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// The standard output, empty when it was streamed.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: String,
}

impl Finished {
    /// The last line of the standard error that says something; what git advises is not it.
    pub fn last_error(&self) -> &str {
        let says = |line: &&str| !line.is_empty() && !line.starts_with("hint: ");
        self.stderr.lines().rev().map(str::trim).find(says).unwrap_or("no message")
    }

    /// The standard output as text. Answers can be long: what is valid is not copied.
    pub fn text(self) -> String {
        String::from_utf8(self.stdout).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
    }
}

impl CommandLine {
    /// Runs to its end and returns what it wrote; a bad exit status is no error here.
    ///
    /// # Errors
    /// Exit code 3 when it cannot start or takes longer than `limit`, 130 when a signal came.
    pub fn output(&self, ui: &Ui, limit: Duration) -> anyhow::Result<Finished> {
        bounded_output(ui, self, End { limit: Some(limit), signals: 0, grace: GRACE })
    }

    /// Runs; a signal ends it within half a second whatever it does: what it leaves is finished later.
    pub fn output_or_leave(&self, ui: &Ui, limit: Duration) -> anyhow::Result<Finished> {
        bounded_output(ui, self, End { limit: Some(limit), signals: 0, grace: BRIEF })
    }

    /// Cleans up after this run within [`CLEANUP`]: neither the signals that came before it starts stop it, nor the first
    /// that comes while it runs.
    pub fn cleanup(&self, ui: &Ui) -> anyhow::Result<Finished> {
        bounded_output(ui, self, End { limit: Some(CLEANUP), signals: interrupt::count() + 1, grace: GRACE })
    }
}

/// What ends a process early.
#[derive(Clone, Copy)]
struct End {
    /// How long it may take.
    limit: Option<Duration>,
    /// How many signals do not stop it.
    signals: usize,
    /// How long it may take to stop after it was asked to.
    grace: Duration,
}

fn bounded_output(ui: &Ui, line: &CommandLine, end: End) -> anyhow::Result<Finished> {
    let (finished, stdout) = bounded_read(ui, line, end, |stdout| {
        let mut bytes = Vec::new();
        // A read error means a closed pipe: the exit status tells the rest.
        let _ = stdout.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        bytes
    })?;
    Ok(Finished { stdout: stdout.unwrap_or_default(), ..finished })
}

/// Runs a command to its end while `take` reads its standard output, so that no more of it is in memory than `take` keeps.
/// Nothing is returned beside the end of the process when `take` was still reading long after it.
pub fn read<T: Send + 'static>(
    ui: &Ui,
    line: &CommandLine,
    limit: Duration,
    take: impl FnOnce(&mut dyn Read) -> T + Send + 'static,
) -> anyhow::Result<(Finished, Option<T>)> {
    bounded_read(ui, line, End { limit: Some(limit), signals: 0, grace: GRACE }, take)
}

fn bounded_read<T: Send + 'static>(
    ui: &Ui,
    line: &CommandLine,
    end: End,
    take: impl FnOnce(&mut dyn Read) -> T + Send + 'static,
) -> anyhow::Result<(Finished, Option<T>)> {
    let shown = line.shown();
    let mut child = start(ui, command(line)?, end.signals, &shown)?;
    let stdout = child.stdout.take();
    let (send, receive) = sync_channel(1);
    thread::spawn(move || {
        let Some(mut stdout) = stdout else { return };
        let _ = send.send(take(&mut stdout));
    });
    let mut taken = None;
    let finished = supervise(ui, child, &shown, end, receive, |item| {
        taken = item.or(taken.take());
        Ok(())
    })?;
    Ok((finished, taken))
}

/// What a process that is listened to says.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// A line that is a JSON object, without the line feed.
    Line(&'a [u8]),
    /// Nothing, for so long.
    Nothing(Duration),
}

/// Runs a command to its end with `input` on its standard input and hands every line of its standard error that is a JSON object
/// to `hear`; the other lines are its errors. An unterminated last line counts as a line; a line of more than 4 MiB is
/// dropped.
///
/// # Errors
/// Exit code 3 when it cannot start, 130 when a signal came, or the error of `hear`.
pub fn stream(
    ui: &Ui,
    line: &CommandLine,
    input: Vec<u8>,
    mut hear: impl FnMut(Heard<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Finished> {
    let shown = line.shown();
    let mut command = command(line)?;
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = start(ui, command, 0, &shown)?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // What does not read its input says why at its end.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    // A few lines at most wait in memory, however long they are.
    let (send, receive) = sync_channel(2);
    thread::spawn(move || {
        let Some(stderr) = stderr else { return };
        let mut reader = BufReader::with_capacity(64 << 10, stderr);
        while let Ok(Some(line)) = read_line(&mut reader) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let mut errors = Tail::default();
    let mut last = Instant::now();
    let end = End { limit: None, signals: 0, grace: GRACE };
    let finished = supervise(ui, child, &shown, end, receive, |line: Option<Vec<u8>>| {
        let Some(line) = line else { return hear(Heard::Nothing(last.elapsed())) };
        last = Instant::now();
        if line.first() == Some(&b'{') {
            return hear(Heard::Line(&line));
        }
        errors.add(&line);
        errors.add(b"\n");
        Ok(())
    })?;
    Ok(Finished { stderr: errors.text(), ..finished })
}

/// Runs a command with `input` on its standard input, and takes nothing of what it prints but the end of its standard error.
/// Messages name the program alone: its arguments may hold what nobody else should read.
pub fn tell(ui: &Ui, line: &CommandLine, input: Vec<u8>, limit: Duration) -> anyhow::Result<Finished> {
    let mut command = command(line)?;
    let shown = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = start(ui, command, 0, &shown)?;
    let stdin = child.stdin.take();
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let (_, nothing) = sync_channel::<()>(0);
    let end = End { limit: Some(limit), signals: 0, grace: GRACE };
    supervise(ui, child, &shown, end, nothing, |_| Ok(()))
}

/// A command in a process group of its own, with nothing to read and both outputs piped.
fn command(line: &CommandLine) -> anyhow::Result<Command> {
    let sh = Shell::new()?;
    let mut command = Command::from(line.prepared(&sh));
    // Only what is given a token needs it.
    let given: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_token(name) && !given.contains(name)) {
        command.env_remove(name);
    }
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn start(ui: &Ui, mut command: Command, signals: usize, shown: &str) -> anyhow::Result<Child> {
    interrupt::check_since(signals)?;
    ui.command(&shown);
    command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        Failure::precondition(format!("could not start `{program}`: {error}"))
            .hint(format!("install `{program}`, or put it on PATH"))
            .into()
    })
}

/// Takes what the reading thread sends, or at every tick without it nothing, until it ends, then the exit status; stops the process group early at the limit,
/// when `take` fails, and on a signal beyond the first ones.
fn supervise<T>(
    ui: &Ui,
    mut child: Child,
    shown: &str,
    End { limit, signals, grace }: End,
    receive: Receiver<T>,
    mut take: impl FnMut(Option<T>) -> anyhow::Result<()>,
) -> anyhow::Result<Finished> {
    let started = Instant::now();
    let stderr = child.stderr.take();
    let (send, errors) = sync_channel(1);
    thread::spawn(move || send.send(stderr.map(tail).unwrap_or_default()));
    let late = || limit.is_some_and(|limit| started.elapsed() > limit);
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let received = receive.recv_timeout(TICK);
        let closed = matches!(received, Err(RecvTimeoutError::Disconnected));
        let got = received.is_ok();
        let failed = match received {
            Ok(item) => take(Some(item)).err(),
            Err(_) if late() => Some(
                Failure::precondition(format!(
                    "`{shown}` did not answer within {} s",
                    limit.unwrap_or_default().as_secs()
                ))
                .hint("check the network and the engine, then run it again")
                .into(),
            ),
            Err(_) => take(None).err(),
        };
        if let Some(error) = failed.or_else(|| interrupt::check_since(signals).err().map(Into::into)) {
            stop(&mut child, grace);
            return Err(error);
        }
        if ended.is_none() {
            let status = if closed { wait_briefly(&mut child)? } else { child.try_wait()? };
            ended = status.map(|status| (status, Instant::now()));
        }
        if let (Some((_, at)), true) = (&mut ended, got) {
            *at = Instant::now();
        }
        // A helper that outlives the process may keep its outputs open. Of a stream everything was taken that came in time;
        // an answer that is not complete is none, and the limit ends it.
        if let Some((status, at)) = ended
            && (closed || (limit.is_none() && at.elapsed() > GRACE))
        {
            let stderr = errors.recv_timeout(LINGER).unwrap_or_default();
            ui.ended(shown, started.elapsed());
            return Ok(Finished { status, stdout: Vec::new(), stderr });
        }
    }
}

/// The exit status if the process, whose output has ended, ends within one tick.
fn wait_briefly(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        match child.try_wait()? {
            None if started.elapsed() < TICK => thread::sleep(pause),
            status => return Ok(status),
        }
        // With many of them at the same time it takes longer, and each must not look more often for that.
        pause *= 2;
    }
}

/// Asks the whole group to stop, and kills it after a while or at the next signal.
fn stop(child: &mut Child, grace: Duration) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (asked, signals) = (Instant::now(), interrupt::count());
    // The group may be gone already, which is what is wanted.
    let _ = killpg(group, Signal::SIGINT);
    while let Ok(None) = child.try_wait() {
        if asked.elapsed() > grace || interrupt::count() > signals {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
            return;
        }
        thread::sleep(TICK);
    }
}
