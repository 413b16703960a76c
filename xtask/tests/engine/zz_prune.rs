//! Runs last, because everything that the other tests find in the build cache is gone afterwards.

use sandbox::Kind;

use crate::support::{World, sandbox};

#[test]
fn after_the_whole_build_cache_was_pruned_no_byte_of_the_model_is_sent_again() {
    let world = World::built();
    let commit = world.push(Kind::Backend);
    world.docker(&["builder", "prune", "--all", "--force"]);
    let used = world.docker(&["buildx", "du", "--format", "json"]);
    assert!(!used.contains("vibevoice-model"), "the cache is not empty: {used}");
    let before = sandbox().hub().bytes().unwrap();
    world.rebuild();
    assert_eq!(sandbox().hub().bytes().unwrap(), before);
    world.assert_current(&commit);
    let ran = world.ran();
    assert!(ran.iter().any(|line| line.contains("npm ci")), "the cache was not empty: {ran:#?}");
    assert!(!ran.iter().any(|line| line.starts_with("model-downloader: ")), "{ran:#?}");
}
