//! Runs last, because everything that the other tests find in the build cache is gone afterwards.

use sandbox::Kind;

use compose_rebuild::value::measure;
use serde_json::Value;

use crate::support::foreseen::Tally;
use crate::support::{World, sandbox};

#[test]
fn after_the_whole_build_cache_was_pruned_no_byte_of_the_model_is_sent_again() {
    let world = World::built();
    let commit = world.push(Kind::Backend);
    world.docker(&["builder", "prune", "--all", "--force"]);
    let used = world.docker(&["buildx", "du", "--format", "json"]);
    assert!(!used.contains("vibevoice-model"), "the cache is not empty: {used}");
    let before = sandbox().hub().bytes().unwrap();
    let mut tally = Tally::default();
    tally.check(&world, "after the cache was pruned", &[]);
    assert_eq!(sandbox().hub().bytes().unwrap(), before);
    world.assert_current(&commit);
    let ran = world.ran();
    assert!(ran.iter().any(|line| line.contains("npm ci")), "the cache was not empty: {ran:#?}");
    assert!(!ran.iter().any(|line| line.starts_with("model-downloader: ")), "{ran:#?}");
    world.push(Kind::Backend);
    tally.check(&world, "and after that", &[]);
    tally.finish(1.0);
}

/// The step of a stage that writes so many megabytes.
fn step(name: &str, megabytes: u32) -> String {
    format!("RUN head -c {megabytes}000000 /dev/urandom > /{name}\n")
}

/// What the build cache holds for itself: the bytes, and which of the steps above are there.
fn cache(world: &World) -> (u64, Vec<&'static str>) {
    let usage: Value = serde_json::from_str(&world.docker(&["system", "df", "-v", "--format", "{{json .}}"])).unwrap();
    let records = usage["BuildCache"].as_array().unwrap().iter().filter(|record| record["Shared"] == "false");
    let records: Vec<_> = records.map(|record| (record["Description"].as_str().unwrap(), &record["Size"])).collect();
    let bytes = records.iter().map(|(_, size)| measure::size(size.as_str().unwrap()).unwrap()).sum();
    let names = ["model", "old", "young"];
    let is_there = |name: &&str| records.iter().any(|(step, _)| step.ends_with(&format!("> /{name}")));
    (bytes, names.into_iter().filter(is_there).collect())
}

#[test]
fn build_cache_above_the_limit_goes_the_least_recently_used_first_and_the_model_last() {
    let world = World::new();
    let base = world.var("NODE_IMAGE").to_owned();
    // The model is what was used least recently of all.
    for (name, megabytes) in [("model", 30), ("old", 20), ("young", 20)] {
        world.file("Dockerfile", &format!("FROM {base}\n{}", step(name, megabytes)));
        let directory = world.project();
        let tag = format!("{}:{name}", world.name);
        world.docker(&["build", "--quiet", "--tag", &tag, directory.to_str().unwrap()]);
        world.docker(&["image", "rm", &tag]);
    }
    world.file("Dockerfile", &format!("FROM {base}\n{}", step("model", 30)));
    let model = "services:\n  model:\n    build: .\n    x-rebuild: {keep: true}\n";
    world.file("compose.yml", &format!("name: {}\n{model}", world.name));
    assert_eq!(cache(&world).1, ["model", "old", "young"]);
    // What other tests left in the cache is older, and goes before.
    for (limit, left) in [("55MB", &["model", "young"][..]), ("35MB", &["model"]), ("1MB", &[])] {
        let before = cache(&world).0;
        let done = world.xtask(["prune", "--cache-limit", limit, "--execute", "--message-format", "json"]).ok();
        let (after, names) = cache(&world);
        assert_eq!(names, left, "{done}");
        assert!(after <= measure::size(limit).unwrap(), "{after} are left\n{done}");
        let last = done.messages().pop().unwrap();
        let (freed, told) = ((before - after) as f64, last["freed_bytes"].as_f64().unwrap());
        assert!(told >= 19e6 && (freed - told).abs() < 0.05 * told, "freed {freed}, told {told}\n{done}");
    }
}
