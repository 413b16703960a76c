//! `paths`: pushes that change nothing for an image, with real repositories beside the fake engine.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rebuild::label;
use crate::support::{MUTABLE, World};

/// The configuration of a test, after which tables of services or sources may follow.
const CONFIGURATION: &str =
    "[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\ntransports = [\"file\"]\n";

/// Runs the real git on the upstream repository.
#[track_caller]
fn git(world: &World, args: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(world.path("upstream")).args(["-c", "user.name=n", "-c", "user.email=e@example.invalid"]);
    command.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits a change of this file; its commit.
#[track_caller]
fn push(world: &World, file: &str) -> String {
    let path = world.path("upstream").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(b"changed\n").unwrap();
    git(world, &["add", "--all"], "");
    git(world, &["commit", "--quiet", "--message", &format!("Change {file}")], "");
    tip(world)
}

fn tip(world: &World) -> String {
    git(world, &["rev-parse", "main"], "")
}

/// A world with a real upstream repository of one commit, and this configuration.
fn world(configuration: &str) -> World {
    let world = World::new();
    world.use_real_git();
    fs::write(world.path("state/real-remotes"), "").unwrap();
    fs::create_dir(world.path("upstream")).unwrap();
    git(&world, &["init", "--quiet", "--initial-branch=main"], "");
    git(&world, &["config", "uploadpack.allowFilter", "true"], "");
    push(&world, "backend/run.py");
    world.set_arg("GITHUB_REPO", &format!("file://{}", world.path("upstream").display()));
    world.manifest(&format!("{CONFIGURATION}{configuration}"));
    world
}

#[test]
fn a_dockerfile_in_lower_case_is_read_like_buildx_reads_it() {
    let world = world("");
    let project = world.project();
    fs::rename(project.join("Dockerfile"), project.join("dockerfile")).unwrap();
    world.run(["rebuild"]).ok();
    let commit = push(&world, "backend/run.py");
    world.run(["rebuild"]).ok().says("main moved");
    assert_eq!(label(&world, MUTABLE[2], "org.opencontainers.image.revision"), commit);
}

/// Paths of the application alone; the other service has every file.
fn with_paths(paths: &str) -> World {
    world(&format!("[workspace.metadata.xtask.services.vibevoice]\npaths = {paths}\n"))
}

fn revision(world: &World, image: &str) -> String {
    label(world, image, "org.opencontainers.image.revision")
}

fn plan(world: &World) -> Value {
    serde_json::from_str(&world.run(["plan", "--message-format", "json"]).ok().stdout).unwrap()
}

#[test]
fn a_push_that_changes_none_of_its_paths_is_no_reason_to_build() {
    let world = with_paths(r#"["backend/**", "!**/*.md"]"#);
    let code = tip(&world);
    let idle = [push(&world, "backend/README.md"), push(&world, "docs/a.txt")];
    // A first build names the newest commit that matters, too.
    world.run(["rebuild"]).ok();
    let latest = world.image(MUTABLE[2]).unwrap();
    assert_eq!(latest.version.as_deref(), Some(format!("{code}\n").as_str()));
    assert_eq!((revision(&world, MUTABLE[2]), revision(&world, MUTABLE[1])), (code.clone(), idle[1].clone()));
    assert_eq!(label(&world, MUTABLE[2], "io.xtask.cache-bust"), format!("v0.1.0-{}", &code[..12]));
    let third = push(&world, "docs/b.txt");
    world.run(["rebuild"]).ok().says("3 commits on main change nothing for this image");
    assert_eq!(world.image(MUTABLE[2]).unwrap().id, latest.id);
    assert_eq!(revision(&world, MUTABLE[1]), third, "the other service has every file");
    let plan = plan(&world);
    let commits = plan["idle"][0]["commits"].as_array().unwrap();
    let named: Vec<_> = commits.iter().map(|one| one["commit"].as_str().unwrap().to_owned()).collect();
    assert_eq!(named, [third, idle[1].clone(), idle[0].clone()]);
    assert_eq!(plan["idle"][0]["services"], serde_json::json!(["vibevoice"]));
    let printed = world.run(["plan"]).ok().stdout;
    assert!(printed.contains("Change docs/b.txt") && printed.contains("3 commits on main change nothing"), "{printed}");
    world.run(["verify"]).ok();
    // Nothing is asked of the remote but where the branch is, as long as that does not move.
    world.forget_calls();
    world.run(["rebuild"]).ok();
    assert!(world.calls_of("fetch").is_empty());

    let newer = push(&world, "backend/run.py");
    world.run(["verify"]).fails(1).says("behind by 4");
    world.run(["rebuild"]).ok();
    assert_eq!(revision(&world, MUTABLE[2]), newer);
    world.run(["verify"]).ok();
}

#[test]
fn what_many_pushes_left_is_thrown_away() {
    let world = with_paths(r#"["backend"]"#);
    world.run(["rebuild"]).ok();
    let repositories = fs::read_dir(world.project().join("target/xtask/git")).unwrap();
    let directories: Vec<_> = repositories.map(|entry| entry.unwrap().path().join("objects/pack")).collect();
    let packs = || {
        let all = directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap());
        all.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "pack")).count()
    };
    for directory in &directories {
        (0..100).for_each(|number| fs::write(directory.join(format!("pack-{number}.pack")), "").unwrap());
    }
    let newest = push(&world, "backend/run.py");
    push(&world, "docs/a.txt");
    world.run(["rebuild"]).ok().says("1 commit on main changes nothing for this image");
    assert_eq!(revision(&world, MUTABLE[2]), newest);
    assert!(packs() < 100, "{}", packs());
}

