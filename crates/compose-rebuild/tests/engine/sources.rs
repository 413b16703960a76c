//! Where code comes from: other object formats, tags, a local directory, another project altogether.

use std::fs;
use std::process::Command;

use sandbox::Kind;

use crate::support::World;

#[test]
fn a_sha_256_repository_is_built_like_any_other() {
    let world = World::with_object_format("sha256");
    let first = world.tip();
    assert_eq!(first.len(), 64);
    world.rebuild();
    world.assert_current(&first);
    let second = world.push(Kind::Backend);
    world.rebuild();
    world.assert_current(&second);
    world.xtask(["verify"]).ok();
}

#[test]
fn an_annotated_tag_means_the_commit_that_it_names() {
    let mut world = World::new();
    let tagged = world.tip();
    world.git(&["tag", "--annotate", "--message", "one", "v1", "main"]);
    assert_ne!(world.git(&["rev-parse", "v1"]), tagged);
    world.push(Kind::Backend);
    world.set("GITHUB_BRANCH", "v1");
    world.rebuild();
    world.assert_current(&tagged);
    world.xtask(["verify"]).ok();
}

#[test]
fn what_a_killed_step_leaves_in_the_cache_mount_breaks_no_later_build() {
    let world = World::built();
    let damages = [
        "touch refs/kept/last.lock shallow.lock objects/pack/tmp_pack_cut",
        "for pack in objects/pack/*.pack; do chmod u+w $pack; truncate --size 100 $pack; done",
        "rm -rf objects/pack/*",
        "rm HEAD",
    ];
    for damage in damages {
        // Without `--no-cache`, which empties mounts.
        let mount = "--mount=type=cache,id=vibevoice-source,target=/var/cache/source";
        let text = format!(
            "FROM {}\nRUN {mount} : {}; cd /var/cache/source/sha1.git && {damage}\n",
            world.var("PYTHON_IMAGE"),
            world.tip()
        );
        world.file("damage/Dockerfile", &text);
        world.docker(&["build", "--quiet", world.project().join("damage").to_str().unwrap()]);
        let commit = world.push(Kind::Backend);
        world.rebuild();
        world.assert_current(&commit);
    }
}

#[test]
fn a_pull_request_is_built_by_the_full_name_of_its_ref() {
    let mut world = World::built();
    let main = world.tip();
    let request = world.push(Kind::Backend);
    // As on a hosting service: on no branch.
    world.git(&["update-ref", "refs/pull/7/head", &request]);
    world.git(&["update-ref", "refs/heads/main", &main]);
    world.set("GITHUB_BRANCH", "refs/pull/7/head");
    world.rebuild();
    world.assert_current(&request);
    world.xtask(["verify"]).ok();
    let tree = world.git(&["rev-parse", &format!("{request}^{{tree}}")]);
    let next = world.git(&["commit-tree", "-p", &request, "-m", "next", &tree]);
    world.git(&["update-ref", "refs/pull/7/head", &next]);
    let outcome = world.xtask(["verify", "vibevoice"]).fails(1);
    assert!(outcome.stdout.contains("behind by 1"), "{outcome}");
    world.rebuild();
    world.assert_current(&next);
}

#[test]
fn a_local_directory_takes_the_place_of_the_clone_without_what_git_ignores() {
    let world = World::built();
    let remote = world.tip();
    let local = world.path("local");
    let cloned = Command::new("git").args(["clone", "--quiet", world.upstream.bare().as_str()]).arg(&local).status();
    assert!(cloned.unwrap().success());
    fs::write(local.join(".gitignore"), "*.secret\nnode_modules\n").unwrap();
    fs::write(local.join("backend/key.secret"), "canary").unwrap();
    fs::write(local.join("backend/untracked.py"), "NEW = True\n").unwrap();
    fs::write(local.join("backend/revision.py"), "REVISION = 'local'\n").unwrap();
    let path = local.to_str().unwrap();
    world.xtask(["rebuild", "--local", path]).ok();
    let version = world.version();
    assert!(version.starts_with("local-"), "{version}");
    assert_eq!(world.label(&world.latest(), "org.opencontainers.image.revision"), version);
    assert!(world.id(&format!("{}:v0.1.0-{version}", world.app())).is_some());
    assert_eq!(world.cat(&world.latest(), "backend/untracked.py"), "NEW = True");
    assert_eq!(world.health()["revision"], "local");
    let files = world.docker(&["run", "--rm", &world.latest(), "ls", "-A", "backend", "."]);
    assert!(!files.contains("key.secret") && !files.lines().any(|name| name == ".git"), "{files}");
    world.assert_nothing_staged();

    // The same directory is fresh, a changed one is not, and the remote is one command away.
    let state = world.state();
    world.xtask(["rebuild", "--local", path]).ok().says("Fresh");
    assert_eq!(world.state(), state);
    fs::write(local.join("backend/untracked.py"), "NEW = False\n").unwrap();
    world.xtask(["rebuild", "--local", path]).ok();
    assert_ne!(world.version(), version);
    world.rebuild();
    world.assert_current(&remote);
}

