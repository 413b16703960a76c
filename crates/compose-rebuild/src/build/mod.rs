//! Building what a plan says with one `docker buildx bake`, so that all services are one BuildKit solve, or with one after
//! another, where only so many may be built at once.

pub mod digests;
pub mod live;
pub mod staged;

use std::collections::VecDeque;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use buildkit_report::events::{Event, Progress};
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::image::Store;
use crate::plan::{Plan, bake};
use crate::settings::Settings;
use crate::sys::compose_files::Selection;
use crate::sys::process::{self, Finished, Heard};
use crate::sys::{docker, files};
use crate::ui::{Ui, plain};
use crate::value::Service;
use digests::Digests;
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
    /// How many services are built at once; none means all.
    pub parallel: Option<NonZeroUsize>,
    /// How long it may be silent before it is ended.
    pub step_timeout: Option<Duration>,
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
    /// What buildx says that it built: the digests of each service's image.
    pub digests: Digests,
}

/// Builds every service of the plan under its staged tag; `local` takes the place of the source stage. How it failed is
/// part of the outcome: exit code 4 with step and log when a step does, 3 when the engine or a remote does, 130 when a
/// signal came. `expected` is how long it should take, as soon as somebody knows.
pub fn run(
    ui: &Ui,
    settings: &Settings,
    (facts, plan): (&Facts, &Plan),
    local: Option<&Utf8Path>,
    output: Output,
    expected: &OnceLock<Duration>,
) -> anyhow::Result<Outcome> {
    let state = &facts.workspace.state;
    let push = output.store == Store::Registry;
    let logs = state.join("logs");
    files::create_directory(&logs)?;
    let log_path = logs.join(format!("{}-{}.log", settings.now.compact(), plan.project));
    let started = Instant::now();
    let mut solves = Solves {
        ui,
        settings,
        attests: plan.attestations.provenance,
        step_timeout: output.step_timeout,
        metadata: state.join(format!("metadata-{}.json", plan.project)),
        log: std::io::BufWriter::new(files::create(&log_path)?),
        log_path,
        progress: Progress::default(),
        started,
        expected,
        retried: false,
    };
    let (mut digests, mut failure) = (Digests::new(), None);
    let groups = bake::groups(plan, &facts.project, output.parallel)?;
    let several = groups.len() > 1;
    for group in groups {
        let output = bake::Output { local, cache: output.cache, push };
        let only = group.first().filter(|_| several && group.len() == 1);
        solves.progress.begin_another(only.map(|service| facts.project.services[*service].bake_target.as_str()));
        failure = solves.solve(&bake::definition(plan, &facts.project, &group, output))?;
        if failure.is_some() {
            break;
        }
        let mut built = digests::read(&solves.metadata);
        let mut digest = |service: &Service| built.remove(&facts.project.services[service].bake_target);
        digests.extend(group.into_iter().filter_map(|service| Some((service.clone(), digest(service)?))));
    }
    solves.log.flush()?;
    files::keep_newest(&logs, LOGS)?;
    Ok(Outcome { progress: solves.progress, log: solves.log_path, elapsed: started.elapsed(), failure, digests })
}

/// Solves one after another, with one log and all their steps.
struct Solves<'a> {
    ui: &'a Ui,
    settings: &'a Settings,
    attests: bool,
    step_timeout: Option<Duration>,
    metadata: Utf8PathBuf,
    log: std::io::BufWriter<std::fs::File>,
    log_path: Utf8PathBuf,
    progress: Progress,
    started: Instant,
    expected: &'a OnceLock<Duration>,
    retried: bool,
}

impl Solves<'_> {
    /// Builds what a definition says, and again when the engine broke off; why it failed, if it did.
    fn solve(&mut self, definition: &bake::Definition) -> anyhow::Result<Option<Failure>> {
        let Self { ui, settings, log, log_path, step_timeout, .. } = self;
        let secrets = secrets(ui, settings.selection(&[]), &definition.variables);
        let bake = docker::Bake {
            builder: settings.builder.as_ref(),
            metadata: &self.metadata,
            reads: &definition.reads,
            insecure: definition.insecure,
            secrets: &secrets,
            attests: self.attests,
        };
        loop {
            // What an earlier build wrote says nothing about this one.
            let _ = fs_err::remove_file(&self.metadata);
            let mut progress = self.progress.clone();
            let mut live = Live::new(ui, self.started, self.expected);
            let input = definition.json.to_string().into_bytes();
            let streamed = process::stream(ui, &docker::bake(&bake), input, |heard| match heard {
                Heard::Line(line) => {
                    for event in progress.feed(line) {
                        write_event(log, &event, &progress).with_context(|| format!("could not write `{log_path}`"))?;
                        live.show(&event, &progress);
                    }
                    live.tick(&progress);
                    Ok(())
                }
                Heard::Nothing(silence) => {
                    live.tick(&progress);
                    live.wait(silence, *step_timeout)
                }
            });
            drop(live);
            let failure = match streamed {
                Err(error) => Some(Failure::of(&error)),
                Ok(finished) => {
                    writeln!(log, "{}", crate::ui::clean(&finished.stderr))?;
                    if !finished.status.success() && engine_failed(&finished, &progress) && !self.retried {
                        ui.status("Retrying", &format!("the engine broke off: {}", error_of(&finished)));
                        self.retried = true;
                        continue;
                    }
                    (!finished.status.success()).then(|| failure(&finished, &progress, log_path))
                }
            };
            self.progress = progress;
            return Ok(failure);
        }
    }
}

