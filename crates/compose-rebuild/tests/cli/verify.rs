//! `verify`: every state of an image and its containers has its own verdict, exit code and cure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::state::{Entry, GitCommit, Rule, Running};
use crate::support::{MUTABLE, Outcome, World, commit};

/// Commits of the remote, each after the one before it; the last is the tip of `main`.
pub(crate) fn history(world: &World, commits: &[(char, &str)]) {
    world.engine(|engine| {
        let mut parent = None;
        for (digit, subject) in commits {
            let (id, subject) = (commit(*digit), (*subject).to_owned());
            engine.commits.insert(id.clone(), GitCommit { parent, subject, tree: tree() });
            parent = Some(id);
        }
    });
    world.push(&commit(commits.last().unwrap().0));
}

/// Files of a commit, with everything that the image leaves out and more.
pub(crate) fn tree() -> BTreeMap<String, Entry> {
    let file = |name: &str, text: &str| (name.to_owned(), Entry::File(text.to_owned()));
    BTreeMap::from([
        file("LICENSE", "free\n"),
        file("backend/run.py", "print()\n"),
        file("backend/api/x.py", "x\n"),
        file("frontend/page.tsx", "page\n"),
        ("link".to_owned(), Entry::Link("backend/run.py".to_owned())),
    ])
}

/// What the build makes of these files.
fn built_from(mut files: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    files.retain(|name, _| !name.starts_with("frontend/"));
    files.insert("backend/dist/index.html".to_owned(), Entry::File("page".to_owned()));
    files.insert("backend/version.txt".to_owned(), Entry::File(commit('a')));
    files.insert("venv/bin/python".to_owned(), Entry::File("huge".to_owned()));
    files
}

/// The files of the image of `vibevoice`.
pub(crate) fn contents(world: &World, change: impl FnOnce(&mut BTreeMap<String, Entry>)) {
    let id = world.image(MUTABLE[2]).unwrap().id;
    let mut files = built_from(tree());
    change(&mut files);
    world.engine(|engine| engine.contents.insert(id, files));
}

/// A world built from commit aaaa, which is the tip, with its files.
pub(crate) fn with_files() -> World {
    let world = World::built();
    world.manifest(
        "[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\n\
         deep-skip = [\"frontend\", \"backend/dist\", \"backend/version.txt\"]\n",
    );
    history(&world, &[('a', "first")]);
    contents(&world, |_| ());
    world
}

/// A container of `vibevoice` that runs this image.
pub(crate) fn start(world: &World, image: &str, revision: &str) {
    let one = Running {
        project: "vibevoice".to_owned(),
        service: "vibevoice".to_owned(),
        name: format!("vibevoice-{}", &image[7..11]),
        image: image.to_owned(),
        revision: revision.to_owned(),
    };
    world.engine(|engine| engine.running.push(one));
}

