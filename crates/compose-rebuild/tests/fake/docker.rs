//! The fake engine: transitions and error texts as the real one has them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use compose_rebuild::value::digest::sha256;
use serde_json::{Value, json};

use crate::state::{Container, Engine, Entry, Image};
use crate::{Reply, disk, registry};

pub(crate) fn run(state: &Path, args: &[String]) -> Reply {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (options, names) = match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (&words[..], &[][..]),
    };
    match options {
        ["compose", .., "config", "--format", "json"] => Reply::ok(resolved(Engine::read(state).config).to_string()),
        ["compose", .., "config", "--format", "json", "--no-interpolate"] => {
            Reply::ok(Engine::read(state).config.to_string())
        }
        ["compose", .., "build", "--print"] => Reply::ok(definition(&Engine::read(state).config, names).to_string()),
        ["buildx", "bake", rest @ ..] => {
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input).unwrap();
            std::fs::write(state.join("definition.json"), &input).unwrap();
            Engine::update(state, |e| bake(e, rest, &input))
        }
        ["info", "--format", "{{json .}}"] => {
            let status = if Engine::read(state).containerd {
                json!([["driver-type", "io.containerd.snapshotter.v1"]])
            } else {
                json!([["Backing Filesystem", "extfs"]])
            };
            Reply::ok(json!({"DriverStatus": status, "DockerRootDir": "/not/a/path/of/this/machine"}).to_string())
        }
        ["buildx", "inspect", name] => Reply::ok(format!("Name:   {name}\nDriver: docker\n\nNodes:\nName: {name}0\n")),
        ["buildx", "du", "--format", "{{.ID}} {{.Type}}"] => Reply::ok("abc* regular\n"),
        ["info", "--format", "{{.SystemTime}}"] => Reply::ok("2026-12-31T00:00:00Z\n"),
        ["info", "--format", "{{.ID}}"] => Reply::ok(format!("{}\n", sha256(state.display().to_string()))),
        ["image", "inspect"] => inspect(&Engine::read(state), names),
        ["image", "push"] => Engine::update(state, |e| registry::push(e, names)),
        ["image", "pull", "--quiet"] => Engine::update(state, |e| registry::pull(e, names)),
        ["buildx", "imagetools", "inspect", "--format", _] => registry::inspect(&Engine::read(state), names),
        ["buildx", "imagetools", "create", "--prefer-index=false", "--tag", to] => {
            Engine::update(state, |e| registry::point(e, to, names))
        }
        ["image", "tag"] => Engine::update(state, |e| tag(e, names)),
        ["image", "rm", "--no-prune"] => Engine::update(state, |e| each(names, |name| untag(e, name))),
        ["image", "rm"] => Engine::update(state, |e| each(names, |name| disk::remove(e, name))),
        ["image", "ls", "--all", "--quiet", "--no-trunc"] => disk::image_ids(&Engine::read(state)),
        ["ps", "--all", "--quiet", "--no-trunc"] => disk::container_ids(&Engine::read(state)),
        ["container", "inspect", "--format", _] => disk::container_images(&Engine::read(state), names),
        ["system", "df", "--verbose", "--format", "{{json .}}"] => disk::usage(&Engine::read(state)),
        ["system", "df", "--format", "{{.Type}}={{.Size}}"] => disk::summary(&Engine::read(state)),
        ["buildx", "prune", "--force", "--filter", filter] => {
            Engine::update(state, |engine| disk::prune(engine, filter))
        }
        ["create", .., "--name", id, "--label", label] => Engine::update(state, |e| create(e, id, label, names)),
        ["cp"] => copy(&Engine::read(state), names),
        ["rm", volumes @ ..] => Engine::update(state, |e| {
            e.volumes.retain(|container| *volumes != ["--volumes"] || !names.contains(&container.as_str()));
            each(names, |name| remove(e, name))
        }),
        ["image", "import", changes @ ..] => Engine::update(state, |e| import(e, changes, names)),
        ["compose", "up", "--detach", ..] => Engine::update(state, |e| up(e, names)),
        ["logs", "--tail", _] => Reply::ok("the log\n"),
        ["ps", "--all", "--quiet", "--no-trunc", "--filter", label, "--filter", _] => running(state, label),
        ["ps", "--all", "--quiet", "--no-trunc", "--filter", label] => {
            let engine = Engine::read(state);
            let label = label.trim_start_matches("label=");
            let found = engine.containers.iter().filter(|container| container.label == label);
            Reply::ok(found.map(|container| format!("{}\n", container.id)).collect::<String>())
        }
        ["container", "inspect"] => inspect_containers(&Engine::read(state), names),
        ["image", "ls", "--filter", filter, "--format", "{{.Repository}}:{{.Tag}}"] => {
            let (name, value) = filter.strip_prefix("label=").unwrap().split_once('=').unwrap();
            let images = Engine::read(state).images;
            let own = images.iter().filter(|image| image.labels.get(name).is_some_and(|own| own == value));
            Reply::ok(own.flat_map(|image| &image.tags).map(|tag| format!("{tag}\n")).collect::<String>())
        }
        ["image", "ls", "--all", "--quiet", "--no-trunc", filters @ ..] => {
            let labels: Vec<_> =
                filters.iter().filter_map(|word| word.strip_prefix("label=")?.split_once('=')).collect();
            let fits =
                |image: &&Image| labels.iter().all(|(name, value)| image.labels.get(*name).is_some_and(|v| v == value));
            let engine = Engine::read(state);
            Reply::ok(engine.images.iter().filter(fits).map(|image| format!("{}\n", image.id)).collect::<String>())
        }
        _ => Reply::error(125, format!("the fake docker does not know: {}", words.join(" "))),
    }
}

