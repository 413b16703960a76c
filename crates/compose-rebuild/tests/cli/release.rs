//! `release`, with a real Git repository and its remote beside the fake engine.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use nix::sys::signal::Signal::SIGKILL;

use crate::support::state::{Entry, GitCommit, Image, Rule};
use crate::support::{MUTABLE, Outcome, World, commit};

const CHANGELOG: &str =
    "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something\n\n## [1.2.3] - 2026-01-01\n\n- Old\n";
const MANIFEST: &str = "[workspace]\nmembers = [\"member\"]\nresolver = \"3\"\n\n[workspace.package]\nversion = \"1.2.3\" # kept\n\n\
     [workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\ndeep-skip = [\"backend/version.txt\"]\n";
const LOCK: &str = "version = 4\n\n[[package]]\nname = \"member\"\nversion = \"1.2.3\"\n";

/// Runs the real git in the project.
#[track_caller]
fn git(world: &World, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(world.project()).env("HOME", world.path("home")).env("GIT_CONFIG_NOSYSTEM", "1").args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A committed project at version 1.2.3 with something unreleased, a remote, and images of the remote's tip.
fn releasable() -> World {
    let world = World::new();
    world.file("Cargo.toml", MANIFEST);
    world.file("Cargo.lock", LOCK);
    world.file("member/Cargo.toml", "[package]\nname = \"member\"\nversion.workspace = true\n");
    world.file("member/src/lib.rs", "");
    world.file("CHANGELOG.md", CHANGELOG);
    world.file(".gitignore", "/target\n");
    world.use_real_git();
    let identity = "[user]\nname = A Tester\nemail = tester@example.invalid\n[init]\ndefaultBranch = main\n";
    fs::write(world.path("home/.gitconfig"), identity).unwrap();
    git(&world, &["init", "--quiet", "--bare", world.path("origin.git").to_str().unwrap()]);
    git(&world, &["init", "--quiet"]);
    git(&world, &["add", "."]);
    git(&world, &["commit", "--quiet", "--message", "Begin"]);
    git(&world, &["remote", "add", "origin", world.path("origin.git").to_str().unwrap()]);
    git(&world, &["push", "--quiet", "--set-upstream", "origin", "main"]);
    let tree = BTreeMap::from([("backend/run.py".to_owned(), Entry::File("print()\n".to_owned()))]);
    world.engine(|engine| {
        engine.contents.insert(commit('a'), tree.clone());
        let subject = "first".to_owned();
        engine.commits.insert(commit('a'), GitCommit { parent: None, subject, tree });
    });
    world.run(["rebuild"]).ok();
    world
}

/// Names of images that releases gave, without their repositories.
fn names(world: &World, mutable: &str) -> Vec<String> {
    let (repository, other) = mutable.split_once(':').unwrap();
    let released = |tag: &String| {
        let name = tag.strip_prefix(repository)?.strip_prefix(':')?;
        let name = if other == "latest" { name } else { name.strip_prefix(other)?.strip_prefix('-')? };
        name.starts_with(|first: char| first.is_ascii_digit()).then(|| name.to_owned())
    };
    world.tags().iter().filter_map(released).collect()
}

/// Everything that a release leaves behind, as far as it is the same every time.
#[derive(Debug, PartialEq, Eq)]
struct State {
    tree: String,
    log: String,
    tag: String,
    status: String,
    names: Vec<Vec<String>>,
    labels: Vec<Vec<Option<String>>>,
    /// Names in the registry, with the version in the label of what they point to.
    registry: Vec<(String, String)>,
    /// Names at the remote, with their trees.
    remote: String,
}

fn state(world: &World) -> State {
    let label = |tag: String| world.image(&tag)?.labels.get("org.opencontainers.image.version").cloned();
    let of = |mutable: &&str| {
        let repository = mutable.split(':').next().unwrap();
        let tags: Vec<_> = world.tags().into_iter().filter(|tag| tag.starts_with(&format!("{repository}:"))).collect();
        tags.into_iter().map(|tag| Some(format!("{} {}", tag.clone(), label(tag)?))).collect()
    };
    State {
        tree: git(world, &["rev-parse", "HEAD^{tree}"]),
        log: git(world, &["log", "--format=%s"]),
        tag: git(world, &["for-each-ref", "--format=%(objecttype) %(refname) %(*tree)", "refs/tags"]),
        status: git(world, &["status", "--porcelain"]),
        names: MUTABLE.iter().map(|mutable| names(world, mutable)).collect(),
        labels: MUTABLE.iter().map(of).collect(),
        registry: world.engine(|engine| {
            let version = |image: &Image| image.labels["org.opencontainers.image.version"].clone();
            engine.registry.iter().map(|(name, image)| (name.clone(), version(image))).collect()
        }),
        remote: {
            let origin = world.path("origin.git");
            let of = ["--git-dir", origin.to_str().unwrap(), "for-each-ref", "--format=%(refname) %(tree)%(*tree)"];
            git(world, &of)
        },
    }
}

/// The names of the checks that refuse.
fn refused(outcome: &Outcome) -> Vec<String> {
    let messages = outcome.messages().into_iter().filter(|message| message["reason"] == "refused");
    messages.map(|message| message["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_release_changes_files_commits_builds_and_tags() {
    let world = releasable();
    let before = (state(&world), world.mutable());
    let plan = world.run(["release", "minor"]).ok().says("--execute");
    assert!(
        plan.stdout.starts_with("           1 write version 1.3.0 to CHANGELOG.md, Cargo.lock, Cargo.toml\n"),
        "{plan}"
    );
    assert_eq!((state(&world), world.mutable()), before);

    world.run(["release", "minor", "--execute"]).ok();
    let file = |name: &str| fs::read_to_string(world.project().join(name)).unwrap();
    assert_eq!(file("Cargo.toml"), MANIFEST.replace("1.2.3", "1.3.0"));
    assert_eq!(file("Cargo.lock"), LOCK.replace("1.2.3", "1.3.0"));
    assert!(file("CHANGELOG.md").starts_with("# Changelog\n\n## [Unreleased]\n\n## [1.3.0] - 20"));
    let after = state(&world);
    assert_eq!((after.log.as_str(), after.status.as_str()), ("Release 1.3.0\nBegin", ""));
    assert_eq!(after.tag, format!("tag refs/tags/v1.3.0 {}", after.tree));
    assert!(git(&world, &["cat-file", "tag", "v1.3.0"]).contains(&format!("vibevoicefusion:1.3.0 {}", commit('a'))));
    for (mutable, prefix) in MUTABLE.iter().zip(["model-downloader-", "python-builder-", ""]) {
        assert_eq!(names(&world, mutable), ["1", "1.3", "1.3.0"], "{mutable}");
        let id = world.image(mutable).unwrap().id;
        for name in ["1.3.0", "1.3", "1"] {
            let tag = format!("{}:{prefix}{name}", mutable.split(':').next().unwrap());
            assert_eq!(world.image(&tag).unwrap().id, id, "{tag}");
        }
    }
    let label = |mutable| world.image(mutable).unwrap().labels["org.opencontainers.image.version"].clone();
    assert_eq!(label(MUTABLE[2]), "1.3.0");

    // There is nothing to go on with, and the next one counts from here.
    world.forget_calls();
    world.run(["release", "minor", "--execute"]).ok();
    assert_eq!(state(&world), after);
    assert!(world.calls_of(" bake ").is_empty());
    world.run(["release", "major"]).fails(1).says("changelog");
}

#[test]
fn everything_in_the_way_is_said_in_one_go_and_nothing_changes() {
    let world = releasable();
    git(&world, &["tag", "v1.3.0"]);
    git(&world, &["switch", "--quiet", "--create", "work"]);
    world.file("CHANGELOG.md", CHANGELOG.replace("- Something\n", ""));
    git(&world, &["commit", "--quiet", "--all", "--message", "Nothing to say"]);
    world.file("README.md", "");
    world.file("new", "");
    fs::write(world.path("home/.gitconfig"), "[user]\nuseConfigOnly = true\n").unwrap();
    world.push(&commit('b'));
    world.engine(|engine| {
        let id = engine.find(MUTABLE[0]).unwrap().id.clone();
        engine.tag(&id, "zhaokundev/vibevoicefusion:1.3.0");
    });
    let before = (state(&world), world.mutable());
    for execute in [None, Some("--execute")] {
        let args = ["release", "1.3.0", "--message-format", "json"].into_iter().chain(execute);
        let outcome = world.run(args).fails(3).says("nothing was changed");
        let wanted = ["tree", "branch", "tag", "changelog", "identity", "image", "verify", "verify"];
        assert_eq!(refused(&outcome), wanted, "{outcome}");
    }
    assert_eq!((state(&world), world.mutable()), before);
}

#[test]
fn each_check_refuses_by_itself() {
    type Change = fn(&World);
    let checks: [(&str, Change); 5] = [
        ("tree", |world| world.file("new", "")),
        ("branch", |world| drop(git(world, &["switch", "--quiet", "--detach"]))),
        ("tag", |world| {
            git(world, &["tag", "v1.3.0"]);
            git(world, &["commit", "--quiet", "--allow-empty", "--message", "More"]);
        }),
        ("changelog", |world| {
            world.file("CHANGELOG.md", "# Changelog\n");
            git(world, &["commit", "--quiet", "--all", "--message", "Forget"]);
        }),
        ("verify", |world| world.push(&commit('b'))),
    ];
    for (check, change) in checks {
        let world = releasable();
        change(&world);
        let outcome = world.run(["release", "minor", "--execute", "--message-format", "json"]).fails(1);
        let mut found = refused(&outcome);
        found.dedup();
        assert_eq!(found, [check], "{outcome}");
    }
    let world = releasable();
    for bad in ["1.2", "v1.3.0", "latest", "1.2.2", "1.2.3-rc.1"] {
        world.run(["release", bad, "--execute"]).fails(2);
    }
}

#[test]
fn files_keep_their_form_and_links_are_no_changes() {
    let world = releasable();
    for (name, text) in [("Cargo.toml", MANIFEST), ("Cargo.lock", LOCK), ("CHANGELOG.md", CHANGELOG)] {
        world.file(name, text.replace('\n', "\r\n"));
    }
    git(&world, &["commit", "--quiet", "--all", "--message", "Windows"]);
    world.run(["release", "minor", "--execute"]).ok();
    let file = |name: &str| fs::read_to_string(world.project().join(name)).unwrap();
    for name in ["Cargo.toml", "Cargo.lock", "CHANGELOG.md"] {
        assert!(!file(name).replace("\r\n", "").contains('\n'), "{name}: {:?}", file(name));
    }
    assert_eq!(
        git(&world, &["show", "--numstat", "--format="]),
        "2\t0\tCHANGELOG.md\n1\t1\tCargo.lock\n1\t1\tCargo.toml"
    );
    assert_eq!(file("Cargo.toml"), MANIFEST.replace("1.2.3", "1.3.0").replace('\n', "\r\n"));

    let world = releasable();
    let empty = "# Changelog\n\n## [Unreleased]\n\n<!-- next -->\n[Unreleased]: https://h.example/compare/v1...HEAD\n";
    world.file("CHANGELOG.md", empty);
    git(&world, &["commit", "--quiet", "--all", "--message", "Nothing to say"]);
    let outcome = world.run(["release", "minor", "--execute", "--message-format", "json"]).fails(1);
    assert_eq!(refused(&outcome), ["changelog"], "{outcome}");
}

#[test]
fn killed_after_any_step_and_run_again_the_end_is_the_same() {
    let release = ["release", "minor", "--execute", "--push"];
    let whole = releasable();
    whole.run(release).ok();
    let wanted = state(&whole);
    assert_eq!(wanted.registry.len(), 12, "{wanted:#?}");
    assert_eq!(wanted.remote.lines().count(), 2, "{wanted:#?}");
    // The command at which the run is killed; before the first one files are written and nothing else.
    for (words, late) in [
        ("commit --quiet", false),
        ("commit --quiet", true),
        ("buildx bake", true),
        ("image tag -- sha256:", true),
        (" vibevoicefusion:model-downloader-1.3.0 ", true),
        (" vibevoicefusion:model-downloader-1.3 ", true),
        (" zhaokundev/vibevoicefusion:1 ", false),
        ("tag --annotate", false),
        ("tag --annotate", true),
        ("image push", true),
        ("vibevoicefusion:latest -- ", false),
        ("vibevoicefusion:latest -- ", true),
        ("push --quiet --atomic", false),
        ("push --quiet --atomic", true),
    ] {
        let world = releasable();
        world.fault(&[words], Rule { hang: true, late, ..Rule::default() });
        let running = world.run(release).start();
        world.until_obeyed(words);
        running.signal(SIGKILL);
        running.wait();
        world.heal();
        world.run(release).ok();
        assert_eq!(state(&world), wanted, "{words} {late}");
        world.assert_nothing_staged();
    }
}

#[test]
fn an_upload_of_which_the_registry_lost_a_layer_is_tried_once_more() {
    let world = releasable();
    let lost = "unknown: blob unknown to registry - sha256:1\n".to_owned();
    world.fault(&["image push"], Rule { stderr: lost, exit: Some(1), times: Some(1), ..Rule::default() });
    world.run(["release", "minor", "--execute", "--push"]).ok();
    let uploads = world.calls_of("image push").len();
    assert_eq!(state(&world).registry.len(), 12);
    let whole = releasable();
    whole.run(["release", "minor", "--execute", "--push"]).ok();
    assert_eq!(uploads, whole.calls_of("image push").len() + 1);
}

#[test]
fn a_version_that_is_elsewhere_is_refused_and_another_machine_takes_it_as_it_is() {
    let world = releasable();
    let release = ["release", "minor", "--execute", "--push", "--message-format", "json"];
    let own = "zhaokundev/vibevoicefusion:1.3.0";
    world.engine(|engine| {
        let stranger = engine.find(MUTABLE[0]).unwrap().clone();
        engine.registry.insert(own.to_owned(), stranger);
    });
    let before = state(&world);
    assert_eq!(refused(&world.run(release).fails(1)), ["registry"]);
    assert_eq!(state(&world), before);
    world.engine(|engine| engine.registry.clear());
    git(&world, &["push", "--quiet", "origin", "main:refs/tags/v1.3.0"]);
    git(&world, &["commit", "--quiet", "--allow-empty", "--message", "More"]);
    assert_eq!(refused(&world.run(release).fails(1)), ["tag"]);
    git(&world, &["push", "--quiet", "--delete", "origin", "v1.3.0"]);
    world.run(release).ok();

    // A machine that has none of its images: as a runner that the pushed tag has started.
    let published = world.engine(|engine| engine.registry.clone());
    let own_names = |tag: &String| tag.contains("1.3.0");
    world.engine(|engine| engine.images.iter_mut().for_each(|image| image.tags.retain(|tag| !own_names(tag))));
    git(&world, &["switch", "--quiet", "--detach", "v1.3.0"]);
    world.run(["release", "--execute", "--push"]).ok();
    assert_eq!(world.image(own).unwrap().id, published[own].id);
    assert!(world.engine(|engine| engine.registry == published));
}

#[test]
fn commits_that_only_the_remote_has_are_seen_before_anything_is_published() {
    let world = releasable();
    let release = ["release", "minor", "--execute", "--push", "--message-format", "json"];
    git(&world, &["commit", "--quiet", "--allow-empty", "--message", "Somebody else's"]);
    git(&world, &["push", "--quiet", "origin", "main"]);
    git(&world, &["reset", "--quiet", "--hard", "HEAD^"]);
    // Whether the commit is known here makes no difference.
    let before = state(&world);
    assert_eq!(refused(&world.run(release).fails(1).says("fix all of these")), ["branch"]);
    git(&world, &["reflog", "expire", "--expire=now", "--all"]);
    git(&world, &["update-ref", "-d", "refs/remotes/origin/main"]);
    git(&world, &["gc", "--quiet", "--prune=now"]);
    assert_eq!(refused(&world.run(release).fails(1)), ["branch"]);
    assert_eq!(state(&world), before);
    git(&world, &["pull", "--quiet", "--ff-only", "origin", "main"]);
    world.run(release).ok();
    assert_eq!(state(&world).remote.lines().count(), 2);
}

#[test]
fn names_move_only_forward() {
    for (version, others, wanted, moves) in [
        ("1.2.4", &["v1.2.3", "v1.3.0"][..], "1.2 1.2.4", false),
        ("1.2.4", &["v1.2.3", "v2.0.0"], "1 1.2 1.2.4", false),
        ("1.3.0-rc.1", &[], "1.3.0-rc.1", false),
        ("1.2.3+build.5", &[], "1 1.2 1.2.3_build.5", true),
    ] {
        let world = releasable();
        for other in others {
            git(&world, &["tag", other]);
        }
        let before = world.mutable();
        world.run(["release", version, "--execute"]).ok();
        assert_eq!(names(&world, MUTABLE[2]).join(" "), wanted, "{version} beside {others:?}");
        assert_eq!(world.mutable() != before, moves, "{version} beside {others:?}");
        let own = format!("zhaokundev/vibevoicefusion:{}", version.replace('+', "_"));
        assert_eq!(world.image(&own).unwrap().labels["org.opencontainers.image.version"], version);
        assert_eq!(git(&world, &["tag", "--points-at", "HEAD", "v*"]).lines().last().unwrap(), format!("v{version}"));
        world.run(["release", version, "--execute"]).ok();
        assert_eq!(world.mutable() != before, moves);
    }
}

#[test]
fn an_older_line_is_released_on_a_branch_of_its_own() {
    let world = releasable();
    git(&world, &["switch", "--quiet", "--create", "1.x"]);
    world.run(["release", "patch", "--execute"]).fails(1).says("branch");
    world.run(["release", "patch", "--execute", "--branch", "1.x"]).ok();
    assert_eq!(git(&world, &["log", "--max-count=1", "--format=%s", "1.x"]), "Release 1.2.4");
    assert_eq!(git(&world, &["log", "--max-count=1", "--format=%s", "main"]), "Begin");
}

#[test]
fn only_a_release_says_how_it_was_built() {
    let world = releasable();
    world.engine(|engine| engine.containerd = true);
    world.forget_calls();
    world.run(["release", "minor", "--execute"]).ok().says("no SBOM");
    let build = |world: &World| world.calls_of("buildx bake").pop().unwrap();
    for name in ["BUILDX_NO_DEFAULT_ATTESTATIONS", "BUILDX_GIT_INFO"] {
        assert!(!build(&world).env.contains_key(name), "{name}");
    }
    assert_eq!(world.baked("vibevoice")["attest"][0], "type=provenance,mode=min");
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    assert_eq!(build(&world).env["BUILDX_NO_DEFAULT_ATTESTATIONS"], "1");
    assert_eq!(build(&world).env["BUILDX_GIT_INFO"], "false");
    assert!(world.baked("vibevoice").get("attest").is_none());
}

#[test]
fn what_no_release_can_count_or_name_is_refused() {
    let world = releasable();
    let refused = |code: i32, text: &str| {
        world.run(["release", "minor", "--execute"]).fails(code).says(text);
        assert_eq!(git(&world, &["tag"]), "", "nothing is released");
    };
    world.engine(|engine| {
        engine.config["services"]["backend-builder"]["image"] = "zhaokundev/vibevoicefusion:1.3.0".into()
    });
    refused(3, "would share `zhaokundev/vibevoicefusion:1.3.0`");
    world.engine(|engine| engine.config["services"]["backend-builder"]["image"] = MUTABLE[1].into());
    for (committed, says) in [
        ("[workspace", "Cargo.toml: "),
        ("[workspace.package]\nversion = \"one\"\n", "[workspace.package] version"),
        ("[workspace]\n", "has no `[workspace.package] version`"),
    ] {
        world.file("Cargo.toml", committed);
        git(&world, &["commit", "--quiet", "--all", "--message", "Break it"]);
        // What lies there is not what is committed.
        world.file("Cargo.toml", MANIFEST);
        refused(2, says);
    }
}
