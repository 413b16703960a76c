//! Which repositories and refs the images are made from, read off the configuration and the build arguments.

use std::collections::BTreeSet;

use crate::error::{CONFIGURATION, Failure};
use crate::facts::config::{Config, SourceConfig};
use crate::facts::found::{self, Found, Meanings, Unwatched};
use crate::facts::source::{Source, Wanted};
use crate::project::{Project, edges};
use crate::value::paths::Paths;
use crate::value::{ArgName, GitUrl, Service, redact, show};

/// The sources of a project: those that are configured, else GITHUB_REPO, and what Dockerfiles fetch by themselves, as far
/// as remotes said what names mean.
pub fn derive(project: &Project, config: &Config, meanings: &Meanings) -> Result<(Vec<Source>, Found), Failure> {
    let bust = config.bust_arg()?;
    let mut sources = Vec::new();
    for wanted in config.sources().iter() {
        sources.extend(one(project, config, wanted, &bust)?);
    }
    let mut found = found::add(project, config, &bust, meanings, &mut sources)?;
    let has_source = |service| sources.iter().any(|source: &Source| source.services.contains(service));
    let without = project.services.iter().find(|(service, built)| {
        let fetches = found.sightings.iter().any(|seen| seen.service == **service);
        built.takes(bust.as_str()) && !has_source(*service) && !fetches
    });
    if let Some((service, _)) = without {
        return Err(Failure::usage(format!(
            "service `{service}` takes `{bust}`, but nothing says which repository it clones"
        ))
        .hint(format!("pass GITHUB_REPO as a build argument, or name it in `sources` of {CONFIGURATION}")));
    }
    let mut sources = by_paths(project, config, sources)?;
    spread(project, &mut sources, &mut found)?;
    Ok((sources, found))
}

/// The host that a token without a host belongs to: that of the first source which a token can be for.
pub fn token_host(sources: &[Source]) -> Option<String> {
    let repositories = sources.iter().map(|source| &source.repository);
    repositories.filter(|url| !url.is_ssh()).find_map(|url| url.host()).map(str::to_owned)
}

/// Makes one source of each set of paths that services have for the same one.
fn by_paths(project: &Project, config: &Config, sources: Vec<Source>) -> Result<Vec<Source>, Failure> {
    let mut divided: Vec<Source> = Vec::new();
    let several = |service| sources.iter().filter(|source| source.services.contains(service)).count() > 1;
    for source in &sources {
        let first = divided.len();
        for service in &source.services {
            let own = config.services.get(service.as_str()).map_or(&[][..], |config| &config.paths);
            if !own.is_empty() && several(service) {
                return Err(Failure::usage(format!("`{service}` has several sources, and `paths` of its own"))
                    .hint(format!("write the `paths` at each of its `sources` in {CONFIGURATION}")));
            }
            let paths = if own.is_empty() { source.paths.clone() } else { Paths::parse(own)? };
            let takes = |name: &ArgName| project.services[service].takes(name.as_str());
            let moves = matches!(source.wanted, Wanted::Ref(_));
            if moves && !paths.specs.is_empty() && !source.commit_arg.as_ref().is_some_and(takes) {
                return Err(Failure::usage(format!(
                    "the build of `{service}` takes the tip of {}, whatever `paths` say",
                    source.repository
                ))
                .hint("let its Dockerfile take the commit as a build argument: cargo xtask doctor --patch"));
            }
            match divided[first..].iter_mut().find(|one| one.paths == paths) {
                Some(one) => drop(one.services.insert(service.clone())),
                None => divided.push(Source { paths, services: [service.clone()].into(), ..source.clone() }),
            }
        }
    }
    Ok(divided)
}

/// What the services fetch, for projects whose named sources are wrong.
pub fn unnamed(project: &Project, config: &Config, meanings: &Meanings) -> Result<Found, Failure> {
    found::add(project, config, &config.bust_arg()?, meanings, &mut Vec::new())
}

