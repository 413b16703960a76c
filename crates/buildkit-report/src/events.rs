//! BuildKit's progress: JSON lines of `SolveStatus` (moby/buildkit `client/graph.go`) become steps.
//! Pure, bounded in memory, and never wrong about success: only the exit status of the build tells that.

mod bounded;

use std::collections::HashMap;

use base64::Engine;
use serde::Deserialize;

use crate::step::Step;
use crate::text::clean;
use crate::time::Timestamp;
use bounded::{First, Text};

/// Most steps that are followed; a stream with more is not one of BuildKit's.
const STEP_LIMIT: usize = 20_000;
/// Longest digest of a step, in bytes; BuildKit's have 71.
const DIGEST_LIMIT: usize = 100;
/// Most inputs, and most transfers, that are followed of one step.
const PART_LIMIT: usize = 100;
/// Longest name of a step, in characters.
const NAME_LIMIT: usize = 300;
/// Longest end of an error, in characters: BuildKit repeats the whole script before the exit code.
const ERROR_LIMIT: usize = 2000;
/// Lines that are kept of a step's log, from its end.
const TAIL_LINES: usize = 20;
/// Longest kept line, in characters.
const TAIL_WIDTH: usize = 400;

/// All steps that were seen.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    steps: Vec<Step>,
    /// The first steps, which belong to builds that have ended.
    earlier: usize,
    /// The only target of the build, which buildx does not name then.
    only: Option<String>,
    by_digest: HashMap<String, usize>,
    text: Text,
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

// What BuildKit never escapes is borrowed from the line, so that a hostile one does not become many times its size.
#[derive(Deserialize)]
struct SolveStatus<'a> {
    #[serde(default, borrow)]
    vertexes: Option<First<STEP_LIMIT, Vertex<'a>>>,
    #[serde(default, borrow)]
    statuses: Option<First<STEP_LIMIT, VertexStatus<'a>>>,
    #[serde(default, borrow)]
    logs: Option<First<STEP_LIMIT, VertexLog<'a>>>,
}

#[derive(Deserialize)]
struct Vertex<'a> {
    digest: &'a str,
    #[serde(default, borrow)]
    inputs: Option<First<PART_LIMIT, &'a str>>,
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
struct VertexStatus<'a> {
    vertex: &'a str,
    #[serde(default)]
    id: String,
    #[serde(default)]
    current: i64,
}

#[derive(Deserialize)]
struct VertexLog<'a> {
    vertex: &'a str,
    #[serde(default)]
    data: &'a str,
}

impl Progress {
    /// Takes one line; what is not an event is nothing.
    pub fn feed(&mut self, line: &[u8]) -> Vec<Event> {
        let Ok(status) = serde_json::from_slice::<SolveStatus<'_>>(line) else { return Vec::new() };
        let mut events = Vec::new();
        for vertex in status.vertexes.unwrap_or_default().0 {
            self.vertex(vertex, &mut events);
        }
        for status in status.statuses.unwrap_or_default().0 {
            self.transfer(&status);
        }
        for log in status.logs.unwrap_or_default().0 {
            let Some(&index) = self.by_digest.get(log.vertex) else { continue };
            let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(log.data) else { continue };
            let text = clean(&String::from_utf8_lossy(&bytes));
            self.remember(index, &text);
            self.steps[index].has_pointers |= text.contains("LFS") && text.contains("pointer");
            events.push(Event::Log(index, text));
        }
        events
    }

    /// The steps in the order in which they were first seen.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Another build of the same run begins: what it takes from the cache of those before ran in them. Its steps are named
    /// after its target, as those of several targets are, where that is the `only` one.
    pub fn begin_another(&mut self, only: Option<&str>) {
        self.earlier = self.steps.len();
        self.only = only.map(str::to_owned);
    }

    /// The step that failed by itself, not because another one did.
    pub fn failed(&self) -> Option<&Step> {
        let failed = || self.steps.iter().filter(|step| step.error.is_some());
        failed().find(|step| !step.was_canceled()).or_else(|| failed().next())
    }

