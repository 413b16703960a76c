//! The registry as the store: runners that start empty, faults in the middle, two runs at once, builders elsewhere.

use sandbox::{ImageStore, Kind, Options, RegistryFault, Sandbox};

use crate::support::{BrokenRegistry, RemoteBuilder, World, sandbox, serve_private};

/// Another machine, whose engine has containerd's image store.
fn machine() -> Sandbox {
    Sandbox::start(Options { image_store: ImageStore::Containerd, ..Options::default() }).unwrap()
}

/// A small image with the code of one commit.
pub(crate) const DOCKERFILE: &str = r#"
ARG BASE
FROM ${BASE} AS code
ARG GITHUB_REPO
ARG GITHUB_COMMIT
ARG CACHE_BUST
RUN git init --quiet /code && cd /code && git fetch --quiet --depth=1 -- "$GITHUB_REPO" "$GITHUB_COMMIT" && \
    git checkout --quiet FETCH_HEAD && git rev-parse HEAD > version.txt
FROM scratch
WORKDIR /srv
COPY --from=code /code/backend/revision.py /code/version.txt ./
"#;

/// A project of two small services, which takes a second to build.
fn small() -> World {
    let world = World::new().with_registry();
    world.file("Dockerfile", DOCKERFILE);
    let service = |name: &str| {
        format!(
            "  {name}:\n    image: $IMAGE_REGISTRY/{}:{name}\n    build:\n      context: .\n      \
             args: {{BASE: $NODE_IMAGE, GITHUB_REPO: $GITHUB_REPO, GITHUB_BRANCH: main, GITHUB_COMMIT: '', CACHE_BUST: ''}}\n",
            world.name
        )
    };
    world.file("compose.yml", &format!("name: {}\nservices:\n{}{}", world.name, service("api"), service("web")));
    world.manifest("[workspace.metadata.xtask]\nversion-file = \"version.txt\"\n");
    world
}

/// The mutable tags of the small project.
fn services(world: &World) -> [String; 2] {
    ["api", "web"].map(|name| format!("{}/{}:{name}", world.var("IMAGE_REGISTRY"), world.name))
}

/// What the mutable tags mean in the registry.
fn remote(world: &World) -> [Option<(String, String)>; 2] {
    services(world).map(|image| world.pushed(&image))
}

/// Both services are of this commit, each under its versioned tag too.
#[track_caller]
fn assert_remote(world: &World, commit: &str) {
    for (image, found) in services(world).iter().zip(remote(world)) {
        let found = found.unwrap_or_else(|| panic!("{image} is not there"));
        assert_eq!(found.1, commit, "{image}");
        assert_eq!(world.pushed(&format!("{image}-v0.1.0-{}", &commit[..12])), Some(found), "{image}");
    }
}