/// Lets services that are made from others hold the code of those, watched or not.
fn spread(project: &Project, sources: &mut [Source], found: &mut Found) -> Result<(), Failure> {
    for source in sources.iter_mut() {
        source.reaches.clone_from(&source.services);
    }
    for service in edges::in_order(project)? {
        for input in edges::inputs_of(project, service) {
            for source in sources.iter_mut().filter(|source| source.reaches.contains(input.service)) {
                source.reaches.insert(service.clone());
            }
            let through = found.unwatched.iter().filter(|one| one.service == *input.service);
            let through: Vec<_> = through.map(|one| Unwatched { service: service.clone(), ..one.clone() }).collect();
            found.unwatched.extend(through);
        }
    }
    Ok(())
}

fn one(project: &Project, config: &Config, wanted: &SourceConfig, bust: &ArgName) -> Result<Option<Source>, Failure> {
    let named: BTreeSet<Service> = wanted.services.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    if let Some(unknown) = named.iter().find(|service| !project.services.contains_key(*service)) {
        return Err(unknown_service(unknown, project));
    }
    let takers = |names: &[&str]| -> BTreeSet<Service> {
        let takes = project.services.iter().filter(|(_, built)| names.iter().any(|name| built.takes(name)));
        takes.map(|(service, _)| service.clone()).collect()
    };
    let arguments = [&wanted.repository_arg, &wanted.ref_arg, &wanted.commit_arg].into_iter().flatten();
    let arguments: Vec<&str> = arguments.map(String::as_str).collect();
    let mut services = if named.is_empty() { takers(&arguments) } else { named };
    if services.is_empty() && wanted.repository.is_some() {
        services = takers(&[bust.as_str()]);
    }
    if services.is_empty() {
        return match wanted.repository {
            Some(_) => Err(Failure::usage(format!("no service is made from source {}", show(&wanted.name)))
                .hint("list its `services`, or pass one of its arguments in the compose file")),
            None => Ok(None),
        };
    }
    let value = |fixed: &Option<String>, argument: &Option<String>| match (fixed, argument) {
        (Some(fixed), _) => Ok(Some(fixed.clone())),
        (None, Some(argument)) => agreed(project, &services, argument),
        (None, None) => Ok(None),
    };
    let repository = value(&wanted.repository, &wanted.repository_arg)?;
    // By its name alone an argument need not hold an address.
    if config.sources.is_empty() && !repository.as_deref().is_some_and(GitUrl::is_meant) {
        return Ok(None);
    }
    let Some(repository) = repository else {
        return Err(Failure::usage(format!("source {} has no repository", show(&wanted.name)))
            .hint("set `repository`, or pass its `repository-arg` in the compose file"));
    };
    let follow = match value(&None, &wanted.commit_arg)? {
        Some(commit) => Wanted::Commit(commit.parse()?),
        None => Wanted::Ref(value(&wanted.r#ref, &wanted.ref_arg)?.as_deref().unwrap_or("HEAD").parse()?),
    };
    Ok(Some(Source {
        name: wanted.name.clone(),
        repository: GitUrl::parse(&repository, &config.transports)?,
        wanted: follow,
        commit_arg: wanted.commit_arg.as_deref().map(str::parse).transpose()?,
        paths: Paths::parse(&wanted.paths)?,
        services,
        reaches: BTreeSet::new(),
    }))
}

/// The one value that all services see for an argument; empty is nothing.
fn agreed(project: &Project, services: &BTreeSet<Service>, argument: &str) -> Result<Option<String>, Failure> {
    let takers = services.iter().filter(|service| project.services[*service].takes(argument));
    let value = |service: &Service| project.services[service].arg(argument).unwrap_or_default();
    let values: Vec<_> = takers.map(|service| (service, value(service))).collect();
    let Some(&(_, first)) = values.first() else { return Ok(None) };
    if values.iter().any(|(_, value)| *value != first) {
        let shown: Vec<_> =
            values.iter().map(|(service, value)| format!("`{service}` has {}", show(&redact(value)))).collect();
        return Err(Failure::usage(format!("services disagree about `{argument}`: {}", shown.join("; ")))
            .hint("pass it to every service from one YAML anchor"));
    }
    Ok(Some(first).filter(|value| !value.is_empty()).map(str::to_owned))
}

/// The failure for a service that the project does not build.
pub fn unknown_service(service: &Service, project: &Project) -> Failure {
    let known: Vec<_> = project.services.keys().map(Service::as_str).collect();
    Failure::usage(format!("the project builds no service `{service}`"))
        .hint(format!("it builds: {}", known.join(", ")))
}
