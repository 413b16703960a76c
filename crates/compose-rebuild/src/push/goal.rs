//! Where the mutable tags of a registry belong, decided from what it has.

use crate::error::Failure;
use crate::facts::Facts;
use crate::facts::image::{Image, Images};
use crate::plan::{Action, Plan, ServicePlan, service};
use crate::promote::Move;
use crate::value::{ImageRef, label};

/// Every image that says whether a plan is fulfilled: mutable tags, and each image under its own name.
pub fn images_of(facts: &Facts, plan: &Plan) -> Result<Vec<ImageRef>, Failure> {
    let own = plan.services.iter().map(|service| own_image(facts, service));
    let mutable = plan.services.iter().flat_map(|service| facts.project.services[&service.service].names());
    mutable.map(|name| Ok(name.clone())).chain(own).collect()
}

/// The name of the image of a service that never moves.
pub fn own_image(facts: &Facts, service: &ServicePlan) -> Result<ImageRef, Failure> {
    service::own_image(facts, &service.service, &service.cache_bust)
}

/// Whether an image is the one that a plan wants for a service, whoever built it.
pub fn is_wanted(facts: &Facts, service: &ServicePlan, image: &Image) -> bool {
    let kept = facts.project.services[&service.service].keep;
    image.belongs_to(&facts.project.name) && (kept || image.label(label::KEY) == Some(service.key.as_str()))
}

/// The moves that bring every mutable tag of a plan to its image; nothing as long as one of these is missing, because tags
/// move together.
pub fn moves(facts: &Facts, plan: &Plan, found: &Images) -> Result<Option<Vec<Move>>, Failure> {
    let mut moves = Vec::new();
    for service in plan.services.iter().filter(|service| !matches!(service.action, Action::Held | Action::Shared(_))) {
        let wanted = |image: &&Image| is_wanted(facts, service, image);
        let own = found.get(&own_image(facts, service)?).filter(wanted);
        for tag in facts.project.services[&service.service].names() {
            let current = found.get(tag);
            match own {
                Some(own) if current.is_none_or(|current| current.id != own.id) => {
                    let from = current.map(|current| current.id.clone());
                    moves.push(Move { tag: tag.clone(), from, to: own.id.clone() });
                }
                None if current.filter(wanted).is_none() => return Ok(None),
                _ => {}
            }
        }
    }
    Ok(Some(moves))
}
