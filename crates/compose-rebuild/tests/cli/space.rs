//! `prune`: what was printed is what happens, and what is not ours stays.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::state::{Engine, Image, Rule};
use crate::support::{MUTABLE, Outcome, World, commit};
use crate::verify::start;

/// A world with these versions, built one after the other.
pub(crate) fn versions(commits: &str) -> World {
    let world = World::new();
    for digit in commits.chars() {
        world.push(&commit(digit));
        world.run(["rebuild"]).ok();
    }
    world
}

pub(crate) fn value(digit: char) -> String {
    format!("v0.1.0-{}", &commit(digit)[..12])
}

pub(crate) fn app(tag: &str) -> String {
    format!("zhaokundev/vibevoicefusion:{tag}")
}

/// An image that no build of ours made, with these labels.
fn stranger(number: usize, tag: &str, labels: &[(&str, &str)]) -> Image {
    Image {
        id: format!("sha256:{number:064x}"),
        tags: vec![tag.to_owned()],
        size: 5_000_000,
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        working_dir: "/".to_owned(),
        version: None,
        files: Vec::new(),
    }
}

/// A record of the build cache that was used in this minute.
fn record(id: &str, parent: &str, minute: u32, image: Option<&str>) -> Value {
    json!({"ID": id, "Parent": parent, "Description": "[x 1/1] RUN y", "Size": "10MB", "InUse": "false", "Image": image,
        "LastUsedAt": format!("2026-01-01 00:{minute:02}:00 +0000 UTC")})
}

/// The IDs of all images and cache records.
fn ids(world: &World) -> BTreeSet<String> {
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    world.engine(|engine: &mut Engine| {
        let images = engine.images.iter().map(|image| image.id.clone());
        images.chain(engine.cache.iter().map(|record| text(&record["ID"]))).collect()
    })
}

