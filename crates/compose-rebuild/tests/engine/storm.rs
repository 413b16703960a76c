//! Everything at once, for FAULTS_SECONDS: rebuilds from two checkouts, some with `--up`, prunes and pushes, beside
//! images, containers and volumes of others.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sandbox::Kind;
use serde_json::json;

use crate::support::{Outcome, Random, World, figure, number, sandbox};

/// Rebuilds that run at the same time; every fourth one starts what it built.
const LOOPS: usize = 8;

const SERVICES: &str = "name: NAME
x-args: &args {GITHUB_REPO: $GITHUB_REPO, GITHUB_BRANCH: main, GITHUB_COMMIT: '', CACHE_BUST: ''}
services:
  web: {image: NAME/web, build: {context: ., target: web, args: *args}, init: true, stop_grace_period: 1s}
  api: {image: NAME/api, build: {context: ., target: api, args: *args}, init: true, stop_grace_period: 1s}
";
const DOCKERFILE: &str = "FROM BASE_IMAGE AS code
ARG GITHUB_REPO
ARG GITHUB_COMMIT
ARG CACHE_BUST
RUN git init --quiet /code && cd /code && git fetch --quiet --depth=1 -- \"$GITHUB_REPO\" \"$GITHUB_COMMIT\" && \\
    git checkout --quiet FETCH_HEAD && git rev-parse HEAD > /revision
