//! What is missing or full: exit status 3 within seconds, a cause, a hint, and nothing changed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use sandbox::Kind;

use crate::support::{Outcome, World};

/// Runs a rebuild that must be refused with 3 and change nothing.
#[track_caller]
fn refused(world: &World) -> Outcome {
    let state = world.state();
    let outcome = world.xtask(["rebuild"]).fails(3);
    assert_eq!(world.state(), state, "{outcome}");
    world.assert_nothing_staged();
    outcome
}

#[test]
fn without_engine_remote_branch_or_repository_nothing_changes() {
    let mut world = World::built();
    let commit = world.push(Kind::Backend);
    let good = |world: &World, name: &str| world.var(name).to_owned();

    let engine = good(&world, "DOCKER_HOST");
    let state = world.state();
    world.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    world.xtask(["rebuild"]).fails(3).says("engine");
    world.set("DOCKER_HOST", &engine);
    assert_eq!(world.state(), state);

    let repository = good(&world, "GITHUB_REPO");
    // A port that was free a moment ago: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.set("GITHUB_REPO", &format!("git://127.0.0.1:{port}/{}.git", world.name));
    refused(&world).says("does not answer");
    world.xtask(["verify"]).fails(3);
    world.set("GITHUB_REPO", &repository.replace(&world.name, "nobody"));
    refused(&world).says("no such repository");
    world.set("GITHUB_REPO", &repository);

    world.set("GITHUB_BRANCH", "gone");
    refused(&world).says("ref not found");
    world.set("GITHUB_BRANCH", "main");

    world.rebuild();
    world.assert_current(&commit);
}

/// A server that asks everybody for a password, until this process ends.
fn private_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"private\"\r\n\
                          Content-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn a_private_repository_is_refused_without_a_prompt() {
    let mut world = World::built();
    world.set("GITHUB_REPO", &format!("http://127.0.0.1:{}/owner/private.git", private_server()));
    refused(&world).says("login");
}

#[test]
fn an_almost_full_disk_is_seen_before_anything_is_built() {
    let world = World::built();
    let (state, builds) = (world.state(), world.builds());
    world.push(Kind::Backend);
    // The engine says that its data is on a small file system: a data root that is really full would be the whole
    // machine's, or another engine. What is measured is real.
    let small = world.path("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&small)
        .status()
        .unwrap();
    assert!(mounted.success(), "a sandbox needs root, and so does this");
    let small = small.display();
    world.shim(
        "docker",
        &format!(
            r#"case "$*" in
                "image inspect"*) real "$@" | sed 's|"UpperDir": "[^"]*"|"UpperDir": "{small}"|'; exit 0 ;;
                "info"*) real "$@" | sed 's|"DockerRootDir":"[^"]*"|"DockerRootDir":"{small}"|'; exit 0 ;;
            esac"#
        ),
    );
    let outcome = world.xtask(["rebuild"]);
    let unmounted = std::process::Command::new("umount").arg(world.path("small")).status().unwrap();
    assert!(unmounted.success());
    outcome.fails(3).says("disk");
    assert_eq!(world.state(), state);
    assert_eq!(world.builds(), builds);
    world.unshim("docker");
    world.rebuild();
}
