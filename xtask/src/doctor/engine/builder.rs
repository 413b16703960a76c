//! The builder: whether it sees the engine's images, and what its garbage collection throws away.

use super::{Engine, error, warning};
use crate::doctor::{Finding, list};
use crate::report::human::bytes;

/// How large a kept image is taken to be before it was ever built, in bytes.
const UNKNOWN_MODEL: u64 = 4 << 30;

/// The builder's driver, and its garbage collection against what must not be lost.
pub(super) fn check(engine: &Engine) -> Vec<Finding> {
    let text = match &engine.builder {
        None => return Vec::new(),
        // Without buildx there is one finding already.
        Some(Err(_)) if engine.buildx.as_ref().is_some_and(Result::is_err) => return Vec::new(),
        Some(Err(cause)) => {
            return vec![
                error("builder-unusable", format!("the builder cannot be inspected: {cause}"))
                    .why("Builds would fail for the same reason.")
                    .cure(
                        "choose one with `--builder NAME` or `docker buildx use NAME`; `docker buildx ls` lists them",
                    ),
            ];
        }
        Some(Ok(text)) => text,
    };
    let mut findings = Vec::new();
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    let (name, driver) = (field("Name"), field("Driver"));
    if matches!(driver, "docker-container" | "remote" | "kubernetes") {
        findings.push(
            warning("builder-apart", format!("the builder `{name}` has the driver `{driver}`"))
                .why("It does not see the engine's images: kept images do not reach it, and every result is copied back as a whole.")
                .cure("build with the engine's own builder (`--builder default`), or push kept images to a registry that it reads"),
        );
    }
    findings.extend(garbage_collection(engine, text));
    findings
}

/// A kept image protects itself; before there is one, the builder's limit decides.
fn garbage_collection(engine: &Engine, text: &str) -> Option<Finding> {
    let limit = cache_limit(text)?;
    let too_large = engine.unprotected.iter().filter(|(_, size)| size.unwrap_or(UNKNOWN_MODEL) > limit);
    let shown: Vec<_> = too_large
        .map(|(service, size)| match size {
            Some(size) => format!("`{service}` ({})", bytes(*size)),
            None => format!("`{service}` (never built, several GB with a model)"),
        })
        .collect();
    if shown.is_empty() {
        return None;
    }
    let what = format!("the builder keeps {} of cache at most, less than {}", bytes(limit), list(&shown));
    let finding = error("cache-too-small", what);
    Some(finding.why("No kept image protects it yet, so the download can be thrown away right after it was made.").cure(
        "run `cargo xtask rebuild`, which makes the kept image at once; or raise `builder.gc.defaultKeepStorage` in daemon.json",
    ))
}

/// The least that a rule without filters lets the cache have.
fn cache_limit(text: &str) -> Option<u64> {
    let mut limits: Vec<(bool, Option<u64>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("GC Policy rule#") {
            limits.push((false, None));
        }
        let Some((filtered, limit)) = limits.last_mut() else { continue };
        match line.split_once(':') {
            Some(("Filters", _)) => *filtered = true,
            // What is reserved is never collected, whatever the other limit says.
            Some(("Max Used Space" | "Keep Bytes" | "Reserved Space", value)) => *limit = (*limit).max(size(value)),
            _ => {}
        }
    }
    limits.into_iter().filter(|(filtered, _)| !filtered).filter_map(|(_, limit)| limit).min()
}

/// `93.13GiB` in bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..at].parse().ok()?;
    let unit: f64 = match text[at..].trim() {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // Some zeros mean that there is no limit.
    (number > 0.0).then_some((number * unit) as u64)
}