/// The bake definition that Compose makes of a project, for these services or all of them.
fn definition(config: &Value, names: &[&str]) -> Value {
    let project = config["name"].as_str().unwrap();
    let mut targets = serde_json::Map::new();
    for (service, resolved) in config["services"].as_object().into_iter().flatten() {
        let build = &resolved["build"];
        if !build.is_object() || !(names.is_empty() || names.contains(&service.as_str())) {
            continue;
        }
        let context = build["context"].as_str().unwrap();
        let file = build["dockerfile"].as_str().unwrap_or("Dockerfile");
        let image = resolved["image"].as_str().map_or_else(|| format!("{project}-{service}"), str::to_owned);
        let tags = build["tags"].as_array().into_iter().flatten().cloned().chain([json!(image)]);
        let contexts = build["additional_contexts"].as_object().into_iter().flatten();
        let contexts = contexts.map(|(name, value)| (name, value.as_str().unwrap().replace("service:", "target:")));
        let args = build["args"].as_object().into_iter().flatten().filter(|(_, value)| value.is_string());
        let mut target = json!({
            "context": context, "tags": tags.collect::<Vec<_>>(), "output": ["type=docker"],
            "args": args.collect::<BTreeMap<_, _>>(), "contexts": contexts.collect::<BTreeMap<_, _>>(),
            "labels": {"com.docker.compose.project": project, "com.docker.compose.service": service},
        });
        match build["dockerfile_inline"].as_str() {
            Some(text) => target["dockerfile-inline"] = json!(text.replace("${", "$${")),
            None => target["dockerfile"] = json!(Path::new(context).join(file)),
        }
        for (own, printed) in
            [("target", "target"), ("cache_to", "cache-to"), ("no_cache", "no-cache"), ("pull", "pull")]
        {
            if !build[own].is_null() {
                target[printed] = build[own].clone();
            }
        }
        targets.insert(service.clone(), target);
    }
    let names: Vec<_> = targets.keys().cloned().collect();
    json!({"group": {"default": {"targets": names}}, "target": targets})
}

/// Compose passes on extension fields of services only before it replaces variables.
fn resolved(mut config: Value) -> Value {
    for service in config["services"].as_object_mut().into_iter().flat_map(|services| services.values_mut()) {
        service.as_object_mut().unwrap().retain(|name, _| !name.starts_with("x-"));
    }
    config
}

