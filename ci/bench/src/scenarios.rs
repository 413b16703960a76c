//! The situations, and what each contender makes of them.

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use sandbox::{Kind, Sandbox, Upstream};

use crate::contenders::{CONTENDERS, Entry, Project, XTASK};
use crate::engine;
use crate::results::{Measured, Scenario, median, rounded};

/// Runs of each contender for each scenario, and of those that build everything again whatever was pushed.
const ROUNDS: (usize, usize) = (5, 1);
/// Runs where everything is built anyway.
const COLD_ROUNDS: usize = 2;

/// What is done before each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// No build cache, and no image of the contender.
    Nothing,
    /// No build cache, and a push to the backend.
    Prune,
    /// Pushes of these kinds.
    Push(&'static [Kind]),
    /// A push that touches one of five services.
    PushOne,
    /// A push to the repository of a service that another one is made from.
    PushBase,
    /// A push that touches forty services.
    PushAll,
    /// A push to the backend, whose image runs.
    Start,
    /// Pushes of these kinds; then a machine without build cache and without an image of the contender, whose last images
    /// and build cache are in a registry.
    Empty(&'static [Kind]),
}

/// A push to the code that another service is made from.
pub(crate) const LINKED: &str = "a service made from another one";
/// A runner of a pipeline that has nothing to do.
pub(crate) const EMPTY: &str = "an empty machine with a registry, nothing was pushed";
/// A push, and the new container answers.
pub(crate) const HEALTHY: &str = "from a push to healthy";

/// Many services in one file.
pub(crate) const FORTY: &str = "forty services, a push that changes all";

const SCENARIOS: [(&str, Before); 13] = [
    ("first build", Before::Nothing),
    ("nothing was pushed", Before::Push(&[])),
    ("backend push", Before::Push(&[Kind::Backend])),
    ("frontend push", Before::Push(&[Kind::Frontend])),
    // Nothing in an image shows a lock file, so the frontend changes with it; it is built again anyway.
    ("lock file push", Before::Push(&[Kind::Lockfile, Kind::Frontend])),
    ("pyproject push", Before::Push(&[Kind::Pyproject])),
    ("backend push after `docker builder prune -af`", Before::Prune),
    ("one of five services", Before::PushOne),
    (LINKED, Before::PushBase),
    (FORTY, Before::PushAll),
    (HEALTHY, Before::Start),
    (EMPTY, Before::Empty(&[])),
    ("an empty machine with a registry, backend push", Before::Empty(&[Kind::Backend])),
];

/// One run.
struct Sample {
    wall_s: f64,
    steps: u64,
    hub_bytes: u64,
    registry_bytes: (u64, u64),
    disk_bytes: i64,
    right: bool,
}

/// Runs every scenario on every contender.
pub(crate) fn measure(sandbox: &Sandbox, root: &Utf8Path) -> Result<Vec<Scenario>> {
    let other = engine::containerd()?;
    let all = CONTENDERS.each_ref().map(|contender| contender.name);
    let vibevoice = entries(sandbox, root, Project::Vibevoice, &all, false)?;
    let five = entries(sandbox, root, Project::Five, &all, false)?;
    let linked = entries(sandbox, root, Project::Linked, &["plain", "expert", XTASK], false)?;
    let forty = entries(sandbox, root, Project::Forty, &["plain", "expert", XTASK], false)?;
    let started = entries(sandbox, root, Project::Vibevoice, &["expert", XTASK], false)?;
    let pushing = entries(&other, root, Project::Vibevoice, &all, true)?;
    let upstream = five_services(sandbox)?;
    let mut scenarios = Vec::new();
    for (name, before) in SCENARIOS {
        let (sandbox, entries) = match before {
            Before::PushOne => (sandbox, &five),
            Before::PushBase => (sandbox, &linked),
            Before::PushAll => (sandbox, &forty),
            Before::Start => (sandbox, &started),
            Before::Empty(_) => (&other, &pushing),
            _ => (sandbox, &vibevoice),
        };
        for entry in entries {
            if matches!(
                before,
                Before::PushOne | Before::PushBase | Before::PushAll | Before::Start | Before::Empty(&[])
            ) {
                entry.run()?;
            }
            if before == Before::Start {
                entry.compose(&["up", "--detach", "--wait"])?;
            }
        }
        let cold = matches!(before, Before::Nothing | Before::Prune | Before::Empty(_));
        let mut samples: Vec<Vec<Sample>> = entries.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS.0 {
            for (entry, samples) in entries.iter().zip(&mut samples) {
                let rounds = if entry.contender.slow { ROUNDS.1 } else { ROUNDS.0 };
                if round < if cold { rounds.min(COLD_ROUNDS) } else { rounds } {
                    samples.push(sample(sandbox, entry, before, &upstream)?);
                }
            }
        }
        if before == Before::Start {
            entries.iter().try_for_each(|entry| entry.compose(&["down", "--volumes"]))?;
        }
        scenarios.push(summed_up(name, entries, &samples));
    }
    Ok(scenarios)
}

/// The contenders of these names on a project.
fn entries<'a>(
    sandbox: &'a Sandbox,
    root: &'a Utf8Path,
    project: Project,
    names: &[&str],
    registry: bool,
) -> Result<Vec<Entry<'a>>> {
    let named = CONTENDERS.iter().filter(|contender| names.contains(&contender.name));
    named.map(|contender| Entry::new(sandbox, root, contender, project, registry)).collect()
}

