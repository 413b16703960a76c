//! The Docker engine: whether it answers, how old it is, how its builder cleans up, and how full its disk is.

use super::{Area, Finding, list};
use crate::facts::builder::field;
use crate::value::measure::{self, bytes};

/// Free space below which no build starts, in bytes.
const DISK_FLOOR: u64 = 1 << 30;
/// How large a kept image is taken to be before it was ever built, in bytes.
const UNKNOWN_MODEL: u64 = 4 << 30;

/// What a program prints, or why it prints nothing.
pub type Answer = Result<String, String>;

/// What was learned about the engine.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// Why it does not answer, and the fix.
    pub silent: Option<(String, String)>,
    /// The version.
    pub version: Option<String>,
    /// What Compose says of its version.
    pub compose: Option<Answer>,
    /// What buildx says of its version.
    pub buildx: Option<Answer>,
    /// What buildx says of the builder.
    pub builder: Option<Answer>,
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
        let why = "Nothing can be built, and what needs the engine was not checked.";
        findings.push(error("engine-silent", cause).why(why).cure(hint));
    } else {
        let old = warning("engine-old", "Docker is older than 23.0")
            .why("Its BuildKit knows neither here-documents nor `COPY --link`, which the shipped Dockerfile uses.")
            .cure("install a newer Docker Engine");
        findings.extend(engine.version.as_deref().and_then(|text| too_old(text, ((23, 0), old))));
        // Without buildx there is one finding already.
        match &engine.builder {
            Some(Ok(text)) => findings.extend([builder(text), garbage_collection(engine, text)].into_iter().flatten()),
            Some(Err(cause)) if engine.buildx.as_ref().is_some_and(Result::is_ok) => findings.push(
                error("builder-unusable", format!("the builder cannot be inspected: {cause}"))
                    .why("Builds would fail for the same reason.")
                    .cure(
                        "choose one with `--builder NAME` or `docker buildx use NAME`; `docker buildx ls` lists them",
                    ),
            ),
            _ => {}
        }
        findings.extend(disk(engine));
    }
    let missing =
        error("compose-missing", "Docker Compose does not answer").why("Only Compose knows what has to be built.");
    let old = error("compose-old", "Docker Compose is older than 2.35")
        .why("It cannot print what it would build (`docker compose build --print`), which is what this tool builds.");
    let install = "install Docker Compose 2.35 or newer: the package `docker-compose-plugin`";
    findings.extend(program(engine.compose.as_ref(), missing, ((2, 35), old)).map(|finding| finding.cure(install)));
    let missing = error("buildx-missing", "buildx does not answer").why("Nothing can be built without it.");
    let old = error("buildx-old", "buildx is older than 0.17")
        .why("It cannot build what Compose prints, and Compose itself refuses it.");
    let install = "install buildx 0.17 or newer: the package `docker-buildx-plugin`";
    findings.extend(program(engine.buildx.as_ref(), missing, ((0, 17), old)).map(|finding| finding.cure(install)));
    findings
}

fn error(check: &'static str, what: impl Into<String>) -> Finding {
    Finding::error(Area::Engine, check, what)
}

fn warning(check: &'static str, what: impl Into<String>) -> Finding {
    Finding::warning(Area::Engine, check, what)
}

/// What is found below a version, given by major and minor.
type Below = ((u64, u64), Finding);

/// The finding about a program that is missing or too old.
pub(super) fn program(answer: Option<&Answer>, missing: Finding, older: Below) -> Option<Finding> {
    match answer? {
        Err(cause) => Some(Finding { what: format!("{}: {cause}", missing.what), ..missing }),
        Ok(text) => too_old(text.trim(), older),
    }
}

fn too_old(text: &str, (version, finding): Below) -> Option<Finding> {
    // Major and minor of the first version number in the text.
    let found = text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse::<u64>().ok()?, numbers.next()?.parse::<u64>().ok()?))
    })?;
    (found < version).then(|| Finding { what: format!("{}: {text}", finding.what), ..finding })
}

