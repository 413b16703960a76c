//! What `plan` says of every stage, against what the builder then does.

use std::fs;
use std::process::Command;

use sandbox::Kind;
use serde_json::Value;

use crate::support::foreseen::Tally;
use crate::support::{World, sandbox};

/// The project of this repository whose every `RUN` is new to the builder, and gives something else each time it runs.
fn world() -> World {
    let world = World::new().with_own_model().with_quick_tools();
    let own = format!("ENV WORLD={}\n", world.name);
    for stage in ["model-downloader", "source", "python-builder", "vibevoice", "frontend-deps"] {
        world.edit("Dockerfile", &format!(" AS {stage}\n"), &format!(" AS {stage}\n{own}"));
    }
    world.edit("Dockerfile", " npm run build\n", " npm run build && date +%s%N > out/built\n");
    world.edit(
        "Dockerfile",
        "-r /tmp/project/pyproject.toml\n",
        "-r /tmp/project/pyproject.toml && date +%s%N > venv/built\n",
    );
    world.edit("Dockerfile", "mkdir -p /models\n", "mkdir -p /models && date +%s%N > /models/built\n");
    world
}

/// An image on top of the base of the sandbox, with this file in it.
fn base(world: &World, tag: &str, file: &str) {
    let text = format!("FROM {}\nRUN echo {file} > /{file}\n", world.var("NODE_IMAGE"));
    world.file("base/Dockerfile", &text);
    world.docker(&["build", "--quiet", "--tag", tag, world.project().join("base").to_str().unwrap()]);
}

#[test]
fn every_stage_does_what_the_plan_said() {
    let mut world = world();
    let mut tally = Tally::default();
    let first = world.tip();
    tally.check(&world, "first build", &[]);
    tally.check(&world, "nothing pushed", &[]);
    for (name, kinds) in [
        ("backend", &[Kind::Backend][..]),
        ("README", &[Kind::Readme]),
        ("frontend", &[Kind::Frontend]),
        ("lock file", &[Kind::Lockfile]),
        ("pyproject", &[Kind::Pyproject]),
        ("several at once", &[Kind::Backend, Kind::Frontend, Kind::Pyproject]),
    ] {
        kinds.iter().for_each(|kind| drop(world.push(*kind)));
        let plan = tally.check(&world, name, &[]);
        assert_eq!(plan["upstream"][0]["count"], kinds.len(), "{name}");
    }

    world.edit("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"");
    tally.check(&world, "version", &[]);
    tally.check(&world, "time as bust value", &["--cache-bust", "timestamp"]);
    // The tree of the first commit again, in a commit of its own.
    let work = world.upstream.work();
    let revert = Command::new("git")
        .args(["-C", work.as_str(), "checkout", &first, "--", "frontend", "pyproject.toml"])
        .status();
    assert!(revert.unwrap().success());
    world.upstream.push_work("Go back").unwrap();
    let plan = tally.check(&world, "an earlier tree", &[]);
    assert_eq!(Tally::expected(&plan, "frontend"), "cached");

    for (name, from, to) in [
        ("source", "mkdir app\n", "echo edited\nmkdir app\n"),
        ("frontend-deps", "npm ci ", "npm  ci "),
        ("frontend", "npm run build", "npm  run build"),
        ("python-builder", "uv venv ", "uv  venv "),
        ("vibevoice", "useradd --create-home", "useradd  --create-home"),
        ("model-downloader", "mkdir -p /models &&", "mkdir -p  /models &&"),
        ("a label", "Multi-speaker", "multi-speaker"),
        ("a comment", "# Upstream starts", "# upstream starts"),
    ] {
        world.edit("Dockerfile", from, to);
        tally.check(&world, &format!("Dockerfile: {name}"), &[]);
    }

    let other = format!("{}/base:1", world.name);
    base(&world, &other, "one");
    world.set("NODE_IMAGE", &other);
    tally.check(&world, "another base image", &[]);
    base(&world, &other, "two");
    world.push(Kind::Backend);
    tally.check(&world, "the base image moved", &[]);
    // The hub has one revision, by two names.
    world.set("MODEL_REVISION", &sandbox().hub().sha256().unwrap()[..40]);
    tally.check(&world, "model revision", &[]);

    let local = world.path("local");
    let cloned = Command::new("git").args(["clone", "--quiet", world.upstream.bare().as_str()]).arg(&local).status();
    assert!(cloned.unwrap().success());
    fs::write(local.join("frontend/src/revision.js"), "export const revision = 'local';\n").unwrap();
    tally.check(&world, "local files", &["--local", local.to_str().unwrap()]);
    tally.check(&world, "the remote again", &[]);
    tally.finish(1.0);
}

#[test]
fn a_plan_changes_nothing_and_starts_no_build() {
    let world = World::built();
    world.push(Kind::Frontend);
    let (state, builds) = (world.state(), world.builds());
    world.shim("docker", "");
    let plan = world.xtask(["plan"]).ok();
    assert!(plan.stdout.contains("Change the sample: frontend"), "{}", plan.stdout);
    assert_eq!(world.xtask(["rebuild", "--dry-run"]).ok().stdout, plan.stdout);
    assert_eq!((world.state(), world.builds()), (state, builds));
    let acts: Vec<_> = world
        .calls("docker")
        .into_iter()
        .filter(|call| call.contains(" bake ") || call.contains("image tag"))
        .collect();
    assert!(acts.is_empty(), "{acts:?}");
}

#[test]
fn without_a_record_of_earlier_builds_it_says_so() {
    let world = World::built();
    world.push(Kind::Frontend);
    for entry in fs::read_dir(world.project().join("target/xtask")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("built-") {
            fs::remove_file(path).unwrap();
        }
    }
    let outcome = world.xtask(["plan", "--message-format", "json"]).ok();
    let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
    for stage in plan["prediction"].as_array().unwrap() {
        assert_ne!(stage["expected"], "cached", "{stage}");
    }
}
