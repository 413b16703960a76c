//! What follows from all that was found out about an image; a pure function.

use buildkit_report::upstream::Missed;
use serde::{Serialize, Serializer};

use crate::facts::containers::Container;
use crate::facts::history::Relation;
use crate::value::time::Timestamp;
use crate::value::{ImageRef, Service};
use crate::verify::compare::Difference;

/// One of several sources of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// The address of the repository.
    pub repository: String,
    /// What is followed there.
    pub wanted: String,
    /// Whether the image says that it was made from it.
    #[serde(skip)]
    pub known: bool,
    /// The commit that the label says.
    pub label: Option<String>,
    /// The commit that the remote has, if it was asked.
    pub remote: Option<String>,
}

/// What was found out about an image.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// Whether there is an image.
    #[serde(skip)]
    pub exists: bool,
    /// Whether it says that it was built here.
    #[serde(skip)]
    pub ours: bool,
    /// What the remotes have; nothing when they were not asked.
    pub remote: Option<String>,
    /// What the label says.
    pub label: Option<String>,
    /// Both, source by source.
    pub sources: Vec<Part>,
    /// Whether it was made from a source that its service does not have any more.
    #[serde(skip)]
    pub gone: bool,
    /// Whether there is code in it whose pushes nobody notices.
    #[serde(skip)]
    pub unwatched: bool,
    /// Without any source, how it relates to what its service would be built from now.
    #[serde(skip)]
    pub definition: Definition,
    /// What the version file says, if the image has to have one.
    pub version_file: Option<String>,
    /// Why that is no version file, or that it is not there.
    #[serde(skip)]
    pub no_version: Option<String>,
    /// The running containers.
    pub containers: Vec<Container>,
    /// The ID of the image.
    #[serde(skip)]
    pub id: String,
    /// When the image was built.
    #[serde(skip)]
    pub created: Option<Timestamp>,
    /// How label and tip relate, when they differ.
    #[serde(flatten, serialize_with = "as_counts")]
    pub relation: Option<Relation>,
    /// A version of the same service that was built later.
    pub newer: Option<String>,
    /// Why a rebuild would leave it where it is, although the remote has something newer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Which base image has moved in its registry, when registries were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// How the files differ from those of the commit, when they were compared.
    pub deep: Option<Difference>,
}

/// How an image relates to what its service would be built from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Definition {
    /// The image has the key that its service would have now.
    Same,
    /// Something else.
    Changed,
    /// Only BuildKit can tell, or nobody asked.
    #[default]
    Unknown,
}

fn as_counts<S: Serializer>(relation: &Option<Relation>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Default, Serialize)]
    struct Counts<'a> {
        behind: Option<u64>,
        ahead: Option<u64>,
        commits: &'a [Missed],
    }
    let counts = match relation {
        Some(Relation::Behind { by, missed }) => Counts { behind: Some(*by), commits: missed, ..Counts::default() },
        Some(Relation::Ahead { by }) => Counts { ahead: Some(*by), ..Counts::default() },
        _ => Counts::default(),
    };
    counts.serialize(to)
}

impl Evidence {
    /// Containers that run another image than the one of their service.
    pub fn outdated(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.image != self.id)
    }

    /// Whether the image is at the tip of its branch.
    pub fn is_at_tip(&self) -> bool {
        self.sources.iter().all(|part| part.label.is_some() && part.label == part.remote)
    }

    /// Whether version file and sources are those of the label's commit.
    fn holds_what_it_says(&self) -> bool {
        let says = |file: &String| self.label.as_ref().is_some_and(|label| label.split(' ').any(|one| one == file));
        let file = self.no_version.is_none() && self.version_file.as_ref().is_none_or(says);
        file && self.deep.as_ref().is_none_or(Difference::is_none)
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything agrees with the remote.
    Current,
    /// The service has no source, and the key of its image is the one that its service has now.
    CurrentByKey,
    /// The service has no source, and no key can tell whether it is up to date.
    NothingToCompare,
    /// Everything that is here agrees; no remote was asked.
    Consistent,
    /// Label, version file or sources disagree.
    WrongContent,
    /// The image does not say that it was built here.
    NotOurs,
    /// There is no image.
    NeverBuilt,
    /// Some code in it moves, and nothing here notices a push.
    NotWatched,
    /// The service has no source, and its image was built from something else than its service would be now.
    DefinitionChanged,
    /// The image was built before its service got one of its sources.
    NewSource,
    /// The image was built from a source that its service does not have any more.
    SourceGone,
    /// The image is made from a commit that the branch does not have (any more, or yet).
    NotOnBranch,
    /// The branch has commits that the image does not have.
    Behind,
    /// The branch has commits that the image does not have, and a newer image of the service exists.
    RolledBack,
    /// The branch has commits that the image does not have, and its tip is known to be bad.
    Held,
    /// A base image of it has moved in its registry.
    BaseMoved,
    /// The image is current, and a running container was started from another one.
    ContainerOutdated,
}