/// The IDs of the lines with this reason where this field is true.
fn listed(outcome: &Outcome, reason: &str, field: &str) -> Vec<String> {
    let lines = outcome.messages().into_iter().filter(|line| line["reason"] == reason && line[field] == true);
    lines.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

/// Versions a to f, strangers, containers and build cache.
fn crowded() -> World {
    let world = versions("abcdef");
    let old = world.image(&app(&value('b'))).unwrap().id;
    start(&world, &world.image(&app(&value('a'))).unwrap().id, "x");
    world.engine(|engine| {
        // Like an old version of ours in everything but the project.
        let (project, service, bust) = ("io.xtask.project", "io.xtask.service", "io.xtask.cache-bust");
        let (one, two) = ("v0.0.1-000000000000", "v0.0.2-000000000000");
        engine.images.push(stranger(1, &app(one), &[(service, "vibevoice"), (bust, one)]));
        let labels = [(project, "somebody-else"), (service, "vibevoice"), (bust, two)];
        engine.images.push(stranger(2, &app(two), &labels));
        engine.images.push(stranger(3, "postgres:16", &[]));
        let id = engine.find(&app(&value('c'))).unwrap().id.clone();
        engine.tag(&id, &app("1.2.3"));
        engine.cache = vec![
            record("young", "", 9, None),
            record("parent", "", 1, None),
            record("child", "parent", 3, None),
            record("released", "", 2, Some(&old)),
        ];
    });
    world
}

#[test]
fn what_was_printed_is_what_goes() {
    let world = crowded();
    let before = ids(&world);
    let options = ["prune", "--cache-limit", "15MB", "--message-format", "json"];
    let plan = world.run(options).ok();
    assert_eq!(ids(&world), before, "a plan removes nothing");
    let planned = listed(&plan, "plan", "remove");
    assert_eq!(planned[planned.len() - 2..], ["child", "parent"], "{plan}");

    let done = world.run(options.into_iter().chain(["--execute"])).ok();
    assert_eq!(listed(&done, "plan", "remove"), planned, "{done}");
    assert_eq!(listed(&done, "pruned", "removed"), planned, "{done}");
    let gone: BTreeSet<_> = before.difference(&ids(&world)).cloned().collect();
    // What the cache held only with an image that went, goes with it.
    assert_eq!(gone, planned.into_iter().chain(["released".to_owned()]).collect(), "{done}");
    let finished = done.messages().pop().unwrap();
    assert_eq!(finished["freed_bytes"], 4 * 1_000_000 + 20_000_000, "{done}");

    let tags = world.tags();
    let stay = [value('a'), value('c'), value('d'), value('e'), value('f')].map(|value| app(&value));
    let strangers = ["v0.0.1-000000000000", "v0.0.2-000000000000", "1.2.3", "latest"].map(app);
    for tag in stay.iter().chain(&strangers).chain(&["postgres:16".to_owned()]) {
        assert!(tags.contains(tag), "{tag} is gone: {tags:?}\n{done}");
    }
    assert!(!tags.contains(&app(&value('b'))), "{tags:?}");
    world.run(["prune", "--execute"]).ok().says("nothing to prune");
    // Everything by ID, nothing by force, and nothing that takes more than it names.
    for call in world.calls() {
        let line = call.args.join(" ");
        assert!(
            !["rm --force", "rm -f", "image prune", "system prune", "--all --force"].iter().any(|no| line.contains(no))
        );
    }
}

#[test]
fn what_users_tagged_stays_whatever_the_tag_looks_like() {
    let world = versions("abcde");
    let id = world.image(&app(&value('a'))).unwrap().id;
    let own = value('a');
    for tag in ["keep-forever", "staged-for-friday", "1", &format!("mine-{own}")] {
        world.engine(|engine| engine.tag(&id, &app(tag)));
        let plan = world.run(["prune", "--keep", "0", "--models"]).finish();
        assert!(plan.stdout.contains(&format!("tagged {}", app(tag))) || tag == "1", "{tag}: {plan}");
        world.run(["prune", "--keep", "0", "--models", "--execute"]).finish();
        assert_eq!(world.image(&app(tag)).unwrap().id, id, "{tag}");
        world.engine(|engine| engine.tag("", &app(tag)));
    }
    let world = versions("ab");
    let id = world.image(&app(&own)).unwrap().id;
    let mirror = format!("mirror.example/app:{own}");
    world.engine(|engine| engine.tag(&id, &mirror));
    world.run(["prune", "--keep", "0", "--execute"]).finish();
    assert_eq!(world.image(&mirror).unwrap().tags, [app(&own), mirror]);
}

#[test]
fn names_that_the_engine_lists_in_another_form_are_the_same() {
    let world = World::new();
    let names = ["docker.io/library/vibevoicefusion:model-downloader", "docker.io/zhaokundev/vibevoicefusion:latest"];
    world.engine(|engine| {
        for (service, name) in ["model-downloader", "vibevoice"].into_iter().zip(names) {
            engine.config["services"][service]["image"] = json!(name);
        }
    });
    for digit in ['a', 'b'] {
        world.push(&commit(digit));
        world.run(["rebuild"]).ok();
    }
    let kept = world.mutable();
    world.engine(|engine| engine.tag("", MUTABLE[0]));
    let done = world.run(["prune", "--keep", "0", "--models", "--execute"]).finish();
    assert!(world.image(kept[0].as_deref().unwrap()).is_some(), "{done}");
    world.push(&commit('c'));
    world.run(["rebuild"]).ok();
    world.run(["rollback", &value('b')]).ok();
    assert_eq!(world.image(MUTABLE[2]).map(|image| image.id), kept[2]);
}

#[test]
fn the_kept_image_stays_even_when_nothing_names_it() {
    let world = versions("a");
    let model = world.image(MUTABLE[0]).unwrap();
    let superseded = Image { id: format!("sha256:{:064x}", 7), ..model.clone() };
    world.engine(|engine| model.tags.iter().for_each(|tag| engine.tag("", tag)));
    let done = world.run(["prune", "--keep", "0", "--models", "--execute"]).ok();
    assert!(done.stdout.contains("kept image of model-downloader, without its name"), "{done}");
    assert!(world.image(&model.id).is_some(), "{done}");
    // Where another one has the name, this one was replaced.
    world.engine(|engine| engine.images.push(superseded));
    world.run(["prune", "--execute"]).ok();
    assert!(world.image(&model.id).is_none());
}

#[test]
fn what_goes_while_it_is_looked_at_is_no_failure() {
    let world = crowded();
    let used = world.image(&app(&value('a'))).unwrap();
    let gone = |what: &str, stdout: String| Rule {
        stdout: stdout.into_bytes(),
        stderr: format!("Error response from daemon: No such {what}: 123\n"),
        exit: Some(1),
        ..Rule::default()
    };
    world.fault(&["container inspect --format"], gone("container", format!("{} /other\n", used.id)));
    let plan = world.run(["prune"]).ok();
    assert!(plan.stdout.contains("used by container other"), "{plan}");
    world.heal();
    world.fault(&["image inspect"], gone("image", "[]".to_owned()));
    world.run(["prune"]).ok().says("nothing to prune");
    world.heal();
    world
        .fault(&["container inspect --format"], Rule { stderr: "boom\n".to_owned(), exit: Some(1), ..Rule::default() });
    world.run(["prune"]).fails(3);
}

#[test]
fn people_read_each_line_with_its_reason() {
    let world = crowded();
    let plan = world.run(["prune", "--cache-limit", "15MB"]).ok().says("nothing was removed");
    for reason in [
        "current image of vibevoice",
        "used by container vibevoice-",
        "current image of model-downloader",
        "one of the last 3 versions",
        "older than the last 3 versions",
        "release 1.2.3",
        "build cache above the limit",
    ] {
        assert!(plan.stdout.contains(reason), "{reason}\n{plan}");
    }
    assert!(!plan.stdout.contains("postgres") && !plan.stdout.contains("v0.0."), "{plan}");
    plan.says("cache records would free").says("of build cache stay below the limit");
    world.run(["prune"]).ok().says("of build cache stay, `--cache-limit 0B` removes them");
    let warned = world.run(["prune", "--keep", "1"]).finish();
    assert!(warned.stderr.contains("`--keep 1` removes the versions that"), "{warned}");
    // What is removed is said once.
    let done = world.run(["prune", "--keep", "1", "--execute"]).finish();
    assert!(done.stderr.contains("Removed") && !done.stdout.contains("remove "), "{done}");
}

#[test]
fn an_engine_that_fails_in_the_middle_loses_nothing_and_the_next_run_goes_on() {
    let world = crowded();
    let (before, tags) = (ids(&world), world.tags());
    let fails = |stderr: &str| Rule { stderr: stderr.to_owned(), exit: Some(1), ..Rule::default() };
    let down = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n";
    for command in ["image ls --all", "ps --all", "system df", "image rm"] {
        world.fault(&[command], fails(down));
        world.run(["prune", "--execute", "--cache-limit", "0"]).fails(3).says("does not answer");
        world.heal();
        assert_eq!((ids(&world), world.tags()), (before.clone(), tags.clone()), "{command}");
    }
    world.fault(&["system df"], Rule { stdout: b"{\"Images\": [".to_vec(), exit: Some(0), ..Rule::default() });
    world.run(["prune", "--execute"]).fails(3).says("garbled");
    world.heal();
    // Somebody starts a container of an image between plan and removal.
    world.fault(&["image rm"], fails("Error response from daemon: conflict: unable to delete x (must be forced)\n"));
    let refused = world.run(["prune", "--execute", "--message-format", "json"]).finish();
    assert_eq!((refused.code, listed(&refused, "pruned", "removed")), (Some(0), Vec::new()), "{refused}");
    world.heal();
    assert_eq!(ids(&world), before);
    world.run(["prune", "--execute"]).ok();
    assert!(world.image(&app(&value('b'))).is_none());
}

#[test]
fn bad_sizes_durations_and_counts_are_refused_with_what_is_possible() {
    let world = World::built();
    for (option, values, possible) in [
        ("--older-than", ["soon", "-3d", "0d", "5 parsecs"], "30d, 12h, 2w"),
        ("--cache-limit", ["20", "-1GB", "1.2.3MB", "5 parsecs"], "500MB, 20GB"),
        ("--keep", ["-1", "all", "1.5", "99999999999999999999999"], "invalid"),
    ] {
        for value in values {
            world.run(["prune", "--execute", &format!("{option}={value}")]).fails(2).says(possible);
        }
    }
    assert!(world.calls().is_empty());
}

#[test]
fn a_thousand_images_are_planned() {
    let world = World::built();
    world.engine(|engine| {
        for number in 0..1000 {
            let value = format!("v0.0.{number}-000000000000");
            let labels =
                [("io.xtask.project", "vibevoice"), ("io.xtask.service", "vibevoice"), ("io.xtask.cache-bust", &value)];
            engine.images.push(stranger(number, &app(&value), &labels));
        }
    });
    let plan = world.run(["prune", "--message-format", "json"]).ok();
    assert_eq!(listed(&plan, "plan", "remove").len(), 1000 - 2, "{}", plan.stderr);
}

#[test]
fn prune_waits_for_a_rebuild_and_ctrl_c_leaves_what_the_next_run_goes_on_with() {
    let world = crowded();
    let before = ids(&world);
    world.push(&commit('7'));
    let build = "buildx bake";
    world.forget_calls();
    world.fault(&[build], Rule { wait_for: Some("go".to_owned()), ..Rule::default() });
    let rebuild = world.run(["rebuild"]).start();
    world.until_called(build);
    world.run(["prune", "--execute", "--no-wait"]).fails(3).says("locked");
    let mut prune = world.run(["prune", "--execute"]).start();
    prune.until_says("Blocking");
    assert!(ids(&world).is_superset(&before));
    world.release("go");
    rebuild.wait().ok();
    prune.wait().ok();
    world.heal();
    assert!(world.image(&app(&value('7'))).is_some() && world.image(&app(&value('d'))).is_none());

    for late in [false, true] {
        world.push(&commit(if late { '9' } else { '8' }));
        world.run(["rebuild"]).ok();
        let _ = std::fs::remove_file(world.path("state/obeyed"));
        world.fault(&["image rm -- "], Rule { hang: true, late, ..Rule::default() });
        let running = world.run(["prune", "--execute"]).start();
        world.until_obeyed("image rm");
        running.signal(nix::sys::signal::Signal::SIGINT);
        assert_eq!(running.wait().code, Some(130));
        world.heal();
        world.run(["prune", "--execute"]).ok();
        world.run(["prune"]).ok().says("nothing to prune");
        world.run(["rebuild"]).ok().says("Fresh");
    }
}

#[test]
fn a_disk_of_this_machine_says_nothing_about_an_engine_elsewhere() {
    let asked = |address: &str, context: &str| {
        let world = World::new();
        let name = compose_rebuild::value::digest::sha256("far");
        world.file(&format!("../home/.docker/contexts/meta/{name}/meta.json"), context);
        world.file("../home/.docker/config.json", r#"{"currentContext": "far"}"#);
        world.run(["rebuild"]).env("DOCKER_HOST", address).ok();
        !world.calls_of("info --format {{json .}}").is_empty()
    };
    let context = |host: &str| format!(r#"{{"Name": "far", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#);
    assert!(asked("unix:///nowhere/docker.sock", "") && asked("", &context("unix:///nowhere/docker.sock")));
    assert!(!asked("ssh://far", "") && !asked("", &context("tcp://far:2376")));
}
