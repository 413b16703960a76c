//! Small projects, each of a shape that is easily answered wrongly, and what is right there.

use std::fs;

use sandbox::Kind;
use serde_json::Value;

use crate::found::{address, project};
use crate::support::World;
use crate::support::foreseen::Tally;

/// What a verification says about the only service.
#[track_caller]
fn verdict(world: &World, options: &[&'static str], code: i32) -> Value {
    let args = ["verify", "--message-format", "json"].into_iter().chain(options.iter().copied());
    let outcome = world.xtask(args);
    let outcome = if code == 0 { outcome.ok() } else { outcome.fails(code) };
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn one_source_that_is_not_watched_is_enough_to_be_not_watched() {
    let second = World::new();
    let clone = format!("RUN git clone --quiet {} /second\n", address(&second));
    let text = "FROM BASE\nSECOND ARG CACHE_BUST\nRUN git clone --quiet APP /app\n";
    let world = project(&text.replace("SECOND ", &clone), "build: .");
    world.rebuild().says("is not noticed");
    let id = world.id(&world.latest());
    second.push(Kind::Backend);
    assert_eq!(verdict(&world, &[], 1)["verdict"], "not-watched");
    world.push(Kind::Readme);
    assert_eq!(verdict(&world, &[], 1)["verdict"], "behind");
    world.rebuild();
    assert_ne!(world.id(&world.latest()), id);
    assert_eq!(verdict(&world, &[], 1)["verdict"], "not-watched");

    let dockerfile = fs::read_to_string(world.project().join("Dockerfile")).unwrap();
    let watched = dockerfile.replace(&clone, "").replace("ARG CACHE_BUST\n", &format!("ARG CACHE_BUST\n{clone}"));
    world.file("Dockerfile", &watched);
    let row = verdict(&world, &[], 1);
    assert_eq!(row["verdict"], "new-source", "{row}");
    let labels: Vec<_> = row["sources"].as_array().unwrap().iter().map(|source| source["label"].clone()).collect();
    assert_eq!(labels, [Value::Null, world.tip().into()], "{row}");
    world.rebuild();
    assert_eq!(verdict(&world, &[], 0)["verdict"], "current");
    assert_eq!(world.cat(&world.latest(), "/second/backend/revision.py"), second_revision(&second));
}

/// What the tip of a repository says about itself.
fn second_revision(world: &World) -> String {
    fs::read_to_string(world.upstream.work().join("backend/revision.py")).unwrap().trim().to_owned()
}

#[test]
fn an_image_without_a_source_is_compared_by_its_key_or_not_at_all() {
    let world = project("FROM BASE\nRUN echo one > /x\n", "build: .");
    world.docker(&[
        "build",
        "--quiet",
        "--tag",
        &format!("{}/labelled", world.name),
        "--label",
        "org.opencontainers.image.revision=1",
        ".",
    ]);
    world.edit("Dockerfile", "FROM ", &format!("FROM {}/labelled\n# ", world.name));
    world.rebuild();
    world.assert_settled();
    assert_eq!(verdict(&world, &[], 0)["verdict"], "current-by-key");
    world.edit("Dockerfile", "echo one", "echo two");
    assert_eq!(verdict(&world, &[], 1)["verdict"], "definition-changed");
    world.rebuild();
    assert_eq!(world.cat(&world.latest(), "/x"), "two");
    assert_eq!(verdict(&world, &[], 0)["verdict"], "current-by-key");

    let world = project("FROM BASE\nCOPY settings /settings\n", "build: .");
    world.file("settings", "one\n");
    world.rebuild();
    for text in ["one\n", "two\n"] {
        world.file("settings", text);
        assert_eq!(verdict(&world, &[], 0)["verdict"], "nothing-to-compare");
    }
    world.rebuild();
    assert_eq!(world.cat(&world.latest(), "/settings"), "two");
}

#[test]
fn a_file_in_git_lfs_is_its_pointer_or_its_content() {
    let text = "FROM BASE\nARG CACHE_BUST\nWORKDIR /app\nRUN git clone --quiet APP . && rm -rf .git\n";
    let fetched = "RUN printf 'weights' > model.bin\n";
    let world = project(text, "build: .");
    world.push_file(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    // What `git lfs` commits in the place of `weights`.
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c\nsize 7\n";
    world.push_file("model.bin", pointer);
    world.rebuild();
    assert_eq!(world.cat(&world.latest(), "model.bin"), pointer.trim());
    assert_eq!(verdict(&world, &["--deep"], 0)["verdict"], "current");
    world.edit("Dockerfile", "rm -rf .git\n", &format!("rm -rf .git\n{fetched}"));
    world.rebuild();
    assert_eq!(world.cat(&world.latest(), "model.bin"), "weights");
    assert_eq!(verdict(&world, &["--deep"], 0)["verdict"], "current");
    world.edit("Dockerfile", "'weights'", "'others!'");
    world.rebuild();
    let row = verdict(&world, &["--deep"], 1);
    assert_eq!(row["verdict"], "wrong-content", "{row}");
    assert_eq!(row["deep"]["changed"]["first"], serde_json::json!(["model.bin"]), "{row}");
}

#[test]
fn a_tree_that_keeps_its_repository_is_never_said_to_be_cached_when_it_runs() {
    let world = project(
        "FROM BASE AS code\nARG CACHE_BUST\nRUN git clone --quiet APP /app\n\
         FROM BASE AS part\nCOPY --from=code /app/backend /app\n\
         FROM BASE\nCOPY --from=code /app /app\nCOPY --from=part /app /part\nRUN ls -A /app > /list\n",
        "build: .",
    );
    let mut tally = Tally::default();
    tally.check(&world, "the first build", &[]);
    tally.check(&world, "the same again", &[]);
    world.edit("Cargo.toml", "0.1.0", "0.2.0");
    let plan = tally.check(&world, "only another version", &[]);
    assert_eq!(Tally::expected(&plan, "part"), "cached", "a part without the repository is the same");
    assert!(world.cat(&world.latest(), "/list").contains(".git"));
    world.push(Kind::Readme);
    tally.check(&world, "a push", &[]);
    tally.finish(1.0);
}