/// The variables of secrets that are not in the environment: Compose also takes them from `.env`. What it does not say is
/// missing in the build, which says so.
fn secrets(ui: &Ui, selection: Selection<'_>, wanted: &[String]) -> Vec<(String, String)> {
    let mut wanted = wanted.iter().filter(|name| !docker::has_variable(name) && selection.may_know(name)).peekable();
    if wanted.peek().is_none() {
        return Vec::new();
    }
    let answer = docker::compose_environment(selection.options).ask(ui, Duration::from_secs(60));
    let known: Vec<(String, String)> = answer
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    wanted.filter_map(|name| known.iter().find(|(known, _)| known == name).cloned()).collect()
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

/// What buildx itself said last.
fn error_of(finished: &Finished) -> &str {
    finished.last_error().trim_start_matches("ERROR: ")
}

/// Whether the builder went away or lost data, of its own or between it and a registry, which a second try survives.
fn engine_failed(finished: &Finished, progress: &Progress) -> bool {
    let signs = [
        "transport is closing",
        "error reading from server: EOF",
        "connection reset",
        "code = Unavailable",
        "snapshot",
        // What the build cache knows of itself and what it has are two things.
        "failed to prepare ",
        "failed to mount ",
        docker::LOST_UPLOAD,
    ];
    let says = |text: &str| signs.iter().any(|sign| text.contains(sign)) && !text.contains("exit code:");
    says(&finished.stderr) && progress.failed().is_none_or(|step| says(step.error.as_deref().unwrap_or_default()))
}

/// The line of a log that says why a step failed: of a stack of Python the last one with an error, else the first that is one,
/// as compilers and package managers have it, and no heading of others.
fn telling_line(tail: &VecDeque<String>) -> String {
    let signs = ["error", "fatal", "exception", "not found", "no such", "denied", "cannot", "panicked"];
    let tells = |line: &&String| signs.iter().any(|sign| line.to_lowercase().contains(sign));
    let is_error = |line: &&String| {
        let line = line.trim_end().to_lowercase();
        ["error:", "error["].iter().any(|sign| line.contains(sign)) && !line.ends_with(':')
    };
    let line = match tail.iter().any(|line| line.starts_with("Traceback ")) {
        true => tail.iter().rfind(tells),
        false => tail.iter().find(is_error).or_else(|| tail.iter().find(tells)),
    };
    let line = line.or_else(|| tail.back());
    line.map_or(String::new(), |line| format!(": {}", plain(line, 300)))
}

fn failure(finished: &Finished, progress: &Progress, log: &Utf8Path) -> Failure {
    let kept = "every tag is where it was";
    let error = error_of(finished);
    let said = progress.failed().map(|step| {
        format!(
            "{}\n{}",
            step.error.as_deref().unwrap_or_default(),
            step.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
        )
    });
    let all = format!("{}\n{}", finished.stderr, said.unwrap_or_default()).to_lowercase();
    if ["no space left on device", "enospc", "resourceexhausted"].iter().any(|sign| all.contains(sign)) {
        return Failure::precondition("the disk is full")
            .kept(kept)
            .hint("free space: `docker builder prune` keeps the kept model; when the next build waits for ever, restart the engine");
    }
    if let Some(step) = progress.failed() {
        let reason = step.error.as_deref().unwrap_or_default();
        let tail: String = step.tail.iter().map(|line| format!("\n      {line}")).collect();
        let place = step.place();
        let of = place.as_ref().and_then(|place| place.service.filter(|service| *service != place.stage));
        let of = of.map_or(String::new(), |service| format!(" of {service}"));
        // BuildKit repeats the whole script before the exit code.
        let brief = match reason.rsplit_once(": exit code: ") {
            Some((_, code)) => format!("failed with exit code {code}{}", telling_line(&step.tail)),
            None => format!("failed: {}", reason),
        };
        let name = step.shown().unwrap_or_else(|| plain(&step.name, 100));
        let cause = format!("step `{name}`{of} {brief}{tail}\n      full log: {log}");
        if engine_failed(finished, progress) {
            let hint = "run it again; if it stays so, `docker builder prune --all` empties a damaged cache, and kept images stay";
            return Failure::precondition(cause).kept(kept).hint(hint);
        }
        return match step.place() {
            Some(_) if !reason.contains(EX_UNAVAILABLE) => {
                Failure::step(cause).kept(kept).hint("fix it, push, and run it again")
            }
            Some(_) => {
                let hint = "the step says what the remote that it needs did; if it was only busy, run it again";
                Failure::precondition(cause).kept(kept).hint(hint)
            }
            None => Failure::precondition(cause).kept(kept).hint("check base images and the engine, then run it again"),
        };
    }
    if ["unknown flag", "unknown command", "unsupported --progress"].iter().any(|sign| finished.stderr.contains(sign)) {
        return Failure::precondition(format!("buildx is missing or too old: {error}"))
            .kept(kept)
            .hint("install buildx 0.17 or newer: the package `docker-buildx-plugin`");
    }
    let mut failure = docker::failure(finished).kept(kept);
    failure.cause = format!("the build failed: {error}\n      full log: {log}");
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why_comes_before_the_stack() {
        let told = |lines: &[&str]| telling_line(&lines.iter().map(|line| (*line).to_owned()).collect());
        let stack = ["Traceback (most recent call last):", "  File \"a.py\", line 1", "ValueError: no such voice", ""];
        assert_eq!(told(&stack), ": ValueError: no such voice");
        assert_eq!(
            told(&["error[E0425]: cannot find `x`", "error: could not compile `a`"]),
            ": error[E0425]: cannot find `x`"
        );
        let esbuild =
            ["let error = new Error(text);", "Error: Build failed with 1 error:", "a.js:1:27: ERROR: Unexpected \";\""];
        assert_eq!(told(&esbuild), ": a.js:1:27: ERROR: Unexpected \";\"");
        assert_eq!((told(&["made"]), told(&[])), (": made".to_owned(), String::new()));
    }
}
