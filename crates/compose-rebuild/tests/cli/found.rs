//! Sources that nobody configured: what Dockerfiles clone by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::state::Rule;
use crate::support::{Outcome, World, commit};

#[path = "../../../dockerfile-reader/tests/corpus/cases.rs"]
#[allow(dead_code, reason = "the reader's own tests use the rest")]
mod cases;

/// Of so many cases of the corpus one is tried by processes; the functions behind them are compared over all of it.
const SAMPLE: usize = 8;

const APP: &str = "https://git.example/app.git";
const LIB: &str = "https://git.example/lib.git";
const CLONE: &str = "FROM a\nRUN apt-get install -y git\nARG CACHEBUST=1\nRUN git clone https://git.example/app.git\n";

/// A project of one service that is built from this Dockerfile; nothing is passed to it and nothing is configured.
fn project(dockerfile: &str) -> World {
    let world = World::new();
    world.manifest("");
    world.file("Dockerfile", dockerfile);
    let build = json!({"context": world.project(), "dockerfile": "Dockerfile"});
    let config = json!({"name": "vibevoice", "services": {"app": {"image": "app", "build": build}}});
    world.engine(|engine| engine.config = config);
    push(&world, APP, 'a');
    push(&world, LIB, '1');
    world
}

fn push(world: &World, repository: &str, digit: char) {
    world.remote(repository, format!("{0}\tHEAD\n{0}\trefs/heads/main\n{0}\trefs/heads/dev\n", commit(digit)));
}

fn label(world: &World, name: &str) -> String {
    world.image("app:latest").unwrap().labels.get(name).cloned().unwrap_or_default()
}

fn args(world: &World) -> Value {
    world.baked("app")["args"].clone()
}

