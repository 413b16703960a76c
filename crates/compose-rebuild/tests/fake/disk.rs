//! What takes disk space in the fake engine, and how it is removed.

use serde_json::{Value, json};

use crate::Reply;
use crate::docker::{no_such, untag};
use crate::state::Engine;

/// The IDs of all images; one with several names comes several times.
pub(crate) fn image_ids(engine: &Engine) -> Reply {
    let ids = engine.images.iter().flat_map(|image| vec![format!("{}\n", image.id); image.tags.len().max(1)]);
    Reply::ok(ids.collect::<String>())
}

/// Containers that run have their names for IDs.
pub(crate) fn container_ids(engine: &Engine) -> Reply {
    let running = engine.running.iter().map(|one| &one.name);
    Reply::ok(
        engine.containers.iter().map(|one| &one.id).chain(running).map(|id| format!("{id}\n")).collect::<String>(),
    )
}

pub(crate) fn container_images(engine: &Engine, names: &[&str]) -> Reply {
    let created = engine.containers.iter().map(|one| (&one.id, &one.image));
    let all = created.chain(engine.running.iter().map(|one| (&one.name, &one.image)));
    let wanted = all.filter(|(id, _)| names.contains(&id.as_str()));
    Reply::ok(wanted.map(|(id, image)| format!("{image} /{id}\n")).collect::<String>())
}

pub(crate) fn usage(engine: &Engine) -> Reply {
    let images: Vec<_> =
        engine.images.iter().map(|image| json!({"ID": image.id, "UniqueSize": format!("{}B", image.size)})).collect();
    let cache: Vec<_> = engine.cache.iter().map(|record| with_users(engine, record)).collect();
    Reply::ok(json!({"Images": images, "BuildCache": cache}).to_string())
}

/// No two images share a layer.
pub(crate) fn summary(engine: &Engine) -> Reply {
    Reply::ok(format!("Images={}B\nContainers=0B\n", engine.images.iter().map(|image| image.size).sum::<u64>()))
}

/// A record as the engine says it is now.
fn with_users(engine: &Engine, record: &Value) -> Value {
    let held = record["Image"].as_str().is_some_and(|id| engine.find(id).is_some());
    let mut record = record.clone();
    record["Shared"] = held.to_string().into();
    record
}

/// Removes an image by name or ID, as the engine does without force.
pub(crate) fn remove(engine: &mut Engine, name: &str) -> Result<String, String> {
    let image = engine.find(name).ok_or_else(|| no_such("image", name))?.clone();
    if image.id != name {
        return untag(engine, name);
    }
    let conflict = |why: &str| Err(format!("Error response from daemon: conflict: unable to delete {name} ({why}\n"));
    if engine.running.iter().any(|one| one.image == name) || engine.containers.iter().any(|one| one.image == name) {
        return conflict("must be forced) - image is being used by a container");
    }
    let repository = |tag: &String| tag.rsplit_once(':').map(|(repository, _)| repository.to_owned());
    if image.tags.iter().any(|tag| repository(tag) != repository(&image.tags[0])) {
        return conflict("must be forced) - image is referenced in multiple repositories");
    }
    engine.images.retain(|other| other.id != name);
    Ok(format!("Deleted: {name}\n"))
}

/// Removes records of the build cache; one that is used, or that another one is made from, stays.
pub(crate) fn prune(engine: &mut Engine, filter: &str) -> Reply {
    let ids = filter.strip_prefix("id~=^(").and_then(|rest| rest.strip_suffix(")$")).unwrap();
    let mut ids: Vec<&str> = ids.split('|').collect();
    while let Some(at) = ids.iter().position(|id| {
        let record = engine.cache.iter().find(|record| record["ID"] == *id);
        let is_free = record.is_some_and(|record| with_users(engine, record)["Shared"] == "false");
        is_free && !engine.cache.iter().any(|record| record["Parent"] == *id)
    }) {
        let id = ids.remove(at);
        engine.cache.retain(|record| record["ID"] != id);
    }
    Reply::default()
}
