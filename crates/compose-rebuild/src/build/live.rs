//! What a person sees while the build runs. On a terminal one line is for the whole and one for each running step, with the
//! last line of its log below; elsewhere a line is for each stage that begins, and one a minute says how far the build is.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use buildkit_report::events::{Event, Progress};
use buildkit_report::step::Step;
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Failure;
use crate::ui::{Ui, plain};
use crate::value::measure;

/// How long a build may be silent until that is said: an installation seldom is for longer.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// How often a log that is no terminal is told how far the build is.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Longest line of a log that is shown, in characters; a terminal cuts it at its width.
const LINE: usize = 200;

/// What may help: BuildKit can lose the lock of a cache mount when the disk is full, and whoever wants it waits for ever.
const LOST_LOCK: &str =
    "if a step waits for a cache mount whose lock was lost, restart the engine (`systemctl restart docker`)";

/// The build on the screen.
pub struct Live<'a> {
    ui: &'a Ui,
    started: Instant,
    expected: &'a OnceLock<Duration>,
    whole: Option<ProgressBar>,
    running: Vec<Running>,
    /// The stages that were named where there is no terminal.
    named: BTreeSet<String>,
    beat: Instant,
    /// Whether it was said that the build is silent.
    warned: bool,
}

/// A running step: its number, its line, and the line of its log.
struct Running {
    step: usize,
    line: ProgressBar,
    log: Option<ProgressBar>,
}

impl<'a> Live<'a> {
    /// Nothing runs yet; `expected` is how long the whole should take, as soon as somebody knows.
    pub fn new(ui: &'a Ui, started: Instant, expected: &'a OnceLock<Duration>) -> Self {
        let whole = ui.is_live().then(|| bar(ui, "{prefix:>12} {wide_msg}"));
        let (running, named) = (Vec::new(), BTreeSet::new());
        Self { ui, started, expected, whole, running, named, beat: Instant::now(), warned: false }
    }

    /// Shows what changed.
    pub fn show(&mut self, event: &Event, progress: &Progress) {
        self.warned = false;
        match event {
            Event::Started(index) => self.begin(*index, &progress.steps()[*index]),
            Event::Ended(index) => {
                let (ended, running) = self.running.drain(..).partition(|one| one.step == *index);
                self.running = running;
                ended.iter().for_each(Running::clear);
            }
            Event::Log(index, text) => {
                let line = text.lines().rev().map(|line| plain(line, LINE)).find(|line| !line.is_empty());
                let running = self.running.iter_mut().find(|one| one.step == *index);
                line.zip(running).into_iter().for_each(|(line, running)| running.say(self.ui, line));
            }
        }
    }

    fn begin(&mut self, index: usize, step: &Step) {
        let Some(title) = step.shown() else { return };
        if self.ui.is_live() {
            let line = bar(self.ui, "{spinner:>12} {wide_msg} {elapsed:>5}");
            line.set_message(title);
            line.enable_steady_tick(Duration::from_millis(100));
            self.running.push(Running { step: index, line, log: None });
        } else if self.named.insert(step.place().map_or_else(|| title.clone(), |place| place.stage.to_owned())) {
            self.ui.status("Running", &title);
        }
    }

    /// Says how far the build is.
    pub fn tick(&mut self, progress: &Progress) {
        if self.whole.is_none() && self.beat.elapsed() < HEARTBEAT {
            return;
        }
        let running = || progress.steps().iter().filter(|step| step.is_running() && step.shown().is_some());
        let far = self.far(progress);
        if let Some(whole) = &self.whole {
            whole.set_prefix("Building");
            whole.set_message(far);
            for one in &mut self.running {
                let bytes = progress.steps()[one.step].bytes();
                if bytes > 0 {
                    one.say(self.ui, format!("{} downloaded", measure::bytes(bytes)));
                }
            }
            return;
        }
        self.beat = Instant::now();
        let said = running().filter_map(|step| Some(format!("; {}{}", step.shown()?, last_said(step))));
        self.ui.status("Running", &(far + &said.collect::<String>()));
    }

    /// `3 of 19 steps done, 12s, about 30s left`.
    fn far(&self, progress: &Progress) -> String {
        let steps = || progress.steps().iter().filter(|step| step.place().is_some());
        let done = steps().filter(|step| step.cached || step.completed.is_some()).count();
        let elapsed = self.started.elapsed();
        if steps().next().is_none() {
            return format!("the builder reads the project, {}", measure::age(elapsed.as_secs()));
        }
        let left = self.expected.get().and_then(|expected| expected.checked_sub(elapsed));
        let left = left.map_or(String::new(), |left| format!(", about {} left", measure::age(left.as_secs().max(1))));
        format!("{done} of {} steps done, {}{left}", steps().count(), measure::age(elapsed.as_secs()))
    }

    /// Says once that nothing has been heard for a while, and why that may be.
    ///
    /// # Errors
    /// Exit code 3 when the silence is longer than `limit`.
    pub fn wait(&mut self, silence: Duration, limit: Option<Duration>) -> anyhow::Result<()> {
        if limit.is_some_and(|limit| silence > limit) {
            return Err(Failure::precondition(format!("no step printed anything for {}", age(silence)))
                .kept("every tag is where it was")
                .hint(LOST_LOCK)
                .into());
        }
        if silence > limit.map_or(SILENCE, |limit| SILENCE.min(limit / 2)) && !self.warned {
            self.warned = true;
            self.ui.warning(&format!("no step has printed anything for {}; {LOST_LOCK}", age(silence)));
        }
        Ok(())
    }
}

impl Running {
    fn say(&mut self, ui: &Ui, line: String) {
        let log = self.log.get_or_insert_with(|| {
            let log = ui.progress().insert_after(&self.line, ProgressBar::new_spinner());
            with_style(log, "             {wide_msg:.dim}")
        });
        log.set_message(line);
    }

    fn clear(&self) {
        [Some(&self.line), self.log.as_ref()].into_iter().flatten().for_each(ProgressBar::finish_and_clear);
    }
}

fn bar(ui: &Ui, template: &str) -> ProgressBar {
    with_style(ui.progress().add(ProgressBar::new_spinner()), template)
}

fn with_style(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The last line of a step's log, or what it downloaded.
fn last_said(step: &Step) -> String {
    let bytes = step.bytes();
    let line = step.tail.iter().rev().map(|line| plain(line, LINE)).find(|line| !line.is_empty());
    let line = if bytes > 0 { Some(format!("{} downloaded", measure::bytes(bytes))) } else { line };
    line.map_or(String::new(), |line| format!(": {line}"))
}

fn age(silence: Duration) -> String {
    measure::seconds(silence.as_millis().try_into().unwrap_or(u64::MAX))
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.running.iter().for_each(Running::clear);
        self.whole.iter().for_each(ProgressBar::finish_and_clear);
    }
}
