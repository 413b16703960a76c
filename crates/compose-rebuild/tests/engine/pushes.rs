//! What runs again after which push, and that the images hold the commit that was resolved.

use std::collections::BTreeMap;
use std::fs;

use sandbox::Kind;
use serde_json::Value;

use crate::support::{SHIPPED_PATHS, World};

/// Fails unless exactly these instructions ran; each is a stage and a part of the instruction.
#[track_caller]
fn assert_ran(world: &World, expected: &[(&str, &str)]) {
    let ran = world.ran();
    let fits =
        |line: &str, (stage, part): &(&str, &str)| line.starts_with(&format!("{stage}: ")) && line.contains(part);
    for one in expected {
        assert!(ran.iter().any(|line| fits(line, one)), "{one:?} did not run, but {ran:#?}");
    }
    let others: Vec<_> = ran.iter().filter(|line| !expected.iter().any(|one| fits(line, one))).collect();
    assert!(others.is_empty(), "these ran too: {others:#?}");
}

/// The clone, and the copies that follow it in the final image.
const CLONE: (&str, &str) = ("source", "RUN --mount=type=cache,id=vibevoice-source");
const APP: (&str, &str) = ("vibevoice", "COPY --link --from=source");
const DIST: (&str, &str) = ("vibevoice", "COPY --link --from=frontend");

#[test]
fn every_kind_of_push_runs_exactly_its_own_stages() {
    let world = World::built();
    let model = world.id(&world.mutable()[0]);

    let commit = world.push(Kind::Backend);
    let revision = fs::read_to_string(world.upstream.work().join("backend/revision.py")).unwrap();
    world.rebuild();
    world.assert_current(&commit);
    assert_ran(&world, &[CLONE, APP]);
    assert_eq!(world.cat(&world.latest(), "backend/revision.py"), revision.trim());
    let number: u64 = revision.trim_start_matches("REVISION = ").trim().parse().unwrap();
    assert_eq!(world.health()["revision"], number);

    let commit = world.push(Kind::Readme);
    world.rebuild();
    world.assert_current(&commit);
    assert_ran(&world, &[CLONE, APP]);

    let page = world.cat(&world.latest(), "backend/dist/main.js");
    let commit = world.push(Kind::Frontend);
    world.rebuild();
    world.assert_current(&commit);
    let frontend = [("frontend", "COPY --from=source"), ("frontend", "npm run build")];
    assert_ran(&world, &[&[CLONE, APP, DIST], &frontend[..]].concat());
    assert_ne!(world.cat(&world.latest(), "backend/dist/main.js"), page);

    let commit = world.push(Kind::Lockfile);
    world.rebuild();
    world.assert_current(&commit);
    let installed = [("frontend-deps", "COPY --from=source"), ("frontend-deps", "npm ci")];
    // The page is the same, so its copy stays.
    assert_ran(&world, &[&[CLONE, APP], &frontend[..], &installed[..]].concat());

    let commit = world.push(Kind::Pyproject);
    world.rebuild();
    world.assert_current(&commit);
    let python = [("python-builder", "COPY --from=source"), ("python-builder", "uv pip install")];
    let venv = [("vibevoice", "COPY --link --from=python-builder")];
    assert_ran(&world, &[&[CLONE, APP, DIST], &python[..], &venv[..]].concat());

    assert_eq!(world.id(&world.mutable()[0]), model, "no push touches the model");

    // As it is shipped, a push of documents builds nothing.
    world.edit("compose.yml", "paths: &paths []", SHIPPED_PATHS);
    let (state, builds) = (world.state(), world.builds());
    let documents = world.push(Kind::Readme);
    world.rebuild().says("1 commit on main changes nothing for this image");
    assert_eq!((world.state(), world.builds()), (state, builds));
    assert_eq!(world.plan()["idle"][0]["commits"][0]["commit"], Value::from(documents));
    world.xtask(["verify"]).ok();
    let commit = world.push(Kind::Backend);
    world.rebuild();
    world.assert_current(&commit);
}

