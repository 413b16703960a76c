//! What earlier runs wrote down or left behind: it is input like any other, and the next run cleans up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use compose_rebuild::sys::interrupt::is_alive;
use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::state::{Container, Image, Rule};
use crate::support::{MUTABLE, World, commit};

/// A run whose last tag moves and that is killed before it hears of it.
fn killed_at_the_end() -> World {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&["image tag", &format!(" {} ", MUTABLE[2])], Rule { hang: true, late: true, ..Rule::default() });
    let running = world.run(["rebuild"]).start();
    world.until_obeyed("the last tag moves");
    let moved =
        || MUTABLE[1..].iter().all(|tag| world.image(tag).unwrap().labels["io.xtask.cache-bust"].contains("bbbb"));
    world.until("both tags moved", moved);
    running.signal(SIGKILL);
    running.wait();
    world.heal();
    world.forget_calls();
    world
}

#[test]
fn a_run_that_has_nothing_to_do_removes_what_a_killed_one_left() {
    let world = killed_at_the_end();
    assert!(world.tags().iter().any(|tag| tag.contains(":staged-")), "the fault did not fire: {:?}", world.tags());
    world.run(["rebuild"]).ok();
    assert!(world.calls_of(" bake ").is_empty(), "{:#?}", world.calls());
    world.assert_nothing_staged();
    world.forget_calls();
    world.run(["rebuild"]).ok();
    assert!(world.calls_of("image ls").is_empty(), "nothing is left, and so nothing is asked");
}

#[test]
fn an_image_that_was_made_from_that_of_a_service_and_took_its_place_is_not_taken_for_it() {
    let world = World::built();
    let built = world.image(MUTABLE[2]).unwrap();
    let derived = Image { id: "sha256:derived".to_owned(), tags: vec![MUTABLE[2].to_owned()], ..built.clone() };
    world.engine(|engine| {
        let own = engine.images.iter_mut().find(|image| image.id == built.id).unwrap();
        own.tags.retain(|tag| tag != MUTABLE[2]);
        engine.images.push(derived);
    });
    world.run(["verify"]).fails(1);
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().id, built.id, "what was built has kept the name of its version");
    assert!(world.calls_of(" bake ").is_empty(), "{:#?}", world.calls());
    world.run(["verify"]).ok();
}

#[test]
fn a_building_run_removes_what_was_staged_from_another_checkout() {
    let world = World::built();
    let mut left = world.image(MUTABLE[2]).unwrap();
    left.tags =
        vec!["vibevoicefusion:staged-vibevoice-0123456789ab".to_owned(), "vibevoicefusion:staged-mine".to_owned()];
    left.id = "sha256:left".to_owned();
    world.engine(|engine| {
        engine.images.push(left);
        let label = "io.xtask.verify=vibevoice".to_owned();
        engine.containers.push(Container { id: "c".to_owned(), image: "sha256:left".to_owned(), label });
    });
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    assert!(world.tags().contains(&"vibevoicefusion:staged-mine".to_owned()), "that is no name of ours");
    world.engine(|engine| engine.images.retain(|image| image.id != "sha256:left"));
    world.assert_nothing_staged();
}

#[test]
fn a_verified_image_of_a_killed_run_is_brought_into_use_as_it_is() {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&["image tag", &format!(" {} ", MUTABLE[2])], Rule { hang: true, ..Rule::default() });
    world.fault(&["image tag", &format!(" {} ", MUTABLE[1])], Rule { hang: true, ..Rule::default() });
    let running = world.run(["rebuild"]).start();
    world.until_obeyed("the mutable tags are about to move");
    running.signal(SIGKILL);
    running.wait();
    world.heal();
    world.forget_calls();
    let built = world.image("zhaokundev/vibevoicefusion:v0.1.0-bbbbbbbbbbbb").expect("the versioned tag is there").id;
    world.run(["rebuild"]).ok();
    assert!(world.calls_of(" bake ").is_empty(), "{:#?}", world.calls());
    assert_eq!(world.image(MUTABLE[2]).unwrap().id, built);
    world.assert_nothing_staged();
}

#[test]
fn nothing_in_the_marker_is_believed() {
    let world = World::built();
    let stranger = Image { id: "sha256:x".to_owned(), tags: vec!["stranger:1".to_owned()], ..Image::default() };
    world.engine(|engine| engine.images.push(stranger));
    let names = [&MUTABLE[..], &["stranger:1"]].concat().join("\n");
    world.file("target/xtask/staged-vibevoice", names);
    let before = world.mutable();
    world.run(["rebuild"]).ok();
    assert_eq!(world.mutable(), before);
    assert!(world.image("stranger:1").is_some());
    world.assert_nothing_staged();
}