#[test]
fn a_merge_counts_as_what_it_brings_to_the_branch() {
    let world = with_paths(r#"["backend"]"#);
    let first = tip(&world);
    for (branch, file) in [("docs", "docs/a.txt"), ("code", "backend/b.py")] {
        git(&world, &["checkout", "--quiet", "-b", branch, &first], "");
        push(&world, file);
    }
    git(&world, &["checkout", "--quiet", "main"], "");
    git(&world, &["merge", "--quiet", "--no-ff", "--message", "Merge", "docs"], "");
    world.run(["rebuild"]).ok().says("2 commits on main change nothing");
    assert_eq!(revision(&world, MUTABLE[2]), first);
    git(&world, &["merge", "--quiet", "--no-ff", "--message", "Merge", "code"], "");
    world.run(["rebuild"]).ok();
    assert_eq!(revision(&world, MUTABLE[2]), tip(&world));
}

#[test]
fn a_rewritten_branch_is_built_from_a_commit_that_it_has() {
    let world = with_paths(r#"["backend"]"#);
    push(&world, "docs/a.txt");
    world.run(["rebuild"]).ok();
    let before = revision(&world, MUTABLE[2]);
    git(&world, &["checkout", "--quiet", "--orphan", "other"], "");
    git(&world, &["commit", "--quiet", "--message", "Begin again"], "");
    git(&world, &["branch", "--force", "main", "other"], "");
    world.run(["verify"]).fails(1);
    world.run(["rebuild"]).ok();
    assert_ne!(before, tip(&world));
    assert_eq!(revision(&world, MUTABLE[2]), tip(&world));
    world.run(["verify"]).ok();
}

#[test]
fn other_paths_name_another_commit() {
    let world = with_paths(r#"["backend"]"#);
    let (backend, docs) = (tip(&world), push(&world, "docs/a.txt"));
    world.run(["rebuild"]).ok();
    for (paths, wanted) in [(r#"["backend", "docs"]"#, &docs), ("[]", &docs), (r#"["!docs/**"]"#, &backend)] {
        world.manifest(&format!("{CONFIGURATION}[workspace.metadata.xtask.services.vibevoice]\npaths = {paths}\n"));
        world.run(["rebuild"]).ok();
        assert_eq!(revision(&world, MUTABLE[2]), *wanted, "{paths}");
        world.run(["verify"]).ok();
    }
}

#[test]
fn the_end_of_what_was_fetched_is_no_change() {
    let world = with_paths(r#"["backend"]"#);
    let first = tip(&world);
    let commit = |number: usize| {
        let who = format!("n <e@example.invalid> {} +0000", 2_000_000_000 + number);
        let from = if number == 0 { "from refs/heads/main^0\n" } else { "" };
        format!("commit refs/heads/main\ncommitter {who}\ndata 1\nx\n{from}M 644 inline docs/{number}\ndata 0\n\n")
    };
    git(&world, &["fast-import", "--quiet"], &(0..250).map(commit).collect::<String>());
    world.run(["rebuild"]).ok().says("250 commits on main change nothing");
    assert_eq!(revision(&world, MUTABLE[2]), first);
    // What was needed once comes at once: the next push is one fetch.
    git(&world, &["reset", "--quiet", "--hard"], "");
    push(&world, "docs/a.txt");
    world.forget_calls();
    assert_eq!(plan(&world)["idle"][0]["count"], 251);
    let fetches = world.calls_of("--filter=blob:none");
    assert_eq!(fetches.iter().filter(|call| call.args.iter().any(|arg| arg.contains("/trees-"))).count(), 1);
}

#[test]
fn a_server_without_filters_is_asked_for_one_commit_and_every_push_counts() {
    let world = with_paths(r#"["backend"]"#);
    git(&world, &["config", "uploadpack.allowFilter", "false"], "");
    push(&world, "docs/a.txt");
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    outcome.says("every push to file://").says("does not support filters");
    assert_eq!(revision(&world, MUTABLE[2]), tip(&world));
    let fetches = world.calls_of("/trees-");
    let depths = fetches.iter().flat_map(|call| call.args.iter().filter(|arg| arg.starts_with("--depth=")));
    assert_eq!(depths.collect::<Vec<_>>(), ["--depth=1"]);
}

#[test]
fn paths_that_cannot_be_kept_to_are_refused() {
    let world = with_paths(r#"["bakend/**"]"#);
    world.run(["rebuild"]).fails(2).says("match no file");
    world.manifest(&format!("{CONFIGURATION}[workspace.metadata.xtask.services.vibevoice]\npaths = [\"../x\"]\n"));
    world.run(["rebuild"]).fails(2).says("../x");
    // A Dockerfile that takes no commit builds the tip, whatever is wanted.
    world.manifest(&format!(
        "{CONFIGURATION}[[workspace.metadata.xtask.sources]]\nname = \"app\"\nrepository-arg = \"GITHUB_REPO\"\n\
         ref-arg = \"GITHUB_BRANCH\"\npaths = [\"backend\"]\n"
    ));
    world.run(["rebuild"]).fails(2).says("takes the tip of file://");
    assert_eq!(world.mutable(), [None, None, None]);
}
