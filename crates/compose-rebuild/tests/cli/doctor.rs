//! `doctor`: every problem at once, each where it is, and nothing changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use serde_json::{Value, json};

use crate::support::state::Rule;
use crate::support::{Outcome, Run, World};

const BUILD: &str = "buildx bake";

/// What a healthy machine answers.
const HEALTHY: [(&str, &str); 6] = [
    ("docker info --format {{json .}} ", "{\"ServerVersion\":\"28.5.2\",\"DockerRootDir\":\"/not/of/this/machine\"}\n"),
    ("docker compose version --short ", "2.40.3\n"),
    ("docker buildx version ", "github.com/docker/buildx v0.29.1 28f6246\n"),
    (
        "docker buildx inspect ",
        "Name:   default\nDriver: docker\nGC Policy rule#0:\n All: true\n Max Used Space: 90GiB\n",
    ),
    ("docker image ls --filter label=io.xtask.project=", ""),
    ("git --version ", "git version 2.47.3\n"),
];

/// Lets everything that no fault speaks for answer as on a healthy machine.
fn doctor<'a>(world: &'a World, args: &[&'a str]) -> Run<'a> {
    for (when, answer) in HEALTHY {
        world.fault(&[when], Rule { stdout: answer.into(), exit: Some(0), ..Rule::default() });
    }
    world.run(["doctor"].into_iter().chain(args.iter().copied()))
}

/// A command that fails with this message.
fn broken(world: &World, when: &str, stderr: &str) {
    world.fault(&[when], Rule { stderr: format!("{stderr}\n"), exit: Some(1), ..Rule::default() });
}

/// A command that answers this.
fn answers(world: &World, when: &str, stdout: &str) {
    world.fault(&[when], Rule { stdout: stdout.into(), exit: Some(0), ..Rule::default() });
}

/// The findings of a run as `severity check place`.
fn findings(outcome: &Outcome) -> Vec<String> {
    let messages = outcome.messages().into_iter().filter(|message| message["reason"] == "finding");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages
        .map(|finding| {
            let line = finding["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
            let (severity, check) = (text(&finding["severity"]), text(&finding["check"]));
            format!("{severity} {check} {}{line}", text(&finding["file"])).trim_end().to_owned()
        })
        .collect()
}

#[track_caller]
fn assert_found(outcome: &Outcome, expected: &[&str]) {
    let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (findings(outcome).into_iter().collect(), expected.iter().map(|&one| one.to_owned()).collect());
    assert_eq!(found, wanted, "{outcome}");
}

const JSON: [&str; 2] = ["--message-format", "json"];

#[test]
fn our_own_files_are_healthy() {
    for world in [World::new(), World::built()] {
        let outcome = doctor(&world, &[]).ok();
        let lines: Vec<_> = outcome.stdout.lines().collect();
        assert_eq!(
            lines,
            [
                "sources",
                "  SERVICE                     STAGE  LINE       REPOSITORY             REF   WATCHED BY",
                "  backend-builder, vibevoice  -      arguments  git.example/vibevoice  main  GITHUB_COMMIT",
            ]
        );
        outcome.says("the doctor found nothing");
    }
}

const OLD_DOCKERFILE: &str = include_str!("../fixtures/old-workflow/Dockerfile");
const OLD_COMPOSE: &str = include_str!("../fixtures/old-workflow/compose.yml");
/// What is wrong in them, a line each.
const OLD_FINDINGS: &str = include_str!("../fixtures/old-workflow/findings.txt");

/// The files of the workflow that this tool replaces.
fn old_workflow() -> World {
    let world = World::new();
    world.file("Dockerfile", OLD_DOCKERFILE);
    world.file("compose.yml", OLD_COMPOSE);
    let build = |target: &str| json!({"context": world.project(), "dockerfile": "Dockerfile", "target": target});
    let mut last = build("vibevoice");
    last["network"] = json!("host");
    last["args"] =
        json!({"GITHUB_REPO": "https://git.example/fork.git", "CACHE_BUST": "unknown", "HF_TOKEN": "hf_canary"});
    let config = json!({"name": "vibevoice", "services": {
        "model-downloader": {"build": build("model-downloader")},
        "backend-builder": {"build": build("backend-builder")},
        "vibevoice": {"build": last, "privileged": true},
    }});
    world.engine(|engine| engine.config = config);
    world
}

#[test]
fn every_fault_of_the_old_workflow_is_found_where_it_is() {
    let world = old_workflow();
    let outcome = doctor(&world, &JSON).fails(2);
    assert_found(&outcome, &OLD_FINDINGS.lines().collect::<Vec<_>>());
    assert!(!outcome.stdout.contains("hf_canary") && !outcome.stderr.contains("hf_canary"), "{outcome}");
    let last = outcome.messages().pop().unwrap();
    assert_eq!((last["reason"].as_str(), last["code"].as_i64()), (Some("error"), Some(2)));
}

#[test]
fn people_read_findings_in_groups_each_with_why_and_cure() {
    let world = old_workflow();
    answers(&world, "buildx inspect", "Name: far\nDriver: remote\n");
    let outcome = doctor(&world, &[]).fails(2);
    let headings: Vec<_> = outcome.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, ["sources", "Docker", "compose project", "Dockerfile"], "{outcome}");
    let count = |label: &str| outcome.stdout.lines().filter(|line| line.trim_start().starts_with(label)).count();
    assert_eq!((count("error ") + count("warning "), count("why "), count("fix ")), (11, 11, 11), "{outcome}");
    assert!(outcome.stdout.contains("       error Dockerfile:14: `git checkout` of `main`"), "{outcome}");
}

#[test]
fn a_doctor_does_not_die_early() {
    let world = old_workflow();
    broken(&world, "docker info", "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?");
    broken(&world, "buildx", "docker: unknown command: docker buildx");
    broken(&world, "compose version", "docker: unknown command: docker compose");
    broken(&world, "config", "docker: unknown command: docker compose");
    fs::remove_file(world.path("bin/git")).unwrap();
    world.manifest("[workspace.metadata.xtask]\nversionfile = \"x\"\n");
    let outcome = doctor(&world, &JSON).fails(2);
    let others = [
        "error engine-silent",
        "error buildx-missing",
        "error compose-missing",
        "error git-missing",
        "error configuration",
        "error compose-refuses compose.yml",
    ];
    assert_found(&outcome, &others);
}

#[test]
fn a_repository_that_never_heard_of_this_tool_can_be_healthy() {
    let world = World::new();
    fs::remove_file(world.project().join("Cargo.toml")).unwrap();
    world.file(
        "Dockerfile",
        "FROM python:3.12\nCOPY . /app\nRUN pip install -r /app/requirements.txt\nCMD [\"python\"]\n",
    );
    world.file("compose.yml", "services:\n  web:\n    build: .\n  redis:\n    image: redis\n");
    let config = json!({"name": "shop", "services": {
        "web": {"build": {"context": world.project(), "dockerfile": "Dockerfile"}}, "redis": {"image": "redis"}}});
    world.engine(|engine| engine.config = config);
    assert_eq!(doctor(&world, &[]).ok().says("no stage that is built fetches code").stdout, "");
    // And ill.
    world.file("Dockerfile", "FROM python:3.12\nRUN git clone https://git.example/shop.git /app\n");
    let outcome = doctor(&world, &JSON).fails(2);
    assert_found(&outcome, &["error clone-without-bust Dockerfile:2"]);
}

#[test]
fn warnings_alone_end_well() {
    let world = World::built();
    answers(&world, "git --version", "git version 2.20.1\n");
    let outcome = doctor(&world, &JSON).ok();
    assert_found(&outcome, &["warning git-old"]);
    outcome.says("0 errors and 1 warning");
}

#[test]
fn variables_that_change_nothing_any_more_are_named() {
    let world = World::built();
    let outcome = doctor(&world, &JSON).env("DOCKER_BUILDKIT", "0").env("COMPOSE_BAKE", "False").ok();
    let findings = outcome.messages().into_iter().filter(|message| message["reason"] == "finding");
    let cures: Vec<_> = findings.map(|finding| finding["cure"].clone()).collect();
    assert_eq!(cures, ["unset COMPOSE_BAKE", "unset DOCKER_BUILDKIT"], "{outcome}");
    doctor(&world, &[]).env("DOCKER_BUILDKIT", "1").env("COMPOSE_BAKE", "").ok().says("found nothing");
}

#[test]
fn engine_builder_and_files_are_examined() {
    // What is wrong, and what is found.
    type Fault = fn(&World);
    let table: [(&str, Fault); 7] = [
        ("error compose-old", |world| answers(world, "compose version", "2.34.0")),
        ("error buildx-old", |world| answers(world, "buildx version", "buildx v0.16.2")),
        ("warning builder-apart", |world| answers(world, "buildx inspect", "Name: x\nDriver: kubernetes\n")),
        ("error builder-unusable", |world| broken(world, "buildx inspect", "ERROR: no builder \"x\" found")),
        ("error cache-too-small", |world| {
            answers(
                world,
                "buildx inspect",
                "Name: d\nDriver: docker\nGC Policy rule#0:\n All: true\n Keep Bytes: 1GiB\n",
            );
        }),
        ("warning git-old", |world| answers(world, "git --version", "git version 2.20.1\n")),
        ("error no-dockerfile compose.yml:", |world| fs::remove_file(world.project().join("Dockerfile")).unwrap()),
    ];
    for (expected, fault) in table {
        let world = World::new();
        fault(&world);
        let outcome = doctor(&world, &JSON).finish();
        let found = findings(&outcome);
        // A Dockerfile that is gone is missed by three services.
        assert!(found.iter().any(|finding| finding.starts_with(expected)), "{expected}: {found:?}\n{outcome}");
        assert_eq!(outcome.code, Some(if expected.starts_with("error") { 2 } else { 0 }), "{outcome}");
        let checks: BTreeSet<_> = found.iter().map(|finding| finding.split(' ').nth(1).unwrap()).collect();
        assert_eq!(checks.len(), 1, "{outcome}");
    }
}

#[test]
fn a_kept_model_needs_no_cache() {
    let world = World::built();
    answers(&world, "buildx inspect", "Name: d\nDriver: docker\nGC Policy rule#0:\n All: true\n Keep Bytes: 1MiB\n");
    doctor(&world, &[]).ok().says("found nothing");
}

#[test]
fn the_builder_of_the_command_line_is_inspected() {
    let world = World::built();
    doctor(&world, &["--builder", "far"]).ok();
    assert_eq!(world.calls_of("buildx inspect far").len(), 1);
}

#[test]
fn bad_values_of_environment_and_configuration_are_findings() {
    let world = World::built();
    let outcome = doctor(&world, &JSON).env("CACHE_BUST", "$(id)").fails(2);
    assert_found(&outcome, &["error configuration"]);
    world.manifest("[workspace.metadata.xtask]\ncache-bust-arg = \"1 2\"\n");
    assert!(findings(&doctor(&world, &JSON).fails(2)).contains(&"error configuration".to_owned()));
    world.manifest("");
    world.set_arg("GITHUB_BRANCH", "--upload-pack=x");
    world.set_arg("GITHUB_REPO", "https://user:canary@git.example/x.git");
    let outcome = doctor(&world, &JSON).fails(2);
    let compose = fs::read_to_string(world.project().join("compose.yml")).unwrap();
    let expected = ["GITHUB_REPO:", "GITHUB_BRANCH:"].map(|key| {
        let line = compose.lines().position(|line| line.trim_start().starts_with(key)).unwrap() + 1;
        format!("error bad-value compose.yml:{line}")
    });
    assert_found(&outcome, &expected.each_ref().map(String::as_str));
    assert!(!outcome.stdout.contains("canary") && !outcome.stderr.contains("canary"), "{outcome}");
}

#[test]
fn the_holder_of_the_lock_is_named_and_what_a_killed_run_left_is_found() {
    let world = World::built();
    world.push(&crate::support::commit('b'));
    world.fault(&[BUILD], Rule { wait_for: Some("go".to_owned()), ..Rule::default() });
    let first = world.run(["rebuild"]).start();
    world.until_called(BUILD);
    let outcome = doctor(&world, &JSON).ok();
    assert_found(&outcome, &["warning lock-held"]);
    assert!(outcome.stdout.contains("process "), "{outcome}");
    first.signal(SIGKILL);
    first.wait();
    world.heal();
    answers(
        &world,
        "image ls --filter label",
        "vibevoicefusion:latest\nvibevoicefusion:staged-vibevoice-0123456789ab\n",
    );
    let outcome = doctor(&world, &JSON).ok();
    assert_found(&outcome, &["warning leftovers"]);
    assert!(
        outcome.stdout.contains("staged-vibevoice") && outcome.stdout.contains(":staged-vibevoice-0123456789ab"),
        "{outcome}"
    );
    world.release("go");
}

#[test]
fn a_state_directory_that_is_a_link_is_an_error() {
    let world = World::new();
    fs::create_dir(world.project().join("target")).unwrap();
    std::os::unix::fs::symlink(world.path("home"), world.project().join("target/xtask")).unwrap();
    assert_found(&doctor(&world, &JSON).fails(2), &["error state-directory"]);
}

#[test]
fn nothing_is_changed() {
    let world = old_workflow();
    let everything = |directory: &Path| {
        let mut found = BTreeSet::new();
        let mut open = vec![directory.to_owned()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let text = fs::read(&path).unwrap_or_default();
            found.insert((path, text));
        }
        found
    };
    let places = [world.project(), world.path("tmp"), world.path("home")];
    let before: Vec<_> = places.iter().map(|place| everything(place)).collect();
    doctor(&world, &[]).fails(2);
    // `cargo metadata` may write its own caches; nothing else is written.
    for (place, before) in places.iter().zip(before) {
        let new: Vec<_> = everything(place).difference(&before).map(|(path, _)| path.clone()).collect();
        assert!(new.iter().all(|path| path.ends_with("Cargo.lock")), "{new:?}");
    }
    let reads = [
        "info",
        "version",
        "inspect",
        "config",
        "--print",
        "ls",
        "ps",
        "--version",
        "describe",
        "--short",
        "ls-remote",
    ];
    for call in world.calls() {
        assert!(call.args.iter().any(|word| reads.contains(&word.as_str())), "{call:?}");
    }
}

#[test]
fn ctrl_c_ends_the_examination() {
    let world = World::new();
    world.fault(&["docker info"], Rule { hang: true, ..Rule::default() });
    let running = doctor(&world, &[]).start();
    world.until_called("docker info");
    running.signal(SIGINT);
    assert_eq!(running.wait().code, Some(130));
}

#[test]
fn every_field_of_a_source_and_of_a_finding_is_documented() {
    let documents = include_str!("../../../../docs/messages.md");
    let messages = doctor(&old_workflow(), &JSON).fails(2).messages();
    for reason in ["source", "finding"] {
        let row = documents.lines().find(|line| line.starts_with(&format!("| `{reason}` |"))).unwrap();
        let fields = messages.iter().filter(|line| line["reason"] == reason).flat_map(|line| line.as_object().unwrap());
        let fields: BTreeSet<_> = fields.map(|(field, _)| field.as_str()).collect();
        for field in fields.iter().filter(|field| !["reason", "schema"].contains(*field)) {
            assert!(row.contains(&format!("`{field}`")), "{field}");
        }
        assert!(fields.len() > 6 && messages[0]["schema"] == 1);
    }
}

#[test]
fn what_is_allowed_is_said_with_its_reason_and_is_no_finding() {
    let world = World::built();
    answers(&world, "git --version", "git version 2.20.1\n");
    let allow = |text: &str| world.manifest(&format!("[workspace.metadata.xtask.doctor]\nallow = {text}\n"));
    allow("{git-old = \"the image of CI has no other\"}");
    let outcome = doctor(&world, &[]).ok().says("Allowed git-old (the image of CI has no other)");
    outcome.says("the doctor found nothing");
    let lines = doctor(&world, &JSON).ok().messages();
    assert_eq!(lines.last().unwrap()["allowed"], "the image of CI has no other");
    allow("{git-old = \"x\", git-olf = \"y\"}");
    let outcome = doctor(&world, &[]).fails(2);
    assert!(outcome.stdout.contains("`doctor.allow` names `git-olf`, which is not a finding"), "{outcome}");
    allow("{git-old = \" \"}");
    assert_found(&doctor(&world, &JSON).fails(2), &["error configuration", "warning git-old"]);
    world.run(["plan"]).fails(2).says("needs a reason");
}

#[test]
fn a_patch_takes_its_paths_from_the_top_of_the_repository() {
    let world = World::new();
    fs::create_dir(world.project().join(".git")).unwrap();
    let text = "FROM a AS unused\nRUN git clone https://git.example/unused.git\nFROM b AS app\nARG REPO\nRUN git clone \"$REPO\" app\n";
    world.file("Dockerfile", text);
    let compose = "services:\n  app:\n    build: {context: .., args: {REPO: https://git.example/app.git}}\n";
    world.file("deploy/compose.yml", compose);
    let args = json!({"REPO": "https://git.example/app.git"});
    let build = json!({"context": world.project(), "dockerfile": "Dockerfile", "target": "app", "args": args});
    world.engine(|engine| {
        engine.config = json!({"name": "vibevoice", "services": {"app": {"image": "app", "build": build}}})
    });
    let outcome = doctor(&world, &["-f", "deploy/compose.yml", "--patch"]).ok();
    let lines: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(lines, ["--- a/Dockerfile", "+++ b/Dockerfile", "+ARG CACHE_BUST=unknown"], "{outcome}");
    let outcome = outcome.says("1 file: compose-rebuild -f deploy/compose.yml doctor --patch | git apply");
    assert!(!outcome.stderr.contains("-C"), "{outcome}");
    // What was not asked for has no finding, and what is not patched has no patch.
    let outcome = doctor(&world, &["-f", "deploy/compose.yml", "--message-format", "json"]).fails(2);
    assert_found(&outcome, &[&format!("error clone-without-bust {}:5", world.project().join("Dockerfile").display())]);
    assert!(outcome.stdout.contains("https://git.example/app.git") && !outcome.stdout.contains("unused"), "{outcome}");
    world.manifest("[workspace.metadata.xtask.doctor.allow]\nclone-without-bust = \"it is cloned once\"\n");
    world.file("deploy/Cargo.toml", fs::read_to_string(world.project().join("Cargo.toml")).unwrap());
    doctor(&world, &["-f", "deploy/compose.yml", "--patch"]).ok().says("nothing to patch");
}
