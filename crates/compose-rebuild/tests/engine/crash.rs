//! An engine that dies in the middle of a step, and one whose build cache is damaged.

use sandbox::{Kind, Options, Sandbox};

use crate::support::{Fault, GitServer, On, World, until};

/// The stage of the shipped Dockerfile that clones, as an image.
fn cloning() -> World {
    let world = World::new();
    let text = include_str!("../../../../Dockerfile");
    let (clone, _) = text.split_once("\n# ---- frontend").unwrap();
    let (_, clone) = clone.split_once("\n# ---- source").unwrap();
    world.file(
        "Dockerfile",
        &format!("ARG PYTHON_IMAGE\n#{clone}\nFROM scratch\nCOPY --from=source /source/app/ /app/\nWORKDIR /app\n"),
    );
    let args = "{PYTHON_IMAGE: $PYTHON_IMAGE, GITHUB_REPO: $GITHUB_REPO, GITHUB_BRANCH: main, GITHUB_COMMIT: '', CACHE_BUST: ''}";
    let image = world.latest();
    world.file(
        "compose.yml",
        &format!("name: {}\nservices:\n  app: {{image: '{image}', build: {{context: ., args: {args}}}}}\n", world.name),
    );
    world.manifest("[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\ntransports = [\"http\"]\n");
    world
}

#[test]
fn an_engine_that_dies_in_the_clone_step_or_loses_its_cache_breaks_no_later_run() {
    let mut first = cloning();
    let server = GitServer::of(&first);
    first.set("GITHUB_REPO", &server.address);
    let mut machine = Sandbox::start(Options::default()).unwrap();
    let world = first.on(&machine);
    world.rebuild();
    let state = world.state();

    // It dies while git holds its locks in the cache mount.
    let commit = world.push(Kind::Backend);
    server.fail(On::Clone, Fault::Stall(400));
    let run = world.start(["rebuild"]);
    until("the clone has begun", || server.fired() > 0);
    machine.crash_engine();
    run.wait().fails(3);
    server.heal();
    world.xtask(["rebuild"]).fails(3);
    machine.restart_engine().unwrap();
    assert_eq!(world.state(), state);
    world.rebuild();
    world.assert_current(&commit);

    // What BuildKit knows about its cache is gone or damaged: it may be another build, but never a wrong one.
    for damage in ["cache.db", "snapshots.db", "metadata_v2.db"] {
        let commit = world.push(Kind::Backend);
        let state = world.state();
        machine.crash_engine();
        let path = machine.dir().join("data/buildkit").join(damage);
        let mut bytes = std::fs::read(&path).unwrap_or_else(|_| panic!("BuildKit has no {path}"));
        let half = bytes.len() / 2;
        bytes[half..].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        if machine.restart_engine().is_err() {
            // An engine that does not start is for its owner to repair; nothing was wiped.
            world.xtask(["rebuild"]).fails(3).says("engine");
            assert!(path.exists());
            std::fs::remove_file(&path).unwrap();
            machine.restart_engine().unwrap();
        }
        assert_eq!(world.state(), state, "{damage}");
        let outcome = world.xtask(["rebuild"]);
        if outcome.code != Some(0) {
            outcome.fails(3);
            assert_eq!(world.state(), state, "{damage}");
            machine.crash_engine();
            std::fs::remove_dir_all(machine.dir().join("data/buildkit")).unwrap();
            machine.restart_engine().unwrap();
            world.rebuild();
        }
        world.assert_current(&commit);
    }
}
