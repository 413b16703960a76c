//! What changed upstream between the images and what is built now.

use buildkit_report::upstream::Upstream;

use crate::facts::Facts;
use crate::facts::history::Relation;
use crate::facts::source::{Resolved, Revision, Source};
use crate::plan::Plan;
use crate::value::{Commit, label};

/// A source that moved since images were built.
pub struct Moved<'a> {
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
        for (old, Resolved { source, revision, .. }) in old.iter().zip(&new).filter(|_| old.len() == new.len()) {
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

/// The way of a source, as far as it is known.
pub fn way(moved: Moved<'_>, relation: Relation) -> Upstream {
    let (count, commits) = match relation {
        Relation::Behind { by, missed } => (Some(by), missed),
        _ => (None, Vec::new()),
    };
    let Moved { source, from, to, services } = moved;
    Upstream { name: source.describe(), services, from: from.to_string(), to: to.to_string(), count, commits }
}
