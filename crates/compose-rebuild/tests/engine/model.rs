//! The expensive download: never twice, never half, never lost.

use sandbox::{Fault, Kind, MODEL_FILE};

use crate::support::{World, sandbox};

/// The size of the model that the hub serves.
fn size() -> u64 {
    sandbox().hub().counters().unwrap()["size"].as_u64().unwrap()
}

/// What the hub sent while this ran.
fn sent<T>(run: impl FnOnce() -> T) -> (u64, T) {
    let before = sandbox().hub().bytes().unwrap();
    let result = run();
    (sandbox().hub().bytes().unwrap() - before, result)
}

/// A fault of the hub until this is dropped.
struct Faulty;

impl Faulty {
    fn new(fault: Fault) -> Self {
        sandbox().hub().set_fault(fault).unwrap();
        Self
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        sandbox().hub().set_fault(Fault::None).unwrap();
    }
}

/// The digest of the model in the image of `vibevoice`.
#[track_caller]
fn digest(world: &World) -> String {
    let model = World::in_app(&format!("models/vibevoice/{MODEL_FILE}"));
    let line = world.docker(&["run", "--rm", &world.latest(), "sha256sum", &model]);
    line.split(' ').next().unwrap().to_owned()
}

#[test]
fn full_downloads_everything_again_and_keep_models_does_not() {
    let world = World::new().with_own_model().with_quick_tools();
    let (bytes, _) = sent(|| world.rebuild());
    assert_eq!(bytes, size());
    assert_eq!(digest(&world), sandbox().hub().sha256().unwrap());
    let state = world.state();
    // Without a terminal it asks nobody, and does nothing.
    world.xtask(["full"]).fails(2);
    assert_eq!(world.state(), state);

    let reports = world.project().join("target/xtask/reports");
    std::fs::remove_dir_all(&reports).unwrap();
    let (bytes, _) = sent(|| world.xtask(["full", "--yes", "--keep-models"]).ok());
    assert_eq!(bytes, 0);
    let cached = |world: &World| {
        let report = world.report();
        let steps = report["steps"].as_array().unwrap().iter().filter(|step| step["cached"] == true);
        let names = steps.map(|step| step["name"].as_str().unwrap().to_owned());
        // BuildKit calls what does nothing cached, whatever it was told.
        names.filter(|name| !name.starts_with("FROM ") && !name.starts_with("WORKDIR ")).collect::<Vec<_>>()
    };
    assert_eq!(cached(&world), [""; 0]);
    assert_eq!(world.id(&world.mutable()[0]), state.1[0], "the model is the old one");
    assert_ne!(world.id(&world.latest()), state.1[2], "the others are new");

    std::fs::remove_dir_all(&reports).unwrap();
    let (bytes, _) = sent(|| world.xtask(["full", "--yes"]).ok());
    assert_eq!(bytes, size());
    assert_eq!(cached(&world), [""; 0]);
    assert!(world.ran().iter().any(|line| line.starts_with("model-downloader: RUN")), "{:#?}", world.ran());
    for (image, old) in world.mutable().iter().zip(&state.1) {
        assert_ne!(&world.id(image), old, "{image}");
    }
    world.assert_current(&world.tip());
    // What is kept from now on is what `full` made.
    let (bytes, _) = sent(|| world.xtask(["rebuild"]).ok().says("Fresh"));
    assert_eq!(bytes, 0);
}

#[test]
fn a_full_that_fails_leaves_the_old_model_and_tags() {
    let world = World::new().with_own_model().with_quick_tools();
    world.rebuild();
    let state = world.state();
    let faulty = Faulty::new(Fault::Reset(1 << 20));
    world.xtask(["full", "--yes"]).fails(3);
    drop(faulty);
    assert_eq!(world.state(), state);
    world.assert_nothing_staged();
    assert_eq!(digest(&world), sandbox().hub().sha256().unwrap());
    // Neither is the model lost to the next rebuild.
    let commit = world.push(Kind::Backend);
    let (bytes, _) = sent(|| world.rebuild());
    assert_eq!(bytes, 0);
    world.assert_current(&commit);
}

#[test]
fn a_download_that_is_reset_is_a_failed_remote_and_goes_on_where_it_stopped() {
    let world = World::new().with_own_model();
    let part = 40 << 20;
    let faulty = Faulty::new(Fault::Reset(part));
    let (first, _) = sent(|| world.xtask(["rebuild"]).fails(3));
    drop(faulty);
    assert!(first >= part, "the fault did not fire: {first}");
    assert!(world.tags().is_empty(), "{:?}", world.tags());
    let (second, _) = sent(|| world.rebuild());
    assert!(second < size() / 2, "{second} bytes of {} were sent again after {first}", size());
    assert_eq!(digest(&world), sandbox().hub().sha256().unwrap());
}

#[test]
fn a_model_that_is_short_or_has_wrong_bytes_is_refused_and_ends_right() {
    let world = World::new().with_own_model();
    // In this order: what is short stays and is completed, what is wrong goes.
    for fault in [Fault::Flip, Fault::Short] {
        let faulty = Faulty::new(fault);
        let (bytes, _) = sent(|| world.xtask(["rebuild"]).fails(4));
        drop(faulty);
        assert!(bytes >= size() - 1, "{fault}: {bytes} bytes were sent");
        assert!(world.tags().is_empty(), "{fault}: {:?}", world.tags());
    }
    // What is here already does not help with a hub that sends everything again.
    let faulty = Faulty::new(Fault::IgnoreRange);
    world.rebuild();
    drop(faulty);
    assert_eq!(digest(&world), sandbox().hub().sha256().unwrap());
}
