//! A Git server that fails, on the way to the tool and in the step that clones.

use std::process::Command;
use std::time::Duration;

use sandbox::Kind;

use crate::support::{Fault, GitServer, On, World, text};

/// A world that was built once from a server that can fail.
fn served() -> (World, GitServer) {
    let mut world = World::new();
    let server = GitServer::of(&world);
    world.set("GITHUB_REPO", &server.address);
    world.edit("Cargo.toml", "[workspace.metadata.xtask]", "[workspace.metadata.xtask]\ntransports = [\"http\"]");
    // Nobody waits a minute here.
    world.edit("Dockerfile", "http.lowSpeedTime=60", "http.lowSpeedTime=2");
    world.rebuild();
    (world, server)
}

#[test]
fn a_git_server_that_fails_changes_nothing_and_a_healthy_one_ends_it() {
    let (world, server) = served();
    let faults = [
        // What the tool asks itself.
        (On::Any, Fault::Status("503 Service Unavailable", "X-None: 1", usize::MAX), "503"),
        (On::Any, Fault::Cut(30), ""),
        (On::Any, Fault::Stall(10), "did not answer"),
        // What the step asks that clones.
        (On::Clone, Fault::Cut(400), "does not serve"),
        (On::Clone, Fault::Flip(30), "does not serve"),
        (On::Clone, Fault::Stall(400), "does not serve"),
    ];
    let mut commit = world.push(Kind::Backend);
    for (on, fault, words) in faults {
        let state = world.state();
        server.fail(on, fault);
        let outcome = world.xtask(["rebuild"]).fails(3).says(words);
        assert!(server.heal() > 0, "{fault:?} was not met\n{outcome}");
        assert!(outcome.elapsed < Duration::from_secs(40), "{fault:?}: {outcome}");
        assert_eq!(world.state(), state, "{fault:?}: {outcome}");
        world.assert_nothing_staged();
        if on == On::Clone {
            world.rebuild();
            world.assert_current(&commit);
            commit = world.push(Kind::Backend);
        }
    }
    // A server that is busy says when to come again, and that is waited for.
    server.fail(On::Any, Fault::Status("429 Too Many Requests", "Retry-After: 3", 1));
    let outcome = world.xtask(["rebuild"]).ok().says("in 3 s");
    assert_eq!(server.heal(), 1);
    assert!(outcome.elapsed > Duration::from_secs(3), "{outcome}");
    world.assert_current(&commit);
}

#[test]
fn a_branch_that_changes_after_the_resolution_is_built_as_it_was_or_not_at_all() {
    let (world, server) = served();
    let held = |act: &dyn Fn()| {
        world.shim("docker", "case \"$*\" in buildx*bake*) hold ;; esac");
        let mut running = world.start(["rebuild"]);
        world.until_held(&mut running);
        act();
        world.release();
        let outcome = running.wait();
        world.unshim("docker");
        outcome
    };
    // The branch is deleted, but the commit is still there.
    let commit = world.push(Kind::Backend);
    held(&|| drop(world.git(&["update-ref", "-d", "refs/heads/main"]))).ok();
    world.assert_current(&commit);
    world.git(&["update-ref", "refs/heads/main", &commit]);

    // The branch moves, at a server that serves no commit that no ref points to: the branch still has it.
    let commit = world.push(Kind::Backend);
    let next = held(&|| {
        world.push(Kind::Backend);
        server.fail(On::Any, Fault::Old);
    });
    assert!(server.heal() > 0, "{next}");
    next.ok();
    world.assert_current(&commit);

    // The branch is rewritten, and the commit is gone.
    let before = world.tip();
    world.rebuild();
    let state = world.state();
    world.push(Kind::Backend);
    let outcome = held(&|| {
        world.git(&["update-ref", "refs/heads/main", &before]);
        world.git(&["reflog", "expire", "--expire=now", "--all"]);
        world.git(&["gc", "--quiet", "--prune=now"]);
    });
    outcome.fails(3).says("does not serve");
    assert_eq!(world.state(), state);
    world.assert_nothing_staged();
    // What is there now is what the image holds.
    world.rebuild();
    world.assert_current(&before);
}

#[test]
fn submodules_are_refused_and_nothing_of_them_runs() {
    let (world, _server) = served();
    let (state, work) = (world.state(), world.upstream.work());
    let canary = world.path("canary");
    // The address of a submodule has run commands once (CVE-2018-17456), and so has its path (CVE-2024-32002).
    let modules = format!(
        "[submodule \"x\"]\n\tpath = x\n\turl = -u./evil\n\tupdate = !touch {0}\n\
         [submodule \"y\"]\n\tpath = ../y\n\turl = ext::sh -c touch% {0}\n",
        canary.display()
    );
    let git = |args: &[&str]| text(Command::new("git").arg("-C").arg(&work).args(args));
    git(&["init", "--quiet", "x"]);
    let person = ["-c", "user.name=n", "-c", "user.email=e@example.invalid"];
    git(&[&["-C", "x"], &person[..], &["commit", "--quiet", "--allow-empty", "--message", "one"]].concat());
    let commit = world.push_file(".gitmodules", &modules);
    assert!(world.git(&["ls-tree", &commit]).contains("160000 "), "the commit has no submodule");
    world.xtask(["rebuild"]).fails(3).says("submodules");
    assert!(!canary.exists());
    assert_eq!(world.state(), state);
    world.assert_nothing_staged();
}