/// A run that ends well, with a warning that has this text.
#[track_caller]
fn warns(world: &World, command: &str, text: &str) -> Outcome {
    let outcome = world.run([command]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let is_such = |line: &str| line.starts_with("warning: ") && line.contains(text);
    assert!(outcome.stderr.lines().any(is_such), "no warning of `{text}`\n{outcome}");
    outcome
}

#[test]
fn a_clone_below_any_bust_argument_is_followed() {
    let world = project(CLONE);
    world.run(["rebuild"]).ok();
    assert_eq!(args(&world), json!({"CACHEBUST": "v0.1.0-aaaaaaaaaaaa"}));
    assert_eq!(label(&world, "org.opencontainers.image.revision"), commit('a'));
    assert_eq!(label(&world, "org.opencontainers.image.source"), APP);
    world.run(["rebuild"]).ok().says("Fresh");
    world.run(["verify"]).ok();
    push(&world, APP, 'b');
    world.run(["verify"]).fails(1).says("behind");
    world.run(["rebuild"]).ok();
    assert_eq!(args(&world), json!({"CACHEBUST": "v0.1.0-bbbbbbbbbbbb"}));
    world.run(["verify"]).ok();
}

#[test]
fn services_that_are_not_watched_are_warned_of_together_and_watched_from_the_next_build_on() {
    let world = project(&CLONE.replace("ARG CACHEBUST", "ARG OTHER"));
    world.engine(|engine| {
        let mut web = engine.config["services"]["app"].clone();
        web["image"] = json!("web");
        engine.config["services"]["web"] = web;
    });
    let outcome = warns(&world, "rebuild", "is not noticed in `app`, `web` (");
    assert_eq!(outcome.stderr.matches("is not noticed").count(), 1, "{outcome}");
    world.file("Dockerfile", CLONE);
    world
        .run(["rebuild"])
        .ok()
        .says("Building app v0.1.0-aaaaaaaaaaaa (the image names no commit, HEAD is at aaaaaaaaaaaa)");
    world.file("Dockerfile", "FROM a\nRUN make\n");
    world.run(["rebuild"]).ok().says("(it has no source any more, and the image is from aaaaaaaaaaaa)");
}

#[test]
fn several_sources_are_listed_each_with_its_commit() {
    let two = "RUN git clone -b dev https://git.example/lib.git && pip install git+https://git.example/app.git@main\n";
    let world = project(&format!("FROM a\nARG REBUILD\n{two}"));
    world.run(["rebuild"]).ok().says(LIB).says("111111111111").says(APP).says("aaaaaaaaaaaa");
    let first = args(&world)["REBUILD"].as_str().unwrap().to_owned();
    assert_eq!(first.len(), "v0.1.0-".len() + 12);
    assert_eq!(label(&world, "org.opencontainers.image.revision"), format!("{} {}", commit('1'), commit('a')));
    push(&world, APP, 'b');
    let plan = world.run(["rebuild", "--dry-run", "--message-format", "json"]).ok().stdout;
    let plan: Value = serde_json::from_str(plan.lines().find(|line| line.contains("\"plan\"")).unwrap()).unwrap();
    let service = &plan["services"][0];
    assert_eq!(
        service["sources"],
        json!([
            {"repository": LIB, "wanted": "dev", "revision": commit('1')},
            {"repository": APP, "wanted": "main", "revision": commit('b')},
        ])
    );
    assert_eq!(service["why"], "app main moved aaaaaaaaaaaa..bbbbbbbbbbbb");
    let verdict = world.run(["verify"]).fails(1).stdout;
    assert!(verdict.contains(&format!("{APP} main: remote bbbbbbbbbbbb, label aaaaaaaaaaaa")), "{verdict}");
    world.run(["rebuild"]).ok();
    assert_ne!(args(&world)["REBUILD"], first);
}

#[test]
fn what_takes_the_commit_is_given_it() {
    let world = project(
        "FROM a\nARG APP_SHA=\nARG CACHE_BUST\nRUN git init && git fetch https://git.example/app.git ${APP_SHA:-main} && \
         git checkout FETCH_HEAD\n",
    );
    world.run(["rebuild"]).ok();
    assert_eq!(args(&world), json!({"APP_SHA": commit('a'), "CACHE_BUST": "v0.1.0-aaaaaaaaaaaa"}));
    assert_eq!(world.calls_of("ls-remote").len(), 1, "what is pinned cannot have moved");
}

#[test]
fn a_repository_that_buildkit_fetches_needs_no_argument() {
    let world = project("FROM a\nADD https://git.example/app.git#main /app\n");
    world.run(["rebuild"]).ok();
    world.run(["rebuild"]).ok().says("Fresh");
    push(&world, APP, 'b');
    world.run(["rebuild"]).ok().says("main moved");
    assert_eq!(label(&world, "org.opencontainers.image.revision"), commit('b'));
}

#[test]
fn code_that_nobody_watches_is_said_to_be_that() {
    let world = project("FROM a\nARG CACHEBUST\nRUN true\n\nFROM b\nRUN git clone https://git.example/app.git\n");
    let said = "a push to https://git.example/app.git is not noticed in `app`";
    warns(&world, "rebuild", said).says("Dockerfile:6").says("compose-rebuild doctor");
    warns(&world, "rebuild", said).says("Fresh");
    world.run(["verify"]).fails(1).says(said).says("not watched");

    // A version never moves, so nobody has to watch it.
    let world = project(&CLONE.replace("ARG", "RUN git clone -b v1.2 https://git.example/old.git\nARG"));
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
}

/// How the doctor says that a source of the service is watched, and the names of its findings.
fn doctor(world: &World, repository: &str) -> (Value, Vec<Value>) {
    let messages = world.run(["doctor", "--message-format", "json"]).finish().messages();
    let source = messages.iter().find(|one| one["repository"] == repository).expect("seen");
    let findings = messages.iter().filter(|one| one["reason"] == "finding" && one["area"] == "dockerfile");
    (source["watched"].clone(), findings.map(|finding| finding["check"].clone()).collect())
}

#[test]
fn the_remote_says_whether_a_name_is_that_of_a_tag() {
    let old = "https://git.example/old.git";
    let cloned = |name: &str| CLONE.replace("ARG", &format!("RUN git clone -b {name} {old}\nARG"));
    let said = "a push to https://git.example/old.git is not noticed";
    let asked = |world: &World| world.calls_of(&format!("ls-remote -- {old}")).len();
    for name in ["v1.2.3", "3.11"] {
        let (tag, branch) =
            (format!("{}\trefs/tags/{name}\n", commit('d')), format!("{}\trefs/heads/{name}\n", commit('d')));
        let world = project(&cloned(name));
        world.remote(old, tag);
        assert!(!world.run(["rebuild"]).ok().stderr.contains(said));
        assert_eq!((asked(&world), doctor(&world, old)), (1, (json!("fixed"), vec![])));
        world.forget_calls();
        world.run(["rebuild"]).ok().says("Fresh");
        assert_eq!(asked(&world), 0, "a tag stays one");

        let world = project(&cloned(name));
        world.remote(old, branch);
        warns(&world, "rebuild", said).says("no cache-bust argument");
        warns(&world, "rebuild", said).says("Fresh");
        world.run(["verify"]).fails(1).says("not watched");
        world.run(["verify", "--offline"]).fails(1).says("not watched");
        assert_eq!(doctor(&world, old), (json!("no"), vec![json!("clone-without-bust")]));
    }
    // Without an answer the name decides: a whole version is far more often that of a tag.
    let world = project(&cloned("v1.2.3"));
    world.run(["rebuild"]).ok();
    assert_eq!(doctor(&world, old), (json!("taken-for-tag"), vec![]));
    world.file("Dockerfile", cloned("3.11"));
    warns(&world, "rebuild", said);
    assert_eq!(doctor(&world, old), (json!("no"), vec![json!("clone-without-bust")]));
}

#[test]
fn what_a_host_says_about_a_branch_covers_head_only_where_the_remote_says_so() {
    let url = "https://git.example/acme/app";
    let address = "https://git.example/api/v1/repos/acme/app/branches/main";
    let world = project(&format!("FROM a\nADD {address} /version.json\nRUN git clone {url}\n"));
    let points_to = |branch: &str, digit: char| {
        world.remote(url, format!("ref: refs/heads/{branch}\tHEAD\n{}\tHEAD\n", commit(digit)));
    };
    points_to("main", 'a');
    world.run(["rebuild"]).ok();
    assert_eq!(label(&world, "org.opencontainers.image.revision"), commit('a'));
    assert_eq!(doctor(&world, url), (json!("builder"), vec![]));
    world.run(["verify", "--offline"]).ok();
    points_to("main", 'b');
    world.run(["rebuild"]).ok().says("HEAD moved");
    points_to("dev", 'c');
    let said = "BuildKit looks at the branch `main` above it";
    warns(&world, "rebuild", said).says("git clone --branch");
    assert_eq!(label(&world, "org.opencontainers.image.revision"), "");
    assert_eq!(doctor(&world, url), (json!("no"), vec![json!("source-not-watched")]));
    world.run(["verify"]).fails(1).says("not watched");
    world.engine(|engine| engine.remotes.remove(url));
    world.run(["rebuild"]).fails(3).says("no such repository");
}

#[test]
fn an_image_is_current_only_when_all_of_its_sources_are_watched() {
    let lib = "RUN git clone https://git.example/lib.git\n";
    let world = project(&CLONE.replace("ARG", &format!("{lib}ARG")));
    let said = "a push to https://git.example/lib.git is not noticed";
    warns(&world, "rebuild", said);
    let says = |options: &[&'static str], verdict: &str| {
        let args = ["verify", "--message-format", "json"].into_iter().chain(options.iter().copied());
        let row = world.run(args).fails(1).messages()[0].clone();
        assert_eq!(row["verdict"], verdict, "{row}");
        row
    };
    world.run(["verify"]).fails(1).says(said).says("not current: app (not watched)").says("doctor --patch");
    says(&["--offline"], "not-watched");
    // Now the push is noticed, and the image says nothing about that code. The commit of the other clone is no answer.
    world.file("Dockerfile", CLONE.replace("RUN git", &format!("{lib}RUN git")));
    world.run(["verify"]).fails(1).says("not current: app (new source)").says("compose-rebuild rebuild");
    let row = says(&["--offline"], "new-source");
    assert_eq!(row["sources"][0]["label"], Value::Null);
    assert_eq!(row["sources"][1]["label"], commit('a'));
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
    // In another order they are the same two.
    world.file("Dockerfile", format!("{CLONE}{lib}"));
    world.run(["verify"]).ok();
    world.file("Dockerfile", CLONE);
    world.run(["verify"]).fails(1).says("not current: app (source gone)");
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
}

#[test]
fn submodules_that_follow_their_branches_are_not_watched() {
    let moving = "git clone https://git.example/app.git && cd app && git submodule update --init --remote";
    let world = project(&format!("FROM a\nARG CACHEBUST\nRUN {moving}\n"));
    let said = "a push to the submodules of https://git.example/app.git is not noticed in `app`";
    warns(&world, "rebuild", said).says("take a fixed version");
    world.run(["verify"]).fails(1).says(said).says("not current: app (not watched)");
    // At the commits that the repository names they move with it.
    world.file("Dockerfile", format!("FROM a\nARG CACHEBUST\nRUN {}\n", moving.replace(" --remote", "")));
    world.run(["rebuild"]).ok();
    world.run(["verify"]).ok();
}

#[test]
fn an_address_that_only_the_build_knows_is_not_followed() {
    let world =
        project("FROM a\nARG CACHEBUST\nRUN for n in $(cat names); do git clone https://git.example/$n; done\n");
    warns(&world, "rebuild", "only known to the build").says("`sources` of `x-xtask` of the compose file");
    let world = project("FROM a\nARG CACHEBUST\nARG T\nRUN git clone https://u:canary@git.example/app.git\n");
    let outcome = world.run(["rebuild"]).ok();
    assert!(!outcome.stderr.contains("canary"), "{}", outcome.stderr);
    assert_eq!(label(&world, "org.opencontainers.image.source"), APP);
}

#[test]
fn a_remote_that_moves_during_the_build_is_not_promoted() {
    let world = project(CLONE);
    world.run(["rebuild"]).ok();
    push(&world, APP, 'b');
    let before = (world.tags(), world.image("app:latest").unwrap().id);
    world.fault(&["buildx bake"], Rule { wait_for: Some("go".to_owned()), times: Some(1), ..Rule::default() });
    world.forget_calls();
    let running = world.run(["rebuild"]).start();
    world.until_called("buildx bake");
    push(&world, APP, 'c');
    world.release("go");
    let outcome = running.wait().fails(1);
    outcome
        .says("HEAD of https://git.example/app.git moved bbbbbbbbbbbb..cccccccccccc")
        .says("run the same command again");
    assert_eq!((world.tags(), world.image("app:latest").unwrap().id), before);
    world.assert_nothing_staged();
    world.run(["rebuild"]).ok();
    assert_eq!(label(&world, "org.opencontainers.image.revision"), commit('c'));
}

#[test]
fn a_value_that_was_used_for_another_commit_is_refused() {
    let world = project(CLONE);
    world.run(["rebuild", "--cache-bust", "version"]).ok();
    push(&world, APP, 'b');
    world.run(["rebuild", "--cache-bust", "version"]).fails(2).says("would stay cached").says("--cache-bust auto");
    world.run(["rebuild"]).ok();
    assert_eq!(label(&world, "org.opencontainers.image.revision"), commit('b'));
}

#[test]
fn what_is_configured_counts_alone() {
    let world = project(CLONE);
    let source = "[[workspace.metadata.xtask.sources]]\nname = \"lib\"\nrepository = \"https://git.example/lib.git\"\n";
    world.manifest(&format!("{source}services = [\"app\"]\n"));
    world.run(["rebuild"]).ok();
    assert_eq!(label(&world, "org.opencontainers.image.source"), LIB);
    assert_eq!(args(&world), json!({"CACHEBUST": "v0.1.0-111111111111"}));
}

/// What the remotes of the cases have: HEAD, and every name that is taken as a branch.
fn serve(world: &World, cases: &[&cases::Case]) {
    let mut remotes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in cases.iter().flat_map(|case| &case.sources) {
        let words: Vec<_> = source.split(' ').collect();
        let (name, url) = (words[2].split('<').next().unwrap(), words[words.len() - 1]);
        let name = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
        remotes.entry(url).or_default().insert(format!("{}\t{name}\n", commit('a')));
    }
    for (url, lines) in remotes {
        let head = format!("ref: refs/heads/main\tHEAD\n{}\tHEAD\n", commit('a'));
        world.remote(url, head + &lines.into_iter().collect::<String>());
    }
}

/// One project with a service for each case.
#[test]
fn doctor_and_plan_say_the_same_of_the_corpus() {
    let cases = cases::cases();
    let is_tried = |case: &&cases::Case| case.contexts.is_empty() && !case.sources.is_empty();
    let tried: Vec<_> = cases.iter().filter(is_tried).step_by(SAMPLE).collect();
    let world = project(CLONE);
    let mut services = serde_json::Map::new();
    for (number, case) in tried.iter().enumerate() {
        let (name, file) = (format!("app-{number}"), format!("Dockerfile.{number}"));
        world.file(&file, case.text);
        let build = json!({"context": world.project(), "dockerfile": file, "args": case.args, "target": case.target});
        services.insert(name.clone(), json!({"image": name, "build": build}));
    }
    world.engine(|engine| engine.config["services"] = services.into());
    serve(&world, &tried);
    let outcome = world.run(["plan", "--message-format", "json"]).finish();
    let messages = world.run(["doctor", "--message-format", "json"]).finish().messages();
    let plan = outcome.messages().into_iter().find(|one| one["reason"] == "plan");
    let plan = plan.unwrap_or_else(|| panic!("{outcome}"));
    for (number, case) in tried.iter().enumerate() {
        let name = format!("app-{number}");
        let is_own = |one: &&Value| one["service"] == name;
        let of = |list: Vec<&Value>| -> BTreeSet<String> {
            list.into_iter().map(|one| one["repository"].as_str().unwrap().to_owned()).collect()
        };
        let seen = |is_such: &dyn Fn(&str) -> bool| {
            let sources = messages.iter().filter(|one| one["reason"] == "source").filter(is_own);
            of(sources.filter(|one| is_such(one["watched"].as_str().unwrap())).collect())
        };
        let unwatched = plan["unwatched"].as_array().unwrap().iter().filter(is_own).collect();
        assert_eq!(of(unwatched), seen(&|watched| watched == "no"), "{}", case.title);
        let planned = plan["services"].as_array().unwrap().iter().find(is_own).expect("a service");
        let followed = of(planned["sources"].as_array().unwrap().iter().collect());
        let moving = seen(&|watched| matches!(watched, "argument" | "builder"));
        assert!(moving.is_subset(&followed), "{}: {moving:?} {followed:?}", case.title);
    }
}
