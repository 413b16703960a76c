//! BuildKit's progress: JSON lines of `SolveStatus` (moby/buildkit `client/graph.go`) become steps.
//! Pure, bounded in memory, and never wrong about success: only the exit status of the build tells that.

use std::collections::{BTreeMap, VecDeque};

use crate::value::time::Timestamp;
use base64::Engine;
use serde::Deserialize;

use crate::ui::clean;

/// Most steps that are followed; a stream with more is not one of BuildKit's.
const STEP_LIMIT: usize = 20_000;
/// Longest name of a step, in characters.
const NAME_LIMIT: usize = 300;
/// Lines that are kept of a step's log, from its end.
const TAIL_LINES: usize = 20;
/// Longest kept line, in characters.
const TAIL_WIDTH: usize = 400;

/// All steps that were seen.
#[derive(Debug, Default)]
pub struct Progress {
    steps: Vec<Step>,
    by_digest: BTreeMap<String, usize>,
}

/// One vertex of the build graph.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The name as BuildKit writes it, without control sequences.
    pub name: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it completed.
    pub completed: Option<Timestamp>,
    /// Whether its result came from the cache.
    pub cached: bool,
    /// Whether it moved bytes, as a `FROM` does that downloads its image.
    pub transferred: bool,
    /// Why it failed.
    pub error: Option<String>,
    /// The end of its log, until it completes without an error.
    pub tail: VecDeque<String>,
}

/// What a line changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A step began; its number.
    Started(usize),
    /// A step ended; its number.
    Ended(usize),
    /// A step wrote to its log; its number and the text without control sequences.
    Log(usize, String),
}

#[derive(Deserialize)]
struct SolveStatus {
    #[serde(default)]
    vertexes: Option<Vec<Vertex>>,
    #[serde(default)]
    statuses: Option<Vec<VertexStatus>>,
    #[serde(default)]
    logs: Option<Vec<VertexLog>>,
}

#[derive(Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct VertexStatus {
    vertex: String,
}

#[derive(Deserialize)]
struct VertexLog {
    vertex: String,
    #[serde(default)]
    data: String,
}

impl Progress {
    /// Takes one line; what is not an event is nothing.
    pub fn feed(&mut self, line: &[u8]) -> Vec<Event> {
        let Ok(status) = serde_json::from_slice::<SolveStatus>(line) else { return Vec::new() };
        let mut events = Vec::new();
        for vertex in status.vertexes.unwrap_or_default() {
            self.vertex(vertex, &mut events);
        }
        for status in status.statuses.unwrap_or_default() {
            if let Some(&index) = self.by_digest.get(&status.vertex) {
                self.steps[index].transferred = true;
            }
        }
        for log in status.logs.unwrap_or_default() {
            let Some(&index) = self.by_digest.get(&log.vertex) else { continue };
            let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(&log.data) else { continue };
            let text = clean(&String::from_utf8_lossy(&bytes));
            self.steps[index].remember(&text);
            events.push(Event::Log(index, text));
        }
        events
    }

    /// The steps in the order in which they were first seen.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step that failed by itself, not because another one did.
    pub fn failed(&self) -> Option<&Step> {
        let failed = || self.steps.iter().filter(|step| step.error.is_some());
        failed().find(|step| !step.was_canceled()).or_else(|| failed().next())
    }

    fn vertex(&mut self, vertex: Vertex, events: &mut Vec<Event>) {
        let index = match self.by_digest.get(&vertex.digest) {
            Some(&index) => index,
            None if self.steps.len() >= STEP_LIMIT => return,
            None => {
                self.steps
                    .push(Step { name: clean(&vertex.name).chars().take(NAME_LIMIT).collect(), ..Step::default() });
                self.by_digest.insert(vertex.digest, self.steps.len() - 1);
                self.steps.len() - 1
            }
        };
        let step = &mut self.steps[index];
        let (was_running, was_ended) = (step.is_running(), step.completed.is_some());
        step.cached |= vertex.cached;
        if vertex.started.is_some() {
            // A vertex that several targets share may start again; its first start and last end count.
            step.started = step.started.or(vertex.started);
            step.completed = vertex.completed;
        }
        if !vertex.error.is_empty() {
            step.error = Some(clean(&vertex.error));
        }
        if step.is_running() && !was_running {
            events.push(Event::Started(index));
        }
        if step.completed.is_some() && !was_ended {
            if step.error.is_none() {
                step.tail.clear();
            }
            events.push(Event::Ended(index));
        }
    }
}