/// A repository with five services that need the same package.
fn five_services(sandbox: &Sandbox) -> Result<Upstream> {
    let upstream = sandbox.another_upstream("five", "sha1", 1000)?;
    for service in ["one", "two", "three", "four", "five"] {
        let dir = upstream.work().join("services").join(service);
        fs_err::create_dir_all(&dir)?;
        fs_err::write(dir.join("requirements.txt"), "itsdangerous>=2.1\n")?;
        fs_err::write(dir.join("main.py"), format!("print({service:?})\n"))?;
    }
    upstream.push_work("Add five services")?;
    Ok(upstream)
}

fn sample(sandbox: &Sandbox, entry: &Entry<'_>, before: Before, five: &Upstream) -> Result<Sample> {
    match before {
        Before::Nothing | Before::Prune => {
            match before {
                Before::Prune => drop(sandbox.push(Kind::Backend)?),
                _ => entry.remove_images()?,
            }
            crate::run::read(entry.command("docker").args(["builder", "prune", "--all", "--force"]))?;
        }
        Before::Push(kinds) | Before::Empty(kinds) => {
            for kind in kinds {
                sandbox.push(*kind)?;
            }
            if matches!(before, Before::Empty(_)) {
                entry.remove_images()?;
                crate::run::read(entry.command("docker").args(["builder", "prune", "--all", "--force"]))?;
            }
        }
        Before::Start => drop(sandbox.push(Kind::Backend)?),
        Before::PushOne | Before::PushBase | Before::PushAll => {
            let file = five.work().join("services/three/main.py");
            let text = fs_err::read_to_string(&file)?;
            fs_err::write(&file, text + "print('and more')\n")?;
            five.push_work("Change one service")?;
        }
    }
    let (hub, disk) = (sandbox.hub().bytes()?, engine::disk_bytes(sandbox)?);
    let registry = sandbox.registry().bytes()?;
    let run = if before == Before::Start { entry.run_and_start()? } else { entry.run()? };
    let after = sandbox.registry().bytes()?;
    let sample = Sample {
        wall_s: run.wall_s,
        steps: entry.steps(&run),
        hub_bytes: sandbox.hub().bytes()? - hub,
        registry_bytes: (after.0 - registry.0, after.1 - registry.1),
        disk_bytes: engine::disk_bytes(sandbox)? - disk,
        right: match before {
            Before::PushOne | Before::PushBase | Before::PushAll => five_right(sandbox, entry, five)?,
            Before::Empty(_) => {
                crate::run::read(entry.command("docker").args(["pull", "--quiet", &entry.image()]))?;
                right(sandbox, entry)?
            }
            _ => right(sandbox, entry)?,
        },
    };
    eprint_progress(entry, &sample);
    Ok(sample)
}

