//! `verify --deep`: every source file of an image against the trees of its commits.

use std::collections::BTreeMap;

use crate::support::state::{Entry, GitCommit, Rule};
use crate::support::{MUTABLE, REPO, World, commit};
use crate::verify::{contents, history, row, tree, with_files};

#[test]
fn deep_finds_nothing_where_nothing_is_wrong() {
    let world = with_files();
    let difference = row(&world, &["--deep"], 0)["deep"].clone();
    assert_eq!(difference["compared"], 4, "{difference}");
    world.assert_nothing_staged();
    // The whole working directory, with model and venv, is never copied.
    let copied = world.calls_of("docker cp");
    assert!(!copied.is_empty());
    for call in copied {
        let from = &call.args[2];
        assert!(!from.ends_with("/vibevoice") && !from.contains("venv") && !from.contains("frontend"), "{call:?}");
    }
    // The tree is known now.
    world.forget_calls();
    row(&world, &["--deep"], 0);
    row(&world, &["--deep", "--offline"], 0);
    assert!(world.calls_of("fetch").is_empty());
}

#[test]
fn deep_names_what_is_missing_added_and_changed() {
    let world = with_files();
    let file = |text: &str| Entry::File(text.to_owned());
    contents(&world, |files| {
        files.insert("backend/run.py".to_owned(), file("import os\n"));
        files.remove("backend/api/x.py");
        files.insert("backend/evil\u{1b}[2K.py".to_owned(), file(""));
        files.insert("link".to_owned(), Entry::Link("/etc/passwd".to_owned()));
    });
    let outcome = world.run(["verify", "vibevoice", "--deep"]).fails(1).says("compose-rebuild full");
    let shown: Vec<_> = outcome.stdout.lines().skip(2).collect();
    let wanted = [
        "    missing: backend/api/x.py",
        "    extra: backend/evil[2K.py",
        "    changed: backend/run.py",
        "    changed: link",
    ];
    assert_eq!(shown, wanted, "{outcome}");
    let row = row(&world, &["--deep"], 1);
    assert_eq!((row["verdict"].as_str(), row["deep"]["missing"]["count"].as_u64()), (Some("wrong-content"), Some(1)));
    // Without `--deep` nobody looks.
    world.run(["verify"]).ok();
}

#[test]
fn deep_tells_files_and_links_apart_and_misses_whole_directories() {
    let world = with_files();
    contents(&world, |files| {
        files.insert("link".to_owned(), Entry::File("backend/run.py".to_owned()));
        files.insert("LICENSE".to_owned(), Entry::Link("free\n".to_owned()));
        files.retain(|name, _| !name.starts_with("backend/"));
    });
    let row = row(&world, &["--deep"], 1);
    assert_eq!(row["deep"]["changed"]["first"], serde_json::json!(["LICENSE", "link"]));
    assert_eq!(row["deep"]["missing"]["first"], serde_json::json!(["backend/api/x.py", "backend/run.py"]));
}

#[test]
fn deep_skips_what_is_configured_and_nothing_else() {
    let world = with_files();
    contents(&world, |files| {
        files.insert("backend/__pycache__/run.pyc".to_owned(), Entry::File("code".to_owned()));
    });
    assert_eq!(row(&world, &["--deep"], 1)["deep"]["extra"]["first"][0], "backend/__pycache__/run.pyc");
    let configure = |skip: &str| {
        world.manifest(&format!(
            "[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\ndeep-skip = [{skip}]\n"
        ));
    };
    configure("\"frontend\", \"backend/dist\", \"backend/version.txt\", \"**/__pycache__\"");
    row(&world, &["--deep"], 0);
    configure("");
    let deep = row(&world, &["--deep"], 1)["deep"].clone();
    assert_eq!(deep["missing"]["first"], serde_json::json!(["frontend/page.tsx"]), "{deep}");
    assert_eq!(deep["extra"]["count"], 3, "{deep}");
    configure("\"../x\"");
    world.run(["verify"]).fails(2).says("deep-skip");
}

