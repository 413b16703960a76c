//! What a person sees while the build runs: running steps with their time on a terminal, a line a step elsewhere.

use std::time::Duration;

use buildkit_report::events::{Event, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Failure;
use crate::ui::Ui;
use crate::value::measure;

/// How long a build may be silent until that is said: an installation seldom is for longer.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// What may help: BuildKit can lose the lock of a cache mount when the disk is full, and whoever wants it waits for ever.
const LOST_LOCK: &str =
    "if a step waits for a cache mount whose lock was lost, restart the engine (`systemctl restart docker`)";

/// The running steps on the screen.
pub struct Live<'a> {
    ui: &'a Ui,
    bars: Vec<(usize, ProgressBar)>,
    /// Whether it was said that the build is silent.
    warned: bool,
}

impl<'a> Live<'a> {
    /// Nothing runs yet.
    pub fn new(ui: &'a Ui) -> Self {
        Self { ui, bars: Vec::new(), warned: false }
    }

    /// Shows what changed.
    pub fn show(&mut self, event: &Event, progress: &Progress) {
        self.warned = false;
        match event {
            Event::Started(index) => {
                let step = &progress.steps()[*index];
                if step.place().is_none() && !step.name.contains("exporting") {
                    return;
                }
                let name: String = step.name.replace('\n', " ").chars().take(120).collect();
                if !self.ui.is_live() {
                    self.ui.status("Running", &name);
                    return;
                }
                let bar = self.ui.progress().add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner:>12} {wide_msg} {elapsed:>5}") {
                    bar.set_style(style);
                }
                bar.set_message(name);
                bar.enable_steady_tick(Duration::from_millis(100));
                self.bars.push((*index, bar));
            }
            Event::Ended(index) => {
                self.bars.iter().filter(|(of, _)| of == index).for_each(|(_, bar)| bar.finish_and_clear());
                self.bars.retain(|(of, _)| of != index);
            }
            Event::Log(..) => {}
        }
    }
}

impl Live<'_> {
    /// Says once that nothing has been heard for a while, and why that may be.
    ///
    /// # Errors
    /// Exit code 3 when the silence is longer than `limit`.
    pub fn wait(&mut self, silence: Duration, limit: Option<Duration>) -> anyhow::Result<()> {
        if limit.is_some_and(|limit| silence > limit) {
            return Err(Failure::precondition(format!("no step said anything for {}", age(silence)))
                .kept("every tag is where it was")
                .hint(LOST_LOCK)
                .into());
        }
        if silence > limit.map_or(SILENCE, |limit| SILENCE.min(limit / 2)) && !self.warned {
            self.warned = true;
            self.ui.warning(&format!("no step has said anything for {}; {LOST_LOCK}", age(silence)));
        }
        Ok(())
    }
}

fn age(silence: Duration) -> String {
    measure::seconds(silence.as_millis().try_into().unwrap_or(u64::MAX))
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        for (_, bar) in &self.bars {
            bar.finish_and_clear();
        }
    }
}
