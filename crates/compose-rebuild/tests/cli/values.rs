//! Values from outside: precedence, grammar, and everything hostile that is refused before it can do harm.

use compose_rebuild::value::CacheBust;
use serde_json::json;

use crate::support::{MUTABLE, REPO, World, commit};

/// Text that a shell, an option parser, a template or a terminal would read as more than text.
const HOSTILE: [&str; 13] = [
    "$(touch CANARY)",
    "`touch CANARY`",
    "x;touch CANARY",
    "x|touch CANARY",
    "x&&touch CANARY",
    "x\ntouch CANARY",
    "--upload-pack=touch CANARY",
    "-oProxyCommand=touch CANARY",
    "${CANARY}",
    "%{CANARY}",
    "../../CANARY",
    "a b",
    "\u{1b}[2J\u{9b}31m",
];

/// The hostile texts, with a canary file that commands among them would make.
fn hostile(world: &World) -> Vec<String> {
    HOSTILE.iter().map(|text| text.replace("CANARY", world.path("canary").to_str().unwrap())).collect()
}

/// Nothing was built, tagged or removed, and no canary was made anywhere.
#[track_caller]
fn assert_harmless(world: &World) {
    for change in [" bake ", " tag ", " rm ", "create "] {
        assert!(world.calls_of(change).is_empty(), "{change}");
    }
    assert_eq!(world.tags(), [""; 0]);
    assert!(!world.path("canary").exists() && !world.path("CANARY").exists());
}

/// The bust value of the image that was built.
fn bust(world: &World) -> String {
    world.image(MUTABLE[2]).unwrap().labels["io.xtask.cache-bust"].clone()
}

#[test]
fn hostile_flags_and_variables_start_no_process_at_all() {
    let world = World::new();
    for text in hostile(&world) {
        let flag = format!("--cache-bust={text}");
        let builder = format!("--builder={text}");
        world.run(["rebuild", &flag]).fails(2);
        world.run(["full", "--yes", &flag]).fails(2);
        world.run(["rebuild"]).env("CACHE_BUST", &text).fails(2);
        world.run(["rebuild", "--cache-bust", "build-number"]).env("BUILD_NUMBER", &text).fails(2);
        world.run(["rebuild", &builder]).fails(2);
        world.run(["rebuild", "--", &text]).fails(2);
        world.run(["verify", "--", &text]).fails(2);
    }
    let long = "a".repeat(129);
    world.run(["rebuild", "--cache-bust", &long]).fails(2);
    world.run(["rebuild", "--file", "--help"]).fails(2);
    assert_eq!(world.calls().len(), 0, "{:?}", world.calls());
    assert_harmless(&world);
}

#[test]
fn what_is_refused_is_shown_without_control_sequences() {
    let world = World::new();
    for run in [
        world.run(["rebuild", "--cache-bust", "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}"]),
        world.run(["rebuild", "--builder", "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}"]),
        world.run(["rebuild", "--", "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}"]),
    ] {
        let outcome = run.fails(2);
        let forged = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!outcome.stderr.contains(forged), "{:?}", outcome.stderr);
    }
}

#[test]
fn hostile_build_arguments_are_refused_before_git_is_asked() {
    for name in ["GITHUB_REPO", "GITHUB_BRANCH", "GITHUB_COMMIT"] {
        let world = World::new();
        for text in hostile(&world) {
            world.set_arg(name, &text);
            world.run(["rebuild"]).fails(2);
        }
        assert!(world.calls_of("ls-remote").is_empty(), "{name}");
        assert_harmless(&world);
    }
}

#[test]
fn transports_that_run_commands_or_read_files_are_refused() {
    let world = World::new();
    for url in [
        "ext::sh -c touch% /tmp/canary",
        "ext::id",
        "fd::17",
        "file:///etc",
        "/etc",
        "../other",
        "http://plain.example/x.git",
        "ftp://h/x",
        "ssh://-oProxyCommand=id/x",
        "--upload-pack=id",
    ] {
        world.set_arg("GITHUB_REPO", url);
        world.run(["rebuild"]).fails(2);
    }
    assert!(world.calls_of("ls-remote").is_empty());
    assert_harmless(&world);
}

#[test]
fn a_configured_transport_is_allowed_to_git_too() {
    let world = World::new();
    world.manifest("[workspace.metadata.xtask]\ntransports = [\"file\"]\n");
    world.set_arg("GITHUB_REPO", "/srv/upstream.git");
    world.remote("/srv/upstream.git", format!("{}\trefs/heads/main\n", commit('a')));
    world.run(["rebuild"]).ok();
    let call = &world.calls_of("ls-remote")[0];
    assert_eq!(call.env["GIT_ALLOW_PROTOCOL"], "https:http:ssh:git:file");
    assert_eq!(call.args[..3], ["ls-remote", "--", "/srv/upstream.git"]);
}

