//! kill -9 and Ctrl-C at random moments: FAULTS_KILLS of each, from the seed FAULTS_SEED.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL};
use sandbox::Kind;
use serde_json::json;

use crate::registry::DOCKERFILE;
use crate::support::{Random, Running, World, figure, number, until};

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
    let format = "{{index .Config.Labels \"org.opencontainers.image.revision\"}}";
    let [api, web] = [":api", ":web"].map(|name| world.image(name));
    let both = world.docker(&["image", "inspect", "--format", format, "--", &api, &web]);
    let (api, web) = both.split_once('\n').unwrap();
    [api, web].map(str::to_owned)
}

/// What came out of many runs that were stopped.
#[derive(Default)]
struct Tally {
    stopped: usize,
    before: usize,
    apart: usize,
    after: usize,
    left_something: usize,
    left_tags: usize,
    left_containers: usize,
    wrong: Vec<String>,
    latencies: Vec<u128>,
}

/// Waits for a random moment: of the whole run, after the build's steps, or after the verification, when tags move.
fn wait_for_moment(random: &mut Random, running: &mut Running, whole: Duration) {
    let (text, span) = match random.below(3) {
        0 => ("", whole),
        1 => ("writing the image", whole / 4),
        _ => ("Verified", whole / 16),
    };
    until("a moment comes", || running.has_ended() || running.stderr().contains(text));
    // A random moment is what is tried, not an order that is waited for.
    sleep(span.mul_f64(random.below(1000) as f64 / 1000.0));
}

/// Stops rebuilds at random moments; after each, an ordinary run must leave everything right and nothing behind.
fn stop_at_random(signal: Signal) -> Tally {
    let world = small();
    world.rebuild();
    let mut random = Random::new((number("FAULTS_SEED", 1) * 100 + signal as usize) as u64);
    let mut tally = Tally::default();
    world.push(Kind::Backend);
    let whole = world.rebuild().elapsed;
    let wanted = number("FAULTS_KILLS", 4);
    for round in 0..3 * wanted {
        if tally.stopped == wanted {
            break;
        }
        let before = world.tip();
        let commit = world.push(Kind::Backend);
        let mut running = world.start(["rebuild"]);
        wait_for_moment(&mut random, &mut running, whole);
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
                tally.latencies.push(asked.elapsed().as_millis());
                // It may have come when everything was done.
                assert!(matches!(outcome.code, Some(0 | 130)), "{outcome}");
            }
            let [api, web] = commits(&world);
            for of in [&api, &web] {
                assert!(*of == before || *of == commit, "round {round}: an image is of {of}");
            }
            let counted = match (api == web, api == commit) {
                (false, _) => &mut tally.apart,
                (true, false) => &mut tally.before,
                (true, true) => &mut tally.after,
            };
            *counted += 1;
            let left = world.leftovers();
            let has = |text: &str| usize::from(left.iter().any(|name| name.contains(text)));
            tally.left_something += usize::from(!left.is_empty());
            tally.left_tags += has(":staged-");
            tally.left_containers += has("container ");
        }
        let outcome = world.xtask(["rebuild"]);
        let left = world.leftovers();
        if outcome.code != Some(0) || commits(&world) != [commit.clone(), commit] || !left.is_empty() {
            tally.wrong.push(format!("round {round}: {outcome}\nleft: {left:?}"));
            world.end_orphans();
            world.xtask(["rebuild"]).ok();
        }
    }
    world.push(Kind::Backend);
    world.rebuild();
    assert_eq!(world.locks(), Vec::<PathBuf>::new());
    tally
}

impl Tally {
    /// Publishes the figures, which those of other seeds are added to.
    fn publish(&self, what: &str) {
        let latencies: Vec<_> = self.latencies.iter().map(u128::to_string).collect();
        figure(
            what,
            json!({
                "seed": number("FAULTS_SEED", 1), "stopped": self.stopped, "before": self.before, "apart": self.apart,
                "after": self.after, "left_something": self.left_something, "left_tags": self.left_tags,
                "left_containers": self.left_containers, "wrong": self.wrong.len(),
                "ms": latencies.join(" "),
            }),
        );
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}

#[test]
fn kill_9_at_random_leaves_a_usable_next_run() {
    stop_at_random(SIGKILL).publish("kills");
}

#[test]
fn ctrl_c_at_random_mixes_nothing_and_ends_at_once() {
    let tally = stop_at_random(SIGINT);
    tally.publish("interrupts");
    assert_eq!(tally.apart, 0, "tags are apart after Ctrl-C");
    // On a machine that does other things, too; the figure is published.
    assert!(tally.latencies.iter().all(|ms| *ms < 5000), "{:?}", tally.latencies);
}
