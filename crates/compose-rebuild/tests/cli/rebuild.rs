//! `rebuild` and `full` when nothing goes wrong.

use serde_json::json;

use crate::support::state::{Call, Image, Rule};
use crate::support::{MUTABLE, REPO, World, commit};

/// What the label of an image says.
pub(crate) fn label(world: &World, image: &str, name: &str) -> String {
    world.image(image).unwrap().labels.get(name).cloned().unwrap_or_default()
}

/// The tag that keeps the model.
fn kept_tag(world: &World) -> String {
    world.tags().into_iter().find(|tag| tag.contains(":keep-")).unwrap()
}

#[test]
fn the_first_rebuild_builds_everything_with_one_build() {
    let world = World::new();
    world.run(["rebuild"]).ok();

    let builds = world.calls_of("buildx bake");
    assert_eq!(builds.len(), 1);
    let directory = format!("fs.read={}", world.project().display());
    assert!(builds[0].args.windows(2).any(|pair| pair == ["--allow", &directory]), "as Compose allows it: {builds:?}");
    assert_eq!(world.baked_targets(), ["backend-builder", "model-downloader", "vibevoice"]);
    let bust = "v0.1.0-aaaaaaaaaaaa";
    let kept = kept_tag(&world);
    assert_eq!(
        world.tags(),
        [
            kept.as_str(),
            MUTABLE[0],
            MUTABLE[1],
            &format!("vibevoicefusion:python-builder-{bust}"),
            MUTABLE[2],
            &format!("zhaokundev/vibevoicefusion:{bust}"),
        ]
    );
    let image = world.image(MUTABLE[2]).unwrap();
    assert_eq!(image.version, Some(format!("{}\n", commit('a'))));
    for (name, value) in [
        ("io.xtask.project", "vibevoice"),
        ("io.xtask.service", "vibevoice"),
        ("io.xtask.cache-bust", bust),
        ("org.opencontainers.image.revision", &commit('a')),
        ("org.opencontainers.image.source", REPO),
        ("org.opencontainers.image.version", "0.1.0"),
    ] {
        assert_eq!(image.labels.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(image.labels["io.xtask.key"].len(), 64);
    assert!(
        image.labels["org.opencontainers.image.created"].parse::<compose_rebuild::value::time::Timestamp>().is_ok()
    );
    assert!(!world.image(&kept).unwrap().labels.contains_key("org.opencontainers.image.revision"));
    world.assert_nothing_staged();
    assert!(world.written().iter().any(|path| path.extension().is_some_and(|ending| ending == "log")));
    assert!(world.written().iter().any(|path| path.parent().unwrap().ends_with("reports")));
}

#[test]
fn what_is_fresh_is_left_alone() {
    let world = World::built();
    let (before, reports) = (world.mutable(), world.written());
    world.run(["rebuild"]).ok().says("Fresh");
    assert_eq!(world.mutable(), before);
    assert_eq!(world.written(), reports);
    for call in world.calls() {
        let line = call.args.join(" ");
        let reads = ["build --print", "config --format json --no-interpolate", "ls-remote --", "image inspect --"];
        assert!(reads.iter().any(|words| line.contains(words)), "{line}");
    }
}

#[test]
fn a_moved_branch_is_rebuilt_at_its_commit() {
    let world = World::built();
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    let args = &world.baked("vibevoice")["args"];
    assert_eq!(args["GITHUB_COMMIT"], commit('b'));
    assert_eq!(args["CACHE_BUST"], "v0.1.0-bbbbbbbbbbbb");
    assert_eq!(args["GITHUB_BRANCH"], "main", "what Compose passes stays");
    assert_eq!(world.image(MUTABLE[2]).unwrap().version, Some(commit('b') + "\n"));
    // The version before stays, for a rollback.
    let old = world.image("zhaokundev/vibevoicefusion:v0.1.0-aaaaaaaaaaaa").unwrap();
    assert_eq!(old.version, Some(commit('a') + "\n"));
    world.assert_nothing_staged();
}

#[test]
fn the_kept_model_takes_the_place_of_its_stage() {
    let world = World::built();
    let (kept, model) = (kept_tag(&world), world.image(MUTABLE[0]).unwrap());
    world.push(&commit('b'));
    world.run(["rebuild"]).ok();
    assert!(world.baked("model-downloader").is_null());
    let contexts = &world.baked("vibevoice")["contexts"];
    assert_eq!(contexts, &json!({"model-downloader": format!("docker-image://{kept}")}));
    // The service that does not use the model is not built from it.
    assert_eq!(world.baked("backend-builder")["contexts"], json!({}));
    assert_eq!(world.image(MUTABLE[0]), Some(model));
}

#[test]
fn a_lost_tag_of_the_model_goes_back_to_the_kept_image() {
    let world = World::built();
    let kept = world.image(&kept_tag(&world)).unwrap();
    world.engine(|engine| engine.tag("", MUTABLE[0]));
    world.run(["rebuild"]).ok();
    assert_eq!(world.image(MUTABLE[0]).unwrap().id, kept.id);
    assert!(world.calls_of(" bake ").is_empty());
}

#[test]
fn another_model_is_built_and_the_old_one_stays_kept() {
    let world = World::built();
    let old = kept_tag(&world);
    world.set_arg("MODEL_REVISION", "v2");
    world.run(["rebuild"]).ok();
    let kept: Vec<_> = world.tags().into_iter().filter(|tag| tag.contains(":keep-")).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&old));
    assert_ne!(world.image(MUTABLE[0]).unwrap().id, world.image(&old).unwrap().id);
}