fn disk(engine: &Engine) -> Option<Finding> {
    let (path, free) = engine.disk.as_ref()?;
    let room = "free disk space: `cargo xtask prune` shows what can go; the kept model stays";
    let what = format!("{} free in `{path}`", bytes(*free));
    if *free < DISK_FLOOR {
        let why = "No build starts below 1 GB: a full disk breaks the engine's other work too.";
        return Some(error("disk-full", what).why(why).cure(room));
    }
    let largest = engine.largest.filter(|largest| largest > free)?;
    let why = "A build of everything needs as much again before the old image can go.";
    Some(warning("disk-low", format!("{what}, and the largest image has {}", bytes(largest))).why(why).cure(room))
}

/// A builder that does not see the engine's images.
fn builder(text: &str) -> Option<Finding> {
    let (name, driver) = (field(text, "Name"), field(text, "Driver"));
    matches!(driver, "docker-container" | "remote" | "kubernetes").then(|| {
        warning("builder-apart", format!("the builder `{name}` has the driver `{driver}`"))
            .why("It does not see the engine's images: kept images do not reach it, and every result is copied back as a whole.")
            .cure("add `--push`, so that both go through a registry, or build with the engine's own builder (`--builder default`)")
    })
}

/// A kept image protects itself; before there is one, the builder's limit decides.
fn garbage_collection(engine: &Engine, text: &str) -> Option<Finding> {
    let limit = cache_limit(text)?;
    let too_large = engine.unprotected.iter().filter(|(_, size)| size.unwrap_or(UNKNOWN_MODEL) > limit);
    let shown = too_large.map(|(service, size)| {
        let size = size.map_or("never built, several GB with a model".to_owned(), bytes);
        format!("`{service}` ({size})")
    });
    let shown: Vec<_> = shown.collect();
    let what = format!("the builder keeps {} of cache at most, less than {}", bytes(limit), list(&shown));
    (!shown.is_empty()).then(|| {
        error("cache-too-small", what)
            .why("No kept image protects it yet, so the download can be thrown away right after it was made.")
            .cure("run `cargo xtask rebuild`, which makes the kept image at once; or raise `builder.gc.defaultMaxUsedSpace` in daemon.json")
    })
}

/// The least that a rule without filters lets the cache have.
fn cache_limit(text: &str) -> Option<u64> {
    let rule = |rule: &str| -> Option<u64> {
        let lines = rule.lines().filter_map(|line| line.trim().split_once(':'));
        // What is reserved is never collected, whatever the other limit says.
        let limits = lines.filter(|(name, _)| matches!(*name, "Max Used Space" | "Keep Bytes" | "Reserved Space"));
        // Some zeros mean that there is no limit.
        limits.filter_map(|(_, value)| measure::size(value.trim()).ok().filter(|limit| *limit > 0)).max()
    };
    text.split("GC Policy rule#").skip(1).filter(|text| !text.contains("Filters:")).filter_map(rule).min()
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
    fn versions_are_compared_as_numbers() {
        assert_found(&healthy(), &[]);
        assert_found(&Engine::default(), &[]);
        let compose = |text: &str| Engine { compose: Some(Ok(text.to_owned())), ..healthy() };
        assert_found(&compose("2.5.0"), &["Error compose-old"]);
        assert_found(&compose("v2.28.1"), &["Error compose-old"]);
        assert_found(&compose("2.34.9"), &["Error compose-old"]);
        for fine in ["2.35", "v5.0.1", "dev"] {
            assert_found(&compose(fine), &[]);
        }
        let buildx = Some(Ok("github.com/docker/buildx v0.16.2 x".to_owned()));
        assert_found(&Engine { buildx, ..healthy() }, &["Error buildx-old"]);
        assert_found(&Engine { version: Some("20.10.24".to_owned()), ..healthy() }, &["Warning engine-old"]);
    }

    #[test]
    fn what_is_missing_is_found_together() {
        let unknown = || Some(Err("unknown command".to_owned()));
        let silent = Some(("no answer".to_owned(), "start it".to_owned()));
        let broken = Engine { silent, compose: unknown(), buildx: unknown(), builder: unknown(), ..Engine::default() };
        assert_found(&broken, &["Error engine-silent", "Error compose-missing", "Error buildx-missing"]);
        assert_found(&Engine { builder: unknown(), ..healthy() }, &["Error builder-unusable"]);
        let builder = Some(Ok(BUILDER.replace("docker\n", "kubernetes\n")));
        assert_found(&Engine { builder, ..healthy() }, &["Warning builder-apart"]);
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
