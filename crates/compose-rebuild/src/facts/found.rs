//! Sources that nobody names: what Dockerfiles fetch by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{CONFIGURATION, Failure};
use crate::facts::config::Config;
use crate::facts::source::{Source, Wanted};
use crate::project::{Built, Project};
use crate::value::paths::Paths;
use crate::value::{ArgName, GitRef, GitUrl, Service, redact, show};
use dockerfile_reader::sources::{Busts, Cover, Fetch, fetches};
use dockerfile_reader::{Reference, Stage, git_context};

/// What the Dockerfiles of a project say beside the sources that were named.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Arguments that make clones run again, each with the service.
    pub busts: Vec<(Service, ArgName)>,
    /// Code that may be pushed to without any notice here.
    pub unwatched: Vec<Unwatched>,
    /// Everything that the services fetch, watched or not.
    pub sightings: Vec<Sighting>,
    /// What only remotes can say, and were not asked or did not answer: repositories, each with a name.
    pub open: BTreeSet<(String, String)>,
}

/// What names mean to remotes that were asked: repository and name, and the full name of the ref that it is there.
pub type Meanings = BTreeMap<(String, String), String>;

/// Code that a build fetches, where it does, and how a push to it is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// The service whose build fetches it.
    pub service: Service,
    /// The Dockerfile.
    pub file: String,
    /// The line in it, from 1; nothing where no line says it.
    pub line: Option<usize>,
    /// The name of the stage, or its number; without a line what names it: the `context` of the build, `arguments` or the `configuration`.
    pub stage: String,
    /// The address as far as it is known, without credentials.
    pub repository: String,
    /// What is taken from there, in words.
    pub r#ref: String,
    /// How a push is noticed.
    #[serde(flatten)]
    pub watch: Watch,
    /// The source as it was read.
    #[serde(skip)]
    pub fetch: Fetch,
}

impl Sighting {
    /// Whether nothing but an argument above the step is missing.
    pub fn is_uncovered(&self) -> bool {
        matches!(self.watch, Watch::No { .. })
            && self.fetch.cover == Cover::Nothing
            && !matches!(self.fetch.reference, Reference::Untold(_))
    }
}