pub(crate) fn no_such(what: &str, name: &str) -> String {
    format!("Error response from daemon: No such {what}: {name}\n")
}

/// All names are handled; any failure makes the status 1.
fn each(names: &[&str], mut one: impl FnMut(&str) -> Result<String, String>) -> Reply {
    let mut reply = Reply::default();
    for name in names {
        match one(name) {
            Ok(text) => reply.stdout.extend(text.bytes()),
            Err(text) => {
                reply.stderr += &text;
                reply.code = 1;
            }
        }
    }
    reply
}

fn inspect(engine: &Engine, names: &[&str]) -> Reply {
    let by_id: BTreeMap<&str, &Image> = engine.images.iter().map(|image| (image.id.as_str(), image)).collect();
    let mut found = Vec::new();
    let mut reply = each(names, |name| {
        let image = by_id.get(name).copied().or_else(|| engine.find(name)).ok_or_else(|| no_such("image", name))?;
        found.push(json!({
            "Id": image.id, "RepoTags": image.tags, "Size": image.size, "Created": "2026-01-01T00:00:00Z",
            "Metadata": {"LastTagTime": image.labels.get("org.opencontainers.image.created")},
            "Config": {"Labels": image.labels, "WorkingDir": image.working_dir},
            "RootFS": {"Layers": layers(image)}, "GraphDriver": {"Data": {"LowerDir": lower_directories()}},
        }));
        Ok(String::new())
    });
    reply.stdout = Value::from(found).to_string().into_bytes();
    reply
}

/// Layers, as many as real images have, of no other image.
fn layers(image: &Image) -> Vec<String> {
    (0..16).map(|number| format!("{}-{number}", image.id)).collect()
}

/// What makes the answers of the classic image store long.
fn lower_directories() -> String {
    let one = |number: u32| format!("/var/lib/docker/overlay2/{number:064x}/diff");
    (0..15).map(one).collect::<Vec<_>>().join(":")
}

fn inspect_containers(engine: &Engine, names: &[&str]) -> Reply {
    let mut found = Vec::new();
    let mut reply = each(names, |name| {
        let one = engine.running.iter().find(|one| one.name == name).ok_or_else(|| no_such("container", name))?;
        let made_from = |image: &Image| image.labels.get("org.opencontainers.image.revision").cloned();
        let broken = engine.find(&one.image).and_then(made_from).is_some_and(|commit| engine.broken.contains(&commit));
        found.push(json!({"Id": one.name, "Name": format!("/{name}"), "Image": one.image, "Config": {
            "Image": engine.config["services"][&one.service]["image"].as_str().unwrap_or("other"),
            "Labels": {"com.docker.compose.service": one.service, "org.opencontainers.image.revision": one.revision},
        }, "State": {"Status": "running", "Health": {"Status": if broken { "unhealthy" } else { "healthy" }}}}));
        Ok(String::new())
    });
    reply.stdout = Value::from(found).to_string().into_bytes();
    reply
}

fn running(state: &Path, label: &str) -> Reply {
    let project = label.strip_prefix("label=com.docker.compose.project=").unwrap();
    let all = Engine::read(state).running.into_iter();
    Reply::ok(all.filter(|one| one.project == project).map(|one| one.name + "\n").collect::<String>())
}

/// Containers of these services run from the images that have their names now.
fn up(engine: &mut Engine, services: &[&str]) -> Reply {
    for at in 0..engine.running.len() {
        let service = engine.running[at].service.clone();
        let name = engine.config["services"][&service]["image"].as_str().unwrap_or_default().to_owned();
        if let Some(image) = engine.find(&name).map(|image| image.id.clone()).filter(|_| services.contains(&&*service))
        {
            engine.running[at].image = image;
        }
    }
    Reply::default()
}