#[test]
fn a_link_in_place_of_the_local_copy_brings_no_file_into_the_image() {
    let world = World::new();
    for (path, text) in [("strangers/secret", "s"), ("checkout/backend/run.py", "print(1)")] {
        let path = world.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir_all(world.project().join("target/xtask")).unwrap();
    symlink(world.path("strangers"), world.project().join("target/xtask/local-vibevoice")).unwrap();
    world.run(["rebuild", "--local", world.path("checkout").to_str().unwrap()]).ok();
    assert_eq!(world.image(MUTABLE[2]).unwrap().files, ["backend/run.py"]);
    assert_eq!(fs::read_dir(world.path("strangers")).unwrap().count(), 1);
    world.assert_nothing_staged();
}

#[test]
fn pipes_in_place_of_state_hang_nothing() {
    let world = World::built();
    let state = world.project().join("target/xtask");
    let questions = fs::read_dir(world.path("tmp")).unwrap().map(|entry| entry.unwrap().path());
    let kept = questions.flat_map(|own| fs::read_dir(own).unwrap()).map(|entry| entry.unwrap().path());
    let reports = fs::read_dir(state.join("reports")).unwrap().map(|entry| entry.unwrap().path());
    let pipes: Vec<_> = kept.chain(reports).chain([state.join("metadata-vibevoice.json")]).collect();
    assert!(pipes.len() > 3, "{pipes:?}");
    let replace = |path: &Path| {
        let _ = fs::remove_file(path);
        mkfifo(path, Mode::S_IRWXU).unwrap();
    };
    pipes.iter().for_each(|path| replace(path));
    world.push(&commit('b'));
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    let lock = format!("/tmp/compose-rebuild-vibevoice{}", world.end_of_lock());
    replace(Path::new(&lock));
    world.push(&commit('c'));
    world.run(["rebuild"]).fails(3).says("is not a regular file").says("rm -r");
    fs::remove_file(lock).unwrap();
}

#[test]
#[cfg(target_os = "linux")] // `/proc` tells how much memory it took.
fn state_of_three_gigabytes_takes_no_memory() {
    let world = World::built();
    let reports = fs::read_dir(world.project().join("target/xtask/reports")).unwrap();
    let own = fs::read_dir(world.path("tmp")).unwrap().map(|entry| entry.unwrap().path());
    let kept = own.flat_map(|own| fs::read_dir(own).unwrap()).chain(reports).map(|entry| entry.unwrap().path());
    let marker = world.project().join("target/xtask/staged-vibevoice");
    let files: Vec<_> = kept.collect();
    assert!(files.len() > 2, "{files:?}");
    for path in files.into_iter().chain([marker]) {
        fs::File::create(path).unwrap().set_len(3 << 30).unwrap();
    }
    world.push(&commit('b'));
    world.forget_calls();
    // That a report cannot be read is a warning.
    let outcome = world.run(["rebuild"]).finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    let peak = world.calls().iter().map(|call| call.parent_peak).max().unwrap();
    assert!(peak <= 60_000, "{peak} kB");
    world.assert_nothing_staged();
}

#[test]
fn a_kept_image_gets_back_the_name_that_it_lost() {
    for push in [false, true] {
        let world = World::built();
        let kept = world.tags().into_iter().find(|tag| tag.contains(":keep-")).unwrap();
        let model = world.image(&kept).unwrap().id;
        world.engine(|engine| engine.images.iter_mut().for_each(|image| image.tags.retain(|tag| *tag != kept)));
        if push {
            world.push(&commit('b'));
        }
        world.run(["rebuild"]).ok();
        assert_eq!(world.image(&kept).map(|image| image.id), Some(model));
        if push {
            let contexts = &world.baked("vibevoice")["contexts"];
            assert_eq!(contexts["model-downloader"], format!("docker-image://{}", MUTABLE[0]), "{contexts}");
        }
    }
}

#[test]
fn a_build_that_says_nothing_is_ended_when_that_is_wanted() {
    let world = World::built();
    world.push(&commit('b'));
    world.fault(&["buildx bake"], Rule { hang: true, ..Rule::default() });
    let before = world.mutable();
    let outcome = world.run(["rebuild", "--step-timeout", "1s"]).fails(3);
    outcome.says("restart the engine").says("warning: no step has printed anything");
    assert_eq!(world.mutable(), before);
    world.assert_nothing_staged();
}

#[test]
fn ctrl_c_during_the_clean_up_leaves_nothing() {
    let world = World::built();
    world.push(&commit('b'));
    let slow = Rule { wait_for: Some("go".to_owned()), times: Some(1), ..Rule::default() };
    world.fault(&["docker rm"], slow);
    let running = world.run(["rebuild"]).start();
    world.until_called("docker rm");
    running.signal(SIGINT);
    // A clean-up that a signal stops is stopped in a moment; one that goes on waits for what the test says.
    let (asked, removal) = (Instant::now(), world.calls_of("docker rm")[0].pid as i32);
    while asked.elapsed() < Duration::from_millis(300) && is_alive(removal) {}
    assert!(is_alive(removal), "the removal was stopped");
    world.release("go");
    running.wait();
    world.assert_nothing_staged();
}
