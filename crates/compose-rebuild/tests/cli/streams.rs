//! What a build writes: cut, garbled, forged or endless. Only exit status and image tell whether it succeeded.

use base64::Engine;
use serde_json::json;

use crate::support::run::figure;
use crate::support::state::Rule;
use crate::support::{MUTABLE, World, commit};

const BUILD: &str = "buildx bake";
/// Erases a line, sets a title, a C1 introducer, a bidirectional override, a carriage return.
const FORGED: &str = "\u{1b}[2K\u{1b}]0;owned\u{7}\u{9b}1A\u{202e}\r    Verified everything";

#[track_caller]
fn moved() -> World {
    let world = World::built();
    world.push(&commit('b'));
    world
}

/// Streams that no builder should write.
fn garbage() -> Vec<Vec<u8>> {
    vec![
        b"".to_vec(),
        b"\n\n\n".to_vec(),
        b"not json\n".to_vec(),
        b"{\"vertexes\":[{\"digest\":\"a\"".to_vec(),
        b"{\"vertexes\":null,\"logs\":null,\"statuses\":null}\n".to_vec(),
        b"{\"vertexes\":[{\"digest\":\"a\",\"name\":\"[x y 1/1] RUN z\",\"started\":\"2026-01-01T00:00:00Z\"}]}\n".to_vec(),
        b"{\"vertexes\":[{\"digest\":1}],\"logs\":[{\"vertex\":\"unknown\",\"data\":\"!!\"}]}\n".to_vec(),
        b"{\"vertexes\":[{\"digest\":\"a\",\"started\":\"9999-12-30T23:00:00Z\",\"completed\":\"-009999-01-01T00:00:00Z\"}]}\n".to_vec(),
        b"\xff\xfe\x00\x00{}\n\x00\n".to_vec(),
        [vec![b'['; 200_000], b"\n".to_vec()].concat(),
        vec![b'x'; 6 << 20],
        format!("{FORGED}\n{{\"vertexes\":[]}}\n").into_bytes(),
        (0..30_000).map(|i| format!("{{\"vertexes\":[{{\"digest\":\"{i}\",\"name\":\"n\"}}]}}\n")).collect::<String>().into_bytes(),
    ]
}

#[test]
fn garbage_before_a_good_build_changes_nothing_about_it() {
    let world = World::built();
    for (number, stdout) in garbage().into_iter().enumerate() {
        let commit = format!("{:040x}", number + 1);
        world.push(&commit);
        world.heal();
        let shown = String::from_utf8_lossy(&stdout[..stdout.len().min(80)]).into_owned();
        world.fault(&[BUILD], Rule { stdout: [stdout, b"\n".to_vec()].concat(), ..Rule::default() });
        let outcome = world.run(["rebuild"]).finish();
        assert_eq!(outcome.code, Some(0), "{shown}\n{outcome}");
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit + "\n"), "{shown}");
    }
}

#[test]
fn garbage_and_nothing_else_is_no_image() {
    let world = moved();
    let tags = world.tags();
    for (stdout, exit) in garbage().into_iter().flat_map(|stdout| [(stdout.clone(), 0), (stdout, 1)]) {
        world.heal();
        let shown = String::from_utf8_lossy(&stdout[..stdout.len().min(80)]).into_owned();
        world.fault(&[BUILD], Rule { stdout, exit: Some(exit), ..Rule::default() });
        let outcome = world.run(["rebuild"]).finish();
        assert_eq!(outcome.code, Some(3), "{shown}\n{outcome}");
        assert_eq!(world.tags(), tags, "{shown}");
        world.assert_nothing_staged();
    }
}

#[test]
fn an_unterminated_last_line_still_says_which_step_failed() {
    let world = moved();
    let line = json!({"vertexes": [{"digest": "a", "name": "[vibevoice frontend 3/3] RUN npm run build",
        "started": "2026-01-01T00:00:00Z", "completed": "2026-01-01T00:00:01Z", "error": "exit code: 1"}]});
    world.fault(&[BUILD], Rule { stdout: line.to_string().into_bytes(), exit: Some(1), ..Rule::default() });
    world.run(["rebuild"]).fails(4).says("step `[frontend] RUN npm run build` of vibevoice failed");
}