fn import(engine: &mut Engine, changes: &[&str], names: &[&str]) -> Reply {
    let labels: BTreeMap<String, String> = changes
        .iter()
        .filter_map(|word| word.strip_prefix("LABEL ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let id = format!("sha256:{}", sha256(format!("{labels:?}")));
    engine.images.retain(|image| image.id != id);
    engine.images.push(Image { id: id.clone(), labels, ..Image::default() });
    engine.tag(&id, names[1]);
    Reply::ok(format!("{id}\n"))
}

fn tag(engine: &mut Engine, names: &[&str]) -> Reply {
    let &[from, to] = names else { return Reply::error(1, "docker image tag requires 2 arguments") };
    match engine.find(from).map(|image| image.id.clone()) {
        Some(id) => {
            engine.tag(&id, to);
            Reply::default()
        }
        None => Reply { stderr: no_such("image", from), code: 1, ..Reply::default() },
    }
}

pub(crate) fn untag(engine: &mut Engine, name: &str) -> Result<String, String> {
    let image = engine.find(name).ok_or_else(|| no_such("image", name))?.clone();
    let user = engine.containers.iter().find(|container| container.image == image.id);
    if let Some(user) = user.filter(|_| image.tags.len() < 2) {
        return Err(format!(
            "Error response from daemon: conflict: unable to remove repository reference \"{name}\" (must force) - \
             container {} is using its referenced image {}\n",
            &user.id[..12],
            &image.id[7..19]
        ));
    }
    engine.tag("", name);
    if image.tags.len() > 1 {
        return Ok(format!("Untagged: {name}\n"));
    }
    engine.images.retain(|other| other.id != image.id);
    Ok(format!("Untagged: {name}\nDeleted: {}\n", image.id))
}

fn create(engine: &mut Engine, id: &str, label: &str, names: &[&str]) -> Reply {
    let name = names.first().copied().unwrap_or_default();
    let Some(image) = engine.find(name).map(|image| image.id.clone()) else {
        return Reply { stderr: no_such("image", name), code: 1, ..Reply::default() };
    };
    engine.volumes.push(id.to_owned());
    engine.containers.push(Container { id: id.to_owned(), image, label: label.to_owned() });
    Reply::ok(format!("{}\n", "c".repeat(64)))
}

fn copy(engine: &Engine, names: &[&str]) -> Reply {
    let &[from, "-"] = names else { return Reply::error(1, "docker cp requires 2 arguments") };
    let (container, path) = from.split_once(':').unwrap();
    let Some(container) = engine.containers.iter().find(|one| one.id == container) else {
        return Reply { stderr: no_such("container", container), code: 1, ..Reply::default() };
    };
    let image = engine.find(&container.image).unwrap();
    let place = format!("{}/backend/version.txt", image.working_dir);
    let Some(content) = image.version.as_ref().filter(|_| path == place) else {
        let below = path.strip_prefix(&format!("{}/", image.working_dir)).unwrap_or(path);
        let revision = image.labels.get("org.opencontainers.image.revision");
        let contents = engine.contents.get(&image.id).or_else(|| engine.contents.get(revision?));
        if let Some(archive) = archive(contents, below) {
            return Reply::ok(archive);
        }
        let text = format!("Could not find the file {path} in container {}", container.id);
        return Reply::error(1, format!("Error response from daemon: {text}"));
    };
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "version.txt", content.as_bytes()).unwrap();
    Reply::ok(archive.into_inner().unwrap())
}

/// What is at or below a path of an image, as the engine sends it: named from the last part of the path on.
fn archive(contents: Option<&BTreeMap<String, Entry>>, path: &str) -> Option<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut found = false;
    for (name, entry) in contents? {
        let inside = name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !inside && path != "." {
            continue;
        }
        if !found && (path == "." || name != path) {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            let directory = path.rsplit('/').next().unwrap();
            archive.append_data(&mut header, format!("{directory}/"), std::io::empty()).unwrap();
        }
        found = true;
        let above = path.rfind('/').map_or(0, |at| at + 1);
        let name = if path == "." { format!("./{name}") } else { name[above..].to_owned() };
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match entry {
            Entry::File(content) => {
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, name, content.as_bytes()).unwrap();
            }
            Entry::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, name, target).unwrap();
            }
            Entry::Submodule => {}
        }
    }
    found.then(|| archive.into_inner().unwrap())
}