#[test]
fn one_service_is_rebuilt_alone() {
    let world = World::built();
    let before = world.mutable();
    world.push(&commit('b'));
    world.run(["rebuild", "backend-builder"]).ok();
    let after = world.mutable();
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_ne!(after[1], before[1]);
    assert_eq!(label(&world, MUTABLE[1], "org.opencontainers.image.revision"), commit('b'));
}

#[test]
fn a_changed_dockerfile_or_argument_or_version_is_rebuilt() {
    for change in [
        |world: &World| {
            world.file("Dockerfile", include_str!("../../../../Dockerfile").replace("npm run build", "npm run b"))
        },
        |world: &World| world.set_arg("RUNTIME_IMAGE", "python:3.11-slim-trixie"),
        |world: &World| {
            let text = std::fs::read_to_string(world.project().join("Cargo.toml")).unwrap();
            world.file("Cargo.toml", text.replace("0.1.0", "0.2.0"));
        },
    ] {
        let world = World::built();
        let before = world.mutable();
        change(&world);
        world.run(["rebuild", "vibevoice"]).ok();
        assert_ne!(world.mutable()[2], before[2]);
        assert_eq!(world.mutable()[0], before[0], "the model does not depend on it");
    }
}

#[test]
fn full_builds_the_model_again_without_cache() {
    let world = World::built();
    let before = world.mutable();
    world.run(["full", "--yes"]).ok();
    for service in ["model-downloader", "vibevoice"] {
        assert_eq!(world.baked(service)["no-cache"], true, "{service}");
    }
    assert_eq!(world.baked("vibevoice")["contexts"], json!({}));
    for (before, after) in before.iter().zip(world.mutable()) {
        assert_ne!(*before, after);
    }
    assert_eq!(world.image(&kept_tag(&world)), world.image(MUTABLE[0]));
    world.assert_nothing_staged();
}

#[test]
fn full_can_keep_the_models() {
    let world = World::built();
    let before = world.mutable();
    world.run(["full", "--yes", "--keep-models"]).ok();
    assert_eq!(world.baked_targets(), ["backend-builder", "vibevoice"]);
    assert_eq!(world.baked("vibevoice")["no-cache"], true);
    let after = world.mutable();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_ne!(after[2], before[2]);
}

