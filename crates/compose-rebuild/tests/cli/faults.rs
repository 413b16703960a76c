//! Remotes, engines, builds and disks that fail: old tags stay, and the exit status says which kind it was.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::support::state::{Image, Rule};
use crate::support::{MUTABLE, World, commit};
use compose_rebuild::value::time::Timestamp;

/// A project that was built once, whose branch then moved.
#[track_caller]
pub(crate) fn moved() -> World {
    let world = World::built();
    world.push(&commit('b'));
    world
}

/// Ends with a status and an error message.
pub(crate) fn says(stderr: &str, exit: u8) -> Rule {
    Rule { stderr: format!("{stderr}\n"), exit: Some(exit), ..Rule::default() }
}

/// A rebuild that fails with this status leaves every tag and nothing staged.
#[track_caller]
pub(crate) fn fails_without_a_trace(world: &World, code: i32) -> crate::support::Outcome {
    let (tags, mutable) = (world.tags(), world.mutable());
    let outcome = world.run(["rebuild"]).fails(code);
    assert_eq!(world.tags(), tags, "{outcome}");
    assert_eq!(world.mutable(), mutable, "{outcome}");
    world.assert_nothing_staged();
    outcome
}

// ---- the engine ----

#[test]
fn without_an_engine_nothing_changes() {
    let text = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    let world = moved();
    for command in ["image inspect", "docker info"] {
        world.fault(&[command], says(text, 1));
        fails_without_a_trace(&world, 3).says("does not answer");
        world.heal();
    }
    world.forget_calls();
    world.fault(&["image inspect"], says(text, 1));
    world.run(["verify"]).fails(3);
    world.run(["full", "--yes"]).fails(3);
    assert!(world.calls_of(" bake ").is_empty());
}

#[test]
fn without_docker_or_git_the_missing_program_is_named() {
    let world = moved();
    std::fs::remove_file(world.path("bin/git")).unwrap();
    fails_without_a_trace(&world, 3).says("`git`");
    symlink(world.path("bin/docker").read_link().unwrap(), world.path("bin/git")).unwrap();
    std::fs::remove_file(world.path("bin/docker")).unwrap();
    let mutable = world.mutable();
    world.run(["rebuild"]).fails(3).says("`docker`");
    assert_eq!(world.mutable(), mutable);
}

#[test]
fn a_project_that_compose_refuses_is_bad_input_and_a_missing_compose_is_not() {
    let world = moved();
    world.fault(&["build --print"], says("services.vibevoice Additional property buld is not allowed", 15));
    fails_without_a_trace(&world, 2).says("buld");
    world.heal();
    let without_plugin = "unknown shorthand flag: 'f' in -f\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\n\
        Run 'docker --help' for more information";
    for said in ["docker: 'compose' is not a docker command.", without_plugin] {
        world.heal();
        world.fault(&["build --print"], says(said, 1));
        fails_without_a_trace(&world, 3).says("Docker Compose is missing");
    }
}

#[test]
fn answers_of_the_engine_that_are_cut_are_no_bug_of_ours() {
    let world = moved();
    for (command, stdout) in [
        ("image inspect", "[{\"Id\":"),
        ("image inspect", ""),
        ("build --print", "{\"name\":\"vibe"),
        ("build --print", ""),
        ("build --print", "\u{1b}[31mnot json"),
    ] {
        world.fault(&[command], Rule { stdout: stdout.into(), exit: Some(0), ..Rule::default() });
        fails_without_a_trace(&world, 3);
        world.heal();
    }
}

#[test]
fn what_compose_says_of_extensions_may_be_cut_too() {
    let world = World::new();
    world.fault(&["--no-interpolate"], Rule { stdout: b"{\"name\":".into(), exit: Some(0), ..Rule::default() });
    world.run(["plan"]).fails(3).says("cut or garbled");
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_almost_full_stops_the_build_before_it_starts() {
    let world = moved();
    world.forget_calls();
    // `/proc` has no free space on any machine that has it.
    let stdout = br#"{"DockerRootDir": "/proc"}"#.to_vec();
    world.fault(&["docker info", "{{json .}}"], Rule { stdout, exit: Some(0), ..Rule::default() });
    fails_without_a_trace(&world, 3).says("almost full");
    assert!(world.calls_of(" bake ").is_empty());
    // Nothing is to be built: the disk does not matter.
    world.push(&commit('a'));
    world.run(["rebuild"]).ok();
}

#[test]
fn a_disk_that_fills_during_the_build_is_a_precondition() {
    for text in
        ["write /x: no space left on device", "rpc error: code = ResourceExhausted desc = x", "npm error code ENOSPC"]
    {
        let world = moved();
        world.engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), text.to_owned()));
        fails_without_a_trace(&world, 3).says("disk is full");
    }
}

