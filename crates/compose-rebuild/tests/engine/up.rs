//! From built to running: containers follow their images, and go back when they are not healthy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL};

use crate::support::{Outcome, World};

/// `web` and `api` run what the repository says, `parts` is never started, and nothing builds `other`.
const SERVICES: &str = "name: NAME
x-health: &health
  init: true
  stop_grace_period: 1s
  healthcheck: {test: [CMD-SHELL, 'test ! -e /hangs || sleep 60; ls /healthy'], interval: 200ms, timeout: 60s, retries: 3}
services:
  web: {<<: *health, image: NAME/web, build: {context: ., target: web}, volumes: [./shared:/shared]}
  api: {<<: *health, image: NAME/api, build: {context: ., target: api}}
  parts: {image: NAME/parts, build: {context: ., target: code}, scale: 0}
  other: {image: BASE_IMAGE, init: true, command: [sh, -c, 'test ! -e /shared/ends || exit 3; sleep 10000'], volumes: [./shared:/shared]}
  job: {image: NAME/web, init: true, command: [sh, -c, 'test -e /shared/quick || sleep 10000'], volumes: [./shared:/shared]}
";
const DOCKERFILE: &str = "FROM BASE_IMAGE AS code
ARG CACHE_BUST
RUN git clone --quiet REPO /code && git -C /code rev-parse HEAD > /revision
FROM code AS web
CMD [\"sh\", \"/code/web.sh\"]
FROM code AS api
CMD [\"sh\", \"/code/api.sh\"]
";
const GOOD: &str = "test -e /shared/broken || touch /healthy; exec sleep 10000\n";

/// Everything runs at a commit that works, which is returned too.
fn running() -> (World, String) {
    let world = World::of(&[("compose.yml", SERVICES), ("Dockerfile", DOCKERFILE)]);
    world.push_file("api.sh", GOOD);
    let commit = world.push_file("web.sh", GOOD);
    world.xtask(["rebuild", "--up=all"]).ok();
    assert_eq!(runs(&world), all_at(&commit));
    (world, commit)
}

fn all_at(commit: &str) -> BTreeMap<&'static str, String> {
    ["web", "api"].map(|service| (service, commit.to_owned())).into()
}

/// The commit that each service runs and that its health check found well.
#[track_caller]
fn runs(world: &World) -> BTreeMap<&'static str, String> {
    let run = |service| {
        let id = container(world, service);
        let health = world.docker(&["inspect", "--format", "{{.State.Health.Status}}", &id]);
        assert_eq!(health, "healthy", "{service}");
        (service, world.docker(&["exec", &id, "cat", "/revision"]))
    };
    ["web", "api"].map(run).into()
}

/// The container of a service.
#[track_caller]
fn container(world: &World, service: &str) -> String {
    let id = world.compose(&["ps", "--quiet", service]);
    assert_eq!(id.lines().count(), 1, "{service}: {id}");
    id
}

fn containers(world: &World) -> [String; 3] {
    ["web", "api", "other"].map(|service| container(world, service))
}

fn images(world: &World) -> [Option<String>; 3] {
    ["web", "api", "parts"].map(|name| world.id(&world.image(&format!("/{name}"))))
}

fn up(world: &World) -> Outcome {
    world.xtask(["rebuild", "--up", "--wait-timeout", "4s"])
}

#[test]
fn what_changed_and_ran_is_started_and_goes_back_when_it_is_not_healthy() {
    let (world, first) = running();
    assert_eq!(world.compose(&["ps", "--all", "--quiet", "parts"]), "", "built only, never started");
    let before = containers(&world);
    up(&world).ok();
    assert_eq!(containers(&world), before, "nothing was pushed");

    let commit = world.push_file("web.sh", &format!("# good too\n{GOOD}"));
    up(&world).ok();
    assert_eq!(runs(&world), all_at(&commit));
    assert_eq!(container(&world, "other"), before[2]);
    world.xtask(["verify"]).ok();
    assert_ne!(first, commit);

    // A build without `--up` starts nothing; the next run with it does.
    world.compose(&["stop", "api"]);
    let later = world.push_file("web.sh", GOOD);
    world.rebuild();
    let web = container(&world, "web");
    assert_eq!(world.docker(&["exec", &web, "cat", "/revision"]), commit);
    up(&world).ok();
    assert_eq!(world.compose(&["ps", "--quiet", "api"]), "", "it did not run, so it is not started");
    world.xtask(["rebuild", "--up=all"]).ok();
    assert_eq!(runs(&world), all_at(&later));

    // A job that ends well is done. What is started again is watched, whatever it runs.
    world.file("shared/quick", "");
    let later = world.push_file("web.sh", &format!("# with a job\n{GOOD}"));
    up(&world).ok().says("job (ended with status 0)");
    assert_eq!(runs(&world), all_at(&later));
    let job = world.compose(&["ps", "--all", "--quiet", "job"]);
    let ended = world.docker(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.Image}}", &job]);
    assert_eq!(ended, format!("exited 0 {}", world.id(&world.image("/web")).unwrap()));
    let other = container(&world, "other");
    world.compose(&["stop", "other"]);
    world.file("shared/ends", "");
    world.xtask(["rebuild", "--up=all"]).fails(1).says("`other` ended with status 3").says("nothing to go back to");
    std::fs::remove_file(world.project().join("shared/ends")).unwrap();
    world.xtask(["rebuild", "--up=all"]).ok();
    assert_eq!(container(&world, "other"), other);
    assert_eq!(runs(&world), all_at(&later));

    let images_before = images(&world);
    for (bad, says) in [
        ("echo it broke; exit 3\n", "ended with status 3"),
        ("echo it broke; exec sleep 10000\n", "No such file"),
        ("touch /hangs; echo it broke; exec sleep 10000\n", "was not healthy after 4 s"),
    ] {
        let other = container(&world, "other");
        world.push_file("web.sh", bad);
        let value = format!("v0.1.0-{}", &later[..12]);
        up(&world).fails(1).says(says).says("it broke").says(&format!("rolled back to {value}"));
        assert_eq!(images(&world), images_before, "all tags of the run go back");
        assert_eq!(runs(&world), all_at(&later), "two services, of which one is not healthy");
        assert_eq!(container(&world, "other"), other);

        // The next runs of a timer do not try it again, and say why.
        let before = containers(&world);
        up(&world).ok().says(&format!("held at {value}: HEAD is at v0.1.0-")).says("was not healthy");
        world.rebuild_with(["rebuild", "--up=all"]).says("held at");
        world.xtask(["plan"]).ok();
        assert_eq!((containers(&world), images(&world)), (before, images_before.clone()));
    }

    // Something changed: a fix in the Dockerfile makes another image of the same commit.
    world.edit("Dockerfile", "/code/web.sh\"]", "/code/api.sh\"]");
    up(&world).ok();
    assert_eq!(runs(&world), all_at(&world.tip()));
    world.edit("Dockerfile", "web\nCMD [\"sh\", \"/code/api.sh", "web\nCMD [\"sh\", \"/code/web.sh");
    up(&world).ok().says("held at");
    let last = world.push_file("web.sh", GOOD);
    up(&world).ok();
    assert_eq!(runs(&world), all_at(&last));
}

