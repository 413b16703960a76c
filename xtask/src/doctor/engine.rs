//! The Docker engine: whether it answers, how old it is, how its builder cleans up, and how full its disk is.

use super::{Area, Finding, list};
use crate::report::human::bytes;

/// Free space below which no build starts, in bytes.
const DISK_FLOOR: u64 = 1 << 30;
/// How large a kept image is taken to be before it was ever built, in bytes.
const UNKNOWN_MODEL: u64 = 4 << 30;

/// What was learned about the engine.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Why it does not answer, and the cure.
    pub silent: Option<(String, String)>,
    /// Its version.
    pub version: Option<String>,
    /// What Compose says of its version, or why it says nothing.
    pub compose: Option<Result<String, String>>,
    /// What buildx says of its version, or why it says nothing.
    pub buildx: Option<Result<String, String>>,
    /// What buildx says of the builder, or why it says nothing.
    pub builder: Option<Result<String, String>>,
    /// The engine's data directory and the free bytes there, when it is on this machine.
    pub disk: Option<(String, u64)>,
    /// The bytes of the project's largest image.
    pub largest: Option<u64>,
    /// Services to be kept that have no kept image yet, with the bytes of their present image.
    pub unprotected: Vec<(String, Option<u64>)>,
}

/// Everything that is wrong with the engine.
pub fn check(engine: &Engine) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((cause, hint)) = &engine.silent {
        findings.push(
            error("engine-silent", cause)
                .why("Nothing can be built, and what needs the engine was not checked.")
                .cure(hint),
        );
    } else {
        findings.extend(engine.version.as_deref().and_then(old_engine));
        findings.extend(builder(engine));
        findings.extend(disk(engine));
    }
    findings.extend(engine.compose.as_ref().and_then(compose));
    findings.extend(engine.buildx.as_ref().and_then(buildx));
    findings
}

fn error(check: &'static str, what: impl Into<String>) -> Finding {
    Finding::error(Area::Engine, check, what)
}

fn warning(check: &'static str, what: impl Into<String>) -> Finding {
    Finding::warning(Area::Engine, check, what)
}

fn old_engine(text: &str) -> Option<Finding> {
    let old = version(text).is_some_and(|version| version < (23, 0));
    old.then(|| {
        warning("engine-old", format!("Docker {text} is older than 23.0"))
            .why("Its BuildKit knows neither here-documents nor `COPY --link`, which the shipped Dockerfile uses.")
            .cure("install a newer Docker Engine")
    })
}

fn compose(answer: &Result<String, String>) -> Option<Finding> {
    let install = "install Docker Compose 2.33 or newer: the package `docker-compose-plugin`";
    let text = match answer {
        Ok(text) => text.trim(),
        Err(cause) => {
            return Some(
                error("compose-missing", format!("Docker Compose does not answer: {cause}"))
                    .why("Every build goes through it.")
                    .cure(install),
            );
        }
    };
    match version(text) {
        Some(version) if version < (2, 29) => Some(
            error("compose-old", format!("Docker Compose {text} is older than 2.29"))
                .why("It cannot say what a build does as JSON, from which progress, reports and failures are read.")
                .cure(install),
        ),
        Some(version) if version < (2, 33) => Some(
            warning("compose-old", format!("Docker Compose {text} is older than 2.33"))
                .why(
                    "It does not know `additional_contexts: service:NAME`, by which one service is built from another.",
                )
                .cure(install),
        ),
        _ => None,
    }
}

fn buildx(answer: &Result<String, String>) -> Option<Finding> {
    let install = "install buildx 0.12 or newer: the package `docker-buildx-plugin`";
    match answer {
        Err(cause) => Some(
            error("buildx-missing", format!("buildx does not answer: {cause}"))
                .why("Compose builds through it.")
                .cure(install),
        ),
        Ok(text) if version(text).is_some_and(|version| version < (0, 12)) => Some(
            error("buildx-old", format!("buildx is older than 0.12: {}", text.trim()))
                .why("It cannot say what a build does as JSON.")
                .cure(install),
        ),
        Ok(_) => None,
    }
}

