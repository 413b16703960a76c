//! What is to be reached, and what was.

use crate::chart::seconds;
use crate::contenders::XTASK;
use crate::render::bytes;
use crate::results::Results;
use crate::scenarios::{EMPTY, FORTY, HEALTHY, LINKED};

/// An aim with the limit in words, what was measured, and whether that is enough.
pub(crate) type Aim = (&'static str, String, bool);

/// Aims that are ratios: what is to be reached, where, of which contender, and the most that it may be.
const RATIOS: [(&str, &str, &str, f64); 11] = [
    (
        "nothing was pushed: at most 0.4 times a `docker compose build` with nothing to do",
        "nothing was pushed",
        "plain",
        0.4,
    ),
    ("backend push: at most 1.15 times `ADD <git url>`", "backend push", "expert", 1.15),
    ("one of five services: at most 1.15 times `ADD <git url>`", "one of five services", "expert", 1.15),
    ("frontend push: at most 1.05 times `ADD <git url>`", "frontend push", "expert", 1.05),
    ("lock file push: at most 1.05 times `ADD <git url>`", "lock file push", "expert", 1.05),
    ("pyproject push: at most 1.05 times `ADD <git url>`", "pyproject push", "expert", 1.05),
    ("from a push to healthy: at most 1.1 times `ADD <git url>`", HEALTHY, "expert", 1.1),
    ("an empty machine with a registry, nothing was pushed: at most 0.25 times `ADD <git url>`", EMPTY, "expert", 0.25),
    (
        "an empty machine with a registry, backend push: at most 1.2 times `ADD <git url>`",
        "an empty machine with a registry, backend push",
        "expert",
        1.2,
    ),
    ("a service made from another one: at most 1.15 times `ADD <git url>`", LINKED, "expert", 1.15),
    ("forty services: at most 1.15 times `ADD <git url>`", FORTY, "expert", 1.15),
];

/// Every aim that there are results for.
pub(crate) fn all(results: &Results) -> Vec<Aim> {
    let median = |scenario: &str, contender: &str| -> Option<f64> {
        Some(results.scenarios.iter().find(|one| one.name == scenario)?.of(contender)?.median_s)
    };
    let mut aims = Vec::new();
    let fresh = median("nothing was pushed", XTASK);
    if let Some(tool) = fresh {
        aims.push(("nothing was pushed: at most 0.15 s", seconds(tool), tool <= 0.15));
    }
    for (aim, scenario, contender, most) in RATIOS {
        if let (Some(tool), Some(other)) = (median(scenario, XTASK), median(scenario, contender)) {
            let ratio = tool / other;
            aims.push((aim, format!("{ratio:.2}"), ratio <= most));
        }
    }
    let push = results.image.push_bytes as f64;
    aims.push(("a backend push adds at most 1 MB to the image", bytes(push), push <= 1e6));
    let peak = results.peak_bytes();
    aims.push(("memory of the tool: at most 60 MB", bytes(peak), peak <= 60e6));
    let many = results.scale.iter().find(|growth| growth.what.contains("for 100 services"));
    if let Some(plan) = many.and_then(|growth| growth.points.last()) {
        let aim = "plan of 100 services from 50 remotes of 200 ms: at most 1.5 s";
        aims.push((aim, seconds(plan.wall_s), plan.wall_s <= 1.5));
    }
    let steepest = results.scale.iter().map(|growth| growth.exponent).fold(0.0, f64::max);
    // Two runs of the same differ by that much.
    aims.push(("no cost of the tool grows faster than its cause", format!("exponent {steepest:.2}"), steepest <= 1.1));
    aims
}
