//! One step of a build.

use std::collections::VecDeque;

use crate::measure::milliseconds;
use crate::text::plain;
use crate::time::Timestamp;

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
    /// The steps that it is made from, by their numbers.
    pub inputs: Vec<usize>,
    /// What it transferred: name and bytes so far.
    pub transfers: Vec<(String, u64)>,
    /// Why it failed.
    pub error: Option<String>,
    /// The end of its log, until it completes without an error.
    pub tail: VecDeque<String>,
    /// Whether its log says that files in Git LFS stay pointers.
    pub has_pointers: bool,
}

/// Where a step of the user's stands.
#[derive(Debug, PartialEq, Eq)]
pub struct StepPlace<'a> {
    /// The service whose build named it; others may share it.
    pub service: Option<&'a str>,
    /// The stage.
    pub stage: &'a str,
    /// The instruction.
    pub instruction: &'a str,
}

impl Step {
    /// Whether it has started and not ended.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.completed.is_none()
    }

    /// How long it took, in milliseconds; nothing while it runs.
    pub fn milliseconds(&self) -> u64 {
        match (self.started, self.completed) {
            (Some(started), Some(completed)) => milliseconds(completed.since(started)),
            _ => 0,
        }
    }

    /// The bytes that it transferred, as a `FROM` does that downloads its image.
    pub fn bytes(&self) -> u64 {
        self.transfers.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Service, stage and instruction of a step of the user's: `[service stage 2/5] RUN ...`. The service is missing
    /// when one target is built alone; what BuildKit does by itself is no step of the user's.
    pub fn place(&self) -> Option<StepPlace<'_>> {
        let (head, instruction) = self.name.strip_prefix('[')?.split_once("] ")?;
        let mut words = head.rsplit(' ');
        let (number, count) = words.next()?.split_once('/')?;
        number.parse::<u32>().ok().and(count.parse::<u32>().ok())?;
        let (stage, service) = match (words.next(), words.next()) {
            (Some(stage), service) => (stage, service),
            // One unnamed stage and one target: `[2/5] RUN ...`.
            (None, _) => ("", None),
        };
        // containerd's store takes two steps for one `COPY --link`.
        (!instruction.starts_with("LINK ")).then_some(StepPlace { service, stage, instruction })
    }

    /// What people call it: stage and instruction, or what the builder does at the end; nothing for what it does by itself.
    pub fn shown(&self) -> Option<String> {
        match self.place() {
            Some(place) => Some(title(place.stage, place.instruction)),
            None if self.name.contains("exporting") => Some("writing the image".to_owned()),
            None => None,
        }
    }

    /// Whether it failed only because another one did.
    pub fn was_canceled(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.contains("context canceled"))
    }
}

/// Longest instruction in a title, in characters.
const INSTRUCTION: usize = 90;
/// Digits of a digest that are shown.
const DIGITS: usize = 12;

/// Stage and instruction on one line, without the options of the instruction, such as mounts: they hide what it is about.
pub(crate) fn title(stage: &str, instruction: &str) -> String {
    let (word, rest) = instruction.split_once(' ').unwrap_or((instruction, ""));
    let words = rest.split_whitespace().skip_while(|word| word.starts_with("--"));
    let words: Vec<_> = words.map(with_short_digest).collect();
    let words = words.join(" ");
    // Of a script in the Dockerfile BuildKit shows how it begins: `<<'EOR' (set -eu...)`.
    let script = words.strip_prefix("<<").and_then(|script| script.split_once(" (")?.1.strip_suffix("...)"));
    let words = script.map_or_else(|| words.clone(), |start| format!("{start} …"));
    let instruction = plain(format!("{word} {words}").trim_end(), INSTRUCTION);
    if stage.is_empty() { instruction } else { format!("[{stage}] {instruction}") }
}

/// A word whose digest, if it has one, is as short as everywhere.
fn with_short_digest(word: &str) -> &str {
    let end = word.find("@sha256:").map_or(word.len(), |at| at + "@sha256:".len() + DIGITS);
    word.get(..end).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_service_stage_and_instruction() {
        let place = |name: &str| {
            let step = Step { name: name.to_owned(), ..Step::default() };
            step.place().map(|p| (p.service.map(str::to_owned), p.stage.to_owned(), p.instruction.to_owned()))
        };
        let some = |service: Option<&str>, stage: &str, text: &str| {
            Some((service.map(str::to_owned), stage.to_owned(), text.to_owned()))
        };
        assert_eq!(place("[web source 2/5] RUN [ -d x ] || y"), some(Some("web"), "source", "RUN [ -d x ] || y"));
        assert_eq!(place("[source 2/5] RUN x"), some(None, "source", "RUN x"));
        assert_eq!(place("[2/5] RUN x"), some(None, "", "RUN x"));
        assert_eq!(place("[web internal] load build definition"), None);
        assert_eq!(place("[web source 2/5] LINK COPY --link a b"), None);
        assert_eq!(place("exporting to image"), None);
        assert_eq!(place("[web app 3/5] LINK COPY --link a b"), None, "the second of two steps for one line");
    }

    #[test]
    fn titles_have_no_options_and_short_digests() {
        let digest = "a".repeat(64);
        let base = format!("FROM docker.io/library/debian:bookworm@sha256:{digest}");
        assert_eq!(title("base", &base), "[base] FROM docker.io/library/debian:bookworm@sha256:aaaaaaaaaaaa");
        assert_eq!(title("", "RUN --mount=type=cache,target=/x --network=none\tmake  all"), "RUN make all");
        assert_eq!(title("a", "RUN --network=none <<'EOR' (set -eu...)"), "[a] RUN set -eu …");
        assert!(title("a", &format!("RUN {}", "x".repeat(200))).ends_with('…'));
    }
}