/// What a verification says about `vibevoice`.
#[track_caller]
pub(crate) fn row(world: &World, options: &[&'static str], code: i32) -> Value {
    let args = ["verify", "--message-format", "json"].into_iter().chain(options.iter().copied());
    let outcome = world.run(args).finish();
    assert_eq!(outcome.code, Some(code), "{outcome}");
    let mut rows = outcome.messages().into_iter().filter(|message| message["reason"] == "verdict");
    rows.rfind(|row| row["service"] == "vibevoice" || row["service"].is_null()).unwrap()
}

/// The table says this, and the end gives this cure.
#[track_caller]
pub(crate) fn says(world: &World, verdict: &str, cure: &str) -> Outcome {
    let outcome = world.run(["verify", "vibevoice"]).fails(1).says(cure);
    assert!(outcome.stdout.lines().any(|line| line.ends_with(&format!(" {verdict}"))), "{outcome}");
    world.assert_nothing_staged();
    outcome
}

// ---- what is there ----

#[test]
fn never_built_and_not_ours_are_told_apart() {
    let world = World::new();
    says(&world, "never built", "compose-rebuild rebuild");
    assert_eq!(row(&world, &[], 1)["verdict"], "never-built");
    let world = World::built();
    world.engine(|engine| {
        let image = engine.images.iter_mut().find(|image| image.tags.contains(&MUTABLE[2].to_owned())).unwrap();
        image.labels.insert("io.xtask.project".to_owned(), "stranger".to_owned());
    });
    says(&world, "not built by xtask", "compose-rebuild rebuild");
    let row = row(&world, &[], 1);
    assert_eq!((row["verdict"].as_str(), &row["label"]), (Some("not-ours"), &Value::Null));
}

#[test]
fn the_image_of_another_service_is_not_the_one_of_this() {
    let world = World::built();
    let other = world.image(MUTABLE[2]).unwrap().id;
    world.engine(|engine| engine.tag(&other, MUTABLE[1]));
    let args = ["verify", "backend-builder", "--message-format", "json"];
    let outcome = world.run(args).fails(1).says("compose-rebuild rebuild");
    assert_eq!(outcome.messages()[0]["verdict"], "not-ours", "{outcome}");
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
}

#[test]
fn containers_older_than_their_image_are_found() {
    let world = World::built();
    let image = world.image(MUTABLE[2]).unwrap().id;
    start(&world, &image, &commit('a'));
    assert_eq!(row(&world, &[], 0)["containers"][0]["revision"], commit('a'));
    start(&world, &format!("sha256:{}", "0".repeat(64)), "\u{1b}[2Kforged\nrow");
    let outcome = says(&world, "container older than its image", "rebuild --up");
    assert!(outcome.stdout.contains("    vibevoice-0000 runs another image, from [2Kforged +1"), "{outcome}");
    assert_eq!(row(&world, &[], 1)["verdict"], "container-outdated");
    // Another project's containers, and another service's, are not this one's.
    world.engine(|engine| {
        engine.running.remove(0);
        engine.running[0].project = "other".to_owned();
    });
    world.run(["verify"]).ok();
    world.engine(|engine| {
        engine.running[0].project = "vibevoice".to_owned();
        engine.running[0].service = "database".to_owned();
    });
    world.run(["verify"]).ok();
}

#[test]
fn a_container_that_ends_meanwhile_is_no_failure() {
    let world = World::built();
    let gone = Rule {
        stdout: b"[]".to_vec(),
        stderr: "Error response from daemon: No such container: 123\n".to_owned(),
        exit: Some(1),
        ..Rule::default()
    };
    start(&world, &world.image(MUTABLE[2]).unwrap().id, "x");
    world.fault(&["container inspect"], gone);
    world.run(["verify"]).ok();
    world.heal();
    world.fault(&["docker ps"], Rule { stderr: "boom".to_owned(), exit: Some(1), ..Rule::default() });
    world.run(["verify"]).fails(3);
}

#[test]
fn a_version_file_that_is_none_is_wrong_content() {
    let change = |version: Option<&str>| {
        let world = World::built();
        world.engine(|engine| {
            let image = engine.images.iter_mut().find(|image| image.tags.contains(&MUTABLE[2].to_owned())).unwrap();
            image.version = version.map(str::to_owned);
        });
        world
    };
    let cure = "compose-rebuild full --keep-models";
    says(&change(Some(&commit('9'))), "wrong content", cure);
    let outcome = says(&change(None), "wrong content", cure);
    assert!(outcome.stdout.contains("the version file is missing"), "{outcome}");
    let outcome = says(&change(Some(&"x".repeat(1000))), "wrong content", cure);
    assert!(outcome.stdout.contains("is too long"), "{outcome}");
    // So long that nobody reads to its end: the engine is cut off.
    let world = World::built();
    let mut header = tar::Header::new_gnu();
    header.set_path("version.txt").unwrap();
    header.set_size(1 << 33);
    header.set_cksum();
    let stdout = [header.as_bytes().as_slice(), &vec![b'x'; 65 << 20]].concat();
    world.fault(&["docker cp"], Rule { stdout, exit: Some(1), ..Rule::default() });
    assert!(says(&world, "wrong content", cure).stdout.contains("is too long"));
    let outcome = says(&change(Some("\u{1b}[2J\nvibevoice current")), "wrong content", cure);
    assert!(!outcome.stdout.contains('\u{1b}') && outcome.stdout.lines().count() == 2, "{outcome}");
}

#[test]
fn ctrl_c_leaves_no_container_whenever_it_comes() {
    for (words, late) in [("docker create", false), ("docker create", true), ("docker cp", false)] {
        let world = World::built();
        world.fault(&[words], Rule { hang: true, late, ..Rule::default() });
        let running = world.run(["verify"]).start();
        world.until_obeyed(words);
        running.signal(nix::sys::signal::Signal::SIGINT);
        assert_eq!(running.wait().code, Some(130), "{words} {late}");
        world.assert_nothing_staged();
    }
}

// ---- without any source ----

/// A world whose one service has this Dockerfile, which takes no code from any remote.
fn of_no_source(dockerfile: &str) -> World {
    let world = World::new();
    world.manifest("");
    world.file("Dockerfile", dockerfile);
    let build = json!({"context": world.project(), "dockerfile": "Dockerfile"});
    let config = json!({"name": "vibevoice", "services": {"vibevoice": {"image": "app", "build": build}}});
    world.engine(|engine| engine.config = config);
    world.run(["rebuild"]).ok();
    world
}

#[test]
fn an_image_without_a_source_is_judged_by_its_key() {
    let world = of_no_source("FROM a\nRUN one\n");
    assert_eq!(row(&world, &[], 0)["verdict"], "current-by-key");
    let outcome = world.run(["verify"]).ok();
    assert!(outcome.stdout.lines().last().unwrap().ends_with(" up to date by its key"), "{outcome}");
    // Offline nobody says what the image should be.
    assert_eq!(row(&world, &["--offline"], 0)["verdict"], "nothing-to-compare");
    world.file("Dockerfile", "FROM a\nRUN two\n");
    says(&world, "definition changed", "compose-rebuild rebuild");
    world.run(["rebuild"]).ok();
    assert_eq!(row(&world, &[], 0)["verdict"], "current-by-key");
    start(&world, &format!("sha256:{}", "0".repeat(64)), "x");
    assert_eq!(row(&world, &[], 1)["verdict"], "container-outdated");
}

#[test]
fn where_only_the_build_can_tell_there_is_nothing_to_compare() {
    let world = of_no_source("FROM a\nCOPY . /app\n");
    assert_eq!(row(&world, &[], 0)["verdict"], "nothing-to-compare");
    world.file("Dockerfile", "FROM a\nCOPY . /srv\n");
    assert_eq!(row(&world, &[], 1)["verdict"], "definition-changed");
    // A number that only pipelines have is not missed.
    world.manifest("[workspace.metadata.xtask]\ncache-bust = \"build-number\"\n");
    assert_eq!(row(&world, &[], 1)["verdict"], "definition-changed");
}

#[test]
fn a_kept_image_is_up_to_date_by_its_key() {
    let world = World::built();
    let args = ["verify", "model-downloader", "--message-format", "json"];
    assert_eq!(world.run(args).ok().messages()[0]["verdict"], "current-by-key");
    world.set_arg("MODEL_REVISION", "v2");
    assert_eq!(world.run(args).fails(1).messages()[0]["verdict"], "definition-changed");
}

// ---- offline, and by name ----

#[test]
fn offline_asks_no_remote() {
    let world = World::built();
    world.push(&commit('b'));
    let quiet = world.run(["verify", "--offline"]).ok();
    assert!(quiet.stdout.lines().last().unwrap().ends_with(" consistent"), "{quiet}");
    assert!(world.calls().iter().all(|call| call.program != "git"), "{:?}", world.calls());
    let image = world.image(MUTABLE[2]).unwrap();
    start(&world, &format!("sha256:{}", "0".repeat(64)), "x");
    assert_eq!(row(&world, &["--offline"], 1)["verdict"], "container-outdated");
    world.engine(|engine| engine.images.iter_mut().find(|one| one.id == image.id).unwrap().version = None);
    assert_eq!(row(&world, &["--offline"], 1)["verdict"], "wrong-content");
    assert!(world.calls().iter().all(|call| call.program != "git"), "{:?}", world.calls());
}

#[test]
fn any_image_is_verified_by_its_labels() {
    let world = with_files();
    let id = world.image(MUTABLE[2]).unwrap().id;
    let release = "zhaokundev/vibevoicefusion:1.0.0";
    world.engine(|engine| engine.tag(&id, release));
    let found = row(&world, &["--image", release], 0);
    assert_eq!((found["image"].as_str(), found["service"].as_str()), (Some(release), Some("vibevoice")));
    assert_eq!(row(&world, &["--image", release, "--deep"], 0)["deep"]["compared"], 4);
    assert_eq!(row(&world, &["--image", release, "--offline"], 0)["verdict"], "consistent");
    history(&world, &[('a', "one"), ('b', "two")]);
    assert_eq!(row(&world, &["--image", release], 1)["behind"], 1);
    let outcome = world.run(["verify", "--image", "zhaokundev/vibevoicefusion:2.0.0"]).fails(1);
    outcome.says("docker pull zhaokundev/vibevoicefusion:2.0.0");
    contents(&world, |files| drop(files.remove("LICENSE")));
    assert_eq!(row(&world, &["--image", release, "--deep"], 1)["deep"]["missing"]["first"][0], "LICENSE");
}

#[test]
fn labels_do_not_choose_whom_this_tool_asks() {
    let world = World::built();
    for source in ["https://evil.example/x.git", "ext::sh -c id", "--upload-pack=id", "", "/etc"] {
        world.engine(|engine| {
            let image = engine.images.iter_mut().find(|image| image.tags.contains(&MUTABLE[2].to_owned())).unwrap();
            image.labels.insert("org.opencontainers.image.source".to_owned(), source.to_owned());
        });
        world.forget_calls();
        let found = row(&world, &["--image", MUTABLE[2], "--deep"], 1);
        assert_eq!(found["verdict"], "not-ours", "{source}");
        for call in world.calls().iter().filter(|call| call.program == "git") {
            assert!(source.is_empty() || !call.args.iter().any(|arg| arg == source), "{call:?}");
        }
    }
}

#[test]
fn labels_that_are_no_commits_reach_no_process() {
    let world = World::built();
    for revision in ["--upload-pack=id", "$(id)", "HEAD", "../x"] {
        world.engine(|engine| {
            let image = engine.images.iter_mut().find(|image| image.tags.contains(&MUTABLE[2].to_owned())).unwrap();
            image.labels.insert("org.opencontainers.image.revision".to_owned(), revision.to_owned());
            image.version = Some(revision.to_owned());
        });
        world.forget_calls();
        assert_eq!(row(&world, &["--deep"], 1)["verdict"], "not-on-branch", "{revision}");
        assert!(
            world.calls().iter().all(|call| !call.args.iter().any(|arg| arg.contains(revision) && revision != "HEAD"))
        );
    }
}

#[test]
fn bad_names_are_refused_before_anything_starts() {
    let world = World::built();
    for name in ["--privileged", "-v", "a b", "$(id)", "A/b", "x:$(id)", "a@sha256:00", "\u{1b}[2J", ""] {
        world.run(["verify", &format!("--image={name}")]).fails(2);
    }
    assert!(world.calls().is_empty());
    world.run(["verify", "--image", "a", "vibevoice"]).fails(2);
    world.run(["verify", "nobody"]).fails(2).says("it builds: backend-builder, model-downloader, vibevoice");
    world.run(["verify", "--offline", "nobody"]).fails(2);
}

#[test]
fn a_commit_whose_build_failed_is_not_to_be_built_again() {
    let world = World::built();
    history(&world, &[('a', "one"), ('b', "two")]);
    world
        .engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), "did not complete: exit code: 1".to_owned()));
    world.run(["rebuild"]).fails(4);
    let outcome = world.run(["verify"]).fails(1).says("compose-rebuild report");
    assert!(!outcome.stderr.contains("compose-rebuild rebuild"), "{outcome}");
    history(&world, &[('a', "one"), ('b', "two"), ('c', "three")]);
    world.run(["verify"]).fails(1).says("compose-rebuild rebuild");
}

#[test]
fn every_kind_of_verdict_gives_its_cure_once() {
    let world = World::built();
    history(&world, &[('a', "one"), ('b', "two")]);
    let outcome =
        world.run(["verify"]).fails(1).says("not current: backend-builder (behind by 1), vibevoice (behind by 1)");
    assert_eq!(outcome.stderr.matches("compose-rebuild rebuild").count(), 1, "{outcome}");
}