    /// What went wrong in a build that succeeded. A cache that cannot be read is none of it: at first there is none.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |step: &Step| {
            let name: String = step.name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
            match &step.error {
                Some(error) if name.contains("exporting cache") => Some(format!("`{name}` failed: {error}")),
                _ => step.has_pointers.then(|| format!("files in Git LFS stay pointers, as `{name}` says")),
            }
        };
        self.steps.iter().filter_map(warning).collect()
    }

    /// The number of a step, a new one if it was not seen yet.
    fn index(&mut self, vertex: &Vertex<'_>) -> Option<usize> {
        if let Some(&index) = self.by_digest.get(vertex.digest) {
            return Some(index);
        }
        if self.steps.len() >= STEP_LIMIT || vertex.digest.len() > DIGEST_LIMIT {
            return None;
        }
        let name = match (&self.only, vertex.name.strip_prefix('[')) {
            (None, _) => clean(&vertex.name),
            (Some(target), Some(rest)) => format!("[{target} {}", clean(rest)),
            (Some(target), None) => format!("[{target}] {}", clean(&vertex.name)),
        };
        let name = self.text.keep(name.chars().take(NAME_LIMIT));
        self.steps.push(Step { name, ..Step::default() });
        self.by_digest.insert(vertex.digest.to_owned(), self.steps.len() - 1);
        Some(self.steps.len() - 1)
    }

    fn vertex(&mut self, vertex: Vertex<'_>, events: &mut Vec<Event>) {
        let Some(index) = self.index(&vertex) else { return };
        let step = &mut self.steps[index];
        if index < self.earlier && step.completed.is_some() {
            return;
        }
        let (was_started, was_ended) = (step.started.is_some(), step.completed.is_some());
        step.cached |= vertex.cached;
        // An input may be seen after what is made from it; by the time that this starts, all were.
        let inputs = vertex.inputs.unwrap_or_default().0;
        if step.inputs.len() < inputs.len() {
            step.inputs = inputs.iter().filter_map(|digest| self.by_digest.get(*digest).copied()).collect();
        }
        if vertex.started.is_some() {
            // A vertex that several targets share may start again; its first start and last end count.
            step.started = step.started.or(vertex.started);
            step.completed = vertex.completed;
        }
        if !vertex.error.is_empty() && step.error.is_none() {
            let error = clean(&vertex.error);
            let skipped = error.chars().count().saturating_sub(ERROR_LIMIT);
            step.error = Some(self.text.keep(error.chars().skip(skipped)));
        }
        // One that several targets share may start again, which is no news.
        if step.is_running() && !was_started {
            events.push(Event::Started(index));
        }
        if step.completed.is_some() && !was_ended {
            if step.error.is_none() {
                step.tail.drain(..).for_each(|line| self.text.release(&line));
            }
            events.push(Event::Ended(index));
        }
    }

    fn transfer(&mut self, status: &VertexStatus<'_>) {
        let Some(&index) = self.by_digest.get(status.vertex) else { return };
        let Ok(bytes @ 1..) = u64::try_from(status.current) else { return };
        // A layer that was downloaded is counted once more while it is unpacked.
        if status.id.starts_with("extracting") {
            return;
        }
        let transfers = &mut self.steps[index].transfers;
        let id: String = clean(&status.id).chars().take(NAME_LIMIT).collect();
        match transfers.iter().position(|(known, _)| *known == id) {
            Some(at) => transfers[at].1 = bytes.max(transfers[at].1),
            None if transfers.len() < PART_LIMIT => transfers.push((self.text.keep(id.chars()), bytes)),
            None => {}
        }
    }

    fn remember(&mut self, index: usize, text: &str) {
        let tail = &mut self.steps[index].tail;
        for line in text.lines().rev().take(TAIL_LINES).collect::<Vec<_>>().into_iter().rev() {
            if tail.len() == TAIL_LINES
                && let Some(oldest) = tail.pop_front()
            {
                self.text.release(&oldest);
            }
            tail.push_back(self.text.keep(line.chars().take(TAIL_WIDTH)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(progress.feed(started.as_bytes()), [], "it is the same step when another target needs it too");
    }

    #[test]
    fn what_an_earlier_build_ran_is_not_cached_because_a_later_one_finds_it() {
        let mut progress = Progress::default();
        let vertex = |digest: &str, second: u8, cached: bool| {
            let time = |second: u8| format!("2026-01-01T00:00:0{second}Z");
            let (started, completed) = (time(second), time(second + 1));
            format!(
                r#"{{"vertexes":[{{"digest":"{digest}","name":"{digest}","started":"{started}","completed":"{completed}","cached":{cached}}}]}}"#
            )
        };
        progress.feed(vertex("a", 0, false).as_bytes());
        progress.begin_another(None);
        assert_eq!(progress.feed(vertex("a", 5, true).as_bytes()), []);
        assert_eq!(progress.feed(vertex("b", 6, true).as_bytes()), [Event::Ended(1)]);
        let steps: Vec<_> = progress.steps().iter().map(|step| (step.cached, step.milliseconds())).collect();
        assert_eq!(steps, [(false, 1000), (true, 1000)]);
        progress.begin_another(Some("api"));
        progress.feed(vertex("[build 1/2] RUN c", 7, false).as_bytes());
        progress.feed(vertex("exporting to image", 8, false).as_bytes());
        let names: Vec<_> = progress.steps()[2..].iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["[api build 1/2] RUN c", "[api] exporting to image"]);
    }

    #[test]
    fn a_canceled_neighbour_is_not_the_cause() {
        let mut progress = Progress::default();
        progress.feed(br#"{"vertexes":[{"digest":"a","name":"a","error":"context canceled"},{"digest":"b","name":"b","error":"exit code: 1"}]}"#);
        assert_eq!(progress.failed().expect("failed").name, "b");
    }

    #[test]
    fn what_went_wrong_without_failing_is_a_warning() {
        let mut progress = Progress::default();
        progress.feed(br#"{"vertexes":[{"digest":"a","name":"[x 1/2] RUN  clone"},{"digest":"b","name":"b"}]}"#);
        // `warning: files in Git LFS stay pointers`
        let log = "d2FybmluZzogZmlsZXMgaW4gR2l0IExGUyBzdGF5IHBvaW50ZXJzCg==";
        progress.feed(format!(r#"{{"logs":[{{"vertex":"a","data":"{log}"}}]}}"#).as_bytes());
        progress.feed(br#"{"vertexes":[{"digest":"c","name":"exporting cache","error":"status: 500"},{"digest":"d","name":"importing cache manifest from x","error":"not found"}]}"#);
        let pointers = "files in Git LFS stay pointers, as `[x 1/2] RUN clone` says";
        assert_eq!(progress.warnings(), [pointers, "`exporting cache` failed: status: 500"]);
    }

    #[test]
    fn inputs_and_transfers_are_those_of_the_step() {
        let mut progress = Progress::default();
        // The input is seen after the step, and resolved when the step starts.
        progress.feed(br#"{"vertexes":[{"digest":"b","inputs":["a"],"name":"b"},{"digest":"a","name":"a"}]}"#);
        progress.feed(br#"{"vertexes":[{"digest":"b","inputs":["a"],"name":"b","started":"2026-01-01T00:00:00Z"}]}"#);
        assert_eq!(progress.steps()[0].inputs, [1]);
        for (id, current) in [("layer", 10), ("layer", 70), ("layer", 60), ("other", 5), ("extracting layer", 70)] {
            let status = format!(r#"{{"statuses":[{{"vertex":"a","id":"{id}","current":{current}}}]}}"#);
            progress.feed(status.as_bytes());
        }
        progress
            .feed(br#"{"statuses":[{"vertex":"b","id":"resolve","current":0},{"vertex":"b","id":"x","current":-1}]}"#);
        assert_eq!([progress.steps()[0].bytes(), progress.steps()[1].bytes()], [0, 75]);
    }

    #[test]
    fn what_is_kept_of_a_step_is_bounded() {
        let mut progress = Progress::default();
        let (long, many) = ("x".repeat(10_000), vec!["\"a\""; 1000].join(","));
        progress.feed(format!(r#"{{"vertexes":[{{"digest":"{long}","name":"no digest"}}]}}"#).as_bytes());
        assert!(progress.steps().is_empty());
        let vertex = format!(r#"{{"digest":"a","inputs":[{many}],"name":"{long}","error":"{long} exit code: 1"}}"#);
        progress.feed(format!(r#"{{"vertexes":[{vertex}]}}"#).as_bytes());
        let step = &progress.steps()[0];
        assert_eq!((step.name.len(), step.inputs.len()), (NAME_LIMIT, PART_LIMIT));
        let error = step.error.as_deref().expect("failed");
        assert!(error.len() == ERROR_LIMIT && error.ends_with("exit code: 1"), "{error}");
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
