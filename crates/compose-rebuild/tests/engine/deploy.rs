//! An unattended machine: pushes that change nothing, a limit of services at once, two runs at the same time.

use std::collections::BTreeMap;
use std::fs;

use sandbox::Kind;
use serde_json::Value;

use crate::support::World;

const SERVICES: [&str; 5] = ["a", "b", "c", "d", "e"];

const DOCKERFILE: &str = r#"
FROM BASE_IMAGE AS code
ARG ADDRESS
ARG COMMIT
ARG CACHE_BUST
RUN git init --quiet /code && cd /code && git fetch --quiet --depth=1 -- "$ADDRESS" "$COMMIT" && \
    git checkout --quiet FETCH_HEAD && git rev-parse HEAD > revision && rm -rf .git

FROM BASE_IMAGE
ARG PART
WORKDIR /srv
COPY --from=code /code/backend/revision.py /code/revision ./
RUN echo "$PART" > part && sleep 1
CMD ["sleep", "infinity"]
"#;

/// Five services, the last of which is made from the first.
fn world() -> World {
    let args = "ADDRESS: 'REPO', COMMIT: '', CACHE_BUST: none";
    let four = SERVICES[..4].iter().map(|name| {
        format!("  {name}:\n    image: NAME/{name}\n    build: {{context: ., args: {{{args}, PART: {name}}}}}\n    init: true\n")
    });
    let last = "  e:\n    image: NAME/e\n    build: {context: ., dockerfile: last.Dockerfile}\n    init: true\n";
    let source =
        "name: code, repository-arg: ADDRESS, ref: main, commit-arg: COMMIT, paths: ['backend/**', '!**/*.md']";
    let extension = format!("x-xtask: {{version-file: revision, sources: [{{{source}}}]}}\n");
    let compose = format!("name: NAME\nservices:\n{}{last}{extension}", four.collect::<String>());
    World::of(&[
        ("compose.yml", &compose),
        ("Dockerfile", DOCKERFILE),
        ("last.Dockerfile", "FROM NAME/a\nRUN cp part first && echo e > part && sleep 1\n"),
    ])
}

/// Keeps a copy of BuildKit's events of every build from now on.
fn record(world: &World) {
    world.shim(
        "docker",
        r#"case "$*" in *"buildx bake "*)
            { real "$@" 2>&1; echo $? > "$world/status"; } | tee -a "$world/events" >&2
            exit "$(cat "$world/status")" ;;
        esac"#,
    );
}

/// When the last step of each service began and ended in the builds on record, the first one first.
fn spans(world: &World) -> Vec<(String, String)> {
    let mut spans = BTreeMap::new();
    for line in fs::read_to_string(world.path("events")).unwrap().lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).unwrap();
        for vertex in event["vertexes"].as_array().into_iter().flatten() {
            let [name, started, completed] =
                ["name", "started", "completed"].map(|field| vertex[field].as_str().unwrap_or_default().to_owned());
            let is_last = |service: &&&str| {
                name.contains(&format!("echo \"{service}\"")) || name.contains(&format!("echo {service} "))
            };
            if let Some(service) = SERVICES.iter().find(is_last)
                && !completed.is_empty()
            {
                spans.insert(*service, (started, completed));
            }
        }
    }
    fs::remove_file(world.path("events")).unwrap();
    let mut spans: Vec<_> = spans.into_values().collect();
    spans.sort();
    spans
}

/// How many of them began before one that began earlier had ended.
fn overlaps(spans: &[(String, String)]) -> usize {
    assert_eq!(spans.len(), SERVICES.len(), "{spans:?}");
    spans.windows(2).filter(|pair| pair[1].0 < pair[0].1).count()
}

/// The services of the last steps of the first four, as the report says it.
fn steps(world: &World) -> Vec<Value> {
    let report = world.report();
    let is_last = |step: &&Value| step["name"].to_string().contains("> part && sleep 1") && step["stage"] == "stage-1";
    let mut services: Vec<_> =
        report["steps"].as_array().unwrap().iter().filter(is_last).map(|step| step["services"].clone()).collect();
    services.sort_by_key(ToString::to_string);
    services
}

/// What the images hold and say, without the time of the build.
fn result(world: &World) -> Vec<(String, String, Value)> {
    let one = |service: &&str| {
        let image = world.image(&format!("/{service}"));
        let mut labels = world.config(&image)["Labels"].clone();
        labels.as_object_mut().unwrap().remove("org.opencontainers.image.created");
        (world.cat(&image, "part"), world.cat(&image, "revision"), labels)
    };
    SERVICES.iter().map(one).collect()
}

fn ids(world: &World) -> Vec<Option<String>> {
    SERVICES.iter().map(|service| world.id(&world.image(&format!("/{service}")))).collect()
}

#[test]
fn an_unattended_machine_builds_what_matters_one_after_another() {
    let mut world = world();
    record(&world);
    let first = world.tip();
    world.rebuild();
    assert!(overlaps(&spans(&world)) > 0, "nothing ran at the same time, which proves nothing about a limit");
    let (before, images) = (result(&world), ids(&world));
    assert_eq!(before[4].0, "e");
    world.rebuild_with(["full", "--yes", "--parallel", "1"]);
    assert_eq!(overlaps(&spans(&world)), 0);
    // The report knows whose steps they are, although buildx does not name a target that is alone.
    let own: Vec<_> = SERVICES[..4].iter().map(|service| serde_json::json!([service])).collect();
    assert_eq!(steps(&world), own);
    assert_eq!(result(&world), before);
    assert!(ids(&world).iter().zip(&images).all(|(now, before)| now.is_some() && now != before));
    world.assert_nothing_staged();

    // A push of documents: no build, the same images, the same containers.
    world.compose(&["up", "--detach", "--no-build"]);
    let containers = world.compose(&["ps", "--quiet", "--no-trunc"]);
    let (images, builds) = (ids(&world), world.builds());
    let documents = [world.push(Kind::Readme), world.push_file("backend/notes.md", "Notes\n")];
    let plan = world.plan();
    let idle: Vec<_> = plan["idle"][0]["commits"].as_array().unwrap().iter().map(|one| one["commit"].clone()).collect();
    assert_eq!(idle, [documents[1].as_str(), documents[0].as_str()]);
    world.rebuild().says("2 commits on main change nothing for this image");
    world.compose(&["up", "--detach", "--no-build"]);
    assert_eq!((ids(&world), world.builds()), (images, builds));
    assert_eq!(world.compose(&["ps", "--quiet", "--no-trunc"]), containers);
    world.xtask(["verify"]).ok();
    assert_eq!(result(&world)[0].1, first);

    // Two runs at once after a push that matters: one builds, and both end well.
    world.set("COMPOSE_PARALLEL_LIMIT", "2");
    let pushed = world.push(Kind::Backend);
    let builds = world.builds();
    let runs = [world.start(["rebuild"]), world.start(["rebuild"])];
    for run in runs {
        run.wait().ok();
    }
    assert_eq!(world.builds().difference(&builds).count(), SERVICES.len());
    assert!(result(&world).iter().all(|(_, revision, _)| *revision == pushed));
    world.assert_settled();
}
