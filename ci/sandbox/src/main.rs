//! `cargo sandbox COMMAND...`: runs a command with a Docker engine, a Git server, a model hub and a registry.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{ImageStore, Options, Sandbox};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

const HELP: &str = "\
Runs a command with a Docker engine, a Git server, a model hub and a registry of its own

Usage: cargo sandbox COMMAND [ARG]...    run COMMAND in a new sandbox, or in the one around it
       cargo sandbox push KIND           in a sandbox: commit and push upstream, print the commit;
                                         KIND is backend, frontend, lockfile, pyproject, readme or broken
       cargo sandbox hub [FAULT]         in a sandbox: print what the model hub served, as JSON; FAULT is
                                         what goes wrong from now on: none, close=BYTES, reset=BYTES,
                                         short, flip, ignore-range
       cargo sandbox registry [FAULT]    in a sandbox: print what passed the registry, as JSON; FAULT is
                                         none, down, slow=MILLISECONDS, error, refuse or cut=BYTES
       cargo sandbox -- COMMAND [ARG]... run a COMMAND that is named like one of these

COMMAND finds DOCKER_HOST, DOCKER_CONFIG and Docker's programs in PATH; the upstream repository in
GITHUB_REPO and GITHUB_BRANCH; the model hub in HF_ENDPOINT, with MODEL_REPO, MODEL_REVISION and
MODEL_FILES; base images in NODE_IMAGE, PYTHON_IMAGE and RUNTIME_IMAGE, with RUNTIME_PACKAGES; the
directory of the sandbox in SANDBOX_DIR; the host of a registry, which starts with its first use, in
SANDBOX_REGISTRY. The Git server and the hub listen at SANDBOX_ADDRESS. The exit
code is that of COMMAND.

Environment:
  SANDBOX_ENGINE  `private` (the default) or `host`, the Docker engine of the machine
  SANDBOX_STORE   where the engine keeps images: `classic` (the default) or `containerd`
  SANDBOX_CACHE   what is kept between runs, else $XDG_CACHE_HOME/xtask-sandbox or ~/.cache/xtask-sandbox

The first run fills the cache (1 GB, about two minutes). A sandbox needs Linux, root, and Debian's apt.
";

/// The process that a signal is passed on to; 0 while there is none.
static COMMAND: AtomicI32 = AtomicI32::new(0);
/// The last signal that asked us to stop.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["-h" | "--help", ..] => print(HELP),
        ["push", kind] => push(kind),
        ["hub"] => hub(None),
        ["hub", fault] => hub(Some(fault)),
        ["--", program, arguments @ ..] => run(program, arguments),
        ["registry"] => registry(None),
        ["registry", fault] => registry(Some(fault)),
        [] | ["push" | "hub" | "registry", ..] => return usage(),
        [option, ..] if option.starts_with('-') => return usage(),
        [program, arguments @ ..] => run(program, arguments),
    };
    match (result, SIGNAL.load(Ordering::Relaxed)) {
        (Ok(code), _) => ExitCode::from(code),
        (Err(error), 0) => {
            sandbox::print_error(&error);
            ExitCode::from(if error.is::<NotFound>() { 127 } else { 1 })
        }
        // Whoever sent the signal knows why we stop.
        (Err(_), signal) => ExitCode::from(exit_code(signal)),
    }
}

fn usage() -> ExitCode {
    let _ = std::io::stderr().write_all(HELP.as_bytes());
    ExitCode::from(2)
}

/// The image store that SANDBOX_STORE names.
fn image_store() -> Result<ImageStore> {
    match std::env::var("SANDBOX_STORE").unwrap_or_default().as_str() {
        "" | "classic" => Ok(ImageStore::Classic),
        "containerd" => Ok(ImageStore::Containerd),
        other => bail!("SANDBOX_STORE is `{other}`; use `classic` or `containerd`"),
    }
}

fn print(text: &str) -> Result<u8> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

fn current() -> Result<Sandbox> {
    Sandbox::current()?.context("this is not a sandbox; hint: start one with `cargo sandbox bash`, and do it in there")
}

fn push(kind: &str) -> Result<u8> {
    let kind = kind.parse()?;
    print(&format!("{}\n", current()?.push(kind)?))
}

fn hub(fault: Option<&str>) -> Result<u8> {
    let sandbox = current()?;
    if let Some(fault) = fault {
        sandbox.hub().set_fault(fault.parse()?)?;
    }
    print(&format!("{}\n", sandbox.hub().counters()?))
}

fn registry(fault: Option<&str>) -> Result<u8> {
    let sandbox = current()?;
    if let Some(fault) = fault {
        sandbox.registry().set_fault(fault.parse()?)?;
    }
    print(&format!("{}\n", sandbox.registry().counters()?))
}

/// The command could not be started, which shells report with the exit code 127.
#[derive(Debug)]
struct NotFound(String);

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not start `{}`", self.0)
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<u8> {
    let sandbox = Sandbox::current()?;
    handle_signals()?;
    let sandbox = match sandbox {
        Some(sandbox) => sandbox,
        None => Sandbox::start(Options { image_store: image_store()?, ..Options::default() })?,
    };
    if SIGNAL.load(Ordering::Relaxed) != 0 {
        bail!("interrupted");
    }
    let mut child = sandbox.command(program).args(arguments).spawn().with_context(|| NotFound(program.to_owned()))?;
    COMMAND.store(child.id().try_into()?, Ordering::Relaxed);
    let status = child.wait()?;
    COMMAND.store(0, Ordering::Relaxed);
    let signalled = || status.signal().map(exit_code);
    Ok(status.code().and_then(|code| code.try_into().ok()).or_else(signalled).unwrap_or(1))
}

fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// Lets signals end the command, and us only after it.
fn handle_signals() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            SIGNAL.store(number, Ordering::Relaxed);
            sandbox::interrupt();
            // Ctrl-C reaches the command by itself, through the group of the terminal.
            let passed_on = match number {
                SIGTERM => Some(Signal::TERM),
                SIGHUP => Some(Signal::HUP),
                _ => None,
            };
            if let (Some(signal), Some(pid)) = (passed_on, Pid::from_raw(COMMAND.load(Ordering::Relaxed))) {
                let _ = kill_process(pid, signal);
            }
        }
    });
    Ok(())
}
