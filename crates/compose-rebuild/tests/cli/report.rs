//! What is said of a build afterwards: as a page, in the terminal, as a trace, beside a run of GitHub Actions.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::schema;
use crate::support::state::Rule;
use crate::support::{MUTABLE, World, commit};

const BUILD: &str = "buildx bake";
/// A tag, an attribute that ends, a cell that ends, a code span that ends, a command of GitHub, a terminal sequence.
const HOSTILE: &str = "<script>alert(1)</script>' \" onload=x | `x` ##[add-mask]y \u{1b}[2K\u{9b}1A";

/// A vertex as BuildKit tells of it.
fn vertex(digest: &str, name: &str, inputs: &[&str], from: u64, to: u64) -> Value {
    let at = |second: u64| format!("2026-01-01T00:00:{second:02}Z");
    json!({"digest": digest, "name": name, "inputs": inputs, "started": at(from), "completed": at(to)})
}

/// The events of a build of two stages: the clone ran, the packages were cached, the export ran because of the clone.
fn stream() -> Vec<u8> {
    let mut packages = vertex("d", "[vibevoice frontend-deps 2/2] RUN npm ci", &["c"], 3, 3);
    packages["cached"] = true.into();
    let line = json!({"vertexes": [
        vertex("e", "[vibevoice frontend 2/2] RUN npm run build", &["d", "c"], 3, 20),
        vertex("c", "[backend-builder source 2/2] RUN clone", &[], 1, 3),
        packages,
    ]});
    // As BuildKit does, everything is told before it starts: what is made from something may come before it.
    format!("{line}\n{line}\n").into_bytes()
}

/// A world whose last build had these events and ended so.
#[track_caller]
fn after(stdout: Vec<u8>, exit: Option<u8>) -> World {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&[BUILD], Rule { stdout, exit, ..Rule::default() });
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code == Some(0), exit.is_none(), "{outcome}");
    world.heal();
    world
}

