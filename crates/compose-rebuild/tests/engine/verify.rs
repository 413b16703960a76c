//! `verify` on a real engine and a real remote.

use std::fs;
use std::process::Command;

use sandbox::Kind;
use serde_json::Value;

use crate::support::World;

#[test]
fn verify_says_yes_when_current_no_after_a_push_and_changes_nothing() {
    let world = World::new();
    world.xtask(["verify"]).fails(1).says("not current");
    world.rebuild();
    let (state, builds) = (world.state(), world.builds());
    world.xtask(["verify"]).ok();
    world.push(Kind::Readme);
    let outcome = world.xtask(["verify"]).fails(1);
    assert!(outcome.stdout.contains("behind by 1"), "{outcome}");
    // A kept model is made from no commit.
    let kept = world.xtask(["verify", "model-downloader"]).ok();
    assert!(kept.stdout.contains("up to date by its key"), "{kept}");
    world.xtask(["verify", "nobody"]).fails(2);
    assert_eq!((world.state(), world.builds()), (state, builds));
    world.assert_nothing_staged();
    world.rebuild();
    world.xtask(["verify"]).ok();
}

/// Builds an image by hand under every name that the current one has: with the name of the version left alone, the labels would
/// be those of another image.
fn replace(world: &World, directory: &str) {
    let version = format!("{}:v0.1.0-{}", world.app(), &world.tip()[..12]);
    world.docker(&["build", "--quiet", "--tag", &world.latest(), "--tag", &version, directory]);
}

#[test]
fn an_image_whose_version_file_was_changed_is_found_out() {
    let world = World::built();
    // The labels are those of the image below, so only what is in the image can tell.
    let commands = format!("FROM {}\nRUN echo {} > backend/version.txt\n", world.latest(), "0".repeat(40));
    world.file("tampered/Dockerfile", &commands.replace("\nRUN", "\nUSER root\nRUN"));
    let directory = world.project().join("tampered");
    replace(&world, directory.to_str().unwrap());
    assert_eq!(world.label(&world.latest(), "org.opencontainers.image.revision"), world.tip());
    let outcome = world.xtask(["verify"]).fails(1);
    assert!(outcome.stdout.contains("wrong content"), "{outcome}");
    world.assert_nothing_staged();
    // The cure that is offered works.
    assert!(outcome.stderr.contains("full --keep-models"), "{outcome}");
}

#[test]
fn a_dockerfile_that_builds_another_commit_is_found_out_before_anything_moves() {
    let world = World::built();
    let state = world.state();
    world.push(Kind::Backend);
    world.edit("Dockerfile", "\"$revision\" > app/backend/version.txt", "wrong > app/backend/version.txt");
    world.xtask(["rebuild"]).fails(1).says("wrong");
    assert_eq!(world.state(), state);
    world.assert_nothing_staged();
}

