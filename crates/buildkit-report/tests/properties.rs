//! Streams of events and texts in reports: anything at all.

use buildkit_report::events::Progress;
use buildkit_report::summary::Summary;
use buildkit_report::text::clean;
use buildkit_report::{html, markdown, terminal, trace};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clean_text_has_no_control_sequence_and_stays_clean(text in any::<String>()) {
        let once = clean(&text);
        prop_assert!(!once.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn no_event_stream_panics(lines in vec(vec(any::<u8>(), 0..60), 0..10)) {
        let mut progress = Progress::default();
        for line in &lines {
            progress.feed(line);
        }
        look(&progress);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_real_stream_panics(flips in vec((any::<usize>(), any::<u8>()), 0..20), cut in any::<usize>(), twice in any::<bool>()) {
        let mut bytes = STREAM.as_bytes().to_vec();
        let length = bytes.len();
        for (at, byte) in flips {
            bytes[at % length] = byte;
        }
        bytes.truncate(cut % (2 * length));
        let mut progress = Progress::default();
        for _ in 0..=usize::from(twice) {
            for line in bytes.split(|&byte| byte == b'\n') {
                progress.feed(line);
            }
        }
        look(&progress);
        prop_assert!(progress.steps().len() <= 12);
    }
}

/// A summary with this text everywhere where text is.
fn summary(text: &str, failed: bool, numbers: &[u64]) -> Summary {
    let number = |index: usize| numbers[index % numbers.len()];
    let step = |index: usize| {
        serde_json::json!({"service": text, "services": [text], "stage": text, "name": text, "cached": index == 1,
            "cause": if index == 0 { serde_json::json!("root") } else { serde_json::json!({"inputs": [0]}) },
            "inputs": if index == 0 { vec![] } else { vec![0] }, "start_ms": number(index), "duration_ms": number(index + 1),
            "bytes": number(index + 2), "error": (failed && index == 0).then_some(text), "tail": [text, text]})
    };
    let stage = serde_json::json!({"stage": text, "services": [text], "status": "ran", "ran": 1, "cached": 1, "duration_ms": number(0),
        "inputs": [], "expected": "runs", "why": text, "expected_ms": number(1), "as_expected": true});
    let value = serde_json::json!({"schema": 1, "project": text, "command": text, "started": "2026-01-01T00:00:00Z",
        "total_ms": number(3), "build_ms": number(4), "failure": failed.then(|| serde_json::json!({"code": 4, "cause": text})),
        "services": [{"service": text, "image": text, "action": text, "why": text, "cache_bust": text, "revision": text}],
        "stages": [stage], "steps": [step(0), step(1), step(2)], "log": text,
        "figures": {"ran": 2, "cached": 1, "bytes": number(5), "critical": [0, 2], "critical_ms": number(6), "saved_ms": number(7), "unknown": 1}});
    Summary::parse(value.to_string().as_bytes()).expect("a summary")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_adds_markup_to_a_report(
        text in prop_oneof![
            vec(prop::sample::select("<>&\"'`|#[]()!*_~\\/:=-. \n\r\u{1b}\u{202e}xé".chars().collect::<Vec<_>>()), 1..40)
                .prop_map(|chars| chars.into_iter().collect::<String>()),
            any::<String>(),
        ],
        failed in any::<bool>(),
        numbers in vec(any::<u64>(), 1..9),
    ) {
        let text = format!("x{text}");
        let (hostile, harmless) = (summary(&text, failed, &numbers), summary("x", failed, &numbers));
        let count = |page: &str, signs: &str| signs.chars().map(|sign| page.matches(sign).count()).collect::<Vec<_>>();
        // What stands in backticks is shown as code.
        let page = |summary| html::page(summary, &[], "x").replace("<code>", "").replace("</code>", "");
        let pages = [page(&hostile), page(&harmless)];
        prop_assert_eq!(count(&pages[0], "<>\"'"), count(&pages[1], "<>\"'"), "{}", pages[0]);
        let pages = [markdown::page(&hostile), markdown::page(&harmless)];
        prop_assert_eq!(count(&pages[0], "<>|`*[_!\n"), count(&pages[1], "<>|`*[_!\n"), "{}", pages[0]);
        let forged = |text: &str| text.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
        prop_assert!(!forged(&html::page(&hostile, std::slice::from_ref(&hostile), "x")) && !forged(&trace::trace(&hostile).to_string()));
        terminal::lines(&hostile);
    }
}

/// Asks everything that the rest of the program asks.
fn look(progress: &Progress) {
    progress.failed();
    for step in progress.steps() {
        step.place();
        step.milliseconds();
        assert!(step.tail.len() <= 20 && step.name.chars().count() <= 300);
    }
}

/// A line as BuildKit writes it (shortened).
const STREAM: &str = r#"{"vertexes":[{"digest":"sha256:aa","name":"[vibevoice internal] load build definition from Dockerfile","started":"2026-08-01T10:00:00.1Z"}]}
{"vertexes":[{"digest":"sha256:aa","name":"[vibevoice internal] load build definition from Dockerfile","started":"2026-08-01T10:00:00.1Z","completed":"2026-08-01T10:00:00.2Z"}],"statuses":[{"id":"transferring dockerfile:","vertex":"sha256:aa","name":"transferring","total":0,"current":8021,"timestamp":"2026-08-01T10:00:00.2Z","started":"2026-08-01T10:00:00.1Z","completed":"2026-08-01T10:00:00.2Z"}]}
{"vertexes":[{"digest":"sha256:bb","inputs":["sha256:aa"],"name":"[vibevoice source 3/3] RUN clone","started":"2026-08-01T10:00:01Z"},{"digest":"sha256:cc","name":"[vibevoice frontend-deps 2/3] COPY a b","started":"2026-08-01T10:00:01Z","completed":"2026-08-01T10:00:01Z","cached":true}]}
{"logs":[{"vertex":"sha256:bb","stream":2,"data":"Q2xvbmluZyBpbnRvIC4uLgo=","timestamp":"2026-08-01T10:00:02Z"}]}
{"vertexes":[{"digest":"sha256:bb","inputs":["sha256:aa"],"name":"[vibevoice source 3/3] RUN clone","started":"2026-08-01T10:00:01Z","completed":"2026-08-01T10:00:03Z","error":"process \"/bin/sh -c clone\" did not complete successfully: exit code: 128"}],"warnings":[{"vertex":"sha256:bb","level":1,"short":"eA=="}]}
"#;
