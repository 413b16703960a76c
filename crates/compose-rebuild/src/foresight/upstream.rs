//! What changed upstream between the images and what is built now.

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::facts::history::{Missed, Relation};
use crate::facts::source::{Resolved, Revision, Source};
use crate::plan::Plan;
use crate::value::{Commit, label};

/// The way of one source from the commit in an image to the one that is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// What is followed.
    pub name: String,
    /// The services whose images have the old commit.
    pub services: Vec<String>,
    /// The commit in these images.
    pub from: String,
    /// The commit that is built.
    pub to: String,
    /// How many commits were added; nothing when the branch was rewritten or the remote cannot tell.
    pub count: Option<u64>,
    /// The newest of them.
    pub commits: Vec<Missed>,
}

/// A source that moved since images were built.
pub struct Moved<'a> {
    /// The source.
    pub source: &'a Source,
    /// The commit in the images.
    pub from: Commit,
    /// The commit that is built.
    pub to: &'a Commit,
    /// The services of these images.
    pub services: Vec<String>,
}

/// The sources that moved since the images of a plan were built.
pub fn moved<'a>(facts: &'a Facts, plan: &Plan) -> Vec<Moved<'a>> {
    let mut moved: Vec<Moved<'_>> = Vec::new();
    for (service, _) in plan.builds() {
        let label = facts.images.get(&service.image).and_then(|image| image.label(label::REVISION)).unwrap_or_default();
        let old: Vec<&str> = label.split(' ').collect();
        let new: Vec<_> = facts.sources_of(&service.service).collect();
        for (old, Resolved { source, revision }) in old.iter().zip(&new).filter(|_| old.len() == new.len()) {
            let (Ok(from), Revision::Commit(to)) = (old.parse::<Commit>(), revision) else { continue };
            if from == *to {
                continue;
            }
            let name = service.service.to_string();
            match moved.iter_mut().find(|one| std::ptr::eq(one.source, source) && one.from == from) {
                Some(one) => one.services.push(name),
                None => moved.push(Moved { source, from, to, services: vec![name] }),
            }
        }
    }
    moved
}

impl Upstream {
    /// The way of a source, as far as it is known.
    pub fn new(moved: Moved<'_>, relation: Relation) -> Self {
        let (count, commits) = match relation {
            Relation::Behind { by, missed } => (Some(by), missed),
            _ => (None, Vec::new()),
        };
        let Moved { source, from, to, services } = moved;
        Self { name: source.describe(), services, from: from.to_string(), to: to.to_string(), count, commits }
    }

    /// All of it in lines: where from and to, then a line a commit.
    pub fn lines(&self) -> Vec<String> {
        let count = match self.count {
            Some(1) => ", 1 commit".to_owned(),
            Some(count) => format!(", {count} commits"),
            None => ", not a straight line".to_owned(),
        };
        let mut lines = vec![format!("{} moved {:.12}..{:.12}{count}", self.name, self.from, self.to)];
        lines.extend(self.commits.iter().map(ToString::to_string));
        let rest = self.count.unwrap_or(0).saturating_sub(self.commits.len() as u64);
        lines.extend((rest > 0).then(|| format!("and {rest} more")));
        lines
    }
}