/// The path that a report was written to, and what is in it.
#[track_caller]
fn written(world: &World, option: &str) -> (PathBuf, String) {
    let path = PathBuf::from(world.run(["report", option]).ok().stdout.trim());
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn a_report_says_of_every_step_what_it_did_and_why() {
    let world = after(stream(), None);
    let report = world.report();
    let schema = schema::published();
    assert_eq!(schema::faults(&report, &schema, &schema, "report"), [""; 0]);
    let steps = report["steps"].as_array().unwrap();
    let find = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap();
    let (clone, export) = (find("RUN clone"), find("RUN npm run build"));
    let number = steps.iter().position(|step| step == clone).unwrap();
    assert_eq!((&clone["cause"], &export["cause"]), (&json!("root"), &json!({"inputs": [number]})));
    assert_eq!(
        (&clone["start_ms"], &clone["duration_ms"], &export["duration_ms"]),
        (&json!(1000), &json!(2000), &json!(17_000))
    );
    assert_eq!(clone["services"], json!(["backend-builder", "vibevoice"]), "both images need the source");
    assert_eq!(export["services"], json!(["vibevoice"]));
    assert_eq!(
        (find("RUN npm ci")["cached"].clone(), find("RUN npm ci")["cause"].clone()),
        (json!(true), json!("cached"))
    );
    let stages: Vec<_> =
        report["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    let place = |name: &str| stages.iter().position(|stage| *stage == name);
    assert!(place("source") < place("frontend") && place("frontend-deps") < place("frontend"), "{stages:?}");
}

#[test]
fn all_renderings_show_the_same_steps_and_figures() {
    let world = after(stream(), None);
    let report = world.report();
    let (_, page) = written(&world, "--html");
    let (_, trace) = written(&world, "--trace");
    let human = world.run(["report"]).ok().stdout;
    let message = world.run(["report", "--message-format", "json"]).ok().messages().remove(0);
    assert_eq!((&message["reason"], &message["summary"]), (&json!("report"), &report));
    let steps = report["steps"].as_array().unwrap();
    for step in steps {
        let (stage, name) = (step["stage"].as_str().unwrap(), step["name"].as_str().unwrap());
        let title = format!("[{stage}] {name}");
        for (text, what) in [(&human, "terminal"), (&page, "page")] {
            assert!(text.contains(&title), "{title} is missing in the {what}:\n{text}");
        }
    }
    let figures = &report["figures"];
    let critical = format!("{:.2}s", figures["critical_ms"].as_f64().unwrap() / 1000.0);
    let share = format!("{} of {} steps", figures["cached"], steps.len());
    for text in [&human, &page] {
        assert!(text.contains(&critical) && text.contains(&share) && text.contains("17.00s"), "{text}");
    }
    let trace: Value = serde_json::from_str(&trace).unwrap();
    let events = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X");
    let events: Vec<_> = events.map(|event| (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap())).collect();
    assert_eq!(events.len() as u64, figures["ran"].as_u64().unwrap());
    assert!(events.contains(&(3_000_000, 17_000_000)), "{events:?}");
}

#[test]
fn the_time_that_the_cache_saved_is_what_the_steps_took_before() {
    let world = after(stream(), None);
    world.push(&commit('c'));
    let mut cached = vertex("e", "[vibevoice frontend 2/2] RUN npm run build", &[], 3, 3);
    cached["cached"] = true.into();
    // Twice, so that the time is passed on by a report in which the step did not run.
    for digit in ['c', 'd'] {
        world.push(&commit(digit));
        let line = json!({"vertexes": [cached]});
        world.fault(&[BUILD], Rule { stdout: format!("{line}\n").into(), ..Rule::default() });
        world.run(["rebuild"]).ok();
        world.heal();
        let report = world.report();
        let step = report["steps"].as_array().unwrap().iter().find(|step| step["cached"] == true).unwrap().clone();
        assert_eq!((&step["last_ms"], &step["duration_ms"]), (&json!(17_000), &json!(0)));
        assert_eq!(report["figures"]["saved_ms"], 16_000, "the longest other step takes one second");
    }
}

#[test]
fn a_failed_build_is_reported_with_the_end_of_its_log() {
    let mut failed = vertex("e", "[vibevoice frontend 2/2] RUN npm run build", &[], 3, 20);
    failed["error"] = "process \"/bin/sh -c npm run build\" did not complete successfully: exit code: 1".into();
    let log = json!({"logs": [{"vertex": "e", "data": base64::engine::general_purpose::STANDARD.encode("the page is blank\n")}]});
    let begun = json!({"vertexes": [{"digest": "e", "name": failed["name"], "started": failed["started"]}]});
    let stdout = format!("{begun}\n{log}\n{}\n", json!({"vertexes": [failed]}));
    let world = after(stdout.into_bytes(), Some(1));
    let report = world.report();
    let schema = schema::published();
    assert_eq!(schema::faults(&report, &schema, &schema, "report"), [""; 0]);
    assert_eq!((&report["failure"]["code"], &report["stages"][0]["status"]), (&json!(4), &json!("failed")));
    assert_eq!(report["steps"][0]["tail"], json!(["the page is blank"]));
    let page = written(&world, "--html").1;
    let human = world.run(["report"]).ok().stdout;
    for text in [page, human] {
        assert!(text.contains("the page is blank") && text.contains("failed"), "{text}");
    }
}

#[test]
fn hostile_names_are_inert_in_every_rendering() {
    let name = format!("[vibevoice {} 1/1] RUN {HOSTILE}", "<b>|`");
    let mut failed = vertex("e", &name, &[], 3, 20);
    failed["error"] = HOSTILE.into();
    let tail = format!("::add-mask::secret\n{HOSTILE}\n");
    let log = json!({"logs": [{"vertex": "e", "data": base64::engine::general_purpose::STANDARD.encode(tail)}]});
    let begun = json!({"vertexes": [{"digest": "e", "name": name, "started": failed["started"]}]});
    let stdout = format!("{begun}\n{log}\n{}\n", json!({"vertexes": [failed]})).into_bytes();
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&[BUILD], Rule { stdout, exit: Some(1), ..Rule::default() });
    let markdown = world.path("step-summary");
    fs::write(&markdown, "before\n").unwrap();
    let github = |args: &[&'static str]| {
        let run = world.run(args.iter().copied()).env("GITHUB_ACTIONS", "true");
        run.env("GITHUB_STEP_SUMMARY", markdown.to_str().unwrap())
    };
    let built = github(&["rebuild"]).fails(4);
    let shown = github(&["report"]).finish();
    let json = github(&["report", "--message-format", "json"]).finish();
    for text in [&built.stderr, &shown.stdout, &json.stdout] {
        assert!(!text.contains("##["), "{text}");
        let commands: Vec<_> = text.lines().filter(|line| line.trim().starts_with("::")).collect();
        assert!(commands.iter().all(|line| line.starts_with("::error title=xtask::step ")), "{commands:?}");
    }
    assert_eq!(built.stderr.lines().filter(|line| line.starts_with("::error ")).count(), 1, "{built}");
    assert_eq!(json.messages()[0]["summary"], world.report(), "the data is the same");
    let markdown = fs::read_to_string(&markdown).unwrap();
    assert!(markdown.starts_with("before\n### ") && markdown.contains("failed"), "{markdown}");
    let page = written(&world, "--html").1;
    let trace = written(&world, "--trace").1;
    for text in [&page, &markdown, &trace, &shown.stdout] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text}");
    }
    for text in [&page, &markdown] {
        assert!(text.contains("script"), "the name is not shown: {text}");
        assert!(!text.contains("<script") && !text.contains("<b>") && !text.contains("' \" onload"), "{text}");
    }
    let cells = |line: &&str| line.starts_with('|');
    for line in markdown.lines().filter(cells) {
        assert!(line.matches('|').count() <= 5 && !line.contains('`'), "{line}");
    }
}