#[test]
fn a_step_that_went_backwards_in_time_takes_no_time() {
    let world = moved();
    let line = json!({"vertexes": [{"digest": "a", "name": "[vibevoice frontend 3/3] RUN npm run build",
        "started": "2026-01-01T01:00:00Z", "completed": "2026-01-01T00:00:00Z"}]});
    world.fault(&[BUILD], Rule { stdout: format!("{line}\n").into_bytes(), ..Rule::default() });
    let messages = world.run(["rebuild", "--message-format", "json"]).ok().messages();
    let step = messages.iter().find(|message| message["name"] == "RUN npm run build").unwrap();
    assert_eq!(step["duration_ms"], 0);
}

#[test]
fn forged_text_is_inert_everywhere_and_the_verdict_unchanged() {
    let world = moved();
    let data = base64::engine::general_purpose::STANDARD.encode(format!("{FORGED}\n"));
    let line = json!({
        "vertexes": [{"digest": "a", "name": format!("[vibevoice {FORGED} 3/3] RUN {FORGED}"),
            "started": "2026-01-01T00:00:00Z", "completed": "2026-01-01T00:00:01Z", "error": format!("exit code: 1 {FORGED}")}],
        "logs": [{"vertex": "a", "stream": 1, "data": data}],
    });
    for (exit, wanted) in [(None, 0), (Some(1), 4)] {
        world.push(&commit(if exit.is_some() { 'c' } else { 'b' }));
        let stderr = format!("{FORGED}\n");
        world.heal();
        world.fault(
            &[BUILD],
            Rule { stdout: format!("{line}\n").into(), stderr: stderr.clone(), exit, ..Rule::default() },
        );
        for format in ["human", "json"] {
            let outcome = world.run(["rebuild", "-v", "--message-format", format]).finish();
            assert_eq!(outcome.code, Some(wanted), "{outcome}");
            assert_inert(&outcome.stderr, "standard error");
            assert_inert(&outcome.stdout, "standard output");
        }
    }
    world.heal();
    for (words, code) in [("ls-remote", 3), ("build --print", 2), ("image inspect", 3)] {
        world.fault(&[words], Rule { stderr: format!("{FORGED}\n"), exit: Some(1), ..Rule::default() });
        let outcome = world.run(["rebuild"]).fails(code);
        assert_inert(&outcome.stderr, words);
        world.heal();
    }
    for path in world.written() {
        assert_inert(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()), &path.display().to_string());
    }
}

#[track_caller]
fn assert_inert(text: &str, what: &str) {
    let forged = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    assert!(!text.contains(forged), "{what} has control sequences: {text:?}");
}

/// Peak memory in kB of a rebuild whose build writes so much log, in lines of so many kilobytes.
#[track_caller]
#[cfg(target_os = "linux")]
fn peak(flood_mb: usize, flood_line_kb: usize) -> u64 {
    let world = moved();
    world.forget_calls();
    world.fault(&[BUILD], Rule { flood_mb, flood_line_kb, ..Rule::default() });
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    let log = world.written().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    let longest = log.map(|path| path.metadata().unwrap().len()).max().unwrap();
    assert!(longest >= (flood_mb as u64) << 20, "the flood did not arrive: {longest} bytes of log");
    let peak = world.calls().iter().map(|call| call.parent_peak).max().unwrap();
    figure("memory", json!({"log_mb": flood_mb, "line_kb": flood_line_kb, "peak_kb": peak}));
    peak
}

// More log than the limit of memory is enough to see whether it is kept.
#[test]
#[cfg(target_os = "linux")] // `/proc` tells how much memory it took.
fn a_flood_of_log_lines_needs_little_memory() {
    let peak = peak(100, 16);
    assert!(peak <= 60_000, "{peak} kB at 100 MB of log");
}

#[test]
#[cfg(target_os = "linux")] // `/proc` tells how much memory it took.
fn a_flood_of_very_long_log_lines_needs_little_memory() {
    let peak = peak(70, 1024);
    assert!(peak <= 60_000, "{peak} kB at 70 MB of log");
}
