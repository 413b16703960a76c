//! Measures the tool against an expert who builds the same Dockerfile by hand, alternately in one run:
//! `cargo sandbox cargo run --package bench`.
//!
//! The expert knows everything that the Dockerfile offers: asks the remote for the commit, passes it on, and lets BuildKit
//! cache the rest. What is left is the tool's own share, which is the price of versions, verification and promotion.
//! Machines differ and are shared, so only medians and ratios of one run mean something.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sandbox::{Kind, Sandbox};
use serde_json::json;

/// Runs of each contender for each case.
const ROUNDS: usize = 7;
/// Other names for the expert's images, so that the contenders do not touch each other's.
const EXPERT: &str = r#"{"name": "expert", "services": {"model-downloader": {"image": "expert:model"},
"backend-builder": {"image": "expert:builder"}, "vibevoice": {"image": "expert:latest"}}}"#;
/// The expert's command line.
const BY_HAND: &str = r#"commit=$(git ls-remote "$GITHUB_REPO" "refs/heads/$GITHUB_BRANCH" | cut -f1)
GITHUB_COMMIT=$commit CACHE_BUST=$commit docker compose -f compose.yml -f "$0" build"#;

fn main() -> Result<()> {
    let sandbox = Sandbox::current()?.context("run it in the sandbox: cargo sandbox cargo run --package bench")?;
    let expert_file = sandbox.dir().join("expert.json");
    std::fs::write(&expert_file, EXPERT)?;
    let tool = || ("cargo xtask rebuild", vec!["cargo", "xtask", "rebuild", "--quiet"]);
    let expert = || ("by hand", vec!["sh", "-c", BY_HAND, expert_file.as_str()]);

    for contender in [tool(), expert()] {
        timed(&sandbox, &contender.1)?;
    }
    let mut cases = Vec::new();
    let mut peak = 0;
    for (case, push) in
        [("nothing was pushed", None), ("backend push", Some(Kind::Backend)), ("frontend push", Some(Kind::Frontend))]
    {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (times, (_, words)) in times.iter_mut().zip([tool(), expert()]) {
                if let Some(kind) = push {
                    sandbox.push(kind)?;
                }
                let (time, memory) = timed(&sandbox, &words)?;
                times.push(time.as_secs_f64());
                peak = peak.max(memory);
            }
        }
        let [tool, expert] = times.map(median);
        cases.push(json!({"case": case, "tool_s": tool, "expert_s": expert, "ratio": tool / expert, "own_share_s": tool - expert}));
    }
    let compile = cold_compile()?;
    print(&json!({"rounds": ROUNDS, "cases": cases, "peak_memory_kb": peak, "cold_compile_s": compile.as_secs_f64()}))
}

/// How long a command takes, and the most memory in kB that `xtask` took in it.
fn timed(sandbox: &Sandbox, words: &[&str]) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut child = sandbox.command(words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut peak = 0;
    let status = loop {
        // `cargo run` becomes the program, so that its memory is in the child's own status.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        if status.starts_with("Name:\txtask") {
            let high_water = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
            peak = peak.max(high_water.and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0));
        }
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    if !status.success() {
        bail!("`{}` failed: {status}", words.join(" "));
    }
    Ok((started.elapsed(), peak))
}

/// How long the tool takes to compile with nothing but its sources at hand.
fn cold_compile() -> Result<Duration> {
    let target = std::env::temp_dir().join(format!("xtask-cold-{}", std::process::id()));
    let started = Instant::now();
    let status =
        Command::new("cargo").args(["build", "--quiet", "--package", "xtask", "--target-dir"]).arg(&target).status()?;
    let elapsed = started.elapsed();
    std::fs::remove_dir_all(&target)?;
    if !status.success() {
        bail!("the tool does not compile: {status}");
    }
    Ok(elapsed)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A Markdown table for people, and the same as JSON in target/bench.json.
#[allow(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(result: &serde_json::Value) -> Result<()> {
    println!("| case | cargo xtask rebuild | by hand | ratio | own share |\n|---|---|---|---|---|");
    for case in result["cases"].as_array().into_iter().flatten() {
        let figure = |name: &str| case[name].as_f64().unwrap_or(f64::NAN);
        let (tool, expert, ratio, share) =
            (figure("tool_s"), figure("expert_s"), figure("ratio"), figure("own_share_s"));
        println!(
            "| {} | {tool:.2} s | {expert:.2} s | {ratio:.2} | {share:+.2} s |",
            case["case"].as_str().unwrap_or_default()
        );
    }
    println!(
        "\npeak memory of xtask: {} kB; cold compile of xtask: {:.1} s",
        result["peak_memory_kb"],
        result["cold_compile_s"].as_f64().unwrap_or(f64::NAN)
    );
    std::fs::create_dir_all("target")?;
    std::fs::write("target/bench.json", format!("{result:#}\n"))?;
    Ok(())
}