#[test]
fn full_asks_and_without_a_terminal_needs_yes() {
    let world = World::built();
    let before = world.mutable();
    world.run(["full"]).fails(2).says("--yes").says("downloaded again");
    assert_eq!(world.mutable(), before);
    assert!(world.calls_of(" bake ").is_empty());
}

#[test]
fn a_full_build_that_fails_leaves_the_kept_model() {
    let world = World::built();
    let (tags, before) = (world.tags(), world.mutable());
    world.engine(|engine| {
        engine
            .build
            .fail
            .insert("vibevoice".to_owned(), "process \"/bin/sh\" did not complete: exit code: 1".to_owned());
    });
    world.run(["full", "--yes"]).fails(4);
    assert_eq!((world.tags(), world.mutable()), (tags, before));
    world.assert_nothing_staged();
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let world = World::built();
    world.push(&commit('b'));
    let (tags, files) = (world.tags(), world.written());
    let outcome = world.run(["rebuild", "--dry-run"]).ok();
    assert!(outcome.stdout.contains("build vibevoice v0.1.0-bbbbbbbbbbbb"), "{outcome}");
    assert!(outcome.stdout.contains("main moved aaaaaaaaaaaa..bbbbbbbbbbbb"), "{outcome}");
    assert_eq!((world.tags(), world.written()), (tags, files));
    for change in [" bake ", " tag ", " rm ", "create "] {
        assert!(world.calls_of(change).is_empty(), "{change}");
    }
    assert_eq!(world.run(["plan"]).ok().stdout, outcome.stdout, "one plan, two ways to ask for it");
}

#[test]
fn a_dry_run_says_what_the_real_run_does() {
    let world = World::built();
    world.push(&commit('b'));
    let plan = world.run(["rebuild", "--dry-run", "--message-format", "json"]).ok().messages().remove(0);
    world.run(["rebuild"]).ok();
    for service in plan["services"].as_array().unwrap() {
        let Some(build) = service["action"].get("build") else { continue };
        for tag in build["promote"].as_array().unwrap() {
            let image = world.image(tag.as_str().unwrap()).unwrap();
            assert_eq!(image.labels["io.xtask.key"], service["key"]);
        }
    }
}

#[test]
fn a_builder_reaches_the_build_and_pull_follows_the_registry() {
    let world = World::new();
    let moved = |digit: &str| {
        world.engine(|engine| {
            for name in ["node:22-bookworm-slim", "python:3.11-bookworm", "python:3.11-slim-bookworm"] {
                let id = format!("sha256:{}", digit.repeat(64));
                engine.registry.insert(name.to_owned(), Image { id, ..Image::default() });
            }
        });
    };
    moved("1");
    world.run(["rebuild", "--builder", "remote-1", "--pull"]).ok();
    let build = &world.calls_of("buildx bake")[0];
    assert!(build.args.windows(2).any(|pair| pair == ["--builder", "remote-1"]), "{build:?}");
    let one = format!("docker-image://node@sha256:{}", "1".repeat(64));
    assert_eq!(world.baked("vibevoice")["contexts"]["node:22-bookworm-slim"], one, "what was resolved is built from");
    let names = &world.image(MUTABLE[2]).unwrap().labels["org.opencontainers.image.base.name"];
    assert_eq!(names, "node:22-bookworm-slim python:3.11-bookworm python:3.11-slim-bookworm");
    // The registry is asked again when its answer is older than five minutes, and then knows better.
    world.run(["rebuild", "--builder", "remote-1", "--pull"]).ok().says("Fresh");
    moved("2");
    world.run(["rebuild", "--builder", "remote-1", "--pull"]).ok().says("Fresh");
    world.forget("bases-");
    let plan = world.run(["plan", "--pull"]).ok();
    assert!(plan.stdout.contains("base image node:22-bookworm-slim moved sha256:1"), "{plan}");
    let verdict = world.run(["verify", "--pull"]).fails(1);
    assert!(verdict.stdout.contains("base image node:22-bookworm-slim moved sha256:1"), "{verdict}");
    world.run(["verify"]).ok();
    world.forget_calls();
    world.push(&commit('b'));
    world.run(["rebuild"]).env("BUILDX_BUILDER", "remote-2").ok();
    let build = &world.calls_of("buildx bake")[0];
    assert!(build.args.windows(2).any(|pair| pair == ["--builder", "remote-2"]), "{build:?}");
}

