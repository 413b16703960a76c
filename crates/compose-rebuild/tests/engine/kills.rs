//! kill -9 and Ctrl-C at random moments: FAULTS_KILLS of each, from the seed FAULTS_SEED.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL};
use sandbox::Kind;
use serde_json::json;

use crate::registry::DOCKERFILE;
use crate::support::{Random, World, figure};

/// Two services of one repository, which take two seconds to build.
fn small() -> World {
    let world = World::new();
    let args = "{BASE: $NODE_IMAGE, GITHUB_REPO: $GITHUB_REPO, GITHUB_BRANCH: main, GITHUB_COMMIT: '', CACHE_BUST: ''}";
    let image = |name: &str| world.image(&format!(":{name}"));
    let service = |name: &str| format!("  {name}: {{image: '{}', build: {{context: ., args: {args}}}}}\n", image(name));
    world.file("Dockerfile", DOCKERFILE);
    world.file("compose.yml", &format!("name: {}\nservices:\n{}{}", world.name, service("api"), service("web")));
    world.manifest("[workspace.metadata.xtask]\nversion-file = \"version.txt\"\n");
    world
}

/// The commits that the two images are of.
fn commits(world: &World) -> [String; 2] {
    ["api", "web"].map(|name| world.label(&world.image(&format!(":{name}")), "org.opencontainers.image.revision"))
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What came out of many runs that were stopped.
#[derive(Default)]
struct Tally {
    stopped: usize,
    mixed: usize,
    wrong: Vec<String>,
    latencies: Vec<Duration>,
}

/// Stops rebuilds at random moments; after each, an ordinary run must leave everything right and nothing behind.
fn stop_at_random(signal: Signal) -> Tally {
    let world = small();
    world.rebuild();
    let mut random = Random::new(number("FAULTS_SEED", 1) as u64 + signal as u64);
    let mut tally = Tally::default();
    world.push(Kind::Backend);
    let whole = world.rebuild().elapsed;
    for round in 0..number("FAULTS_KILLS", 4) {
        let before = world.tip();
        let commit = world.push(Kind::Backend);
        let mut running = world.start(["rebuild"]);
        // A random moment is what is tried, not an order that is waited for.
        sleep(whole.mul_f64(random.below(1100) as f64 / 1000.0));
        if running.has_ended() {
            running.wait().ok();
        } else {
            let asked = Instant::now();
            running.signal(signal);
            let outcome = running.wait();
            tally.stopped += 1;
            if signal == SIGKILL {
                // Its children go with it, as when a machine loses power.
                world.end_orphans();
            }
            if signal == SIGINT {
                tally.latencies.push(asked.elapsed());
                // It may have come when everything was done.
                assert!(matches!(outcome.code, Some(0 | 130)), "{outcome}");
            }
        }
        let [api, web] = commits(&world);
        tally.mixed += usize::from(api != web);
        for of in [&api, &web] {
            assert!(*of == before || *of == commit, "round {round}: an image is of {of}");
        }
        let outcome = world.xtask(["rebuild"]);
        if outcome.code != Some(0) || commits(&world) != [commit.clone(), commit.clone()] {
            tally.wrong.push(format!("round {round}: {outcome}"));
            world.end_orphans();
            world.xtask(["rebuild"]).ok();
        }
        world.assert_nothing_staged();
    }
    world.end_orphans();
    tally
}

#[test]
fn kill_9_at_random_leaves_a_usable_next_run() {
    let tally = stop_at_random(SIGKILL);
    let right = tally.stopped - tally.wrong.len();
    figure("kills", json!({"stopped": tally.stopped, "apart_until_next_run": tally.mixed, "next_run_right": right}));
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}

#[test]
fn ctrl_c_at_random_mixes_nothing_and_ends_at_once() {
    let mut tally = stop_at_random(SIGINT);
    tally.latencies.sort();
    let [median, longest] = [tally.latencies.len() / 2, tally.latencies.len().saturating_sub(1)]
        .map(|at| tally.latencies.get(at).copied().unwrap_or_default());
    let right = tally.stopped - tally.wrong.len();
    figure(
        "interrupts",
        json!({"stopped": tally.stopped, "apart": tally.mixed, "next_run_right": right,
            "median_ms": median.as_millis() as u64, "longest_ms": longest.as_millis() as u64}),
    );
    assert_eq!(tally.mixed, 0, "tags are apart after Ctrl-C");
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    // On a machine that does other things, too; the figure is published.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
}