#[test]
fn a_rollback_stays_until_there_is_something_newer() {
    let (world, first) = running();
    let second = world.push_file("web.sh", &format!("# two\n{GOOD}"));
    up(&world).ok();
    let [old, new] = [&first, &second].map(|commit| format!("v0.1.0-{}", &commit[..12]));
    world.xtask(["rollback", &old, "--up"]).ok();
    assert_eq!(runs(&world), all_at(&first));
    let before = (containers(&world), images(&world));
    let held = format!("held at {old}: HEAD is at {new}, which was rolled back");
    up(&world).ok().says(&held);
    world.rebuild();
    world.xtask(["prune", "--execute", "--keep", "1"]).ok();
    assert!(world.xtask(["plan"]).ok().stdout.contains(&held));
    assert!(world.xtask(["verify"]).fails(1).stdout.contains(&held));
    assert_eq!((containers(&world), images(&world)), before);

    world.xtask(["rebuild", "--up", "--forward"]).ok();
    assert_eq!(runs(&world), all_at(&second));
    let third = world.push_file("web.sh", GOOD);
    up(&world).ok();
    assert_eq!(runs(&world), all_at(&third));

    // What both versions need is gone: nothing that runs is stopped.
    world.file("shared/broken", "");
    world.push_file("web.sh", &format!("# four\n{GOOD}"));
    let before = images(&world);
    up(&world).fails(1).says("after going back to").says("nothing was stopped");
    assert_eq!(images(&world), before);
    assert_eq!(world.docker(&["inspect", "--format", "{{.State.Running}}", &container(&world, "web")]), "true");
    assert_eq!(world.docker(&["exec", &container(&world, "web"), "cat", "/revision"]), third);
}

/// A run is stopped where the container of `web` is gone, or while it is waited for; then the next run comes.
#[track_caller]
fn stopped(world: &World, phase: &str, shim: &str, signal: Signal) {
    world.shim("docker", shim);
    let mut run = world.start(["rebuild", "--up", "--wait-timeout", "20s"]);
    world.until_held(&mut run);
    let asked = Instant::now();
    run.signal(signal);
    let outcome = run.wait();
    if signal == SIGINT {
        assert_eq!(outcome.code, Some(130), "{phase}: {outcome}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{phase}: {:?}", asked.elapsed());
    }
    world.unshim("docker");
    world.end_orphans();
    for mark in ["first", "started"] {
        let _ = std::fs::remove_dir(world.path(mark));
    }
    up(world).ok().says("Resuming");
}

#[test]
fn a_run_that_is_stopped_leaves_no_service_down_after_the_next_one() {
    let (world, mut commit) = running();
    let starting = r#"case "$*" in compose*" up "*) real compose rm --force --stop web; hold ;; esac"#;
    let waiting = r#"case "$*" in compose*" up "*) mkdir "$world/started" ;;
        ps*oneoff*) if [ -e "$world/started" ]; then hold; fi ;; esac"#;
    let back = r#"case "$*" in compose*" up "*)
        mkdir "$world/first" || { real compose rm --force --stop web; hold; } ;; esac"#;
    for (number, (shim, signal)) in
        [(starting, SIGKILL), (starting, SIGINT), (waiting, SIGKILL), (back, SIGKILL), (back, SIGINT)]
            .iter()
            .enumerate()
    {
        let script = if number < 3 { GOOD } else { "echo it broke; exit 3\n" };
        let pushed = world.push_file("web.sh", &format!("# {number}\n{script}"));
        stopped(&world, &number.to_string(), shim, *signal);
        if number < 3 {
            commit = pushed;
        }
        assert_eq!(runs(&world), all_at(&commit), "{number}");
    }
}