#[test]
fn the_token_of_a_private_repository_reaches_git_and_the_build_and_nothing_else() {
    let world = World::new();
    world.run(["rebuild", "-v"]).env("GIT_AUTH_TOKEN", "canary").ok();
    let (with, without): (Vec<_>, Vec<_>) =
        world.calls().into_iter().partition(|call| call.env.contains_key("GIT_AUTH_TOKEN"));
    let needs = |call: &Call| ["ls-remote", "fetch", "bake"].iter().any(|verb| call.args.iter().any(|arg| arg == verb));
    assert!(with.len() >= 2 && with.iter().all(needs), "{with:?}");
    assert!(without.len() > 5 && !without.iter().any(needs), "{without:?}");
    let told = &world.calls_of("ls-remote")[0];
    assert_eq!(told.env["GIT_CONFIG_KEY_1"], format!("credential.{REPO}.helper"), "another host gets no token");
    let said = world.calls().into_iter().any(|call| {
        call.args
            .iter()
            .chain(call.env.iter().filter(|(name, _)| *name != "GIT_AUTH_TOKEN").map(|(_, value)| value))
            .any(|text| text.contains("canary"))
    });
    assert!(!said, "the token is in a command line or another variable");
    for file in world.written() {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("canary"), "{file:?}");
    }
}

#[test]
fn names_that_lead_to_no_registry_are_refused_before_anything_is_asked() {
    let world = World::built();
    for command in [["rebuild", "--push"], ["verify", "--registry"]] {
        world.run(command).fails(2);
    }
    assert!(world.calls_of("imagetools").is_empty() && world.calls_of("json build").is_empty());
    world.run(["rebuild", "--push", "--local", "."]).fails(2);
}

#[test]
fn git_has_the_environment_of_the_user_but_no_prompt_no_redirection_and_few_transports() {
    let world = World::new();
    let own = [("GIT_SSH_COMMAND", "ssh -F own"), ("GH_TOKEN", "t"), ("AWS_PROFILE", "p"), ("SUDO_UID", "1")];
    let run = world.run(["rebuild"]).env("GIT_DIR", "/elsewhere").env("GIT_INDEX_FILE", "/elsewhere");
    own.iter().fold(run, |run, (name, value)| run.env(name, value)).ok();
    let env = &world.calls_of("ls-remote")[0].env;
    assert_eq!(env["GIT_TERMINAL_PROMPT"], "0");
    assert_eq!((env["SSH_ASKPASS_REQUIRE"].as_str(), env["SSH_ASKPASS"].as_str()), ("force", "false"));
    assert_eq!(env["GIT_ALLOW_PROTOCOL"], "https:http:ssh:git");
    assert!(!env.contains_key("GIT_DIR") && !env.contains_key("GIT_INDEX_FILE"));
    for (name, value) in own {
        assert_eq!(env[name], value);
    }
}

