//! kill -9 and Ctrl-C at random moments: FAULTS_KILLS of each, from the seed FAULTS_SEED.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::{self, sleep};
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
    counts: BTreeMap<&'static str, usize>,
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

/// Stops rebuilds at random moments, in up to four projects at once: most of the time they wait for the engine.
fn stop_at_random(what: &str, signal: Signal) -> Tally {
    let (wanted, seed) = (number("FAULTS_KILLS", 4), number("FAULTS_SEED", 1));
    let projects = (wanted / 8).clamp(1, 4);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for project in 0..projects {
            let random = Random::new((seed * 1000 + project * 100 + signal as usize) as u64);
            let tally = &tally;
            scope.spawn(move || stop_some(signal, random, wanted / projects, tally));
        }
    });
    let tally = tally.into_inner().unwrap();
    let mut figures = json!(tally.counts);
    let latencies: Vec<_> = tally.latencies.iter().map(u128::to_string).collect();
    (figures["seed"], figures["ms"]) = (json!(seed), json!(latencies.join(" ")));
    figure(what, figures);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    tally
}

/// Stops this many rebuilds of one project; after each, an ordinary run must leave everything right and nothing behind.
fn stop_some(signal: Signal, mut random: Random, wanted: usize, tally: &Mutex<Tally>) {
    let world = small();
    world.rebuild();
    world.push(Kind::Backend);
    let whole = world.rebuild().elapsed;
    let mut stopped = 0;
    while stopped < wanted {
        let before = world.tip();
        let commit = world.push(Kind::Backend);
        let mut running = world.start(["rebuild"]);
        wait_for_moment(&mut random, &mut running, whole);
        let mut counts = Vec::new();
        if running.has_ended() {
            running.wait().ok();
        } else {
            let asked = Instant::now();
            running.signal(signal);
            let outcome = running.wait();
            stopped += 1;
            counts.push("stopped");
            if signal == SIGKILL {
                // Its children go with it, as when a machine loses power.
                world.end_orphans();
            }
            if signal == SIGINT {
                tally.lock().unwrap().latencies.push(asked.elapsed().as_millis());
                // It may have come when everything was done.
                assert!(matches!(outcome.code, Some(0 | 130)), "{outcome}");
            }
            let [api, web] = commits(&world);
            for of in [&api, &web] {
                assert!(*of == before || *of == commit, "an image is of {of}: {outcome}");
            }
            counts.push(match (api == web, api == commit) {
                (false, _) => "apart",
                (true, false) => "before",
                (true, true) => "after",
            });
            let left = world.leftovers();
            let has = |text: &str| left.iter().any(|name| name.contains(text));
            counts.extend((!left.is_empty()).then_some("left_something"));
            counts.extend(has(":staged-").then_some("left_tags"));
            counts.extend(has("container ").then_some("left_containers"));
        }
        let outcome = world.xtask(["rebuild"]);
        let (now, left) = (commits(&world), world.leftovers());
        let mut tally = tally.lock().unwrap();
        if outcome.code != Some(0) || now != [commit.clone(), commit] || !left.is_empty() {
            counts.push("wrong");
            tally.wrong.push(format!("{outcome}\nleft: {left:?}"));
        }
        counts.into_iter().for_each(|count| *tally.counts.entry(count).or_default() += 1);
    }
    world.push(Kind::Backend);
    world.rebuild();
    assert_eq!(world.locks(), Vec::<PathBuf>::new());
}

#[test]
fn kill_9_at_random_leaves_a_usable_next_run() {
    stop_at_random("kills", SIGKILL);
}

#[test]
fn ctrl_c_at_random_mixes_nothing_and_ends_at_once() {
    let tally = stop_at_random("interrupts", SIGINT);
    assert!(!tally.counts.contains_key("apart"), "tags are apart after Ctrl-C");
    // On a machine that does other things, too; the figure is published.
    assert!(tally.latencies.iter().all(|ms| *ms < 5000), "{:?}", tally.latencies);
}