#[test]
fn a_machine_that_starts_empty_builds_nothing_again_and_downloads_no_model() {
    let mut first = World::new().with_own_model().with_quick_tools().with_registry();
    let registry = sandbox().registry();
    first.set("CACHE_REGISTRY", &format!("{}/{}/cache", registry.host(), first.name));
    // The repository is private, and the token must be nowhere afterwards.
    first.edit("Cargo.toml", "[workspace.metadata.xtask]\n", "[workspace.metadata.xtask]\ntransports = [\"http\"]\n");
    let address = serve_private(&first, CANARY);
    first.set("GITHUB_REPO", &address);
    let (a, b) = (machine(), machine());
    first.on(&a).xtask(["rebuild", "--push"]).fails(3).says("refused the login");
    first.set("GIT_AUTH_TOKEN", CANARY);
    let on_a = first.on(&a);
    on_a.rebuild_with(["rebuild", "--push"]);
    let built = first.tip();
    let pushed: Vec<_> = first.mutable().iter().map(|image| on_a.pushed(image)).collect();
    assert_eq!(pushed[2].as_ref().map(|found| found.1.as_str()), Some(built.as_str()));
    assert!(pushed.iter().all(Option::is_some), "{pushed:?}");

    // Nothing new: neither a build nor a pull, on a machine that has nothing.
    let on_b = first.on(&b);
    let images = on_b.images();
    let (builds, bytes) = (on_b.builds(), registry.bytes().unwrap());
    on_b.xtask(["rebuild", "--push"]).ok().says("Fresh").says("nothing to build");
    on_b.xtask(["verify", "--registry"]).ok();
    let after = registry.bytes().unwrap();
    assert_eq!(after.0, bytes.0, "something was pushed");
    assert!(after.1 - bytes.1 < 1 << 20, "{} bytes were read for labels", after.1 - bytes.1);
    assert_eq!((on_b.images(), on_b.builds()), (images, builds));

    // After a push only its own steps run, the others come from the cache, and the hub sends nothing.
    let commit = first.push(Kind::Backend);
    on_b.xtask(["verify", "--registry"]).fails(1).says("--push");
    let hub = sandbox().hub().bytes().unwrap();
    on_b.rebuild_with(["rebuild", "--push"]);
    assert_eq!(sandbox().hub().bytes().unwrap(), hub);
    let ran = on_b.ran();
    let own = |line: &&String| {
        line.starts_with("source: RUN")
            || line.contains("COPY --link --from=source")
            || line.contains("--from=frontend")
    };
    let others: Vec<_> = ran.iter().filter(|line| !own(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(ran.iter().any(|line| line.starts_with("source: RUN")), "{ran:#?}");
    let now: Vec<_> = first.mutable().iter().map(|image| on_b.pushed(image)).collect();
    assert_eq!(now[0], pushed[0], "the model is the old one");
    assert_eq!(now[2].as_ref().map(|found| found.1.as_str()), Some(commit.as_str()));
    on_a.xtask(["rebuild", "--push"]).ok().says("nothing to build");
    assert_nowhere(&on_a, &built);
    assert_nowhere(&on_b, &commit);
}

/// A token that is easy to find.
const CANARY: &str = "canary-5f2d9c";

/// The token is in no file of the project, no image, no record of the builder, and nothing that the registry has; the commit
/// that was built there is.
#[track_caller]
fn assert_nowhere(world: &World, commit: &str) {
    let search = |place: &std::path::Path, what: &str| {
        let script = r#"find "$0" -type f -size -4M -exec sh -c 'for f; do { cat "$f"; gzip -dcf "$f"; } 2> /dev/null |
            grep -qF -- "$W" && echo "$f"; done' sh {} + || true"#;
        let mut command = world.command("sh");
        crate::support::text(command.args(["-c", script]).arg(place).env("W", what))
    };
    let registry = sandbox().dir().join("registry");
    for place in [registry.as_std_path(), &world.project()] {
        assert_eq!(search(place, CANARY), "", "{}", place.display());
        // What is surely there is found.
        assert_ne!(search(place, commit), "", "{}", place.display());
    }
    for image in world.mutable() {
        if world.id(&image).is_some() {
            let history = world.docker(&["image", "history", "--no-trunc", &image]);
            assert!(!history.contains(CANARY) && !world.config(&image).to_string().contains(CANARY), "{image}");
        }
    }
    for build in world.builds() {
        let record = build.rsplit('/').next().unwrap().to_owned();
        for what in [
            &["inspect", record.as_str()][..],
            &["inspect", "attachment", "--type", "provenance", &record],
            &["logs", &record],
        ] {
            let said = world.docker(&[&["buildx", "history"], what].concat());
            assert!(!said.contains(CANARY), "{what:?}: {said}");
        }
    }
}

#[test]
fn a_registry_that_fails_moves_no_tag_and_the_next_run_ends_right() {
    let world = small();
    let other = machine();
    let on_other = world.on(&other);
    on_other.xtask(["rebuild", "--push"]).ok();
    let first = world.tip();
    assert_remote(&world, &first);
    let before = remote(&world);

    let second = world.push(Kind::Backend);
    for fault in [RegistryFault::Down, RegistryFault::Error] {
        let broken = BrokenRegistry::new(fault.clone());
        on_other.xtask(["rebuild", "--push"]).fails(3);
        on_other.xtask(["verify", "--registry"]).fails(3);
        drop(broken);
        assert_eq!(remote(&world), before, "{fault}");
    }
    // The same when everything was built and verified, at the moment of the upload.
    let faults = [RegistryFault::Down, RegistryFault::Error, RegistryFault::Refuse, RegistryFault::Cut(100)];
    for fault in faults {
        on_other.shim("docker", r#"case "$*" in "image push "*) hold ;; esac"#);
        let mut run = on_other.start(["rebuild", "--push"]);
        on_other.until_held(&mut run);
        let broken = BrokenRegistry::new(fault.clone());
        on_other.release();
        run.wait().fails(3);
        drop(broken);
        on_other.unshim("docker");
        assert_eq!(remote(&world), before, "{fault}");
        on_other.assert_nothing_staged();
    }
    // A registry that confirms what it does not do, and one that tells of the image of before.
    let old = format!("web-v0.1.0-{}", &first[..12]);
    let (web, nowhere) = (|| "web".to_owned(), "nowhere".to_owned());
    let broken = BrokenRegistry::new(RegistryFault::Drop(web(), nowhere));
    on_other.xtask(["rebuild", "--push"]).fails(3).says("every tag is where it was, says the registry");
    drop(broken);
    assert_eq!(remote(&world), before);
    // Where the answers are wrong nobody can know more; the run fails, and the next one ends right.
    for instead in [old, "api".to_owned()] {
        let broken = BrokenRegistry::new(RegistryFault::Lie(web(), instead));
        on_other.xtask(["rebuild", "--push"]).fails(3).says("do not come to rest");
        drop(broken);
    }
    let slow = BrokenRegistry::new(RegistryFault::Slow(50));
    on_other.xtask(["rebuild", "--push"]).ok();
    drop(slow);
    assert_remote(&world, &second);
}

#[test]
fn of_two_runs_at_once_the_newer_commit_wins_and_nothing_is_mixed() {
    let newer = small();
    let other = machine();
    newer.xtask(["rebuild", "--push"]).ok();
    // The older run is held before its first upload, then before the first tag of the registry moves.
    for words in ["image push ", "buildx imagetools create "] {
        let older = newer.on(&other);
        newer.push(Kind::Backend);
        older.shim("docker", &format!(r#"case "$*" in "{words}"*) hold ;; esac"#));
        let mut run = older.start(["rebuild", "--push"]);
        older.until_held(&mut run);
        let commit = newer.push(Kind::Backend);
        newer.xtask(["rebuild", "--push"]).ok();
        assert_remote(&newer, &commit);
        older.release();
        run.wait().ok().says("a newer commit that another run has pushed");
        assert_remote(&newer, &commit);
    }
}

#[test]
fn a_builder_elsewhere_pushes_by_itself_and_is_refused_before_the_build_without_it() {
    let world = small();
    let other = machine();
    let remote_builder = RemoteBuilder::of(&world.on(&other));
    let name = format!("{}-fleet", world.name);
    world.docker(&["buildx", "create", "--name", &name, "--driver", "remote", &remote_builder.address]);
    let images = world.images();
    let builds = world.builds();
    world.xtask(["rebuild", "--builder", &name]).fails(2).says("--push");
    world.xtask(["rebuild", "--builder", "nobody", "--push"]).fails(3).says("docker buildx ls");
    world.xtask(["rebuild", "--builder", &name, "--push"]).ok();
    assert_remote(&world, &world.tip());
    assert_eq!((world.images(), world.builds()), (images, builds), "this engine took no part");
    world.xtask(["rebuild", "--builder", &name, "--push"]).ok().says("nothing to build");
    // `prune` lists and removes the cache of that builder, and leaves the engine's own alone.
    let records = |of: &World, builder: &[&str]| -> std::collections::BTreeSet<String> {
        let all = of.docker(&[&["buildx", "du", "--format", "{{.ID}}"], builder].concat());
        all.lines().map(|id| id.trim_end_matches('*').to_owned()).collect()
    };
    let far = ["--builder", name.as_str()];
    world.file("own/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let own = world.project().join("own");
    world.docker(&["buildx", "build", "--quiet", "--builder", "default", own.to_str().unwrap()]);
    let (own, theirs) = (records(&world, &["--builder", "default"]), records(&world, &far));
    let prune = ["prune", "--builder", &name, "--cache-limit", "1kB", "--message-format", "json"];
    let planned = world.xtask(prune).ok();
    let planned = planned.messages().into_iter().filter(|line| line["cache"] == true && line["remove"] == true);
    let planned: Vec<_> = planned.map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert!(!planned.is_empty() && planned.iter().all(|id| theirs.contains(id)), "{planned:?} of {theirs:?}");
    world.xtask(prune.into_iter().chain(["--execute"])).ok();
    assert_eq!(records(&world, &["--builder", "default"]), own);
    let left = records(&world, &far);
    assert!(planned.iter().all(|id| !left.contains(id)), "{planned:?} and {left:?}");
    // An image that does not hold its commit moves no tag there either.
    let before = remote(&world);
    world.push(Kind::Backend);
    world.edit("Dockerfile", "git rev-parse HEAD > version.txt", "echo wrong > version.txt");
    world.xtask(["rebuild", "--builder", &name, "--push"]).fails(1).says("version.txt");
    assert_eq!(remote(&world), before);
    world.docker(&["buildx", "rm", &name]);
}