#[test]
fn a_token_is_offered_to_the_host_that_it_belongs_to_and_to_no_other() {
    let world = World::new();
    let other = "https://other.example/lib.git";
    world.remote(other, format!("{}\trefs/heads/main\n", commit('c')));
    let second =
        format!("[[workspace.metadata.xtask.sources]]\nname = \"lib\"\nrepository = \"{other}\"\nref = \"main\"\n");
    let first = "[[workspace.metadata.xtask.sources]]\nname = \"app\"\nrepository-arg = \"GITHUB_REPO\"\n\
                 ref-arg = \"GITHUB_BRANCH\"\ncommit-arg = \"GITHUB_COMMIT\"\n";
    world.manifest(&format!("{first}{second}services = [\"vibevoice\"]\n"));
    let asked = |url: &str| {
        let calls = world.calls_of("ls-remote");
        let call = calls.into_iter().find(|call| call.args.contains(&url.to_owned())).expect("asked");
        call.env.get("GIT_AUTH_TOKEN").cloned()
    };
    world.run(["verify"]).env("GIT_AUTH_TOKEN", "canary").finish();
    assert_eq!((asked(REPO), asked(other)), (Some("canary".to_owned()), None));
    world.forget_calls();
    world.forget("questions");
    world.run(["verify"]).env("GIT_AUTH_TOKEN.other.example", "theirs").env("GIT_CONFIG_COUNT", "1").finish();
    assert_eq!((asked(REPO), asked(other)), (None, Some("theirs".to_owned())));
    let call = world.calls_of("ls-remote").into_iter().find(|call| call.args.contains(&other.to_owned())).unwrap();
    assert_eq!(call.env["GIT_CONFIG_COUNT"], "3", "what the user configures stays");
    assert!(call.env.keys().all(|name| !name.contains("TOKEN.")), "{:?}", call.env);
}

#[test]
fn a_build_that_the_engine_broke_off_is_tried_once_more() {
    let world = World::new();
    let broken = Rule { stderr: "rpc error: transport is closing\n".to_owned(), exit: Some(1), ..Rule::default() };
    let lost = "failed to push r/app:x: errors:\nunknown: blob unknown to registry - sha256:1\n".to_owned();
    for (broken, next) in [(broken.clone(), 'b'), (Rule { stderr: lost, ..broken.clone() }, 'c')] {
        world.fault(&["buildx bake"], Rule { times: Some(1), ..broken });
        world.run(["rebuild"]).ok().says("Retrying");
        assert_eq!(world.calls_of("buildx bake").len(), 2);
        world.heal();
        world.push(&commit(next));
        world.forget_calls();
    }
    let before = world.mutable();
    world.fault(&["buildx bake"], broken);
    world.run(["rebuild"]).fails(3);
    assert_eq!(world.calls_of("buildx bake").len(), 2);
    assert_eq!(world.mutable(), before);
}

#[test]
fn a_step_that_the_engine_could_not_even_begin_is_no_fault_of_the_code() {
    let world = World::built();
    world.push(&commit('b'));
    world.forget_calls();
    let before = world.mutable();
    let lost =
        "failed to prepare x as y: invalid output path: stat /var/lib/docker/overlay2/x: no such file or directory";
    world.engine(|engine| engine.build.fail.insert("vibevoice".to_owned(), lost.to_owned()));
    world.run(["rebuild"]).fails(3).says("docker builder prune");
    assert_eq!(world.calls_of("buildx bake").len(), 2);
    assert_eq!(world.mutable(), before);
    world.assert_nothing_staged();
}