/// The builder's driver, and its garbage collection against what must not be lost.
fn builder(engine: &Engine) -> Vec<Finding> {
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

fn disk(engine: &Engine) -> Option<Finding> {
    let (path, free) = engine.disk.as_ref()?;
    let room = "free disk space: `cargo xtask prune` shows what can go; the kept model stays";
    if *free < DISK_FLOOR {
        return Some(
            error("disk-full", format!("{} free in `{path}`", bytes(*free)))
                .why("No build starts below 1 GB: a full disk breaks the engine's other work too.")
                .cure(room),
        );
    }
    let largest = engine.largest.filter(|largest| largest > free)?;
    let what = format!("{} free in `{path}`, and the largest image has {}", bytes(*free), bytes(largest));
    Some(
        warning("disk-low", what)
            .why("A build of everything needs as much again before the old image can go.")
            .cure(room),
    )
}

/// Major and minor of the first version number in a text.
fn version(text: &str) -> Option<(u64, u64)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILDER: &str = "Name:          default\nDriver:        docker\n\nNodes:\nName: default\nGC Policy rule#0:\n \
        All: false\n Filters: type==source.local\n Max Used Space: 512MiB\nGC Policy rule#1:\n All: true\n \
        Reserved Space: 1GiB\n Max Used Space: 2GiB\n";

    fn healthy() -> Engine {
        Engine {
            version: Some("28.5.2".to_owned()),
            compose: Some(Ok("2.40.3-3\n".to_owned())),
            buildx: Some(Ok("github.com/docker/buildx v0.29.1 28f6246".to_owned())),
            builder: Some(Ok(BUILDER.to_owned())),
            disk: Some(("/var/lib/docker".to_owned(), 9 << 30)),
            largest: Some(8 << 30),
            ..Engine::default()
        }
    }

    #[track_caller]
    fn assert_found(engine: &Engine, expected: &[&str]) {
        let found: Vec<_> = check(engine).into_iter().map(|f| format!("{:?} {}", f.severity, f.check)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_good_engine_has_no_findings() {
        assert_found(&healthy(), &[]);
        assert_found(&Engine::default(), &[]);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let compose = |text: &str| Engine { compose: Some(Ok(text.to_owned())), ..healthy() };
        assert_found(&compose("2.5.0"), &["Error compose-old"]);
        assert_found(&compose("v2.28.1"), &["Error compose-old"]);
        assert_found(&compose("2.29.0"), &["Warning compose-old"]);
        assert_found(&compose("2.33"), &[]);
        assert_found(&compose("v5.0.1"), &[]);
        assert_found(&compose("dev"), &[]);
        let buildx = Some(Ok("github.com/docker/buildx v0.11.2 x".to_owned()));
        assert_found(&Engine { buildx, ..healthy() }, &["Error buildx-old"]);
        assert_found(&Engine { version: Some("20.10.24".to_owned()), ..healthy() }, &["Warning engine-old"]);
    }

    #[test]
    fn what_is_missing_is_found_together() {
        let broken = Engine {
            silent: Some(("no answer".to_owned(), "start it".to_owned())),
            compose: Some(Err("unknown command".to_owned())),
            buildx: Some(Err("unknown command".to_owned())),
            builder: Some(Err("unknown command".to_owned())),
            ..Engine::default()
        };
        assert_found(&broken, &["Error engine-silent", "Error compose-missing", "Error buildx-missing"]);
        let builder = Some(Err("no builder \"x\" found".to_owned()));
        assert_found(&Engine { builder, ..healthy() }, &["Error builder-unusable"]);
    }

    #[test]
    fn a_builder_apart_does_not_see_kept_images() {
        for driver in ["docker-container", "remote", "kubernetes"] {
            let builder = Some(Ok(BUILDER.replace("docker\n", &format!("{driver}\n"))));
            assert_found(&Engine { builder, ..healthy() }, &["Warning builder-apart"]);
        }
    }

    #[test]
    fn garbage_collection_matters_until_there_is_a_kept_image() {
        let unprotected = |size| Engine { unprotected: vec![("model".to_owned(), size)], ..healthy() };
        assert_found(&unprotected(Some(3 << 30)), &["Error cache-too-small"]);
        assert_found(&unprotected(None), &["Error cache-too-small"]);
        assert_found(&unprotected(Some(1 << 30)), &[]);
        let old = Some(Ok(BUILDER.replace("Max Used Space: 2GiB", "Keep Bytes: 1.5GiB")));
        assert_found(&Engine { builder: old, ..unprotected(Some(2 << 30)) }, &["Error cache-too-small"]);
        let unlimited = Some(Ok("Driver: docker\n".to_owned()));
        assert_found(&Engine { builder: unlimited, ..unprotected(None) }, &[]);
    }

    #[test]
    fn the_disk_has_room_for_another_build() {
        let free = |free| Engine { disk: Some(("/d".to_owned(), free)), ..healthy() };
        assert_found(&free(1), &["Error disk-full"]);
        assert_found(&free(2 << 30), &["Warning disk-low"]);
        assert_found(&Engine { disk: None, ..healthy() }, &[]);
    }
}