/// Whether the image holds what the remote has: the backend's file, the dependencies, and the frontend's revision.
fn right(sandbox: &Sandbox, entry: &Entry<'_>) -> Result<bool> {
    let (work, dir) = (sandbox.upstream_dir(), Project::Vibevoice.image().1);
    let in_image = |file: &str| engine::file(sandbox, &entry.image(), &format!("{dir}/{file}"));
    for file in ["backend/revision.py", "pyproject.toml"] {
        if in_image(file)? != Some(fs_err::read(work.join(file))?) {
            return Ok(false);
        }
    }
    let source = fs_err::read_to_string(work.join("frontend/src/revision.js"))?;
    let revision = source.trim_end().trim_end_matches(';').rsplit(' ').next().context("no revision")?.to_owned();
    let script = String::from_utf8(in_image("backend/dist/main.js")?.unwrap_or_default())?;
    Ok(script.split(|c: char| !c.is_ascii_digit()).any(|number| number == revision))
}

fn five_right(sandbox: &Sandbox, entry: &Entry<'_>, five: &Upstream) -> Result<bool> {
    let wanted = fs_err::read(five.work().join("services/three/main.py"))?;
    Ok(engine::file(sandbox, &entry.image(), "/app/main.py")? == Some(wanted))
}

fn summed_up(name: &str, entries: &[Entry<'_>], samples: &[Vec<Sample>]) -> Scenario {
    let times = |samples: &[Sample]| samples.iter().map(|sample| sample.wall_s).collect::<Vec<_>>();
    let tool = entries.iter().zip(samples).find(|(entry, _)| entry.contender.name == XTASK);
    let tool = tool.and_then(|(_, samples)| median(&times(samples))).unwrap_or(f64::NAN);
    let contenders = entries.iter().zip(samples).map(|(entry, samples)| {
        let times = times(samples);
        let middle = median(&times).unwrap_or(f64::NAN);
        Measured {
            contender: entry.contender.name.to_owned(),
            right: samples.iter().all(|sample| sample.right),
            runs: samples.len(),
            median_s: rounded(middle),
            fastest_s: rounded(times.iter().copied().fold(f64::INFINITY, f64::min)),
            slowest_s: rounded(times.iter().copied().fold(0.0, f64::max)),
            ratio: rounded(middle / tool),
            steps: median(&samples.iter().map(|sample| sample.steps).collect::<Vec<_>>()).unwrap_or(0),
            hub_bytes: median(&samples.iter().map(|sample| sample.hub_bytes).collect::<Vec<_>>()).unwrap_or(0),
            registry_bytes: median(&samples.iter().map(|sample| sample.registry_bytes).collect::<Vec<_>>())
                .unwrap_or_default(),
            disk_bytes: median(&samples.iter().map(|sample| sample.disk_bytes).collect::<Vec<_>>()).unwrap_or(0),
        }
    });
    Scenario { name: name.to_owned(), contenders: contenders.collect() }
}

/// A line for whoever waits.
#[allow(clippy::print_stderr, reason = "this program has no other output")]
fn eprint_progress(entry: &Entry<'_>, sample: &Sample) {
    let Sample { wall_s, steps, hub_bytes, registry_bytes, disk_bytes, right } = sample;
    eprintln!(
        "{:>10} {wall_s:7.2} s {steps:3} steps {hub_bytes:9} {registry_bytes:?} {disk_bytes:10} right: {right}",
        entry.contender.name
    );
}
