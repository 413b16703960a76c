//! A fake `docker` and `git` in one program; the name it is called by decides. It behaves like an engine that keeps its
//! images in a file, writes down how it was called, and fails in the ways that a test asks for.

#![allow(clippy::unwrap_used, reason = "a fake that cannot go on fails loudly")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests run programs and read the environment")]
#![allow(clippy::zombie_processes, reason = "children that outlive their parent are a fault to try")]

mod disk;
mod docker;
mod git;
mod registry;
mod state;

use std::io::Write;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use compose_rebuild::sys::interrupt::is_alive;
use state::{Call, Engine, Rule};

/// Set for a child that answers after its parent has ended: the process ID of that.
const LATER: &str = "FAKE_LATER";

/// What a command answers.
#[derive(Default)]
pub(crate) struct Reply {
    stdout: Vec<u8>,
    stderr: String,
    code: u8,
}

impl Reply {
    fn ok(stdout: impl Into<Vec<u8>>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    fn error(code: u8, stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into() + "\n", code, ..Self::default() }
    }
}

fn main() -> ExitCode {
    let mut argv = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let program = Path::new(&argv.next().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
    let mut args: Vec<String> = argv.collect();
    // Compose and buildx are also started as the plugins that they are.
    let program = match program.strip_prefix("docker-") {
        Some(plugin) => {
            args.insert(0, plugin.to_owned());
            "docker".to_owned()
        }
        None => program,
    };
    // The state is beside the directory of the fakes, which is first on PATH: git gets hardly any other variable.
    let path = std::env::var_os("PATH").unwrap();
    let state = std::env::split_paths(&path).next().unwrap().parent().unwrap().join("state");
    Call {
        program: program.clone(),
        args: args.clone(),
        env: std::env::vars().collect(),
        pid: std::process::id(),
        parent_peak: parent_peak(),
    }
    .append(&state);
    let act = || match program.as_str() {
        "docker" => docker::run(&state, &args),
        _ => ask_git(&state, &args),
    };
    if let Some(parent) = std::env::var_os(LATER) {
        // Until whoever waits for the parent knows that it has ended.
        while is_alive(parent.to_str().unwrap().parse().unwrap()) {
            thread::sleep(Duration::from_millis(5));
        }
    } else if let Some(rule) = Rule::take(&state, &format!("{program} {} ", args.join(" "))) {
        if rule.late {
            act();
        }
        if let Some(code) = obey(&state, &rule, args.iter().any(|arg| arg == "bake")) {
            return code.into();
        }
    }
    let reply = act();
    answer(&reply.stdout, &reply.stderr);
    reply.code.into()
}

/// Writes both streams; a reader that went away is the reader's business.
fn answer(stdout: &[u8], stderr: &str) {
    let _ = std::io::stdout().write_all(stdout);
    let _ = std::io::stderr().write_all(stderr.as_bytes());
}

/// Does what a rule says; an exit status ends the command before it does anything else.
fn obey(state: &Path, rule: &Rule, is_build: bool) -> Option<u8> {
    if rule.deaf {
        let heard = state.join("heard");
        ctrlc::set_handler(move || std::fs::write(&heard, "").unwrap()).unwrap();
    }
    let events = std::fs::read(state.join(&rule.stdout_file)).unwrap();
    // A build writes its events where others write their errors.
    let (stdout, stderr) = if is_build { (&[][..], &events[..]) } else { (&events[..], &[][..]) };
    let _ = std::io::stderr().write_all(stderr);
    answer(stdout, &rule.stderr);
    flood(rule);
    if rule.leave_stderr_open {
        // As `ssh` with ControlPersist does: a child that lives on with the same standard error.
        another_fake().arg("sleep").stdout(Stdio::null()).spawn().unwrap();
    }
    if rule.answer_by_child {
        // As a wrapper does that does not wait for what it wraps.
        another_fake().args(std::env::args_os().skip(1)).env(LATER, std::process::id().to_string()).spawn().unwrap();
        return Some(0);
    }
    let wanted = rule.wait_for.as_ref().map(|name| state.join(name));
    std::fs::write(state.join("obeyed"), "").unwrap();
    // A killed run cannot stop its children: they end with the test.
    while state.exists() && (rule.hang || wanted.as_ref().is_some_and(|file| !file.exists())) {
        thread::sleep(Duration::from_millis(5));
    }
    rule.exit
}

/// This program again, under the same name and not waited for.
fn another_fake() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg0(std::env::args_os().next().unwrap());
    command
}

/// Log lines of one step, until so many megabytes of log were written.
fn flood(rule: &Rule) {
    use base64::Engine as _;
    if rule.flood_mb == 0 {
        return;
    }
    let bytes = rule.flood_line_kb << 10;
    let text: String = "a line of the log of a step that cannot stop talking\n".chars().cycle().take(bytes).collect();
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    let line = format!("{{\"logs\":[{{\"vertex\":\"sha256:flood\",\"stream\":1,\"data\":\"{data}\"}}]}}\n");
    let mut out = std::io::stderr().lock();
    let begin = "{\"vertexes\":[{\"digest\":\"sha256:flood\",\"name\":\"[vibevoice frontend 3/3] RUN npm run build\",\
                 \"started\":\"2026-01-01T00:00:00Z\"}]}\n";
    let _ = out.write_all(begin.as_bytes());
    for _ in 0..(rule.flood_mb << 20) / bytes {
        let _ = out.write_all(line.as_bytes());
    }
}

/// Peak memory of the program that called, in kB.
fn parent_peak() -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", parent_id()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn ask_git(state: &Path, args: &[String]) -> Reply {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let real = || {
        let git = std::fs::read_to_string(state.join("git")).unwrap();
        let output = Command::new(git).args(&args).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Reply { stdout: output.stdout, stderr, code: output.status.code().unwrap_or(255) as u8 }
    };
    match args.as_slice() {
        _ if state.join("real-remotes").exists() => real(),
        // Until the test takes its directory away.
        ["sleep"] => {
            while state.exists() {
                thread::sleep(Duration::from_millis(50));
            }
            Reply::default()
        }
        ["ls-remote", "--", url, names @ ..] | ["ls-remote", "--symref", "--", url, names @ ..]
            if !names.is_empty() =>
        {
            match Engine::read(state).remotes.get(*url) {
                Some(lines) => Reply::ok(lines.clone()),
                None => Reply::error(128, format!("fatal: repository '{url}/' not found")),
            }
        }
        // A directory is a checkout when it has `.git`, whose file `files` lists what is tracked.
        ["-C", directory, "ls-files", ..] if !state.join("git").exists() => {
            match std::fs::read(PathBuf::from(directory).join(".git/files")) {
                Ok(files) => Reply::ok(files),
                Err(_) => Reply::error(128, "fatal: not a git repository (or any of the parent directories): .git"),
            }
        }
        // Real repositories are asked with the real git, where a test has them.
        ["-C", ..] if state.join("git").exists() => real(),
        ["-C", _, "describe", ..] => Reply::error(128, "fatal: No names found, cannot describe anything."),
        other => git::run(state, other),
    }
}