#[test]
fn the_report_says_what_the_builder_itself_says() {
    let world = World::built();
    world.push(Kind::Frontend);
    // A copy of BuildKit's events, taken before the tool gets them.
    world.shim(
        "docker",
        r#"case "$*" in *"buildx bake "*)
            { real "$@" 2>&1; echo $? > "$world/status"; } | tee "$world/events" >&2
            exit "$(cat "$world/status")" ;;
        esac"#,
    );
    world.rebuild();
    let mut vertexes: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let events = fs::read_to_string(world.path("events")).unwrap();
    for line in events.lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).unwrap();
        for vertex in event["vertexes"].as_array().into_iter().flatten() {
            let text = |name: &str| vertex[name].as_str().unwrap_or_default().to_owned();
            let entry = vertexes.entry(text("digest")).or_insert_with(|| (text("name"), false));
            entry.1 |= vertex["cached"] == true;
        }
    }
    // `[service stage 2/5] RUN ...` as `stage: RUN ...`
    let step = |name: &str| -> Option<String> {
        let (place, instruction) = name.strip_prefix('[')?.split_once("] ")?;
        let stage = place.rsplit(' ').nth(1)?;
        let instruction = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
        ["RUN ", "COPY "].iter().any(|start| instruction.starts_with(start)).then(|| format!("{stage}: {instruction}"))
    };
    let mut expected: Vec<_> =
        vertexes.into_values().filter(|(_, cached)| !cached).filter_map(|(name, _)| step(&name)).collect();
    expected.sort();
    assert!(expected.iter().any(|line| line.contains("npm run build")), "{expected:#?}");
    assert_eq!(world.ran(), expected);
    assert_causes(&world.report());
    let page = world.xtask(["report", "--html"]).ok().stdout;
    let page = fs::read_to_string(page.trim()).unwrap();
    assert!(page.contains("npm run build") && !page.contains("<script"), "{page}");
}

/// The clone ran of itself; the export ran because its files did, and only the application image needs it.
#[track_caller]
fn assert_causes(report: &Value) {
    let steps = report["steps"].as_array().unwrap();
    let find = |stage: &str, part: &str| {
        let fits = |step: &&Value| step["stage"] == stage && step["name"].as_str().unwrap().contains(part);
        steps.iter().find(fits).unwrap_or_else(|| panic!("no {stage}: {part} in {report:#}"))
    };
    let because = |step: &Value| -> Vec<usize> {
        let inputs = step["cause"]["inputs"].as_array().unwrap_or_else(|| panic!("{step:#}"));
        inputs.iter().map(|input| usize::try_from(input.as_u64().unwrap()).unwrap()).collect()
    };
    let (clone, copy, export) = (find(CLONE.0, CLONE.1), find("frontend", "COPY"), find("frontend", "npm run build"));
    assert_eq!(clone["cause"], "root");
    assert_eq!(clone["services"], serde_json::json!(["backend-builder", "vibevoice"]));
    assert!(because(copy).iter().any(|&input| &steps[input] == clone), "{copy:#}");
    assert!(because(export).iter().any(|&input| &steps[input] == copy), "{export:#}");
    assert_eq!(export["services"], serde_json::json!(["vibevoice"]));
    assert_eq!(find("frontend-deps", "npm ci")["cause"], "cached");
    let critical = report["figures"]["critical"].as_array().unwrap();
    assert!(critical.iter().any(|at| &steps[usize::try_from(at.as_u64().unwrap()).unwrap()] == export));
}

#[test]
fn a_commit_that_comes_after_the_resolution_waits_for_the_next_rebuild() {
    let world = World::built();
    let resolved = world.push(Kind::Backend);
    // The branch moves when everything is decided and the build is about to start.
    let work = world.upstream.work();
    world.shim(
        "docker",
        &format!(
            r#"case "$*" in *"buildx bake "*)
                cd '{work}' && echo late >> README.md &&
                git -c user.name=n -c user.email=e@example.invalid commit --quiet --all --message late &&
                git push --quiet origin main && cd - > /dev/null || exit 99 ;;
            esac"#
        ),
    );
    world.xtask(["rebuild"]).ok().says(&resolved[..12]);
    world.unshim("docker");
    let late = world.tip();
    assert_ne!(late, resolved, "the branch did not move");
    world.assert_current(&resolved);
    world.rebuild();
    world.assert_current(&late);
}

#[test]
fn a_push_that_does_not_compile_changes_nothing_and_the_next_good_one_recovers() {
    let world = World::built();
    let first = world.tip();
    let state = world.state();
    world.push(Kind::Broken);
    let outcome = world.xtask(["rebuild"]).fails(4).says("npm run build");
    assert_eq!(world.state(), state);
    world.assert_current(&first);
    assert_eq!(world.health()["status"], "healthy");
    let log = outcome.stderr.split_whitespace().find(|word| word.ends_with(".log")).expect("the log is named");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("revision.js"), "the log has what the compiler said: {log}");
    // The other service had its image by then: it was finished, and still did not move.
    assert!(log.contains("[backend-builder] exporting to image"), "only one service was built at all: {log}");
    let commit = world.push(Kind::Frontend);
    world.rebuild();
    world.assert_current(&commit);
}
