//! `--local`: which files of a directory take the place of a remote, and which directories are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{MUTABLE, World};

/// A world with the real git, and a directory beside its project.
fn with_directory() -> (World, PathBuf) {
    let world = World::new();
    world.use_real_git();
    let directory = world.path("checkout");
    write(&directory, "backend/run.py", "print(1)");
    (world, directory)
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

/// Runs the real git, which makes commits and takes submodules from directories.
#[track_caller]
fn git(directory: &Path, args: &[&str]) {
    let config = ["-c", "user.name=n", "-c", "user.email=e@example.invalid", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(config).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a repository of a directory, with everything that is not ignored in a commit.
#[track_caller]
fn commit_all(directory: &Path) {
    git(directory, &["init", "--quiet"]);
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--message", "all"]);
}

/// The files that a build takes from the directory.
#[track_caller]
fn built(world: &World, directory: &Path) -> Vec<String> {
    world.run(["rebuild", "--local", directory.to_str().unwrap()]).ok();
    world.assert_nothing_staged();
    world.image(MUTABLE[2]).unwrap().files
}

/// A run is refused with this status and this text, and nothing is built.
#[track_caller]
fn refused(world: &World, directory: &Path, code: i32, text: &str) {
    world.run(["rebuild", "--local", directory.to_str().unwrap()]).fails(code).says(text);
    assert_eq!(world.mutable(), [None, None, None]);
    world.assert_nothing_staged();
}

#[test]
fn the_files_of_submodules_are_built_too() {
    let (world, directory) = with_directory();
    let (library, deep) = (world.path("library"), world.path("deep"));
    write(&deep, "deep.py", "");
    commit_all(&deep);
    write(&library, "lib.py", "");
    write(&library, ".gitignore", "*.key\n");
    commit_all(&library);
    git(&library, &["submodule", "--quiet", "add", deep.to_str().unwrap(), "deep"]);
    git(&library, &["commit", "--quiet", "--message", "deeper"]);
    commit_all(&directory);
    git(&directory, &["submodule", "--quiet", "add", library.to_str().unwrap(), "lib"]);
    refused(&world, &directory, 2, "the submodule `lib/deep` of");
    git(&directory, &["submodule", "--quiet", "update", "--init", "--recursive"]);
    write(&directory, "lib/secret.key", "canary");
    write(&directory, "lib/new.py", "");
    let files = [
        ".gitmodules",
        "backend/run.py",
        "lib/.gitignore",
        "lib/.gitmodules",
        "lib/deep/deep.py",
        "lib/lib.py",
        "lib/new.py",
    ];
    assert_eq!(built(&world, &directory), files);
    // A change in a submodule is a change.
    let before = world.mutable();
    write(&directory, "lib/deep/deep.py", "changed");
    built(&world, &directory);
    assert_ne!(world.mutable(), before);
}

#[test]
fn what_is_neither_file_nor_link_is_refused_at_once() {
    for kind in ["fifo", "socket"] {
        let (world, directory) = with_directory();
        let path = directory.join("a/special");
        write(&directory, "a/x", "");
        if kind == "fifo" {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        } else {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        }
        refused(&world, &directory, 2, "a/special` is neither a file nor a directory nor a link");
    }
}

#[test]
fn ignored_files_stay_out_although_git_does_not_answer() {
    let (world, directory) = with_directory();
    write(&directory, ".gitignore", "*.key\n");
    write(&directory, "secret.key", "canary");
    commit_all(&directory);
    assert_eq!(built(&world, &directory), [".gitignore", "backend/run.py"]);
    // Its repository is broken, or belongs to somebody else.
    let (world, directory) = with_directory();
    write(&directory, "secret.key", "canary");
    write(&directory, ".git/config", "[core\n");
    refused(&world, &directory, 3, "are ignored:");
    fs::remove_dir_all(directory.join(".git")).unwrap();
    commit_all(&directory);
    write(&directory, "sub/x", "");
    if nix::unistd::Uid::effective().is_root() {
        std::os::unix::fs::chown(directory.join(".git"), Some(12345), None).unwrap();
        std::os::unix::fs::chown(&directory, Some(12345), None).unwrap();
        refused(&world, &directory, 3, "dubious ownership");
        refused(&world, &directory.join("sub"), 3, "dubious ownership");
    }
}

#[test]
fn a_checkout_in_a_plain_directory_keeps_its_ignored_files() {
    let (world, directory) = with_directory();
    write(&directory, "inner/.gitignore", "*.key\n");
    write(&directory, "inner/secret.key", "canary");
    write(&directory, "inner/x.py", "");
    commit_all(&directory.join("inner"));
    assert_eq!(built(&world, &directory), ["backend/run.py", "inner/.gitignore", "inner/x.py"]);
}

#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;

    let (world, directory) = with_directory();
    fs::write(directory.join(std::ffi::OsStr::from_bytes(b"odd\xff")), "").unwrap();
    commit_all(&directory);
    refused(&world, &directory, 2, "has a file name that is not UTF-8");
}