#[test]
fn what_compose_answered_counts_until_something_changes() {
    let world = World::built();
    let asked = |env: Option<(&str, &str)>| {
        world.forget_calls();
        let run = world.run(["plan"]);
        match env {
            Some((name, value)) => run.env(name, value).ok(),
            None => run.ok(),
        };
        world.calls_of("build --print").len()
    };
    assert_eq!([asked(None), asked(None)], [0, 0], "the rebuild has asked");
    let compose = include_str!("../../../../compose.yml");
    world.file("compose.yml", compose.replace("GITHUB_BRANCH:-main", "GITHUB_BRANCH:-dev"));
    assert_eq!([asked(None), asked(None)], [1, 0], "a compose file changed");
    world.file(".env", "VIBEVOICE_PORT=1\n");
    assert_eq!([asked(None), asked(None)], [1, 0], "a file with variables changed");
    assert_eq!([asked(Some(("A", "1"))), asked(Some(("A", "1")))], [1, 0], "the environment changed");
    let shells = [("OLDPWD", "/a"), ("OLDPWD", "/b")].map(|variable| asked(Some(variable)));
    assert_eq!(shells, [1, 0], "a shell is somewhere else");
    world.file(".env", b"# gr\xfcn ${OLDPWD}\n");
    let shells = [("OLDPWD", "/a"), ("OLDPWD", "/b"), ("OLDPWD", "/b")].map(|variable| asked(Some(variable)));
    assert_eq!(shells, [1, 1, 0], "a file names what shells change");
    world.file(".env", b"# gr\xf6n\n");
    assert_eq!([asked(None), asked(None)], [1, 0], "a byte that is no text changed");
    world.file("docker-compose.override.yml", "services: {}\n");
    assert_eq!([asked(None), asked(None)], [1, 0], "a file beside the compose file, whatever that is called");
    world.file("docker-compose.override.yml", "services: {a: {image: b}}\n");
    assert_eq!([asked(None), asked(None)], [1, 0], "its text");
    world.file("other.yml", compose);
    for line in ["COMPOSE_FILE: other.yml # a note\n", "export COMPOSE_FILE='other.yml'\n"] {
        world.file(".env", line);
        world.file("other.yml", format!("# {line}{compose}"));
        assert_eq!([asked(None), asked(None)], [1, 0], "the file that {line} names");
        world.file("other.yml", compose);
        assert_eq!([asked(None), asked(None)], [1, 0], "the file that {line} names, changed");
    }
    let disabled = Some(("COMPOSE_DISABLE_ENV_FILE", "true"));
    asked(disabled);
    world.file("docker-compose.override.yml", "services: {a: {image: c}}\n");
    assert_eq!([asked(disabled), asked(disabled)], [1, 0], "without .env it is the file of before");
    std::fs::remove_file(world.project().join(".env")).unwrap();
    assert_eq!(asked(None), 1, "Compose is asked about the file of before again");
    let home = world.path("home/.docker/config.json");
    std::fs::write(home, "{}").unwrap();
    assert_eq!([asked(None), asked(None)], [1, 0], "the configuration of Docker changed");
    // What another file brings in may change by itself.
    world.file("compose.yml", format!("include: [other.yml]\n{compose}"));
    assert_eq!([asked(None), asked(None)], [1, 1]);
}

#[test]
fn a_comment_in_an_old_encoding_hides_nothing_of_a_dockerfile() {
    let world = World::built();
    let dockerfile = std::fs::read_to_string(world.project().join("Dockerfile")).unwrap();
    let with = |end: &[u8]| world.file("Dockerfile", [dockerfile.as_bytes(), end].concat());
    with(b"# gr\xfcn\n");
    world.run(["rebuild"]).ok().says("Fresh");
    with(b"LABEL color=gr\xfcn\n");
    world.run(["rebuild"]).ok();
    with(b"LABEL color=gr\xf6n\n");
    world.run(["rebuild"]).ok().says("Building vibevoice");
}

#[test]
fn no_answer_with_a_secret_is_kept() {
    let world = World::built();
    world.file("compose.yml", "services: {}\n");
    world.set_arg("NODE_IMAGE", "https://user:canary@registry.example/node");
    let kept = || {
        let mut open = vec![world.path("tmp")];
        let mut found = false;
        while let Some(path) = open.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => open.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => found |= String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("canary"),
            }
        }
        found
    };
    world.run(["plan"]).finish();
    assert!(!kept(), "a credential in an address");
    world.set_arg("NODE_IMAGE", "node");
    world.set_arg("RUNTIME_PACKAGES", "canary-value");
    world.run(["plan"]).env("API_TOKEN", "canary-value").finish();
    assert!(!kept(), "the value of a variable whose name says that it is a secret");
    world.run(["plan"]).finish();
    assert!(kept(), "the same value under no such name is kept, or nothing was proved above");
}
