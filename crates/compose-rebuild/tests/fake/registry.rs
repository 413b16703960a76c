//! The fake registry: one for all names. The ID of an image is its digest there too.

use serde_json::json;

use crate::Reply;
use crate::state::Engine;

pub(crate) fn push(engine: &mut Engine, names: &[&str]) -> Reply {
    let &[name] = names else { return Reply::error(1, "docker image push requires 1 argument") };
    let Some(image) = engine.find(name).cloned() else {
        return Reply::error(1, format!("An image does not exist locally with the tag: {name}"));
    };
    let said = format!("latest: digest: {} size: 1234\n", image.id);
    engine.registry.insert(name.to_owned(), image);
    Reply::ok(said)
}

pub(crate) fn pull(engine: &mut Engine, names: &[&str]) -> Reply {
    let &[name] = names else { return Reply::error(1, "docker image pull requires 1 argument") };
    let Some(mut image) = engine.registry.get(name).cloned() else {
        return Reply::error(1, format!("Error response from daemon: manifest for {name} not found"));
    };
    image.tags.clear();
    let id = image.id.clone();
    if engine.find(&id).is_none() {
        engine.images.push(image);
    }
    engine.tag(&id, name);
    Reply::ok(format!("{name}\n"))
}

pub(crate) fn inspect(engine: &Engine, names: &[&str]) -> Reply {
    let &[name] = names else { return Reply::error(1, "imagetools inspect requires 1 argument") };
    match engine.registry.get(name) {
        Some(image) => {
            let config = json!({"config": {"Labels": image.labels, "WorkingDir": image.working_dir}});
            Reply::ok(json!({"manifest": {"digest": image.id}, "image": config}).to_string())
        }
        None => Reply::error(1, format!("ERROR: {name}: not found")),
    }
}

pub(crate) fn point(engine: &mut Engine, to: &str, names: &[&str]) -> Reply {
    let digest = names.first().and_then(|from| Some(from.split_once('@')?.1)).unwrap_or_default();
    match engine.registry.values().find(|image| image.id == digest).cloned() {
        Some(image) => {
            engine.registry.insert(to.to_owned(), image);
            Reply::default()
        }
        None => Reply::error(1, format!("ERROR: {digest}: not found")),
    }
}