#[test]
fn github_gets_a_summary_and_annotations_and_nobody_else_does() {
    let world = World::built();
    let summary = world.path("step-summary");
    fs::write(&summary, "").unwrap();
    let outcome = world.run(["rebuild"]).ok();
    assert!(!outcome.stderr.contains("::"), "{outcome}");
    for digit in ['b', 'c'] {
        world.push(&commit(digit));
        let run = world.run(["rebuild"]).env("GITHUB_ACTIONS", "true");
        let outcome = run.env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()).finish();
        assert!(outcome.stderr.contains("\n::notice title=xtask::rebuild in "), "{outcome}");
    }
    let text = fs::read_to_string(&summary).unwrap();
    assert_eq!(text.matches("### ").count(), 2, "it is added to: {text}");
    // A summary that cannot be written is no reason to fail.
    world.push(&commit('d'));
    let run = world.run(["rebuild"]).env("GITHUB_ACTIONS", "true");
    let outcome = run.env("GITHUB_STEP_SUMMARY", "/nowhere/at/all").finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("\n::warning title=xtask::the step summary"), "{outcome}");
}

#[test]
fn a_report_is_of_the_own_project_where_several_share_a_directory() {
    let world = World::built();
    let (own, mut other) = (world.report(), world.report());
    other["project"] = "other".into();
    let directory = world.project().join("target/xtask/reports");
    fs::write(directory.join("99991231T000000-other.json"), other.to_string()).unwrap();
    let shown = |world: &World| world.run(["report", "--message-format", "json"]).ok().messages()[0]["summary"].clone();
    assert_eq!(shown(&world), own);
    // Without an answer of Compose the last one is shown.
    world.run(["verify"]).ok();
    world.file("compose.yml", "# Changed, so that Compose is asked again.\n");
    world.fault(&["build --print"], crate::faults::says("broken", 1));
    assert_eq!(shown(&world), other);
}