impl Step {
    /// Whether it has started and not ended.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.completed.is_none()
    }

    /// How long it took, in milliseconds; nothing while it runs.
    pub fn milliseconds(&self) -> u64 {
        match (self.started, self.completed) {
            (Some(started), Some(completed)) => u64::try_from(completed.since(started).as_millis()).unwrap_or(0),
            _ => 0,
        }
    }

    /// Service, stage and instruction of a step of the user's: `[service stage 2/5] RUN ...`. The service is missing
    /// when one target is built alone; what BuildKit does by itself is no step of the user's.
    pub fn place(&self) -> Option<Place<'_>> {
        let (head, instruction) = self.name.strip_prefix('[')?.split_once("] ")?;
        let mut words = head.rsplit(' ');
        let (number, count) = words.next()?.split_once('/')?;
        number.parse::<u32>().ok().and(count.parse::<u32>().ok())?;
        let (stage, service) = match (words.next(), words.next()) {
            (Some(stage), service) => (stage, service),
            // One unnamed stage and one target: `[2/5] RUN ...`.
            (None, _) => ("", None),
        };
        Some(Place { service, stage, instruction })
    }

    fn was_canceled(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.contains("context canceled"))
    }

    fn remember(&mut self, text: &str) {
        for line in text.lines().rev().take(TAIL_LINES).collect::<Vec<_>>().into_iter().rev() {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(line.chars().take(TAIL_WIDTH).collect());
        }
    }
}

/// Where a step of the user's stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The service whose build named it; others may share it.
    pub service: Option<&'a str>,
    /// The stage.
    pub stage: &'a str,
    /// The instruction.
    pub instruction: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step { name: name.to_owned(), ..Step::default() }
    }

    #[test]
    fn names_tell_service_stage_and_instruction() {
        let place = |name: &str| {
            step(name).place().map(|p| (p.service.map(str::to_owned), p.stage.to_owned(), p.instruction.to_owned()))
        };
        let some = |service: Option<&str>, stage: &str, text: &str| {
            Some((service.map(str::to_owned), stage.to_owned(), text.to_owned()))
        };
        assert_eq!(place("[web source 2/5] RUN [ -d x ] || y"), some(Some("web"), "source", "RUN [ -d x ] || y"));
        assert_eq!(place("[source 2/5] RUN x"), some(None, "source", "RUN x"));
        assert_eq!(place("[2/5] RUN x"), some(None, "", "RUN x"));
        assert_eq!(place("[web internal] load build definition"), None);
        assert_eq!(place("exporting to image"), None);
    }

    #[test]
    fn a_step_starts_logs_and_ends() {
        let mut progress = Progress::default();
        let started = r#"{"vertexes":[{"digest":"a","name":"[x 1/2] RUN y","started":"2026-01-01T00:00:00Z"}]}"#;
        assert_eq!(progress.feed(started.as_bytes()), [Event::Started(0)]);
        assert_eq!(
            progress.feed(br#"{"logs":[{"vertex":"a","data":"aGkbWzJK"}]}"#),
            [Event::Log(0, "hi[2J".to_owned())]
        );
        let ended = r#"{"vertexes":[{"digest":"a","name":"n","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01.5Z","error":"exit code: 1"}]}"#;
        assert_eq!(progress.feed(ended.as_bytes()), [Event::Ended(0)]);
        assert_eq!(progress.steps()[0].milliseconds(), 1500);
        assert_eq!(progress.failed().expect("failed").tail, ["hi[2J"]);
    }

    #[test]
    fn a_canceled_neighbour_is_not_the_cause() {
        let mut progress = Progress::default();
        progress.feed(br#"{"vertexes":[{"digest":"a","name":"a","error":"context canceled"},{"digest":"b","name":"b","error":"exit code: 1"}]}"#);
        assert_eq!(progress.failed().expect("failed").name, "b");
    }

    #[test]
    fn garbage_is_nothing() {
        let mut progress = Progress::default();
        for line in
            [&b"{"[..], b"", b"null", b"[]", b"\xff\xfe", br#"{"vertexes":null,"logs":[{"vertex":"z","data":"!"}]}"#]
        {
            assert_eq!(progress.feed(line), []);
        }
        assert!(progress.steps().is_empty());
    }
}