#[test]
fn a_tag_that_the_engine_refuses_leaves_every_mutable_tag_where_it_was() {
    for tag in MUTABLE {
        let world = World::built();
        let kept = world.tags().into_iter().find(|tag| tag.contains(":keep-")).unwrap();
        let (before, model) = (world.mutable(), world.image(&kept).unwrap().id);
        world.fault(&["image tag", &format!(" {tag} ")], says("Error response from daemon: database is locked", 1));
        let outcome = world.run(["full", "--yes"]).fails(3);
        assert_eq!(world.mutable(), before, "{tag}\n{outcome}");
        assert_eq!(world.image(&kept).unwrap().id, model, "the kept model moved\n{outcome}");
        world.assert_nothing_staged();
    }
}

#[test]
fn a_tag_that_did_not_move_though_the_engine_said_so_is_found() {
    let world = moved();
    let before = world.image(MUTABLE[2]).unwrap().id;
    world.fault(&["image tag", &format!(" {} ", MUTABLE[2])], Rule { exit: Some(0), ..Rule::default() });
    let outcome = world.run(["rebuild"]).fails(3).says(&format!("`{}` points to {before}", MUTABLE[2]));
    assert_eq!(world.image(MUTABLE[2]).unwrap().id, before, "the fault did not fire\n{outcome}");
    assert!(!outcome.stderr.contains("Promoted"), "{outcome}");
    world.heal();
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
}

#[test]
fn nobody_claims_that_tags_went_back_when_they_did_not() {
    let world = World::built();
    let old = world.image(MUTABLE[1]).unwrap().id;
    world.push(&commit('b'));
    world
        .fault(&["image tag", &format!(" {} ", MUTABLE[2])], says("Error response from daemon: database is locked", 1));
    let back = format!("image tag -- {old} {}", MUTABLE[1]);
    world.fault(&[&back], says("Error response from daemon: database is locked", 1));
    let outcome = world.run(["rebuild"]).fails(3);
    assert_ne!(world.image(MUTABLE[1]).unwrap().id, old, "the fault did not fire\n{outcome}");
    assert!(!outcome.stderr.contains("every tag is where it was"), "{outcome}");
    outcome.says(MUTABLE[1]);
}

// ---- the build ----

#[test]
fn one_service_that_fails_moves_no_tag_of_the_others() {
    let world = moved();
    world.engine(|engine| {
        engine
            .build
            .fail
            .insert("vibevoice".to_owned(), "process \"/bin/sh\" did not complete: exit code: 1".to_owned());
    });
    let outcome = fails_without_a_trace(&world, 4).says("[vibevoice] ").says("moved").says("made");
    let log = outcome.stderr.lines().find_map(|line| line.trim().strip_prefix("full log: ")).unwrap();
    assert!(std::fs::read_to_string(log).unwrap().contains("ERROR"), "{log}");
}

#[test]
fn a_step_whose_remote_failed_is_a_precondition_and_not_a_failed_step() {
    let world = moved();
    world.engine(|engine| {
        engine
            .build
            .fail
            .insert("vibevoice".to_owned(), "process \"/bin/sh\" did not complete: exit code: 69".to_owned());
    });
    fails_without_a_trace(&world, 3);
}

#[test]
fn a_build_that_leaves_no_image_is_not_believed() {
    let world = moved();
    world.engine(|engine| engine.build.no_image.push("backend-builder".to_owned()));
    fails_without_a_trace(&world, 3).says("backend-builder");
}

#[test]
fn an_image_with_other_code_than_asked_for_is_not_promoted() {
    let world = moved();
    for content in [
        Some(commit('c') + "\n"),
        Some(String::new()),
        Some(format!("{}\n{}\n", commit('b'), commit('b'))),
        Some("b".repeat(12)),
        Some("unknown".to_owned()),
        None,
    ] {
        world.engine(|engine| engine.build.version.insert("vibevoice".to_owned(), content.clone()));
        fails_without_a_trace(&world, 1).says("version.txt");
    }
}

#[track_caller]
fn another_label_is_refused(label: &str, value: &str) {
    let world = moved();
    let labels = [(label.to_owned(), value.to_owned())].into();
    world.engine(|engine| engine.build.labels.insert("backend-builder".to_owned(), labels));
    fails_without_a_trace(&world, 1).says(label);
}