#[test]
fn services_that_disagree_about_the_repository_are_refused() {
    let world = World::built();
    let state = world.state();
    let shared = "target: python-builder, args: *args,";
    let other = "target: python-builder, args: {<<: *args, GITHUB_REPO: 'https://other.example/r.git'},";
    world.edit("compose.yml", shared, other);
    let outcome = world.xtask(["rebuild"]).fails(2);
    outcome.says("https://other.example/r.git").says(world.var("GITHUB_REPO")).says("backend-builder");
    assert_eq!(world.state(), state);
}

const DOCKERFILE: &str = r#"
ARG BASE
FROM ${BASE} AS code
ARG REPOSITORY
ARG APP_SHA
ARG CACHEBUST
RUN git init --quiet /code && cd /code && git fetch --quiet --depth=1 -- "$REPOSITORY" "$APP_SHA" && \
    git checkout --quiet FETCH_HEAD && git rev-parse HEAD > /revision && rm -rf .git

FROM ${BASE}
WORKDIR /srv
COPY --from=code /code/backend/revision.py /revision ./
"#;

#[test]
fn another_project_is_built_by_configuration_alone() {
    let world = World::new();
    let second = World::new();
    let base = world.var("NODE_IMAGE").to_owned();
    let service = |world: &World, name: &str, argument: &str, file: &str| {
        let repository = world.var("GITHUB_REPO");
        format!(
            "  {name}:\n    image: IMAGE:{name}\n    build:\n      context: .\n      dockerfile: {file}\n      \
             args: {{BASE: '{base}', REPOSITORY: '{repository}', {argument}: '', CACHEBUST: none}}\n"
        )
    };
    world.file("web.Dockerfile", &DOCKERFILE.replace("APP_SHA", "WEB_SHA"));
    world.file("api.Dockerfile", &DOCKERFILE.replace("APP_SHA", "API_SHA"));
    let services =
        service(&world, "web", "WEB_SHA", "web.Dockerfile") + &service(&second, "api", "API_SHA", "api.Dockerfile");
    let compose = format!("name: {}\nservices:\n{}", world.name, services.replace("IMAGE", &world.name));
    world.file("compose.yml", &compose);
    let source = |world: &World, name: &str, argument: &str| {
        let repository = world.var("GITHUB_REPO");
        format!(
            "[[workspace.metadata.xtask.sources]]\nname = \"{name}\"\nrepository = \"{repository}\"\nref = \"main\"\n\
             commit-arg = \"{argument}\"\nservices = [\"{name}\"]\n"
        )
    };
    world.manifest(&format!(
        "[workspace.metadata.xtask]\ncache-bust-arg = \"CACHEBUST\"\nversion-file = \"revision\"\n{}{}",
        source(&world, "web", "WEB_SHA"),
        source(&second, "api", "API_SHA")
    ));
    let image = |name: &str| format!("{}:{name}", world.name);
    let holds = |name: &str| world.cat(&image(name), "revision");
    world.rebuild();
    assert_eq!((holds("web"), holds("api")), (world.tip(), second.tip()));
    assert_ne!(world.tip(), second.tip());
    let ids = || [world.id(&image("web")), world.id(&image("api"))];
    let (old, builds) = (ids(), world.builds());
    world.xtask(["rebuild"]).ok().says("Fresh");
    assert_eq!((ids(), world.builds()), (old.clone(), builds.clone()));

    let commit = second.push(Kind::Backend);
    world.xtask(["verify"]).fails(1).says("api");
    world.rebuild();
    assert_eq!((holds("web"), holds("api")), (world.tip(), commit.clone()));
    assert_eq!(ids()[0], old[0], "the other service is as it was");
    assert_eq!(world.builds().difference(&builds).count(), 1, "one service was built");
    assert_eq!(world.label(&image("api"), "io.xtask.cache-bust"), format!("v0.1.0-{}", &commit[..12]));
    world.xtask(["verify"]).ok();
    world.assert_nothing_staged();
}
