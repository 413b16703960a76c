//! `release` with a real engine, a real registry and a real Git remote.

use std::fs;
use std::process::Command;

use sandbox::{ImageStore, Kind, Options, RegistryFault, Sandbox};

use crate::support::{BrokenRegistry, World, sandbox, text};

/// Runs git in the project.
#[track_caller]
fn git(world: &World, args: &[&str]) -> String {
    text(Command::new("git").current_dir(world.project()).env("HOME", world.path("home")).args(args))
}

/// A committed project, all of it built.
fn releasable(world: World) -> World {
    world.file("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- Something\n");
    world.file(".gitignore", "/target\n");
    let identity = "[user]\nname = A Tester\nemail = tester@example.invalid\n[init]\ndefaultBranch = main\n";
    fs::write(world.path("home/.gitconfig"), identity).unwrap();
    let origin = world.path("origin.git");
    git(&world, &["init", "--quiet", "--bare", origin.to_str().unwrap()]);
    git(&world, &["init", "--quiet"]);
    git(&world, &["add", "."]);
    git(&world, &["commit", "--quiet", "--message", "Begin"]);
    git(&world, &["remote", "add", "origin", origin.to_str().unwrap()]);
    git(&world, &["push", "--quiet", "--set-upstream", "origin", "main"]);
    world.xtask(["rebuild"]).ok();
    world
}

#[test]
fn a_release_is_published_goes_on_after_a_failure_and_on_another_machine() {
    let registry = sandbox().registry();
    let world = releasable(World::new().with_registry());
    let app = world.app();
    let digest = |name: &&str| Some(world.pushed(&format!("{app}:{name}"))?.0);
    let tags = |names: &[&str]| names.iter().map(digest).collect::<Vec<_>>();
    let release = ["release", "minor", "--execute", "--push"];

    // The registry breaks off in the middle: nothing that moves is there, and no Git tag is at the remote.
    let broken = BrokenRegistry::new(RegistryFault::Cut(200_000));
    world.xtask(release).fails(3).says("run the same command again");
    drop(broken);
    assert_eq!(tags(&["0.2.0", "0.2", "latest"]), [None, None, None]);
    assert_eq!(git(&world, &["ls-remote", "origin", "refs/tags/*"]), "");
    let made = world.id(&format!("{app}:0.2.0")).expect("the image was made before it was pushed");
    assert_eq!(world.label(&made, "org.opencontainers.image.version"), "0.2.0");
    assert_eq!(world.label(&made, "org.opencontainers.image.revision"), world.tip());

    // Upstream moves on; what was begun is what is released.
    world.push(Kind::Backend);
    world.xtask(release).ok();
    let published = tags(&["0.2.0", "0.2", "latest"]);
    assert!(published[0].is_some() && published.iter().all(|digest| *digest == published[0]), "{published:?}");
    assert_eq!(tags(&["0", "0.1.0"]), [None, None]);
    assert_eq!(world.id(&format!("{app}:0.2.0")), Some(made.clone()));
    let head = git(&world, &["rev-parse", "HEAD"]);
    let remote = git(&world, &["ls-remote", "origin", "refs/heads/main", "refs/tags/v0.2.0^{}"]);
    assert_eq!(remote, format!("{head}\trefs/heads/main\n{head}\trefs/tags/v0.2.0^{{}}"));

    // A machine that has none of its images takes them from the registry, and changes nothing there.
    let own = ["model-downloader-0.2.0", "python-builder-0.2.0"]
        .map(|tag| format!("{}/{}:{tag}", registry.host(), world.name));
    let own = [own[0].as_str(), own[1].as_str(), &format!("{app}:0.2.0")].map(str::to_owned);
    for name in &own {
        world.docker(&["image", "rm", name]);
    }
    world.xtask(["release", "--execute", "--push"]).ok();
    assert_eq!(tags(&["0.2.0", "0.2", "latest"]), published);
    assert_eq!(world.id(&own[2]), Some(made.clone()));

    // Whoever took the name of the next version keeps it.
    world.docker(&["image", "tag", &made, &format!("{app}:0.3.0")]);
    world.docker(&["image", "push", "--quiet", &format!("{app}:0.3.0")]);
    world.xtask(["rebuild"]).ok();
    world.edit("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- More\n");
    git(&world, &["commit", "--quiet", "--all", "--message", "More"]);
    let refused = world.xtask(release).fails(1);
    assert!(refused.stdout.contains(&format!("`{app}:0.3.0` is in the registry with another digest")), "{refused}");
    assert_eq!(git(&world, &["log", "--max-count=1", "--format=%s"]), "More");

    // A pre-release moves nothing, and prune leaves releases alone.
    world.xtask(["release", "0.4.0-rc.1", "--execute"]).ok();
    let latest = world.id(&format!("{app}:latest"));
    assert_ne!(world.id(&format!("{app}:0.4.0-rc.1")), latest);
    let pruned = world.xtask(["prune", "--execute", "--keep", "1"]).ok();
    assert!(pruned.stdout.contains("release 0.2.0"), "{pruned}");
    assert_eq!(world.id(&own[2]), Some(made));
    assert!(world.id(&format!("{app}:0.4.0-rc.1")).is_some());
    assert_eq!(world.id(&format!("{app}:latest")), latest);
}

#[test]
fn on_containerds_image_store_a_release_says_how_it_was_built_and_a_rebuild_does_not() {
    let machine = Sandbox::start(Options { image_store: ImageStore::Containerd, ..Options::default() }).unwrap();
    let world = releasable(World::new().with_quick_tools().with_registry().on(&machine));
    let provenance = |tag: &str| {
        let image = format!("{}:{tag}", world.app());
        let inspect = ["buildx", "imagetools", "inspect", "--format", "{{json .Provenance}}", &image];
        serde_json::from_str::<serde_json::Value>(&world.docker(&inspect)).unwrap()
    };
    world.xtask(["release", "minor", "--execute", "--push"]).ok();
    let released = provenance("0.2.0");
    // With `mode=min` no build argument is in it, whatever that may be.
    let asked = released["SLSA"]["invocation"]["parameters"]["args"].as_object().expect("what was asked for");
    assert_eq!(asked["target"], "vibevoice");
    assert!(asked.keys().all(|name| !name.starts_with("build-arg:")), "{asked:?}");
    world.push(Kind::Backend);
    world.xtask(["rebuild", "--push"]).ok();
    assert!(provenance("latest").get("SLSA").is_none());
}