#[test]
fn an_image_with_another_label_is_not_promoted() {
    another_label_is_refused("io.xtask.key", "0000");
    another_label_is_refused("io.xtask.cache-bust", "unknown");
    another_label_is_refused("org.opencontainers.image.revision", "");
}

#[test]
fn an_image_that_says_it_belongs_to_somebody_else_is_not_promoted() {
    another_label_is_refused("io.xtask.project", "other");
    another_label_is_refused("io.xtask.service", "");
}

#[test]
fn a_version_file_that_is_no_short_file_is_not_believed() {
    let archive = |kind: tar::EntryType, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        match kind {
            tar::EntryType::Symlink => builder.append_link(&mut header, "version.txt", "/etc/passwd").unwrap(),
            _ => builder.append_data(&mut header, "version.txt", content).unwrap(),
        }
        builder.into_inner().unwrap()
    };
    let world = moved();
    for answer in [
        archive(tar::EntryType::Symlink, b""),
        archive(tar::EntryType::Directory, b""),
        archive(tar::EntryType::Regular, &vec![b'b'; 1 << 20]),
        archive(tar::EntryType::Regular, b"\x7fELF\xff\xfe\x00"),
        b"no archive at all".to_vec(),
        Vec::new(),
    ] {
        world.heal();
        world.fault(&["docker cp"], Rule { stdout: answer, exit: Some(0), ..Rule::default() });
        fails_without_a_trace(&world, 1);
    }
}

#[test]
fn an_image_that_this_tool_did_not_build_is_not_current() {
    let world = World::new();
    let by_hand = Image {
        id: format!("sha256:{}", "7".repeat(64)),
        tags: vec![MUTABLE[2].to_owned()],
        size: 1,
        labels: Default::default(),
        working_dir: "/".to_owned(),
        version: Some(commit('a')),
        files: Vec::new(),
    };
    world.engine(|engine| engine.images.push(by_hand));
    world.run(["verify", "vibevoice"]).fails(1);
    world.run(["rebuild", "--dry-run"]).ok();
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
}

#[test]
fn verify_compares_remote_label_and_content() {
    let world = World::built();
    let before = (world.tags(), world.written());
    let outcome = world.run(["verify"]).ok();
    assert_eq!(outcome.stdout.lines().filter(|line| line.ends_with(" current")).count(), 2, "{outcome}");
    world.push(&commit('b'));
    let outcome = world.run(["verify"]).fails(1);
    assert!(outcome.stdout.contains("behind"), "{outcome}");
    world.push(&commit('a'));
    world.engine(|engine| {
        let image = engine.images.iter_mut().find(|image| image.tags.contains(&MUTABLE[2].to_owned())).unwrap();
        image.version = Some(commit('9'));
    });
    let outcome = world.run(["verify"]).fails(1);
    assert!(outcome.stdout.contains("wrong content"), "{outcome}");
    // What was asked of the remote is remembered; nothing else is written.
    let written = world.written();
    assert_eq!((world.tags(), written), before, "verify only reads");
    world.assert_nothing_staged();
}

// ---- files ----

#[test]
fn planted_links_are_refused_and_what_they_point_to_is_untouched() {
    type Paths = fn(&World) -> Vec<std::path::PathBuf>;
    let plant: [(&str, Paths); 3] = [
        ("reports", |world| vec![world.project().join("target/xtask/reports")]),
        ("logs", |world| vec![world.project().join("target/xtask/logs")]),
        // Logs and reports are named by the second in which the run starts.
        ("next files", |world| {
            let name = |seconds: u64, directory: &str, ending: &str| {
                let at = Timestamp::from(SystemTime::now() + Duration::from_secs(seconds));
                let name = format!("target/xtask/{directory}/{}-vibevoice.{ending}", at.compact());
                world.project().join(name)
            };
            (0..20).map(|seconds| name(seconds, "logs", "log")).collect()
        }),
    ];
    for (what, paths) in plant {
        let world = moved();
        let victim = world.path("victim");
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("file"), "precious").unwrap();
        for path in paths(&world) {
            let _ = std::fs::remove_dir_all(&path);
            let _ = std::fs::remove_file(&path);
            let target = if path.extension().is_some() { victim.join("file") } else { victim.clone() };
            symlink(target, path).unwrap();
        }
        let mutable = world.mutable();
        let outcome = world.run(["rebuild"]).finish();
        assert_eq!(std::fs::read_to_string(victim.join("file")).unwrap(), "precious", "{what}\n{outcome}");
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 1, "{what}\n{outcome}");
        let outcome = outcome.fails(3);
        assert_eq!(world.mutable(), mutable, "{what}: it must be found before a tag moves\n{outcome}");
        world.assert_nothing_staged();
    }
}
