//! Where versions and configuration of a project come from: Cargo, the compose file, Git tags.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{World, commit};

const TAGGED: &str = "v1.4.2";

/// A project of two services without anything that says a version.
fn project() -> World {
    let world = World::new();
    fs::remove_file(world.project().join("Cargo.toml")).unwrap();
    world.file("Dockerfile", "FROM a\nARG CACHE_BUST\nRUN git clone https://git.example/app.git\n");
    let build = json!({"context": world.project(), "dockerfile": "Dockerfile"});
    let services = json!({"api": {"image": "api", "build": build}, "web": {"image": "web", "build": build}});
    world.engine(|engine| engine.config = json!({"name": "vibevoice", "services": services}));
    world.remote("https://git.example/app.git", format!("{}\tHEAD\n", commit('a')));
    world
}

/// Writes Cargo.toml and source of a package.
fn package(world: &World, directory: &str, manifest: &str) {
    world.file(&format!("{directory}/Cargo.toml"), manifest);
    world.file(&format!("{directory}/src/lib.rs"), "");
}

/// What stands under `x-xtask` in the compose file.
fn configure(world: &World, value: Value) {
    world.engine(|engine| engine.config["x-xtask"] = value);
}

/// The versions of both services after a rebuild with these variables, and its warnings.
#[track_caller]
fn rebuilt(world: &World, env: &[(&str, &str)]) -> ([String; 2], Vec<String>) {
    let mut run = world.run(["rebuild"]);
    for (name, value) in env {
        run = run.env(name, value);
    }
    let outcome = run.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let version = |name| world.image(name).unwrap().labels["org.opencontainers.image.version"].clone();
    let warnings = outcome.stderr.lines().filter_map(|line| line.strip_prefix("warning: "));
    (["api:latest", "web:latest"].map(version), warnings.map(str::to_owned).collect())
}

/// Both services have this version, and nothing is said about it.
#[track_caller]
fn assert_version(world: &World, env: &[(&str, &str)], version: &str) {
    assert_eq!(rebuilt(world, env), ([version, version].map(str::to_owned), Vec::new()));
}

/// Both services have this version, and one warning says these words.
#[track_caller]
fn assert_doubt(world: &World, version: &str, words: &[&str]) {
    let (versions, warnings) = rebuilt(world, &[]);
    assert_eq!(versions, [version; 2]);
    let [warning] = warnings.as_slice() else { panic!("one warning is wanted: {warnings:?}") };
    assert!(words.iter().all(|word| warning.contains(word)), "{warning}");
}