FROM code AS web
CMD [\"sleep\", \"10000\"]
FROM code AS api
CMD [\"sleep\", \"10001\"]
";

/// What happened.
#[derive(Default)]
struct Tally {
    rebuilds: usize,
    ups: usize,
    promoted: usize,
    prunes: usize,
    pushes: usize,
    reads: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.promoted += usize::from(outcome.stderr.contains("Promoted"));
        if outcome.code != Some(0) {
            self.wrong.push(outcome.to_string());
        }
    }
}

/// Makes what belongs to others, and returns how to ask for each of it.
fn plant(world: &World) -> Vec<Vec<String>> {
    let base = world.var("NODE_IMAGE").to_owned();
    let web = world.image("/web");
    let of_others = format!("FROM {base}\nLABEL io.xtask.project=somebody-else io.xtask.service=web\n");
    world.file("foreign/Dockerfile", &of_others);
    let directory = world.project().join("foreign");
    let named = [format!("{web}:v0.0.2-000000000000"), format!("{}-else:staged-web-0123456789ab", world.name)];
    for name in &named {
        world.docker(&["build", "--quiet", "--tag", name, directory.to_str().unwrap()]);
    }
    let tags = [format!("{web}:v0.0.1-000000000000"), format!("{}-else:staged-api-0123456789ab", world.name)];
    tags.iter().for_each(|tag| drop(world.docker(&["image", "tag", &base, tag])));
    let own = format!("{web}:1.2.3");
    world.docker(&["image", "tag", &web, &own]);
    let label = format!("test={}", world.name);
    let create = |word: &str, image: &str| world.docker(&[word, "--label", &label, "--init", image, "sleep", "10002"]);
    let running = world.docker(&["run", "--detach", "--label", &label, "--init", &named[0], "sleep", "10003"]);
    let containers = [create("create", &own), create("create", &base), running];
    let volume = world.docker(&["volume", "create", "--label", &label]);
    let images = named.into_iter().chain(tags).chain([own, base]);
    let ask = |words: &[&str], name: &str| words.iter().copied().chain([name]).map(str::to_owned).collect::<Vec<_>>();
    images
        .map(|name| ask(&["image", "inspect", "--format", "{{.Id}}"], &name))
        .chain(containers.iter().map(|id| ask(&["inspect", "--format", "{{.Image}} {{json .State}}"], id)))
        .chain([ask(&["volume", "inspect"], &volume)])
        .collect()
}

fn ask(world: &World, questions: &[Vec<String>]) -> Vec<String> {
    let answer = |words: &Vec<String>| world.docker(&words.iter().map(String::as_str).collect::<Vec<_>>());
    questions.iter().map(answer).collect()
}

/// Reads once where the tags are: each is at a commit that was pushed, and never goes back to an older one.
fn read(world: &World, seen: &mut [usize; 2]) -> Result<(), String> {
    for (service, seen) in ["/web", "/api"].iter().zip(seen) {
        let image = world.image(service);
        world.id(&image).ok_or_else(|| format!("{image} is gone"))?;
        let commit = world.label(&image, "org.opencontainers.image.revision");
        let number = world.git(&["rev-list", "--count", &commit]).parse().unwrap();
        if number < *seen {
            return Err(format!("{image} went back to {commit}"));
        }
        *seen = number;
    }
    Ok(())
}

#[test]
fn when_everything_happens_at_once_nothing_is_mixed_and_nothing_of_others_is_touched() {
    let world = World::new();
    for (name, text) in [("compose.yml", SERVICES), ("Dockerfile", DOCKERFILE)] {
        world.file(name, &text.replace("NAME", &world.name).replace("BASE_IMAGE", world.var("NODE_IMAGE")));
    }
    world.manifest("[workspace.metadata.xtask]\nversion-file = \"/revision\"\n");
    world.xtask(["rebuild", "--up=all"]).ok();
    let questions = plant(&world);
    let of_others = ask(&world, &questions);
    let checkouts = [&world, &world.on(sandbox())];
    let seconds = number("FAULTS_SECONDS", 6);
    let (begun, seed) = (Instant::now(), number("FAULTS_SEED", 1));
    let goes_on = || begun.elapsed() < Duration::from_secs(seconds as u64);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for number in 0..LOOPS {
            let (tally, up) = (&tally, number % 4 == 0);
            scope.spawn(move || {
                while goes_on() {
                    let args = ["rebuild", "--up"].into_iter().take(1 + usize::from(up));
                    let outcome = checkouts[number / 2 % 2].xtask(args);
                    let mut tally = tally.lock().unwrap();
                    tally.add(&outcome);
                    (tally.rebuilds, tally.ups) = (tally.rebuilds + 1, tally.ups + usize::from(up));
                }
            });
        }
        scope.spawn(|| {
            while goes_on() {
                let outcome = checkouts[1].xtask(["prune", "--execute", "--keep", "2"]);
                let mut tally = tally.lock().unwrap();
                tally.add(&outcome);
                tally.prunes += 1;
            }
        });
        scope.spawn(|| {
            let mut random = Random::new(seed as u64);
            while goes_on() {
                world.push(Kind::Backend);
                tally.lock().unwrap().pushes += 1;
                // Pushes come at random times.
                thread::sleep(Duration::from_millis(random.below(2000) as u64));
            }
        });
        scope.spawn(|| {
            let mut seen = [0; 2];
            while goes_on() {
                let result = read(&world, &mut seen);
                let mut tally = tally.lock().unwrap();
                tally.reads += 1;
                tally.wrong.extend(result.err());
            }
        });
    });
    let mut tally = tally.into_inner().unwrap();
    tally.add(&world.xtask(["rebuild", "--up"]));
    let touched = ask(&world, &questions).iter().zip(&of_others).filter(|(now, before)| now != before).count();
    figure(
        "storm",
        json!({
            "seed": seed, "seconds": seconds, "rebuilds": tally.rebuilds, "ups": tally.ups, "promoted": tally.promoted,
            "prunes": tally.prunes, "pushes": tally.pushes, "reads": tally.reads, "wrong": tally.wrong.len(),
            "touched": touched,
        }),
    );
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert_eq!(touched, 0, "{of_others:#?}");
    let tip = world.tip();
    for service in ["web", "api"] {
        let image = world.image(&format!("/{service}"));
        assert_eq!(world.label(&image, "org.opencontainers.image.revision"), tip, "{image}");
        assert_eq!(world.cat(&image, "/revision"), tip, "{image}");
        let container = world.compose(&["ps", "--quiet", service]);
        assert_eq!(world.docker(&["exec", &container, "cat", "/revision"]), tip, "{service}");
    }
    for checkout in checkouts {
        checkout.assert_nothing_staged();
        checkout.xtask(["verify"]).ok();
    }
}