#[test]
fn hostile_names_in_the_compose_project_are_refused() {
    let set = |world: &World, pointer: &str, text: &str| {
        world.engine(|engine| *engine.config.pointer_mut(pointer).unwrap() = json!(text));
    };
    for pointer in ["/name", "/services/vibevoice/image", "/services/vibevoice/build/target"] {
        let world = World::new();
        for text in hostile(&world) {
            set(&world, pointer, &text);
            world.run(["rebuild"]).fails(2);
        }
        assert_harmless(&world);
        assert!(world.written().is_empty(), "{pointer}: nothing is written for a project that was refused");
    }
    let world = World::new();
    for text in hostile(&world) {
        world.engine(|engine| {
            let services = engine.config["services"].as_object_mut().unwrap();
            let service = services.remove("vibevoice").unwrap();
            services.insert(text.clone(), service);
        });
        world.run(["rebuild"]).fails(2);
        world.engine(|engine| {
            let services = engine.config["services"].as_object_mut().unwrap();
            let service = services.remove(&text).unwrap();
            services.insert("vibevoice".to_owned(), service);
        });
    }
    assert_harmless(&world);
}

#[test]
fn hostile_refs_of_a_remote_are_only_text() {
    let world = World::new();
    let mut lines = Vec::new();
    for text in hostile(&world) {
        lines.extend(format!("{}\trefs/heads/{text}\n", commit('f')).bytes());
        lines.extend(format!("{text}\trefs/heads/main\n").bytes());
    }
    lines.extend(b"\xff\xfe\trefs/heads/\xff\n");
    world.remote(REPO, &lines);
    world.run(["rebuild"]).fails(3);
    assert_harmless(&world);
    lines.extend(format!("{}\trefs/heads/main\n", commit('a')).bytes());
    lines.extend(b"\xff\xff\trefs/tags/\xff");
    world.remote(REPO, lines);
    // A first line with this name and no commit is garbage; nothing of it may be built.
    let outcome = world.run(["rebuild"]).finish();
    assert!(matches!(outcome.code, Some(0 | 3)), "{outcome}");
    if outcome.code == Some(0) {
        assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('a') + "\n"));
    }
}

#[test]
fn services_that_disagree_are_refused_with_both_values() {
    let world = World::new();
    let other = json!("https://git.example/fork.git");
    world.engine(|engine| engine.config["services"]["backend-builder"]["build"]["args"]["GITHUB_REPO"] = other);
    let outcome = world.run(["rebuild"]).fails(2).says("https://git.example/fork.git").says(REPO);
    outcome.says("backend-builder").says("GITHUB_REPO");
    assert!(world.calls_of("ls-remote").is_empty());
    assert_harmless(&world);
}

#[test]
fn two_services_that_build_one_image_in_different_ways_are_refused() {
    let world = World::new();
    world.engine(|engine| engine.config["services"]["backend-builder"]["image"] = json!(MUTABLE[2]));
    world.run(["rebuild"]).fails(2).says("backend-builder").says("vibevoice").says(MUTABLE[2]);
    assert_harmless(&world);
}

#[test]
fn a_value_whose_tag_belongs_to_something_else_is_refused() {
    // `app:latest` would be built as `app:VALUE`: the tag of another service, or of the kept model.
    let world = World::built();
    let kept = world.tags().into_iter().find(|tag| tag.contains(":keep-")).unwrap();
    world.engine(|engine| engine.config["services"]["vibevoice"]["image"] = json!("vibevoicefusion:latest"));
    let before = (world.image(&kept), world.image(MUTABLE[0]), world.image(MUTABLE[1]));
    for value in ["python-builder", "model-downloader", kept.split_once(':').unwrap().1] {
        let outcome = world.run(["rebuild", "vibevoice", "--cache-bust", value]).finish();
        assert_eq!((world.image(&kept), world.image(MUTABLE[0]), world.image(MUTABLE[1])), before, "{outcome}");
        outcome.fails(3);
    }
}

#[test]
fn an_unknown_service_is_refused_with_the_known_ones() {
    let world = World::built();
    for command in ["rebuild", "plan", "verify"] {
        world.forget_calls();
        let outcome = world.run([command, "vibevoise"]).fails(2).says("`vibevoise`");
        outcome.says("backend-builder, model-downloader, vibevoice");
        assert!(world.calls_of("ls-remote").is_empty(), "no remote has to be asked: {:#?}", world.calls());
    }
}