#[test]
fn without_a_build_there_is_no_report_and_a_broken_one_is_left_out() {
    let world = World::new();
    world.run(["report"]).fails(1).says("compose-rebuild rebuild");
    let world = World::built();
    let report = world.report();
    let directory = world.project().join("target/xtask/reports");
    let mut circle = report.clone();
    circle["steps"][0]["inputs"] = json!([0]);
    let mut newer = report.clone();
    newer["schema"] = 2.into();
    let broken = ["".to_owned(), "{".to_owned(), "[]".to_owned(), circle.to_string(), newer.to_string()];
    for (number, text) in broken.iter().enumerate() {
        fs::write(directory.join(format!("99991231T00000{number}-vibevoice.json")), text).unwrap();
    }
    let outcome = world.run(["report", "--message-format", "json"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(outcome.messages()[0]["summary"], report);
    assert_eq!(outcome.stderr.matches("warning: ").count(), broken.len(), "{outcome}");
}

#[test]
fn a_page_goes_with_its_report_and_is_never_written_through_a_link() {
    let world = World::built();
    let victim = world.path("victim");
    fs::write(&victim, "precious").unwrap();
    for option in ["--html", "--trace"] {
        let path = written(&world, option).0;
        assert_eq!(path.parent().unwrap(), world.project().join("target/xtask/reports"));
        fs::remove_file(&path).unwrap();
        symlink(&victim, &path).unwrap();
        world.run(["report", option]).fails(3).says("symbolic link");
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let page = written(&world, "--html").0;
    let directory = page.parent().unwrap();
    let report = fs::read(page.with_extension("json")).unwrap();
    for number in 0..20 {
        fs::write(directory.join(format!("99991231T0000{number:02}-vibevoice.json")), &report).unwrap();
    }
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    assert!(!page.exists(), "the page of a report that is gone");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 20);
}

#[test]
fn five_thousand_steps_are_shown() {
    let step = |number: usize| {
        let (stage, place) = (number / 6, number % 6);
        let above = [number.saturating_sub(1), number.saturating_sub(7)].map(|input| format!("v{input}"));
        let inputs: Vec<_> = above.iter().map(String::as_str).filter(|_| number > 7).collect();
        let name = format!("[vibevoice stage{stage} {}/6] RUN make {number}", place + 1);
        vertex(&format!("v{number}"), &name, &inputs, number as u64 / 100, number as u64 / 100 + 3)
    };
    let steps: Vec<_> = (0..5000).map(step).collect();
    let lines: String = steps.chunks(200).map(|some| format!("{}\n", json!({"vertexes": some}))).collect();
    let world = after(lines.repeat(2).into_bytes(), None);
    for args in
        [&["report"][..], &["report", "--html"], &["report", "--trace"], &["report", "--message-format", "json"]]
    {
        world.run(args.iter().copied()).ok();
    }
}

#[test]
fn the_page_of_a_verification_shows_what_is_deployed_and_how_far_behind() {
    let world = World::built();
    let page = |code: u8| {
        let outcome = world.run(["verify", "--html"]).finish();
        assert_eq!(outcome.code, Some(code.into()), "{outcome}");
        fs::read_to_string(outcome.stdout.trim()).unwrap()
    };
    let current = page(0);
    for text in ["vibevoice", "<code>aaaaaaaaaaaa</code>", "not running", "chip ran\">current"] {
        assert!(current.contains(text), "{text} is missing in\n{current}");
    }
    world.push(&commit('b'));
    let image = world.image(crate::support::MUTABLE[2]).unwrap().id;
    crate::verify::start(&world, &image, HOSTILE);
    let behind = page(1);
    assert!(behind.contains("chip failed\">behind") && behind.contains("healthy"), "{behind}");
    assert!(!behind.contains("<script>") && !behind.contains('\u{1b}'), "{behind}");
}

#[test]
fn a_report_says_what_each_service_is_made_from_and_which_were_started() {
    let world = World::built();
    crate::verify::start(&world, &world.image(crate::support::MUTABLE[2]).unwrap().id, &commit('a'));
    world.push(&commit('b'));
    world.run(["rebuild", "--up"]).ok();
    let report = world.report();
    assert!(report["services"].as_array().unwrap().iter().all(|service| service["made_from"].is_array()), "{report}");
    let page = written(&world, "--html").1;
    assert!(page.contains("<dt>Started</dt><dd>healthy</dd><dd class=\"note\">vibevoice</dd>"), "{page}");
}

#[test]
fn what_went_wrong_in_a_build_that_succeeded_is_said_and_strict_runs_fail() {
    let world = World::built();
    let log = base64::engine::general_purpose::STANDARD.encode("warning: files in Git LFS stay pointers\n");
    let mut export = vertex("x", "exporting cache to registry", &[], 4, 5);
    export["error"] = "unexpected status: 500".into();
    let said = json!({"vertexes": [vertex("c", "[vibevoice source 2/2] RUN clone", &[], 1, 3), export]});
    let log = json!({"logs": [{"vertex": "c", "stream": 2, "data": log}]});
    let stdout = format!("{said}\n{log}\n").into_bytes();
    world.fault(&[BUILD], Rule { stdout, times: Some(2), ..Rule::default() });
    let pointers = "files in Git LFS stay pointers, as `[vibevoice source 2/2] RUN clone` says";
    let cache = "`exporting cache to registry` failed: unexpected status: 500";

    world.push(&commit('b'));
    let outcome = world.run(["rebuild", "--message-format", "json"]).finish().says(pointers).says(cache);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["reason"], &last["warnings"]), (&"finished".into(), &json!([pointers, cache])));
    assert_eq!(world.report()["warnings"], json!([pointers, cache]));
    assert!(world.run(["report"]).ok().stdout.contains(pointers));

    world.push(&commit('c'));
    world.run(["rebuild", "--strict"]).fails(1).says(pointers).says("what was built is in use");
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('c') + "\n"));
    assert_eq!(world.report()["failure"]["code"], 1);
    world.push(&commit('d'));
    world.run(["rebuild", "--strict"]).ok();
}
