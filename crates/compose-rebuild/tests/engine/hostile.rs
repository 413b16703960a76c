//! Values from outside that want to be commands: exit status 2 or 3 before any process got them.

use std::fs;
use std::process::Command;

use crate::support::World;

/// A command that leaves a file behind, in many disguises; `CANARY` stands for its path.
fn hostile(world: &World) -> Vec<String> {
    let canary = world.path("canary").display().to_string();
    let script = world.path("bin/evil");
    fs::write(&script, format!("#!/bin/sh\ntouch '{canary}'\n")).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let evil = script.display();
    let values = [
        format!("--upload-pack={evil}"),
        format!("-c core.sshCommand={evil}"),
        format!("$({evil})"),
        format!("`{evil}`"),
        format!("main;{evil}"),
        format!("main|{evil}"),
        format!("ext::{evil}"),
        format!("ext::sh -c {evil}%"),
        "two words".to_owned(),
        "a".repeat(300),
        "\u{1b}[2Jcleared".to_owned(),
        "line\nbreak".to_owned(),
        "${HOME}".to_owned(),
    ];
    values.into()
}

/// Nothing ran what the value says, and no process was even given it.
#[track_caller]
fn assert_stopped(world: &World, value: &str) {
    assert!(!world.path("canary").exists(), "{value:?} ran");
    let calls = [world.calls("git"), world.calls("docker")].concat().join("\n");
    assert!(!calls.contains(value), "{value:?} was given to a process: {calls}");
}

/// Lets everything that is given to `git` and `docker` be written down.
fn watch(world: &World) {
    for program in ["git", "docker"] {
        world.shim(program, "");
    }
}

#[test]
fn hostile_values_in_environment_and_flag_are_refused_before_any_build() {
    let mut world = World::built();
    let (state, builds) = (world.state(), world.builds());
    let values = hostile(&world);
    watch(&world);
    for name in ["GITHUB_REPO", "GITHUB_BRANCH", "GITHUB_COMMIT", "CACHE_BUST"] {
        let good = world.set_or_remove(name, None);
        for value in &values {
            world.set(name, value);
            let outcome = world.xtask(["rebuild"]);
            assert!(matches!(outcome.code, Some(2 | 3)), "{name}={value:?}\n{outcome}");
            assert!(!outcome.stderr.contains('\u{1b}'), "{name}={value:?}\n{outcome}");
            assert_stopped(&world, value);
        }
        world.set_or_remove(name, good.as_deref());
    }
    for value in &values {
        let flag = format!("--cache-bust={value}");
        let outcome = world.xtask(["rebuild", &flag]);
        assert_eq!(outcome.code, Some(2), "{value:?}\n{outcome}");
        assert_stopped(&world, value);
    }
    assert_eq!((world.state(), world.builds()), (state, builds));
    world.xtask(["rebuild"]).ok().says("Fresh");
    // What is good is given to processes, which were watched.
    assert!(world.calls("git").iter().any(|call| call.contains("refs/heads/main")));
    assert!(world.calls("docker").iter().any(|call| call.contains(&world.latest())));
}

#[test]
fn a_password_in_the_address_is_refused_and_shown_nowhere() {
    let mut world = World::built();
    let (state, builds) = (world.state(), world.builds());
    world.set("GITHUB_REPO", "https://user:canary-password@git.example/r.git");
    let outcome = world.xtask(["-v", "rebuild"]).fails(2);
    assert!(!outcome.stderr.contains("canary-password") && !outcome.stdout.contains("canary-password"), "{outcome}");
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--files-with-matches", "canary-password"]);
    let found = grep.args(["project", "tmp", "home"].map(|name| world.path(name))).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert_eq!((world.state(), world.builds()), (state, builds));
}

#[test]
fn hostile_refs_in_the_remote_are_only_names() {
    let world = World::built();
    let evil = world.path("bin/evil");
    fs::write(&evil, format!("#!/bin/sh\ntouch '{}'\n", world.path("canary").display())).unwrap();
    fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tip = world.tip();
    // Git takes these names; the shell would run them.
    let names = ["$(evil)", "`evil`", "main;evil", "a|evil", "--upload-pack=evil", "feature/main"];
    for name in names {
        world.git(&["update-ref", &format!("refs/heads/{name}"), &tip]);
    }
    // A name that is not UTF-8, written as the file that Git keeps it in.
    let path = world.upstream.bare().into_std_path_buf().join("refs/heads");
    let raw: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"raw\xff");
    fs::write(path.join(raw), format!("{tip}\n")).unwrap();
    let commit = world.push(sandbox::Kind::Backend);
    watch(&world);
    world.rebuild();
    world.assert_current(&commit);
    for name in names {
        assert_stopped(&world, name);
    }
}

#[test]
fn hostile_values_in_the_compose_file_are_refused() {
    let world = World::built();
    let (state, builds) = (world.state(), world.builds());
    let values = hostile(&world);
    watch(&world);
    for value in values {
        // As Compose reads it, `$` doubled because Compose replaces variables.
        let quoted = serde_json::Value::from(value.replace('$', "$$")).to_string();
        let text = fs::read_to_string(world.project().join("compose.yml")).unwrap();
        world.edit("compose.yml", "${GITHUB_BRANCH:-main}", &quoted);
        let outcome = world.xtask(["rebuild"]);
        assert!(matches!(outcome.code, Some(2 | 3)), "{value:?}\n{outcome}");
        assert_stopped(&world, &value);
        world.file("compose.yml", &text);
    }
    assert_eq!((world.state(), world.builds()), (state, builds));
}