fn remove(engine: &mut Engine, name: &str) -> Result<String, String> {
    let before = engine.containers.len();
    engine.containers.retain(|container| container.id != name);
    if engine.containers.len() == before { Err(no_such("container", name)) } else { Ok(format!("{name}\n")) }
}

fn bake(engine: &mut Engine, options: &[&str], input: &str) -> Reply {
    let plain = input.replace("$${", "${").replace("%%{", "%{");
    let definition: Value = serde_json::from_str(&plain).unwrap();
    let mut reply = Reply::default();
    let mut metadata = serde_json::Map::new();
    for service in definition["group"]["default"]["targets"].as_array().unwrap() {
        let service = service.as_str().unwrap();
        let target = &definition["target"][service];
        let pairs = |section: &str| -> BTreeMap<String, String> {
            let all = target[section].as_object().into_iter().flatten();
            all.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        let (args, contexts, mut labels) = (pairs("args"), pairs("contexts"), pairs("labels"));
        let stage = target["target"].as_str().unwrap_or("stage-0");
        let error = engine.build.fail.get(service).map_or("", String::as_str);
        reply.stderr += &step(service, stage, error);
        if !error.is_empty() {
            reply.stderr += &format!("ERROR: target {service}: failed to solve: {error}\n");
            reply.code = 1;
            continue;
        }
        let is_commit =
            |value: &&String| matches!(value.len(), 40 | 64) && value.bytes().all(|b| b.is_ascii_hexdigit());
        let commit = args.values().find(is_commit).cloned();
        // The Dockerfile takes the files of a local directory where it would clone, and believes the argument.
        let files = contexts.get("local-source").map(|directory| files_below(Path::new(directory))).unwrap_or_default();
        let version = if files.is_empty() { commit } else { args.get("GITHUB_COMMIT").cloned() };
        let build_only = engine.config["services"][service]["scale"] == json!(0);
        let version = version.filter(|_| !build_only).map(|content| content + "\n");
        let version = engine.build.version.get(service).cloned().unwrap_or(version);
        labels.extend(engine.build.labels.get(service).cloned().unwrap_or_default());
        labels.retain(|_, value| !value.is_empty());
        engine.made += 1;
        // Steps that run again give files another time, and so the image another ID.
        let salt = if target["no-cache"] == json!(true) { engine.made } else { 0 };
        let content = json!([service, args, contexts, labels, version, files, salt]);
        let id = format!("sha256:{}", sha256(content.to_string()));
        metadata.insert(service.to_owned(), json!({"containerimage.digest": id}));
        if engine.build.no_image.iter().any(|other| other == service) {
            continue;
        }
        engine.images.retain(|image| image.id != id || !image.tags.is_empty());
        if engine.find(&id).is_none() {
            let working_dir = args.get("WORKDIR").cloned().unwrap_or_else(|| "/app".to_owned());
            let (id, tags, size) = (id.clone(), Vec::new(), 1_000_000);
            engine.images.push(Image { id, tags, size, labels, working_dir, version, files });
        }
        for tag in target["tags"].as_array().unwrap() {
            engine.tag(&id, tag.as_str().unwrap());
        }
    }
    let file = options.windows(2).find(|pair| pair[0] == "--metadata-file").unwrap()[1];
    if reply.code == 0 {
        std::fs::write(file, Value::from(metadata).to_string()).unwrap();
    }
    reply
}

/// The events of one step of a stage.
fn step(service: &str, stage: &str, error: &str) -> String {
    let (digest, name) = (format!("sha256:{service}"), format!("[{service} {stage} 2/2] RUN make {stage}"));
    let vertex = |completed: Value, error: &str| {
        json!({"vertexes": [{"digest": digest, "name": name, "started": "2026-01-01T00:00:00Z",
               "completed": completed, "error": error}]})
    };
    let log = json!({"logs": [{"vertex": digest, "stream": 1, "data": "bWFkZQo="}]});
    format!("{}\n{log}\n{}\n", vertex(Value::Null, ""), vertex(json!("2026-01-01T00:00:01Z"), error))
}

/// The files below a directory, sorted.
fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}
