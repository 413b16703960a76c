//! `doctor` on a real engine: nothing wrong with ours, everything with what it replaces.

use std::fs;

use compose_rebuild::value::measure;
use sandbox::Kind;
use serde_json::Value;

use crate::support::{World, text};

/// The findings of a run as `severity check place`, sorted.
fn findings(world: &World, code: i32) -> Vec<String> {
    let outcome = world.xtask(["doctor", "--message-format", "json"]);
    assert_eq!(outcome.code, Some(code), "{outcome}");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = outcome.messages().into_iter().filter(|line| line["reason"] == "finding");
    let found = lines.map(|line| {
        let at = line["line"].as_u64().map_or(String::new(), |number| format!(":{number}"));
        format!("{} {} {}{at}", word(&line["severity"]), word(&line["check"]), word(&line["file"]))
            .trim_end()
            .to_owned()
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

/// The least that the builder's garbage collection lets the build cache have, of rules without filters.
fn cache_limit(world: &World) -> Option<u64> {
    let text = world.docker(&["buildx", "inspect"]);
    let rules = text.split("GC Policy rule").skip(1).filter(|rule| !rule.contains("Filters:"));
    let limit = |rule: &str| {
        let sizes = rule.lines().filter_map(|line| line.trim().split_once(':'));
        let sizes = sizes.filter(|(name, _)| ["Reserved Space", "Max Used Space", "Keep Bytes"].contains(name));
        sizes.filter_map(|(_, size)| measure::size(size.trim()).ok()).filter(|size| *size > 0).max()
    };
    rules.filter_map(limit).min()
}

#[test]
fn our_own_project_is_healthy_and_a_model_larger_than_the_cache_is_not() {
    let world = World::built();
    assert_eq!(findings(&world, 0), [""; 0]);
    // Without its kept image the model is as safe as the build cache is large; never built, it may have 4 GB.
    for tag in world.tags().iter().filter(|tag| tag.contains("model-downloader") || tag.contains(":keep-")) {
        world.docker(&["image", "rm", tag]);
    }
    let limit = cache_limit(&world);
    match limit.filter(|limit| *limit < 4 << 30) {
        Some(_) => assert_eq!(findings(&world, 2), ["error cache-too-small"]),
        None => assert_eq!(findings(&world, 0), [""; 0], "{limit:?}"),
    }
}

#[test]
fn every_fault_of_the_old_workflow_is_found_where_it_is() {
    let world = World::new();
    world.file("Dockerfile", include_str!("../fixtures/old-workflow/Dockerfile"));
    world.file("compose.yml", include_str!("../fixtures/old-workflow/compose.yml"));
    let before = world.docker(&["system", "df"]);
    let mut expected: Vec<_> = include_str!("../fixtures/old-workflow/findings.txt").lines().collect();
    expected.sort_unstable();
    assert_eq!(findings(&world, 2), expected);
    assert_eq!(world.docker(&["system", "df"]), before, "nothing was made");
}

/// Projects of the shapes that people write, in which no push is noticed; `/above` is made where nothing has to run again.
const UNWATCHED: &str = include_str!("../fixtures/unwatched/projects.txt");

#[test]
fn after_the_patch_a_push_is_noticed_and_nothing_above_the_argument_runs_again() {
    let world = World::new();
    world.manifest("");
    let git = |args: &[&str]| text(world.command("git").args(args));
    git(&["init", "--quiet"]);
    let build = |file: &str| drop(world.xtask(["rebuild", "-f", file]).ok());
    let mut before = Vec::new();
    for (number, project) in UNWATCHED.split("=== ").skip(1).enumerate() {
        let project = project.replace("BASE", world.var("NODE_IMAGE")).replace("APP", world.var("GITHUB_REPO"));
        let (head, dockerfile) = project.split_once('\n').unwrap();
        let (head, build_section) = head.split_once(" | ").unwrap();
        let (compose, title) = head.split_once(": ").unwrap();
        let (name, image) = (format!("{}-{number}", world.name), format!("{}-{number}/app", world.name));
        let compose = format!("{number}/{compose}");
        let directory = if build_section.contains("docker/") { "/docker" } else { "" };
        world.file(&format!("{number}{directory}/Dockerfile"), dockerfile);
        world.file(&compose, &format!("name: {name}\nservices:\n  app:\n    image: {image}\n    {build_section}\n"));
        // Nothing is patched that is not built or not wrong: at most three lines come, below the name of the file.
        let patch = world.xtask(["doctor", "-f", &compose, "--patch"]).ok().stdout;
        assert!((2..=4).contains(&patch.lines().filter(|line| line.starts_with('+')).count()), "{title}\n{patch}");
        fs::write(world.path("patch"), patch).unwrap();
        git(&["apply", world.path("patch").to_str().unwrap()]);
        world.xtask(["doctor", "-f", &compose, "--patch"]).ok().says("nothing to patch");
        world.docker(&["compose", "-f", &compose, "config", "--quiet"]);
        build(&compose);
        before.push((title.to_owned(), compose, world.cat(&image, "/above"), image));
    }
    assert!(before.len() >= 8);
    world.push(Kind::Backend);
    let tip = fs::read_to_string(world.upstream.work().join("backend/revision.py")).unwrap();
    for (title, compose, above, image) in before {
        build(&compose);
        assert_eq!(world.cat(&image, "/code/backend/revision.py"), tip.trim(), "{title}");
        assert_eq!(world.cat(&image, "/above"), above, "{title}");
    }
}