/// How a push to code is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "watched")]
pub enum Watch {
    /// The remote is asked, and another value of this build argument makes the step run again.
    Argument {
        /// The name.
        by: String,
    },
    /// The remote is asked, and BuildKit looks at it for every build.
    Builder,
    /// There is nothing to notice: a commit or a version does not move.
    Fixed,
    /// There is nothing to notice if a name that looks like a version is that of a tag, which the remote did not say.
    TakenForTag,
    /// The configured sources do not name it, and they count alone.
    NotConfigured,
    /// A push is not noticed.
    No {
        why: String,
        /// What to do about it.
        cure: String,
    },
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
pub fn add(
    project: &Project,
    config: &Config,
    bust: &ArgName,
    meanings: &Meanings,
    sources: &mut Vec<Source>,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for (service, built) in &project.services {
        let named: Vec<_> = sources.iter().filter(|source| source.services.contains(service)).collect();
        let alone = !config.sources.is_empty() && !named.is_empty();
        let commits: BTreeSet<_> = named.iter().filter_map(|source| source.commit_arg.clone()).collect();
        let mut moves = named.iter().any(|source| matches!(source.wanted, Wanted::Ref(_)));
        let mut own = Vec::new();
        found.busts.extend(built.takes(bust.as_str()).then(|| (service.clone(), bust.clone())));
        // A step below the argument that takes the commit runs again, too.
        let told = if commits.is_empty() { Vec::new() } else { fetches_of(built, commits.iter()) };
        for fetch in fetches_of(built, [bust]).into_iter().chain(contexts_of(built)) {
            if let Cover::Argument(name) = &fetch.cover {
                found.busts.extend(name.parse().map(|name| (service.clone(), name)));
            }
            let is_known = named.iter().any(|source| is_of(source, &fetch));
            let question = fetch.question().filter(|_| is_known || !alone);
            let question = question.map(|name| (fetch.repository.clone(), name.to_owned()));
            let meaning = question.as_ref().and_then(|question| meanings.get(question));
            let is_stale = fetch.is_stale(meaning.map(String::as_str));
            let is_open = question.is_some() && meaning.is_none();
            found.open.extend(question.filter(|_| is_open));
            let step = told.iter().find(|one| (one.stage, one.instruction) == (fetch.stage, fetch.instruction));
            let watch = match step.map(|step| &step.cover) {
                Some(Cover::Argument(by)) if is_known && commits.iter().any(|name| name.as_str() == by) => {
                    Watch::Argument { by: by.clone() }
                }
                _ if is_known && !is_stale => covered(&fetch, is_open),
                _ if alone && !is_known => Watch::NotConfigured,
                _ => match follow(service, &fetch, is_stale, &config.transports) {
                    Ok(followed) => {
                        moves |= matches!(&followed, Some(Source { wanted: Wanted::Ref(_), .. }));
                        own.extend(followed);
                        covered(&fetch, is_open)
                    }
                    Err(failure) => Watch::No { why: failure.cause, cure: failure.hint.unwrap_or_default() },
                },
            };
            found.sightings.push(sighting(service, built, fetch, watch));
        }
        let is_read = |source: &&&Source| {
            let of_service = found.sightings.iter().filter(|seen| seen.service == *service);
            of_service.map(|seen| &seen.fetch.repository).any(|one| *one == source.repository.to_string())
        };
        let scripts = named.iter().filter(|source| !is_read(source));
        let by = if alone { "configuration" } else { "arguments" };
        let unread = |source| unread(service, built, source, &found.busts, bust);
        let scripts: Vec<_> = scripts.map(|source| Sighting { stage: by.to_owned(), ..unread(source) }).collect();
        found.sightings.extend(scripts);
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
    found.unwatched = found.sightings.iter().filter_map(unwatched).collect();
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

/// What is said of code that nobody watches.
fn unwatched(seen: &Sighting) -> Option<Unwatched> {
    let Watch::No { why, cure } = &seen.watch else { return None };
    let place = seen.line.map_or(seen.stage.clone(), |line| format!("{}:{line}", seen.file));
    let (service, repository, why, cure) = (seen.service.clone(), seen.repository.clone(), why.clone(), cure.clone());
    Some(Unwatched { service, place, repository, why, cure })
}

fn sighting(service: &Service, built: &Built, fetch: Fetch, watch: Watch) -> Sighting {
    let repository = match fetch.repository.contains(['/', ':', '$', '.', ' ']) {
        true => redact(&fetch.repository),
        false => "a repository that nothing here names".to_owned(),
    };
    let (repository, r#ref) = match &fetch.reference {
        Reference::Untold(what) => (format!("{what} of {repository}"), "-".to_owned()),
        Reference::Head => (repository, "HEAD".to_owned()),
        Reference::Named(name) | Reference::Commit(name) | Reference::Fixed(name) => (repository, name.clone()),
    };
    let stages = built.dockerfile.iter().flat_map(|dockerfile| &dockerfile.stages);
    let stage = stages.zip(0..).nth(fetch.stage).filter(|_| fetch.line > 0);
    let name = |(stage, number): (&Stage, usize)| stage.name.clone().unwrap_or_else(|| number.to_string());
    Sighting {
        service: service.clone(),
        file: built.dockerfile_path.clone(),
        line: Some(fetch.line).filter(|line| *line > 0),
        stage: stage.map_or("context".to_owned(), name),
        repository,
        r#ref,
        watch,
        fetch,
    }
}

/// A source that was named, and that a script fetches which nobody reads here.
fn unread(service: &Service, built: &Built, source: &Source, busts: &[(Service, ArgName)], bust: &ArgName) -> Sighting {
    let commit = source.commit_arg.as_ref().filter(|name| built.takes(name.as_str()));
    let given = busts.iter().find(|(of, _)| of == service).map(|(_, name)| name);
    let watch = match commit.or(given) {
        Some(by) => Watch::Argument { by: by.to_string() },
        None => Watch::No {
            why: "its stages take no argument that changes with a push, so they stay cached".to_owned(),
            cure: format!("declare `ARG {bust}` above the step that fetches it"),
        },
    };
    let fetch = outside_stages(source.repository.to_string(), Reference::Head);
    let r#ref = source.describe();
    Sighting { r#ref, ..sighting(service, built, fetch, watch) }
}

/// What makes a step run again whose code is known; with a question that is open its name is that of a tag by its looks alone.
fn covered(fetch: &Fetch, is_open: bool) -> Watch {
    match &fetch.cover {
        _ if fetch.reference.moves() == Some(false) => Watch::Fixed,
        Cover::Argument(by) => Watch::Argument { by: by.clone() },
        Cover::Builder | Cover::Branch(_) => Watch::Builder,
        Cover::Nothing | Cover::Kept if is_open => Watch::TakenForTag,
        Cover::Nothing | Cover::Kept => Watch::Fixed,
    }
}

/// What the stages of a service fetch, when these arguments make steps run again.
fn fetches_of<'a>(built: &Built, busts: impl IntoIterator<Item = &'a ArgName>) -> Vec<Fetch> {
    let (Some(closure), Some(dockerfile)) = (&built.closure, &built.dockerfile) else { return Vec::new() };
    let busts = Busts::of(dockerfile, busts.into_iter().map(ArgName::to_string));
    let all = fetches(dockerfile, &built.build(), &busts);
    all.into_iter().filter(|fetch| closure.members.contains(&fetch.runs_in)).collect()
}

/// The repositories that BuildKit fetches as contexts of a service.
fn contexts_of(built: &Built) -> impl Iterator<Item = Fetch> {
    built.contexts_read().filter_map(git_context).map(|(repository, reference)| outside_stages(repository, reference))
}

/// Code that no line fetches.
fn outside_stages(repository: String, reference: Reference) -> Fetch {
    let (stage, instruction, runs_in, line) = (0, 0, 0, 0);
    Fetch { stage, instruction, runs_in, line, repository, reference, cover: Cover::Builder, commit_arg: None }
}

/// What is followed there, if anything moves.
fn follow(service: &Service, fetch: &Fetch, is_stale: bool, transports: &[String]) -> Result<Option<Source>, Failure> {
    if let Reference::Untold(_) = fetch.reference {
        return Err(Failure::usage("no ref of the repository says which code that is")
            .hint(format!("take a fixed version, or name all sources in `sources` of {CONFIGURATION}")));
    }
    if matches!(fetch.cover, Cover::Nothing | Cover::Kept) && !is_stale {
        return Ok(None);
    }
    if let Cover::Branch(branch) = &fetch.cover
        && is_stale
    {
        let branch = show(branch);
        return Err(Failure::usage(format!(
            "BuildKit looks at the branch {branch} above it, and the remote does not say that this is its HEAD"
        ))
        .hint(format!("name the branch that is cloned: `git clone --branch`, with {branch} if that is meant")));
    }
    if fetch.cover == Cover::Nothing {
        return Err(Failure::usage("no cache-bust argument stands above it, so the step stays cached")
            .hint("add one: cargo xtask doctor --patch"));
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