#[test]
fn flag_before_environment_before_configuration_before_auto() {
    let world = World::new();
    world.run(["rebuild"]).ok();
    assert_eq!(bust(&world), "v0.1.0-aaaaaaaaaaaa");
    world.manifest("[workspace.metadata.xtask]\ncache-bust = \"from-configuration\"\n");
    world.run(["rebuild"]).ok();
    assert_eq!(bust(&world), "from-configuration");
    world.run(["rebuild"]).env("CACHE_BUST", "from-environment").ok();
    assert_eq!(bust(&world), "from-environment");
    world.run(["rebuild", "--cache-bust", "from-flag"]).env("CACHE_BUST", "from-environment").ok();
    assert_eq!(bust(&world), "from-flag");
    // An empty variable is none.
    world.run(["rebuild"]).env("CACHE_BUST", "").ok();
    assert_eq!(bust(&world), "from-configuration");
    assert_eq!(world.baked("vibevoice")["args"]["CACHE_BUST"], "from-configuration");
    world.manifest("[workspace.metadata.xtask]\ncache-bust = \"$(id)\"\n");
    world.run(["rebuild"]).fails(2);
}

#[test]
fn every_rule_makes_its_value() {
    let world = World::new();
    for (rule, value) in [("version", "v0.1.0"), ("commit", "aaaaaaaaaaaa"), ("auto", "v0.1.0-aaaaaaaaaaaa")] {
        world.run(["rebuild", "--cache-bust", rule]).ok();
        assert_eq!(bust(&world), value);
        assert!(world.image(&format!("zhaokundev/vibevoicefusion:{value}")).is_some());
    }
    world.run(["rebuild", "--cache-bust", "timestamp"]).ok();
    let stamp = bust(&world);
    assert!(regex_lite::Regex::new(r"^20\d{6}-\d{6}$").unwrap().is_match(&stamp), "{stamp}");
    let number = |name: &str, value: &str| {
        world.run(["rebuild", "--cache-bust", "build-number"]).env(name, value).ok();
        bust(&world)
    };
    assert_eq!(number("GITHUB_RUN_NUMBER", "17"), "17");
    assert_eq!(number("CI_PIPELINE_IID", "18"), "18");
    assert_eq!(number("BUILD_NUMBER", "19"), "19");
    world.run(["rebuild", "--cache-bust", "build-number"]).fails(2);
}

#[test]
fn build_metadata_of_a_version_fits_into_a_tag() {
    let world = World::new();
    let text = std::fs::read_to_string(world.project().join("Cargo.toml")).unwrap();
    world.file("Cargo.toml", text.replace("0.1.0", "1.2.3-rc.1+build.5"));
    world.run(["rebuild"]).ok();
    assert_eq!(bust(&world), "v1.2.3-rc.1_build.5-aaaaaaaaaaaa");
    let image = world.image("zhaokundev/vibevoicefusion:v1.2.3-rc.1_build.5-aaaaaaaaaaaa").unwrap();
    assert_eq!(image.labels["org.opencontainers.image.version"], "1.2.3-rc.1+build.5");
    let long = format!("1.2.3-{}", "x".repeat(130));
    world.file("Cargo.toml", text.replace("0.1.0", &long));
    world.forget_calls();
    world.run(["rebuild"]).fails(2);
    assert!(world.calls_of(" bake ").is_empty());
}

#[test]
fn a_pinned_commit_is_built_without_asking_the_remote() {
    let world = World::new();
    world.set_arg("GITHUB_COMMIT", &commit('c'));
    world.run(["rebuild"]).ok();
    assert!(world.calls_of("ls-remote").is_empty());
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('c') + "\n"));
}

#[test]
fn a_sha_256_commit_is_a_commit() {
    let world = World::new();
    let long = "d".repeat(64);
    world.push(&long);
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(long + "\n"));
    assert!("v0.1.0-dddddddddddd".parse::<CacheBust>().is_ok());
}

#[test]
fn unknown_configuration_is_refused() {
    let world = World::new();
    for wrong in [
        "[workspace.metadata.xtask]\nversionfile = \"x\"\n",
        "[workspace.metadata.xtask]\ncache-bust-arg = \"A B\"\n",
        "[workspace.metadata.xtask.services.vibevoice]\npackage = \"nobody\"\n",
        "[[workspace.metadata.xtask.sources]]\nname = \"x\"\nservices = [\"nobody\"]\nrepository = \"https://h/x\"\n",
        "[broken",
    ] {
        world.manifest(wrong);
        world.run(["rebuild"]).fails(2);
    }
    assert_harmless(&world);
}
