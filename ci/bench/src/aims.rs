//! What is to be reached, and what was.

use crate::chart::seconds;
use crate::contenders::XTASK;
use crate::render::bytes;
use crate::results::{Measured, Results};

/// An aim with the limit in words, what was measured, and whether that is enough.
pub(crate) type Aim = (&'static str, String, bool);

/// Every aim that there are results for.
pub(crate) fn all(results: &Results) -> Vec<Aim> {
    let found = |scenario: &str, contender: &str| -> Option<&Measured> {
        results.scenarios.iter().find(|one| one.name == scenario)?.of(contender)
    };
    let median = |scenario: &str, contender: &str| found(scenario, contender).map(|measured| measured.median_s);
    let mut aims = Vec::new();
    let (fresh, backend, frontend) = ("nothing was pushed", "backend push", "frontend push");
    if let (Some(tool), Some(plain)) = (median(fresh, XTASK), median(fresh, "plain")) {
        aims.push(("nothing was pushed: at most 0.20 s", seconds(tool), tool <= 0.20));
        let ratio = tool / plain;
        aims.push((
            "at most 0.7 times a `docker compose build` with nothing to do",
            format!("{ratio:.2}"),
            ratio <= 0.7,
        ));
    }
    if let (Some(tool), Some(expert), Some(script)) =
        (median(backend, XTASK), median(backend, "expert"), median(backend, "script"))
    {
        let share = tool - expert;
        aims.push(("backend push: at most 0.35 s more than `ADD <git url>`", format!("{share:+.2} s"), share <= 0.35));
        let ratio = script / tool;
        aims.push(("at least 20 times as fast as the script", format!("{ratio:.1} times"), ratio >= 20.0));
    }
    if let (Some(tool), Some(expert)) = (median(frontend, XTASK), median(frontend, "expert")) {
        let over = tool - 1.05 * expert;
        let aim = "frontend push: at most 0.35 s more than 1.05 times `ADD <git url>`";
        aims.push((aim, format!("{over:+.2} s"), over <= 0.35));
    }
    if results.cold_compile_s > 0.0 {
        let compile = results.cold_compile_s;
        aims.push(("the tool compiles in at most 25 s from nothing", seconds(compile), compile <= 25.0));
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
