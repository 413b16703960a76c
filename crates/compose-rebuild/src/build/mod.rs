//! Building what a plan says with one `docker compose build`, so that all services are one BuildKit solve.

pub mod events;
pub mod live;
pub mod staged;
pub mod step;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use xshell::Shell;

use crate::error::Failure;
use crate::facts::image::Store;
use crate::plan::{Plan, override_file};
use crate::settings::Settings;
use crate::sys::process::Finished;
use crate::sys::{docker, files, process};
use crate::ui::Ui;
use events::{Event, Progress};
use live::Live;

/// Exit status of a step that says "the remote I need failed": EX_UNAVAILABLE of BSD's `sysexits.h`.
const EX_UNAVAILABLE: &str = "exit code: 69";
/// Log files that are kept.
const LOGS: usize = 20;

/// Where a build leaves its images and its cache.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Where its images are afterwards.
    pub store: Store,
    /// Whether it writes its cache where the compose file says.
    pub cache: bool,
}

/// What a build did.
#[derive(Debug)]
pub struct Outcome {
    /// The steps.
    pub progress: Progress,
    /// The complete log.
    pub log: Utf8PathBuf,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Builds every service of the plan under its staged tag; `local` takes the place of the source stage. How it failed is
/// part of the outcome: exit code 4 with step and log when a step does, 3 when the engine or a remote does, 130 when a
/// signal came.
///
/// # Errors
/// When the build could not begin.
pub fn run(
    ui: &Ui,
    settings: &Settings,
    state: &Utf8Path,
    plan: &Plan,
    local: Option<&Utf8Path>,
    output: Output,
) -> anyhow::Result<Outcome> {
    let override_path = state.join(format!("override-{}.json", plan.project));
    files::write(&override_path, override_file::render(plan, local, output.cache).as_bytes())?;
    let compose_files = [&settings.files[..], &[override_path]].concat();
    let options = docker::BuildOptions {
        builder: settings.builder.as_ref(),
        no_cache: plan.no_cache,
        pull: plan.pull,
        push: output.store == Store::Registry,
        provenance: plan.attestations.provenance,
    };
    let logs = state.join("logs");
    files::create_directory(&logs)?;
    let log_path = logs.join(format!("{}-{}.log", settings.now.compact(), plan.project));
    let started = Instant::now();
    let mut retried = false;
    loop {
        let mut log = std::io::BufWriter::new(files::create(&log_path)?);
        let mut progress = Progress::default();
        let mut live = Live::new(ui);
        let sh = Shell::new()?;
        let services = plan.builds().map(|(service, _)| &service.service);
        let command = docker::compose_build(&sh, &compose_files, services, options);
        let streamed = process::stream(ui, command, |line| {
            for event in progress.feed(line) {
                write_event(&mut log, &event, &progress).with_context(|| format!("could not write `{log_path}`"))?;
                live.show(&event, &progress);
            }
            Ok(())
        });
        drop(live);
        let failure = match streamed {
            Err(error) => Some(Failure::of(&error)),
            Ok(finished) => {
                writeln!(log, "{}", crate::ui::clean(&finished.stderr))?;
                if !finished.status.success() && engine_failed(&finished, &progress) && !retried {
                    ui.status("Retrying", &format!("the engine broke off: {}", compose_error(&finished)));
                    retried = true;
                    continue;
                }
                (!finished.status.success()).then(|| failure(&finished, &progress, &log_path))
            }
        };
        log.flush()?;
        files::keep_newest(&logs, LOGS)?;
        return Ok(Outcome { progress, log: log_path, elapsed: started.elapsed(), failure });
    }
}

fn write_event(log: &mut impl Write, event: &Event, progress: &Progress) -> std::io::Result<()> {
    match event {
        Event::Started(index) => writeln!(log, "#{index} {}", progress.steps()[*index].name),
        Event::Log(index, text) => text.lines().try_for_each(|line| writeln!(log, "#{index} {line}")),
        Event::Ended(index) => {
            let step = &progress.steps()[*index];
            match &step.error {
                Some(error) => writeln!(log, "#{index} ERROR: {error}"),
                None if step.cached => writeln!(log, "#{index} CACHED {}", step.name),
                None => writeln!(log, "#{index} DONE {:.1}s {}", step.milliseconds() as f64 / 1000.0, step.name),
            }
        }
    }
}

/// What Compose itself said last; with JSON progress it writes its errors as JSON too.
fn compose_error(finished: &Finished) -> String {
    let last = finished.last_error();
    let parsed: Option<serde_json::Value> = serde_json::from_str(last).ok();
    let field = |name: &str| parsed.as_ref()?.get(name)?.as_str().map(str::to_owned);
    field("message").or_else(|| field("error")).or_else(|| field("text")).unwrap_or_else(|| last.to_owned())
}

/// Whether the builder went away or lost data, of its own or between it and a registry, which a second try survives.
fn engine_failed(finished: &Finished, progress: &Progress) -> bool {
    let signs = [
        "transport is closing",
        "error reading from server: EOF",
        "connection reset",
        "code = Unavailable",
        "snapshot",
        // A registry loses one of two uploads of the same layer at the same time.
        "blob unknown to registry",
    ];
    let says = |text: &str| signs.iter().any(|sign| text.contains(sign)) && !text.contains("exit code:");
    says(&finished.stderr) && progress.failed().is_none_or(|step| says(step.error.as_deref().unwrap_or_default()))
}

fn failure(finished: &Finished, progress: &Progress, log: &Utf8Path) -> Failure {
    let kept = "every tag is where it was";
    let error = compose_error(finished);
    let all = format!(
        "{}\n{}",
        finished.stderr,
        progress.failed().and_then(|step| step.error.as_deref()).unwrap_or_default()
    );
    if all.contains("no space left on device") || all.contains("ResourceExhausted") {
        return Failure::precondition("the disk is full")
            .kept(kept)
            .hint("free space: `docker builder prune` keeps the kept model");
    }
    if let Some(step) = progress.failed() {
        let reason = step.error.as_deref().unwrap_or_default();
        let tail: String = step.tail.iter().map(|line| format!("\n      {line}")).collect();
        let name: String = step.name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
        // BuildKit repeats the whole script before the exit code.
        let brief =
            reason.rsplit_once(": exit code: ").map_or(reason.to_owned(), |(_, code)| format!("exit code {code}"));
        let cause = format!("step `{name}` failed: {brief}{tail}\n      full log: {log}");
        return match step.place() {
            Some(_) if !reason.contains(EX_UNAVAILABLE) => Failure::step(cause)
                .kept(kept)
                .hint(format!("correct it, push, and run it again; the whole log: less {log}")),
            Some(_) => {
                Failure::precondition(cause).kept(kept).hint("the remote that the step needs failed; run it again")
            }
            None => Failure::precondition(cause).kept(kept).hint("check base images and the engine, then run it again"),
        };
    }
    if finished.stderr.contains("unknown flag") || finished.stderr.contains("unsupported --progress") {
        return Failure::precondition(format!("Docker Compose is too old: {error}"))
            .kept(kept)
            .hint("install 2.33 or newer");
    }
    let mut failure = docker::failure(finished).kept(kept);
    failure.cause = format!("the build failed: {error}\n      full log: {log}");
    failure
}
