//! Sources that nobody names: what Dockerfiles fetch by themselves.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{CONFIGURATION, Failure};
use crate::facts::config::Config;
use crate::facts::source::{Source, Wanted};
use crate::project::{Built, Project};
use crate::value::paths::Paths;
use crate::value::{ArgName, GitRef, GitUrl, Service, redact, show};
use dockerfile_reader::Reference;
use dockerfile_reader::git_context;
use dockerfile_reader::sources::{Busts, Cover, Fetch, fetches};

/// What the Dockerfiles of a project say beside the sources that were named.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Arguments that make clones run again, each with the service.
    pub busts: Vec<(Service, ArgName)>,
    /// Code that may be pushed to without any notice here.
    pub unwatched: Vec<Unwatched>,
    /// The services that fetch anything.
    pub fetching: BTreeSet<Service>,
}

/// Code that moves, and that this tool cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unwatched {
    /// The service whose image it is in.
    pub service: Service,
    /// The Dockerfile and the line.
    pub place: String,
    /// The address as far as it is known, without credentials.
    pub repository: String,
    /// Why a push is not noticed.
    pub why: String,
    /// What to do about it.
    pub cure: String,
}

/// Reads all Dockerfiles: adds their sources to those that were named, which count alone where they are `configured`.
pub fn add(project: &Project, config: &Config, bust: &ArgName, sources: &mut Vec<Source>) -> Result<Found, Failure> {
    let mut found = Found::default();
    for (service, built) in &project.services {
        let named: Vec<_> = sources.iter().filter(|source| source.services.contains(service)).collect();
        let alone = !config.sources.is_empty() && !named.is_empty();
        let mut moves = named.iter().any(|source| matches!(source.wanted, Wanted::Ref(_)));
        let mut own = Vec::new();
        found.busts.extend(built.takes(bust.as_str()).then(|| (service.clone(), bust.clone())));
        for fetch in fetches_of(built, bust).into_iter().chain(contexts_of(built)) {
            found.fetching.insert(service.clone());
            if let Cover::Argument(name) = &fetch.cover {
                found.busts.extend(name.parse().map(|name| (service.clone(), name)));
            }
            if alone || named.iter().any(|source| is_of(source, &fetch)) {
                continue;
            }
            match follow(service, &fetch, &config.transports) {
                Ok(Some(followed)) => {
                    moves |= matches!(followed.wanted, Wanted::Ref(_));
                    own.push(followed);
                }
                Ok(None) => {}
                Err(failure) => found.unwatched.push(Unwatched {
                    service: service.clone(),
                    place: match fetch.line {
                        0 => "context".to_owned(),
                        line => format!("{}:{line}", built.dockerfile_path),
                    },
                    repository: match fetch.reference {
                        Reference::Untold(what) => format!("{what} of {}", redact(&fetch.repository)),
                        _ => redact(&fetch.repository),
                    },
                    why: failure.cause,
                    cure: failure.hint.unwrap_or_default(),
                }),
            }
        }
        // What is pinned is only of interest where nothing else can be said.
        own.retain(|source| !moves || matches!(source.wanted, Wanted::Ref(_)));
        for one in own {
            let same = |source: &&mut Source| {
                (&source.repository, &source.wanted, &source.commit_arg)
                    == (&one.repository, &one.wanted, &one.commit_arg)
            };
            match sources.iter_mut().find(same) {
                Some(source) => source.services.extend(one.services),
                None => sources.push(one),
            }
        }
    }
    Ok(found)
}

/// Whether a source that was named is what is fetched there: in a script the arguments of the source say what is taken, while
/// BuildKit takes what is written.
fn is_of(source: &Source, fetch: &Fetch) -> bool {
    match &fetch.reference {
        Reference::Untold(_) => false,
        Reference::Named(_) if fetch.cover == Cover::Builder => source.follows(&fetch.repository, &fetch.reference),
        _ => source.repository.to_string() == fetch.repository,
    }
}

/// What the stages of a service fetch.
fn fetches_of(built: &Built, bust: &ArgName) -> Vec<Fetch> {
    let (Some(closure), Some(dockerfile)) = (&built.closure, &built.dockerfile) else { return Vec::new() };
    let busts = Busts::of(dockerfile, [bust.to_string()]);
    let all = fetches(dockerfile, &built.build(), &busts);
    all.into_iter().filter(|fetch| closure.members.contains(&fetch.runs_in)).collect()
}

/// The repositories that BuildKit fetches as contexts of a service.
fn contexts_of(built: &Built) -> impl Iterator<Item = Fetch> {
    let fetch = |(repository, reference)| {
        let (stage, instruction, runs_in, line) = (0, 0, 0, 0);
        Fetch { stage, instruction, runs_in, line, repository, reference, cover: Cover::Builder, commit_arg: None }
    };
    built.contexts_read().filter_map(git_context).map(fetch)
}

/// What is followed there, if anything moves.
fn follow(service: &Service, fetch: &Fetch, transports: &[String]) -> Result<Option<Source>, Failure> {
    if let Reference::Untold(_) = fetch.reference {
        return Err(Failure::usage("no ref of the repository says which code that is")
            .hint("take a fixed version, or name all sources in [[workspace.metadata.xtask.sources]]"));
    }
    if fetch.cover == Cover::Nothing {
        return match fetch.is_stale() {
            true => Err(Failure::usage("no bust argument stands above it, so the step stays cached")
                .hint("add one: cargo xtask doctor --patch")),
            false => Ok(None),
        };
    }
    if fetch.cover == Cover::Kept {
        return Err(Failure::usage("a cache mount keeps what was cloned once, whatever runs again")
            .hint("fetch and check out the branch in the same `RUN`, or clone outside of the mount"));
    }
    let unclear = |failure: Failure| failure.hint(format!("name it in `sources` of {CONFIGURATION}"));
    if let Reference::Named(name) = &fetch.reference
        && name.contains(['$', '`'])
    {
        return Err(unclear(Failure::usage(format!("its ref {} is only known to the build", show(name)))));
    }
    let wanted = match &fetch.reference {
        Reference::Fixed(_) | Reference::Untold(_) => return Ok(None),
        Reference::Commit(commit) => Wanted::Commit(commit.parse()?),
        Reference::Head => Wanted::Ref("HEAD".parse()?),
        Reference::Named(name) => Wanted::Ref(name.parse::<GitRef>().map_err(unclear)?),
    };
    if fetch.repository.contains('$') {
        return Err(unclear(Failure::usage(format!(
            "its address {} is only known to the build",
            show(&redact(&fetch.repository))
        ))));
    }
    let repository = GitUrl::parse(&fetch.repository, transports).map_err(unclear)?;
    Ok(Some(Source {
        name: repository.name().to_owned(),
        repository,
        wanted,
        commit_arg: fetch.commit_arg.as_deref().map(str::parse).transpose()?,
        paths: Paths::default(),
        services: [service.clone()].into(),
        reaches: BTreeSet::new(),
    }))
}
