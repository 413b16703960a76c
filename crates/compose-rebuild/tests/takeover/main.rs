//! Another workspace takes the tool over: the files that README shows, and the crates as they are published.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "tests run programs and read the environment")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::{REPO, World, commit};

/// The root of this repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command to its good end; its standard output.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout
}

/// Packages the crates that are published, and unpacks them into a directory each; their names and directories.
fn packaged() -> Vec<(String, PathBuf)> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let _ = fs::remove_dir_all(&target);
    let mut package = Command::new(env!("CARGO"));
    package.current_dir(repository()).args(["package", "--workspace", "--exclude=xtask", "--exclude=sandbox"]);
    package.args(["--exclude=bench", "--exclude=faults", "--no-verify", "--allow-dirty", "--offline", "--quiet"]);
    package.arg("--target-dir");
    run(package.arg(&target));
    // Always the same place, so that only the first run compiles everything.
    let crates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crates");
    let _ = fs::remove_dir_all(&crates);
    fs::create_dir(&crates).unwrap();
    for file in fs::read_dir(target.join("package")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|ending| ending == "crate") {
            // Not with the times of the archive, which are always the same: Cargo would take new files for old ones.
            run(Command::new("tar").arg("-xmzf").arg(file).arg("-C").arg(&crates));
        }
    }
    let directories = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().rsplit_once('-').unwrap().0.to_owned();
    directories.map(|path| (name(&path), path)).collect()
}

/// Writes every file that README shows with its path in the first line, and returns these paths.
fn files_of_the_readme(world: &World) -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let mut written = Vec::new();
    for block in readme.split("\n```").skip(1).step_by(2) {
        let (_, text) = block.split_once('\n').unwrap();
        let first = text.lines().next().unwrap();
        let path = first.strip_prefix("# ").or_else(|| first.strip_prefix("// ")).filter(|path| path.contains('/'));
        if let Some(path) = path {
            world.file(path, format!("{text}\n"));
            written.push(path.to_owned());
        }
    }
    written
}

#[test]
fn an_empty_workspace_takes_the_published_crates_over() {
    let world = World::new();
    let crates = packaged();
    let mut names: Vec<_> = crates.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["buildkit-report", "compose-rebuild", "dockerfile-reader"]);
    assert_eq!(files_of_the_readme(&world), [".cargo/config.toml", "xtask/Cargo.toml", "xtask/src/main.rs"]);
    let manifest = "[workspace]\nmembers = [\"xtask\"]\nresolver = \"3\"\n[workspace.package]\nversion = \"0.3.0\"\n";
    let patch = |(name, path): &(String, PathBuf)| format!("{name} = {{ path = {path:?} }}\n");
    let patches: String = crates.iter().map(patch).collect();
    world.file("Cargo.toml", format!("{manifest}[patch.crates-io]\n{patches}"));
    fs::copy(repository().join("Cargo.lock"), world.project().join("Cargo.lock")).unwrap();

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("takeover");
    let cargo = |args: &[&str]| {
        let tools = Path::new(env!("CARGO")).parent().unwrap().to_str().unwrap();
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(world.project()).args(args).env_clear();
        command.env("PATH", format!("{}:{tools}:/usr/bin:/bin", world.path("bin").display()));
        command.env("HOME", world.path("home")).env("TMPDIR", world.path("tmp"));
        command.env("CARGO_TARGET_DIR", &target).env("CARGO_NET_OFFLINE", "true").env("CARGO_PROFILE_DEV_DEBUG", "0");
        for name in ["CARGO_HOME", "RUSTUP_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        run(&mut command)
    };
    let plan = cargo(&["xtask", "plan", "--message-format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(plan.trim()).unwrap();
    let services = plan["services"].as_array().unwrap();
    assert_eq!(services.len(), 3);
    let app = services.iter().find(|service| service["service"] == "vibevoice").unwrap();
    assert_eq!(app["cache_bust"], "v0.3.0-aaaaaaaaaaaa");
    assert_eq!(app["sources"][0], json!({"repository": REPO, "wanted": "main", "revision": commit('a')}));
    assert_eq!(cargo(&["tree", "--package", "xtask", "--depth=1", "--prefix=none"]).lines().count(), 2);
}

#[test]
fn the_xtask_of_this_repository_is_no_larger_than_it_says() {
    let directory = repository().join("xtask");
    let sources: Vec<_> = fs::read_dir(directory.join("src")).unwrap().collect();
    assert_eq!(sources.len(), 1);
    assert!(fs::read_to_string(directory.join("src/main.rs")).unwrap().lines().count() <= 25);
}