/// What a verification says about `vibevoice`.
#[track_caller]
fn verdict(world: &World, options: &[&'static str], code: i32) -> Value {
    let args = ["verify", "vibevoice", "--message-format", "json"].into_iter().chain(options.iter().copied());
    let outcome = world.xtask(args);
    let outcome = if code == 0 { outcome.ok() } else { outcome.fails(code) };
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn age_is_told_from_a_real_remote_without_a_clone() {
    let world = World::built();
    let first = world.id(&world.latest()).unwrap();
    let pushed: Vec<_> = (0..3).map(|_| world.push(Kind::Readme)).collect();
    let row = verdict(&world, &[], 1);
    assert_eq!((row["verdict"].as_str(), row["behind"].as_u64()), (Some("behind"), Some(3)), "{row}");
    let commits: Vec<_> = row["commits"].as_array().unwrap().iter().map(|one| one["commit"].clone()).collect();
    assert_eq!(commits, pushed.iter().rev().map(|id| Value::from(id.as_str())).collect::<Vec<_>>());
    // Beside it may be the trees of commits, which a prediction reads.
    let repositories = fs::read_dir(world.project().join("target/xtask/git")).unwrap().map(|entry| entry.unwrap());
    let history = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("history-");
    let repository = repositories.into_iter().find(history).expect("a repository with history").path();
    let mut objects = Command::new("git");
    objects.arg("--git-dir").arg(&repository).args(["cat-file", "--batch-all-objects"]);
    let kinds = crate::support::text(objects.arg("--batch-check=%(objecttype)"));
    assert!(kinds.lines().all(|kind| kind == "commit"), "{kinds}");
    world.rebuild();
    verdict(&world, &[], 0);
    world.docker(&["tag", &first, &world.latest()]);
    let row = verdict(&world, &[], 1);
    assert_eq!((row["verdict"].as_str(), row["behind"].as_u64()), (Some("rolled-back"), Some(3)), "{row}");
    // A remote that sends everything is not asked for it.
    let other = World::built();
    other.git(&["config", "uploadpack.allowFilter", "false"]);
    other.push(Kind::Readme);
    let row = verdict(&other, &[], 1);
    assert_eq!((row["verdict"].as_str(), &row["behind"]), (Some("behind"), &Value::Null), "{row}");
    // The branch was set back, then went another way.
    let tip = other.tip();
    other.git(&["config", "uploadpack.allowFilter", "true"]);
    other.rebuild();
    other.git(&["update-ref", "refs/heads/main", &format!("{tip}^")]);
    assert_eq!(verdict(&other, &[], 1)["ahead"], 1);
    let tree = other.git(&["rev-parse", &format!("{tip}^{{tree}}")]);
    let elsewhere = other.git(&["commit-tree", "-p", &format!("{tip}^"), "-m", "another way", &tree]);
    other.git(&["update-ref", "refs/heads/main", &elsewhere]);
    assert_eq!(verdict(&other, &[], 1)["verdict"], "not-on-branch");
}

#[test]
fn a_container_older_than_its_image_is_found() {
    let world = World::built();
    world.compose(&["up", "--detach", "--no-build", "vibevoice"]);
    let row = verdict(&world, &[], 0);
    assert_eq!(row["containers"][0]["revision"], world.tip());
    world.push(Kind::Backend);
    world.rebuild();
    let row = verdict(&world, &[], 1);
    assert_eq!(row["verdict"], "container-outdated", "{row}");
    world.xtask(["verify"]).fails(1).says("rebuild --up");
    verdict(&world, &["--offline"], 1);
    world.compose(&["up", "--detach", "--no-build", "vibevoice"]);
    verdict(&world, &[], 0);
}

#[test]
fn deep_names_what_differs_from_the_commit() {
    for format in ["sha1", "sha256"] {
        let world = World::with_object_format(format);
        std::os::unix::fs::symlink("backend/run.py", world.upstream.work().join("link")).unwrap();
        world.push_file("with space é.txt", "text\n");
        world.rebuild();
        let deep = verdict(&world, &["--deep"], 0)["deep"].clone();
        assert!(deep["compared"].as_u64().unwrap() >= 5, "{deep}");
        let release = format!("{}:1.0.0", world.app());
        world.docker(&["tag", &world.latest(), &release]);
        let commands = "RUN echo more >> backend/run.py && rm backend/revision.py && touch backend/new && ln -sf /etc/passwd link\n";
        world.file("tampered/Dockerfile", &format!("FROM {}\nUSER root\n{commands}", world.latest()));
        let directory = world.project().join("tampered");
        replace(&world, directory.to_str().unwrap());
        verdict(&world, &[], 0);
        let row = verdict(&world, &["--deep"], 1);
        assert_eq!(row["verdict"], "wrong-content", "{row}");
        let first = |kind: &str| row["deep"][kind]["first"].clone();
        assert_eq!(first("changed"), serde_json::json!(["backend/run.py", "link"]), "{row}");
        assert_eq!(first("missing"), serde_json::json!(["backend/revision.py"]), "{row}");
        assert_eq!(first("extra"), serde_json::json!(["backend/new"]), "{row}");
        world.xtask(["verify", "--deep", "--image", &release]).ok();
        world.assert_nothing_staged();
    }
}

#[test]
fn deep_compares_ten_thousand_files() {
    let world = World::new();
    for number in 0..10_000 {
        let directory = world.upstream.work().join(format!("part{}/d{}", number % 4, number % 100));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("f{number}.py")), format!("{number}\n").repeat(500)).unwrap();
    }
    world.upstream.push_work("Many files").unwrap();
    world.rebuild();
    let deep = verdict(&world, &["--deep"], 0)["deep"].clone();
    assert!(deep["compared"].as_u64().unwrap() > 10_000, "{deep}");
}