impl Verdict {
    /// The verdict on this evidence: what is wrong with the image comes before what is wrong with its age.
    pub fn on(evidence: &Evidence) -> Self {
        if !evidence.exists {
            return Self::NeverBuilt;
        }
        if !evidence.ours {
            return Self::NotOurs;
        }
        if !evidence.holds_what_it_says() {
            return Self::WrongContent;
        }
        if evidence.sources.iter().any(|part| !part.known) {
            return Self::NewSource;
        }
        if evidence.gone {
            return Self::SourceGone;
        }
        if evidence.remote.is_some() && !evidence.is_at_tip() {
            return match evidence.relation {
                Some(Relation::Ahead { .. } | Relation::Elsewhere) => Self::NotOnBranch,
                _ if evidence.held.is_some() => Self::Held,
                _ if evidence.newer.is_some() => Self::RolledBack,
                _ => Self::Behind,
            };
        }
        if evidence.unwatched {
            return Self::NotWatched;
        }
        let has_sources = !evidence.sources.is_empty();
        match (evidence.definition, &evidence.remote) {
            (Definition::Changed, _) if !has_sources => Self::DefinitionChanged,
            _ if evidence.base.is_some() => Self::BaseMoved,
            _ if evidence.outdated().next().is_some() => Self::ContainerOutdated,
            (Definition::Same, _) if !has_sources => Self::CurrentByKey,
            _ if !has_sources => Self::NothingToCompare,
            (_, Some(_)) => Self::Current,
            (_, None) => Self::Consistent,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_good(self) -> bool {
        self.cure().is_empty()
    }

    /// The name, and what to do about a service whose image has it.
    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Current => ("current", ""),
            Self::CurrentByKey => ("up to date by its key", ""),
            Self::NothingToCompare => ("nothing to compare", ""),
            Self::Consistent => ("consistent", ""),
            Self::WrongContent => {
                ("wrong content", "trust nothing in it, build it again without cache: cargo xtask full --keep-models")
            }
            Self::NotOurs => ("not built by xtask", "build it with this tool: cargo xtask rebuild"),
            Self::NeverBuilt => ("never built", "build it: cargo xtask rebuild"),
            Self::NotWatched => ("not watched", "let a push be noticed: cargo xtask doctor --patch"),
            Self::DefinitionChanged => ("definition changed", "bring it up to date: cargo xtask rebuild"),
            Self::NewSource => ("new source", "build it with all of its sources: cargo xtask rebuild"),
            Self::SourceGone => ("source gone", "build it without that source: cargo xtask rebuild"),
            Self::NotOnBranch => {
                ("not on the branch", "build the tip of the branch: cargo xtask rebuild; or name the branch it is from")
            }
            Self::Behind => ("behind", "bring it up to date: cargo xtask rebuild"),
            Self::RolledBack => ("behind, rolled back", "go forward again when it may: cargo xtask rebuild"),
            Self::Held => ("held", "push a better commit, or go there all the same: cargo xtask rebuild --forward"),
            Self::BaseMoved => ("base image moved", "build it from its base as it is now: cargo xtask rebuild --pull"),
            Self::ContainerOutdated => {
                ("container older than its image", "start it from the image: cargo xtask rebuild --up")
            }
        }
    }

    fn cure(self) -> &'static str {
        self.entry().1
    }
}

/// The verdict on an image, with everything that it follows from.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The service; nothing for an image that belongs to none.
    pub service: Option<Service>,
    pub image: ImageRef,
    /// What was found out.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// What follows.
    pub verdict: Verdict,
    /// What to do about it.
    pub cure: Option<String>,
}

impl Row {
    /// Judges; `alone` is an image that was named by itself, not a service.
    pub fn new(service: Option<Service>, image: ImageRef, evidence: Evidence, alone: bool) -> Self {
        let verdict = Verdict::on(&evidence);
        let cure = match verdict {
            Verdict::NeverBuilt if alone => format!("get it: docker pull {image}"),
            Verdict::NotOurs if alone => "nothing in it names a repository and a commit of this project".to_owned(),
            _ => verdict.cure().to_owned(),
        };
        let cure = Some(cure).filter(|_| !verdict.is_good());
        Self { service, image, evidence, verdict, cure }
    }

    /// The verdict in words, with figures where there are some.
    pub fn words(&self) -> String {
        let by_local_files = self.evidence.label.as_deref().is_some_and(|label| label.contains("local-"));
        match (self.verdict, &self.evidence.relation) {
            (Verdict::Behind, Some(Relation::Behind { by, .. })) => format!("behind by {by}"),
            (Verdict::NotOnBranch, _) if by_local_files => "made from local files".to_owned(),
            (Verdict::NotOnBranch, Some(Relation::Ahead { by })) => format!("ahead by {by}"),
            (Verdict::NotOnBranch, _) => "on another branch".to_owned(),
            (verdict, _) => verdict.entry().0.to_owned(),
        }
    }

    /// Where a service is held, and why.
    pub fn held(&self) -> Option<&str> {
        self.evidence.held.as_deref().filter(|_| self.verdict == Verdict::Held)
    }

    /// The name of the service, else of the image.
    pub fn name(&self) -> String {
        self.service.as_ref().map_or_else(|| self.image.to_string(), ToString::to_string)
    }
}

#[cfg(test)]
mod tests;
