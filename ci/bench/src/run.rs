//! Running one command and watching it.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// What a command cost.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    /// Processor time of the process itself, without its children.
    pub(crate) cpu_s: f64,
    /// The most memory that the process had while it was the tool.
    pub(crate) peak_kb: u64,
    /// Both of its streams.
    pub(crate) output: String,
}

/// Runs a command to its end; it has to succeed.
pub(crate) fn timed(command: &mut Command) -> Result<Run> {
    let mut file = tempfile::tempfile()?;
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?).spawn()?;
    let pid = i32::try_from(child.id())?;
    let clock = clock_getcpuclockid(Pid::from_raw(pid))?;
    let (mut cpu_s, mut peak_kb) = (0.0, 0);
    let status = loop {
        if let Ok(time) = clock_gettime(clock) {
            cpu_s = Duration::from(time).as_secs_f64();
        }
        peak_kb = peak_kb.max(peak(pid));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let wall_s = started.elapsed().as_secs_f64();
    let output = text(&mut file)?;
    if !status.success() {
        bail!("`{command:?}` failed: {status}\n{output}");
    }
    Ok(Run { wall_s, cpu_s, peak_kb, output })
}

/// The high water mark of memory; nothing for what is not (yet) the tool: shells and Cargo become it.
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let is_tool = ["xtask", "compose-rebuild"].iter().any(|name| status.starts_with(&format!("Name:\t{name}\n")));
    let peak = line.filter(|_| is_tool);
    peak.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs a command and returns its standard output.
pub(crate) fn read(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("`{command:?}` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