/// Runs the real git at a place of the world.
#[track_caller]
fn git(world: &World, place: &str, args: &[&str]) {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
    let mut command = Command::new("git");
    command.current_dir(world.path(place)).env("HOME", world.path("home")).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a repository of the project, and lets the fake ask the real git about it, in this environment.
fn repository(world: &World, environment: &str) {
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|path| path.is_file()).unwrap();
    let script = world.path("state/real-git");
    fs::write(&script, format!("#!/bin/sh\n{environment} exec {} \"$@\"\n", real.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(world.path("state/git"), script.to_str().unwrap()).unwrap();
    git(world, "project", &["init", "--quiet"]);
    git(world, "project", &["commit", "--quiet", "--allow-empty", "--message", "first"]);
}

#[test]
fn a_git_tag_is_the_version_of_a_project_that_says_none() {
    let world = project();
    assert_doubt(&world, "0.0.0", &["no Git tag", "`version` under `x-xtask:`"]);
    repository(&world, "");
    assert_doubt(&world, "0.0.0", &["no Git tag", "`version` under `x-xtask:`"]);
    git(&world, "project", &["tag", "nightly"]);
    assert_doubt(&world, "0.0.0", &["no Git tag"]);
    git(&world, "project", &["tag", "1.4"]);
    assert_doubt(&world, "0.0.0", &["`1.4` is no version"]);
    git(&world, "project", &["commit", "--quiet", "--allow-empty", "--message", "second"]);
    git(&world, "project", &["tag", TAGGED]);
    assert_doubt(&world, "1.4.2", &["newest Git tag `v1.4.2`", "`version` under `x-xtask:`"]);
    package(&world, ".", "[workspace]\nresolver = \"3\"\nmembers = []\n");
    assert_doubt(&world, "1.4.2", &["newest Git tag `v1.4.2`", "[workspace.package]"]);
    // `plan` says it too, and who says nothing of versions does not.
    assert!(world.run(["plan"]).finish().stderr.starts_with("warning: the version 1.4.2"));
    world.run(["verify"]).ok();
    configure(&world, json!({"version": "2.0.0"}));
    assert_version(&world, &[], "2.0.0");
}

#[test]
fn a_shallow_clone_has_no_tags_to_tell_a_version_from() {
    let world = project();
    repository(&world, "");
    git(&world, "project", &["tag", TAGGED]);
    git(&world, "project", &["commit", "--quiet", "--allow-empty", "--message", "second"]);
    let origin = format!("file://{}", world.project().display());
    git(&world, "out", &["clone", "--quiet", "--depth=1", &origin, "clone"]);
    fs::remove_dir_all(world.project().join(".git")).unwrap();
    fs::rename(world.path("out/clone/.git"), world.project().join(".git")).unwrap();
    assert_doubt(&world, "0.0.0", &["shallow", "`git fetch --unshallow --tags`", "fetch-depth: 0"]);
}

#[test]
fn a_repository_of_another_owner_is_named_with_what_git_proposes() {
    let world = project();
    repository(&world, "GIT_TEST_ASSUME_DIFFERENT_OWNER=1");
    git(&world, "project", &["tag", TAGGED]);
    let fix = format!("`git config --global --add safe.directory {}`", world.project().display());
    assert_doubt(&world, "0.0.0", &["another user owns", &fix]);
    // Whom git trusts below `sudo`, it has to learn.
    let outcome = world.run(["plan"]).env("SUDO_UID", "1000").finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(world.calls_of(" describe ").pop().unwrap().env["SUDO_UID"], "1000");
}

#[test]
fn a_package_tells_the_version_of_its_service_or_of_all() {
    let world = project();
    package(&world, ".", "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"xtask\"]\n");
    package(&world, "server", "[package]\nname = \"server\"\nversion = \"3.1.0\"\n");
    package(&world, "xtask", "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\n");
    assert_version(&world, &[], "3.1.0");
    // With a second one nobody knows which is meant, but for the service of its name.
    package(&world, ".", "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"web\"]\n");
    package(&world, "web", "[package]\nname = \"web\"\nversion = \"0.7.0\"\n");
    let (versions, warnings) = rebuilt(&world, &[]);
    assert_eq!((versions, warnings.len()), (["0.0.0", "0.7.0"].map(str::to_owned), 1));
    configure(&world, json!({"services": {"api": {"package": "server"}}}));
    assert_eq!(rebuilt(&world, &[]), (["3.1.0", "0.7.0"].map(str::to_owned), Vec::new()));
}

#[test]
fn a_project_without_cargo_is_configured_in_the_compose_file() {
    let world = project();
    configure(&world, json!({"version": "1.2.3", "cache-bust": "version"}));
    assert_version(&world, &[], "1.2.3");
    assert_eq!(world.image("web:latest").unwrap().labels["io.xtask.cache-bust"], "v1.2.3");
    configure(&world, json!({"services": {"web": {"package": "web"}}}));
    world.run(["rebuild"]).fails(2).says("set `version` under `x-xtask:`");
    configure(&world, json!({"versionfile": "x"}));
    world.forget_calls();
    world.run(["rebuild"]).fails(2).says("`x-xtask` of the compose file: unknown field `versionfile`");
    assert!(world.calls_of("buildx bake").is_empty());
    let outcome = world.run(["doctor"]).fails(2);
    assert!(outcome.stdout.contains("`x-xtask` of the compose file: unknown field"), "{outcome}");
}

#[test]
fn the_compose_file_wins_over_the_workspace() {
    let world = project();
    world.manifest("[workspace.metadata.xtask]\ncache-bust = \"commit\"\ncache-bust-arg = \"CACHE_BUST\"\n");
    configure(&world, json!({"cache-bust": "version"}));
    assert_version(&world, &[], "0.1.0");
    assert_eq!(world.image("web:latest").unwrap().labels["io.xtask.cache-bust"], "v0.1.0");
}

#[test]
fn the_workspace_is_the_one_that_the_command_was_run_from() {
    let world = project();
    configure(&world, json!({"cache-bust": "version"}));
    for (directory, version) in [("project/rust", "5.0.0"), ("beside", "6.0.0")] {
        let member = world.path(directory).join("xtask");
        fs::create_dir_all(member.join("src")).unwrap();
        fs::write(member.join("src/lib.rs"), "").unwrap();
        let root = format!(
            "[workspace]\nmembers = [\"xtask\"]\nresolver = \"3\"\n[workspace.package]\nversion = \"{version}\"\n"
        );
        fs::write(world.path(directory).join("Cargo.toml"), root).unwrap();
        fs::write(member.join("Cargo.toml"), "[package]\nname = \"xtask\"\n").unwrap();
        assert_version(&world, &[("CARGO_MANIFEST_DIR", member.to_str().unwrap())], version);
        assert!(world.path(directory).join("target/xtask/reports").is_dir());
    }
    // In Git a repository is what belongs together: the workspace beside this one has nothing to say.
    repository(&world, "");
    git(&world, "project", &["tag", TAGGED]);
    let beside = world.path("beside/xtask");
    let (versions, warnings) = rebuilt(&world, &[("CARGO_MANIFEST_DIR", beside.to_str().unwrap())]);
    assert_eq!((versions, warnings.len()), (["1.4.2"; 2].map(str::to_owned), 1));
}