#[test]
fn deep_copies_everything_at_once_when_there_are_many_entries() {
    let world = with_files();
    let many = |files: &mut BTreeMap<String, Entry>| {
        files.extend((0..100).map(|number| (format!("f{number}"), Entry::File(number.to_string()))));
    };
    world.engine(|engine| many(&mut engine.commits.get_mut(&commit('a')).unwrap().tree));
    contents(&world, |files| {
        many(files);
        files.insert("f7".to_owned(), Entry::File("other".to_owned()));
    });
    let deep = row(&world, &["--deep"], 1)["deep"].clone();
    assert_eq!(deep["changed"]["first"], serde_json::json!(["f7"]), "{deep}");
    assert_eq!(deep["missing"]["count"], 0, "{deep}");
    assert!(world.calls_of("docker cp").len() <= 3);
}

#[test]
fn deep_needs_a_tree_that_it_can_trust() {
    let world = with_files();
    world.run(["verify", "--deep", "--offline"]).fails(3).says("without `--offline`");
    world.engine(|engine| engine.commits.clear());
    world.run(["verify", "--deep"]).fails(3).says("does not serve commit");
    let world = with_files();
    let id = "a".repeat(40);
    for listed in ["100644 blob", &format!("100644 blob {id}\t../../etc/passwd\0"), "\u{1b}[2K\0"] {
        world.heal();
        let stdout = listed.as_bytes().to_vec();
        world.fault(&["ls-tree"], Rule { stdout, exit: Some(0), ..Rule::default() });
        world.run(["verify", "--deep"]).fails(3);
        assert!(world.calls_of("docker cp").iter().all(|call| !call.args[2].contains("..")));
        world.assert_nothing_staged();
    }
}

#[test]
fn deep_hashes_as_a_sha256_repository_does() {
    let world = World::new();
    let id = "a".repeat(64);
    world.engine(|engine| {
        engine.commits.insert(id.clone(), GitCommit { parent: None, subject: String::new(), tree: tree() });
    });
    world.push(&id);
    world.manifest(
        "[workspace.metadata.xtask]\nversion-file = \"backend/version.txt\"\n\
         deep-skip = [\"frontend\", \"backend/dist\", \"backend/version.txt\"]\n",
    );
    world.run(["rebuild"]).ok();
    contents(&world, |_| ());
    row(&world, &["--deep"], 0);
    assert!(!world.calls_of("--object-format=sha256").is_empty());
}

#[test]
fn deep_compares_a_file_in_git_lfs_by_its_pointer() {
    let world = with_files();
    let file = |text: &str| Entry::File(text.to_owned());
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n";
    world.engine(|engine| {
        let tree = &mut engine.commits.get_mut(&commit('a')).unwrap().tree;
        tree.insert(".gitattributes".to_owned(), file("*.bin filter=lfs diff=lfs merge=lfs -text\n"));
        tree.insert("backend/m.bin".to_owned(), file(pointer));
    });
    let holds = |content: &str| {
        contents(&world, |files| {
            files.insert(".gitattributes".to_owned(), file("*.bin filter=lfs diff=lfs merge=lfs -text\n"));
            files.insert("backend/m.bin".to_owned(), file(content));
        });
    };
    for right in ["hello\n", pointer] {
        holds(right);
        assert_eq!(row(&world, &["--deep"], 0)["deep"]["compared"], 6);
    }
    holds("HELLO\n");
    assert_eq!(row(&world, &["--deep"], 1)["deep"]["changed"]["first"], serde_json::json!(["backend/m.bin"]));
}

#[test]
#[cfg(target_os = "linux")] // `/proc` tells how much memory it took.
fn deep_on_ten_thousand_files_needs_little_memory() {
    let world = with_files();
    let content = "0123456789abcde\n".repeat(256);
    let (mut archive, mut listed) = (tar::Builder::new(Vec::new()), String::new());
    for number in 0..10_000 {
        let (path, text) = (format!("backend/m{}/f{number}.py", number % 100), format!("{number}{content}"));
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, &path, text.as_bytes()).unwrap();
        let id = sha1_smol::Sha1::from(format!("blob {}\0{text}", text.len())).digest();
        listed += &format!("100644 blob {id}\t{path}\0");
    }
    let stdout = archive.into_inner().unwrap();
    assert!(stdout.len() > 40 << 20);
    world.fault(&["ls-tree"], Rule { stdout: listed.into_bytes(), exit: Some(0), ..Rule::default() });
    world.fault(&["docker cp", "/backend "], Rule { stdout, exit: Some(0), ..Rule::default() });
    let outcome = world.run(["verify", "vibevoice", "--deep", "--message-format", "json"]).ok();
    assert_eq!(outcome.messages()[0]["deep"]["compared"], 10_000);
    let peak = world.calls_of("docker rm")[0].parent_peak;
    assert!((1..100_000).contains(&peak), "{peak} kB");
}

