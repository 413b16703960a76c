//! Runs other programs: to their end with their output kept, or as daemons that die with us.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes everything that is being started give up soon: to be called when a signal asks to stop.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Fails once [`interrupt`] was called.
pub(crate) fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// A command for `program` in a PID namespace and with mounts of its own, killed when our thread ends.
///
/// When its first process is killed, no process and no mount of it is left, whatever it started.
pub(crate) fn confined(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork", "--kill-child", "--mount"]);
    command.args(["--propagation", "slave", "--mount-proc", "--"]).arg(program);
    command
}

/// Runs a command to its end and returns its standard output; an interrupt ends it early.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    finish(command, true)
}

/// Like [`run`], for what must not be left half done, such as installing a package.
pub(crate) fn run_to_end(command: &mut Command) -> Result<String> {
    finish(command, false)
}

fn finish(command: &mut Command, may_interrupt: bool) -> Result<String> {
    if may_interrupt {
        check_interrupt()?;
    }
    // Files instead of pipes: nobody has to read while the program runs.
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    // A group of its own: Ctrl-C on the terminal reaches us alone, and we decide.
    command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("could not start `{}`", line(command)))?;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if may_interrupt && let Err(interrupted) = check_interrupt() {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait()?;
            return Err(interrupted);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let text = |file: &mut std::fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    if !status.success() {
        bail!("`{}` failed ({status}): {}", line(command), tail(&text(&mut err)?, 15));
    }
    text(&mut out)
}

/// The command as one line, for messages.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let confined = words.iter().rposition(|word| word == "--mount-proc").map_or(0, |at| at + 2);
    words[confined..].join(" ")
}

/// The last `count` lines of a text.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A program in the background, killed with all it started when this value is dropped or our process dies.
pub(crate) struct Daemon {
    child: Child,
    log: Utf8PathBuf,
    /// The thread that is the parent in the kernel's eyes lives until this is dropped.
    _keeper: mpsc::Sender<()>,
}

impl Daemon {
    /// Starts a [`confined`] command with its output in the file `log`.
    pub(crate) fn start(mut command: Command, log: &Utf8Path) -> Result<Daemon> {
        check_interrupt()?;
        let file = fs_err::File::create(log)?.into_file();
        command.process_group(0).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let (keeper, end) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        // The kernel's parent death signal follows the thread, not the process: a thread of its
        // own, so that callers may start a sandbox on a thread which ends.
        std::thread::spawn(move || {
            let spawned = command.spawn().with_context(|| format!("could not start `{}`", line(&command)));
            if sender.send(spawned).is_ok() {
                let _ = end.recv();
            }
        });
        let child = receiver.recv().context("the thread of a daemon ended")??;
        Ok(Daemon { child, log: log.to_owned(), _keeper: keeper })
    }

    /// Waits until `ready` says so; fails when the program ended before.
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            check_interrupt()?;
            let log = || tail(&fs_err::read_to_string(&self.log).unwrap_or_default(), 15);
            if let Some(status) = self.child.try_wait()? {
                bail!("{what} ended early ({status}):\n{}", log());
            }
            if start.elapsed() > Duration::from_secs(60) {
                bail!("{what} is not ready after 60 seconds:\n{}", log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Kills the program with its namespace, and waits until all of it is gone.
    fn kill(&mut self) {
        let pid = self.child.id();
        let first = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        match first.trim().parse().ok().and_then(Pid::from_raw) {
            // `unshare` ends by itself, after the namespace is empty.
            Some(first) => drop(kill_process(first, Signal::KILL)),
            None => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
