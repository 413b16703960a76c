//! What the tool itself costs as work grows; engine and remotes are fakes, because the real ones would take most of the time.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use camino::Utf8Path;

use crate::results::{Growth, Point, median, rounded};
use crate::run::{Run, read, timed};
use crate::world::{Shape, World};

/// Runs for each size.
const ROUNDS: usize = 3;
/// A run of so many seconds is not repeated.
const LONG_S: f64 = 5.0;

/// One thing that grows.
struct Case {
    what: &'static str,
    sizes: &'static [usize],
    shape: fn(usize) -> Shape,
    command: &'static [&'static str],
    /// Whether the command ran once before.
    again: bool,
}

const PLAN: &[&str] = &["rebuild", "--dry-run"];
const REBUILD: &[&str] = &["rebuild"];
const FEW: &[usize] = &[1, 10, 100];
const STEPS: &[usize] = &[10, 100, 1000];

const CASES: [Case; 9] = [
    Case { what: "services, plan", sizes: FEW, shape: services, command: PLAN, again: false },
    Case { what: "services, rebuild", sizes: FEW, shape: services, command: REBUILD, again: false },
    Case { what: "services, fresh", sizes: FEW, shape: services, command: REBUILD, again: true },
    Case {
        what: "remotes of 200 ms, plan",
        sizes: &[1, 10, 50],
        shape: |n| remotes(1, n),
        command: PLAN,
        again: false,
    },
    Case {
        what: "remotes of 200 ms for 100 services, plan",
        sizes: &[1, 10, 50],
        shape: |n| remotes(100, n),
        command: PLAN,
        again: false,
    },
    Case {
        what: "images in the store, prune",
        sizes: &[10, 100, 1000, 10_000],
        shape: |n| Shape { images: n, ..Shape::default() },
        command: &["prune"],
        again: false,
    },
    Case {
        what: "steps of a Dockerfile, plan",
        sizes: STEPS,
        shape: |n| Shape { steps: n, ..Shape::default() },
        command: PLAN,
        again: false,
    },
    Case {
        what: "steps of a build, rebuild",
        sizes: STEPS,
        shape: |n| Shape { reported: n, ..Shape::default() },
        command: REBUILD,
        again: false,
    },
    Case {
        what: "MB of log, rebuild",
        sizes: &[1, 32, 1024],
        shape: |n| Shape { log_mb: n, ..Shape::default() },
        command: REBUILD,
        again: false,
    },
];

fn services(services: usize) -> Shape {
    Shape { services, ..Shape::default() }
}

fn remotes(services: usize, remotes: usize) -> Shape {
    Shape { services, remotes, delay_ms: 200, ..Shape::default() }
}

/// How long the tool takes to compile with nothing but its sources at hand.
pub(crate) fn cold_compile(root: &Utf8Path) -> Result<f64> {
    let target = tempfile::tempdir()?;
    let started = Instant::now();
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--package", "compose-rebuild", "--target-dir"])
        .arg(target.path())
        .current_dir(root);
    read(&mut cargo)?;
    Ok(rounded(started.elapsed().as_secs_f64()))
}

/// Measures every case at every size.
pub(crate) fn measure() -> Result<Vec<Growth>> {
    CASES.iter().map(grow).collect()
}

fn grow(case: &Case) -> Result<Growth> {
    let mut points = Vec::new();
    for &size in case.sizes {
        let mut runs = vec![once(case, size)?];
        while runs.len() < ROUNDS && runs[0].wall_s < LONG_S {
            runs.push(once(case, size)?);
        }
        let middle = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>()).unwrap_or(f64::NAN);
        let peak_kb = runs.iter().map(|run| run.peak_kb).max().unwrap_or(0);
        let (wall_s, cpu_s) = (middle(|run| run.wall_s), middle(|run| run.cpu_s));
        points.push(Point { size: size as u64, wall_s: rounded(wall_s), cpu_s: rounded(cpu_s), peak_kb });
    }
    Ok(Growth { what: case.what.to_owned(), exponent: rounded(exponent(&points)), points })
}

fn once(case: &Case, size: usize) -> Result<Run> {
    let world = World::new(&(case.shape)(size))?;
    if case.again {
        timed(&mut world.tool(case.command)?)?;
    }
    timed(&mut world.tool(case.command)?).with_context(|| format!("{} {}", size, case.what))
}

/// The power of the size that the processor time grows with: the steeper one of a fit over all sizes and of the two largest,
/// where what every run costs weighs least.
fn exponent(points: &[Point]) -> f64 {
    let logs: Vec<_> = points.iter().map(|point| ((point.size as f64).ln(), point.cpu_s.max(0.001).ln())).collect();
    slope(&logs).max(slope(&logs[logs.len().saturating_sub(2)..]))
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
    });
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_seen_although_every_run_costs_something() {
        let cost = |size: u64, cpu_s: f64| Point { size, wall_s: 0.0, cpu_s, peak_kb: 0 };
        let square = |size: u64| cost(size, 0.02 + 1e-6 * (size * size) as f64);
        assert!(exponent(&[10, 100, 1000, 10_000].map(square)) > 1.5);
        let line = |size: u64| cost(size, 0.02 + 1e-4 * size as f64);
        assert!(exponent(&[10, 100, 1000, 10_000].map(line)) < 1.0);
    }
}