#[test]
fn a_cut_archive_is_no_verdict() {
    let world = with_files();
    for stdout in [vec![b'x'; 700], b"garbage".to_vec()] {
        world.heal();
        world.fault(&["docker cp", "/LICENSE "], Rule { stdout, exit: Some(0), ..Rule::default() });
        world.run(["verify", "--deep"]).fails(3);
        world.assert_nothing_staged();
    }
    world.heal();
    world.fault(&["docker cp", "/LICENSE "], Rule { stderr: "boom".to_owned(), exit: Some(1), ..Rule::default() });
    world.run(["verify", "--deep"]).fails(3);
}

const WEB: &str = "https://git.example/web.git";

/// A world whose image is made from two repositories, the second of which has this line in its configuration.
fn of_two_sources(path: &str) -> World {
    let world = World::new();
    let dockerfile =
        include_str!("../../../../Dockerfile").replace("ARG GITHUB_COMMIT", "ARG WEB_SHA=\nARG GITHUB_COMMIT");
    world.file("Dockerfile", dockerfile);
    world.manifest(&format!(
        "[[workspace.metadata.xtask.sources]]\nname = \"app\"\nrepository = \"{REPO}\"\nref = \"main\"\n\
         commit-arg = \"GITHUB_COMMIT\"\npath = \".\"\n\
         [[workspace.metadata.xtask.sources]]\nname = \"web\"\nrepository = \"{WEB}\"\nref = \"main\"\n\
         commit-arg = \"WEB_SHA\"\n{path}\n"
    ));
    history(&world, &[('a', "app")]);
    let page = BTreeMap::from([("src/page.ts".to_owned(), Entry::File("page\n".to_owned()))]);
    let web = GitCommit { tree: page, ..GitCommit::default() };
    world.engine(|engine| engine.commits.insert(commit('e'), web));
    world.remote(WEB, format!("{}\trefs/heads/main\n", commit('e')));
    world.run(["rebuild"]).ok();
    contents(&world, |files| {
        files.extend(tree());
        files.retain(|name, _| !name.starts_with("backend/dist") && name != "backend/version.txt");
        files.insert("web/app/src/page.ts".to_owned(), Entry::File("page\n".to_owned()));
        files.insert("web/app/node_modules/x".to_owned(), Entry::File("huge".to_owned()));
    });
    world
}

#[test]
fn each_of_several_sources_is_compared_where_it_is() {
    let world = of_two_sources("path = \"web/app/\"");
    let deep = row(&world, &["--deep"], 0)["deep"].clone();
    assert_eq!(deep["compared"], tree().len() + 1, "{deep}");
    let id = world.image(MUTABLE[2]).unwrap().id;
    world.engine(|engine| {
        let files = engine.contents.get_mut(&id).unwrap();
        files.insert("web/app/src/page.ts".to_owned(), Entry::File("other\n".to_owned()));
        files.insert("web/app/src/evil.ts".to_owned(), Entry::File(String::new()));
        files.remove("LICENSE");
    });
    let deep = row(&world, &["--deep"], 1)["deep"].clone();
    assert_eq!(deep["changed"]["first"], serde_json::json!(["web/app/src/page.ts"]), "{deep}");
    assert_eq!(deep["extra"]["first"], serde_json::json!(["web/app/src/evil.ts"]), "{deep}");
    assert_eq!(deep["missing"]["first"], serde_json::json!(["LICENSE"]), "{deep}");
}

#[test]
fn deep_says_when_it_does_not_know_where_a_source_is() {
    let world = of_two_sources("");
    let outcome = world.run(["verify", "--deep"]).fails(2);
    outcome.says("where the files of `web` are").says("set `path`");
    world.run(["verify"]).ok();
    for path in ["../x", "/web", "a//b"] {
        let world = of_two_sources(&format!("path = \"{path}\""));
        world.run(["verify", "--deep"]).fails(2).says(path);
    }
}
