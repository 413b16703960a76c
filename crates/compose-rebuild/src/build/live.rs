//! What a person sees while the build runs: running steps with their time on a terminal, a line a step elsewhere.

use std::time::Duration;

use buildkit_report::events::{Event, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ui::Ui;

/// The running steps on the screen.
pub struct Live<'a> {
    ui: &'a Ui,
    bars: Vec<(usize, ProgressBar)>,
}

impl<'a> Live<'a> {
    /// Nothing runs yet.
    pub fn new(ui: &'a Ui) -> Self {
        Self { ui, bars: Vec::new() }
    }

    /// Shows what changed.
    pub fn show(&mut self, event: &Event, progress: &Progress) {
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

impl Drop for Live<'_> {
    fn drop(&mut self) {
        for (_, bar) in &self.bars {
            bar.finish_and_clear();
        }
    }
}
