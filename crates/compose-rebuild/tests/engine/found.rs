//! Projects of other shapes, built as they are: nothing is configured, and nothing of theirs is changed.

use std::fs;
use std::process::Command;

use sandbox::Kind;

use crate::support::World;

/// A project of one service with this Dockerfile, in which `BASE` is an image with git and Python.
pub(crate) fn project(dockerfile: &str, build: &str) -> World {
    let world = World::new();
    world.manifest("");
    world.file("Dockerfile", &dockerfile.replace("BASE", world.var("NODE_IMAGE")).replace("APP", &address(&world)));
    let service = format!("services:\n  app:\n    image: {}\n    {build}\n", world.latest());
    world.file("compose.yml", &format!("name: {}\n{service}", world.name));
    world
}

pub(crate) fn address(world: &World) -> String {
    world.var("GITHUB_REPO").to_owned()
}

/// The story of every project: built, fresh, and after each push behind and brought to the tip from the bust line down.
#[track_caller]
fn is_kept_current(world: &World, pushes: &[&dyn Fn() -> String], below: &[&str]) {
    let before = world.tags().iter().filter(|tag| !tag.ends_with(":latest")).count();
    world.rebuild();
    let state = world.state();
    world.rebuild();
    assert_eq!(world.state(), state, "nothing was pushed");
    world.xtask(["verify"]).ok();
    for push in pushes {
        let commit = push();
        world.xtask(["verify"]).fails(1).says("behind");
        world.rebuild();
        let ran = world.ran();
        let steps: Vec<_> = ran.iter().filter_map(|step| step.split_once(": ")).map(|(_, step)| step).collect();
        let is_below = |(step, start): (&&str, &&str)| step.starts_with(*start);
        assert!(steps.len() == below.len() && steps.iter().zip(below).all(is_below), "{steps:#?}");
        assert!(world.label(&world.latest(), "org.opencontainers.image.revision").contains(&commit));
        world.xtask(["verify"]).ok();
    }
    let current = world.id(&world.latest());
    let old = world.tags().len();
    world.xtask(["prune", "--keep", "1", "--execute"]).ok();
    assert_eq!((world.id(&world.latest()), old - world.tags().len()), (current, before + pushes.len()));
    world.xtask(["verify"]).ok();
    world.assert_nothing_staged();
}

/// What a file of the image says about the revision of the application.
fn revision(world: &World, path: &str) -> String {
    world.cat(&world.latest(), path)
}

fn tip_of(world: &World) -> String {
    fs::read_to_string(world.upstream.work().join("backend/revision.py")).unwrap().trim().to_owned()
}

#[test]
fn two_clones_in_one_stage() {
    let second = World::new();
    let text = "FROM BASE\nRUN echo tools > /tools\nARG CACHE_BUST\nRUN git clone --quiet APP /app && \\\n    \
                git clone --quiet --branch main SECOND /second\nRUN cat /app/backend/revision.py /second/backend/revision.py > /all\n";
    let world = project(&text.replace("SECOND", &address(&second)), "build: .");
    let pushes: [&dyn Fn() -> String; 2] = [&|| world.push(Kind::Backend), &|| second.push(Kind::Backend)];
    is_kept_current(&world, &pushes, &["RUN cat", "RUN git clone"]);
    assert_eq!(revision(&world, "/all"), format!("{}\n{}", tip_of(&world), tip_of(&second)));
    let bust = world.label(&world.latest(), "io.xtask.cache-bust");
    assert!(bust.len() == "v0.1.0-".len() + 12 && !bust.contains(&world.tip()[..12]), "{bust}");
}

/// A package that needs nothing from any index, not even to be built.
const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = \"make_wheel\"\nbackend-path = [\".\"]\n";
const MAKE_WHEEL: &str = r#"
import pathlib, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = 'lib-1-py3-none-any.whl'
    with zipfile.ZipFile(pathlib.Path(directory) / name, 'w') as wheel:
        wheel.write('backend/revision.py', 'lib_revision.py')
        wheel.writestr('lib-1.dist-info/METADATA', 'Metadata-Version: 2.1\nName: lib\nVersion: 1\n')
        wheel.writestr('lib-1.dist-info/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr('lib-1.dist-info/RECORD', '')
    return name
"#;

#[test]
fn pip_from_git() {
    let world = project(
        "FROM BASE\nRUN echo tools > /tools\nARG CACHE_DATE=never\n\
         RUN python3 -m pip install --quiet --no-cache-dir --target /lib \"lib @ git+APP@main\"\n",
        "build: {context: .}",
    );
    world.push_file("make_wheel.py", MAKE_WHEEL);
    world.push_file("pyproject.toml", PYPROJECT);
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN python3 -m pip install"]);
    assert_eq!(revision(&world, "/lib/lib_revision.py"), tip_of(&world));
}

#[test]
fn a_literal_address_and_no_ref_in_a_stage_of_its_own() {
    let world = project(
        "FROM BASE AS code\nARG REBUILD_CODE=1\nRUN echo \"$REBUILD_CODE\" && git clone --quiet --depth=1 APP /app\n\
         FROM BASE\nRUN echo tools > /tools\nCOPY --from=code /app/backend /app\n",
        "build: .",
    );
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN echo \"v0.1.0-", "COPY --from=code"]);
    assert_eq!(revision(&world, "/app/revision.py"), tip_of(&world));
}

#[test]
fn an_argument_named_cachebust_that_compose_passes() {
    let world = project(
        "FROM BASE\nARG REPO\nARG REF=main\nRUN echo tools > /tools\nARG CACHEBUST=1\n\
         RUN git init --quiet /app && cd /app && git remote add origin \"$REPO\" && \\\n    \
         git fetch --quiet --depth=1 origin \"$REF\" && git checkout --quiet FETCH_HEAD\n",
        "build: {context: ., args: {REPO: \"${GITHUB_REPO}\", CACHEBUST: \"${CACHEBUST:-1}\"}}",
    );
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN git init"]);
    assert_eq!(revision(&world, "/app/backend/revision.py"), tip_of(&world));
}

#[test]
fn local_files_beside_a_clone() {
    let world = project(
        "FROM BASE\nRUN echo tools > /tools\nCOPY settings /settings\nARG CACHEBUST\nRUN git clone --quiet APP /app\n",
        "build: .",
    );
    world.file("settings", "one\n");
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN git clone"]);
    world.file("settings", "two\n");
    world.rebuild();
    assert_eq!(world.cat(&world.latest(), "/settings"), "two");
}

#[test]
fn after_the_patch_of_doctor_a_push_is_noticed() {
    let world = project("FROM BASE\nRUN echo tools > /tools\nRUN git clone --quiet APP /app\n", "build: .");
    world.xtask(["doctor"]).fails(2);
    world.rebuild().says("is not noticed");
    let old = tip_of(&world);
    world.push(Kind::Backend);
    world.rebuild().says("Fresh").says("is not noticed");
    assert_eq!(revision(&world, "/app/backend/revision.py"), old);
    world.xtask(["verify"]).fails(1).says("not watched");

    patch(&world);
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN git clone"]);
    assert_eq!(revision(&world, "/app/backend/revision.py"), tip_of(&world));
}

/// Does what doctor proposes.
#[track_caller]
fn patch(world: &World) {
    fs::write(world.path("patch"), world.xtask(["doctor", "--patch"]).ok().stdout).unwrap();
    let mut apply: Command = world.command("git");
    assert!(apply.arg("apply").arg(world.path("patch")).status().unwrap().success());
    world.xtask(["doctor", "--patch"]).ok().says("nothing to patch");
}

#[test]
fn after_the_patch_pip_installs_the_commit_that_was_resolved() {
    let world = project(
        "FROM BASE\nRUN echo tools > /tools\n\
         RUN python3 -m pip install --quiet --no-cache-dir --target /lib \"lib @ git+APP@main\"\n",
        "build: {context: .}",
    );
    world.push_file("make_wheel.py", MAKE_WHEEL);
    world.push_file("pyproject.toml", PYPROJECT);
    patch(&world);
    is_kept_current(&world, &[&|| world.push(Kind::Backend)], &["RUN python3 -m pip install"]);
    assert_eq!(revision(&world, "/lib/lib_revision.py"), tip_of(&world));
    let told = world.docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &world.latest()]);
    assert!(told.contains(&format!("_COMMIT={}", world.tip())), "{told}");
}

/// Stages with a clone of the application in `/app`, and whether a push makes it run again.
const COVERS: &[(&str, bool, &str)] = &[
    ("argument", true, "FROM BASE AS argument\nARG CACHEBUST\nRUN git clone -q APP /app\n"),
    ("parent", true, "FROM BASE AS above\nARG CACHEBUST\nFROM above AS parent\nRUN git clone -q APP /app\n"),
    (
        "trigger",
        true,
        "FROM BASE AS left\nONBUILD ARG CACHEBUST\nONBUILD RUN git clone -q APP /app\nFROM left AS trigger\n",
    ),
    ("handed", true, "FROM BASE AS handed\nARG CACHEBUST\nENV CACHEBUST=${CACHEBUST}\nRUN git clone -q APP /app\n"),
    (
        "taken",
        true,
        "FROM BASE AS taken\nRUN git clone -q -b main APP /app\nARG CACHEBUST\n\
         RUN cd /app && git fetch -q && git reset -q --hard origin/main\n",
    ),
    (
        "pulled",
        true,
        "FROM BASE AS pulled\nARG CACHEBUST\nRUN --mount=type=cache,id=NAME-pulled,target=/m \\\n  \
         { [ -d /m/app ] || git clone -q APP /m/app; } && git -C /m/app pull -q && cp -r /m/app /app\n",
    ),
    ("added", true, "FROM BASE AS added\nADD APP#main /app\n"),
    ("hidden", false, "FROM BASE AS hidden\nARG CACHEBUST\nENV CACHEBUST=1\nRUN git clone -q APP /app\n"),
    (
        "kept",
        false,
        "FROM BASE AS kept\nARG CACHEBUST\nRUN --mount=type=cache,id=NAME-kept,target=/m \\\n  \
         { [ -d /m/app ] || git clone -q APP /m/app; } && cp -r /m/app /app\n",
    ),
    (
        "fetched",
        false,
        "FROM BASE AS fetched\nRUN git clone -q -b main APP /app\nARG CACHEBUST\n\
         RUN cd /app && git fetch -q && git checkout -q main\n",
    ),
    (
        "other",
        false,
        "FROM BASE AS stamp\nARG CACHEBUST\nRUN echo stamp > /stamp\nFROM BASE AS other\nCOPY --from=stamp /stamp /\n\
         RUN git clone -q APP /app\n",
    ),
];

#[test]
fn what_is_said_to_cover_a_clone_makes_it_run_again_and_nothing_else_does() {
    let all: String = COVERS.iter().map(|(_, _, text)| *text).collect();
    let copies = COVERS.iter().map(|(name, ..)| format!("COPY --from={name} /app/backend/revision.py /{name}\n"));
    let text = format!("{all}FROM scratch\n{}CMD [\"/argument\"]\n", copies.collect::<String>());
    let world = project(&text.replace("NAME", &World::new().name), "build: .");
    let old = tip_of(&world);
    let said = world.rebuild().stderr;
    let mut line = 0;
    for (name, covered, text) in COVERS {
        let clone = line + text.lines().position(|line| line.contains("APP")).unwrap() + 1;
        line += text.lines().count();
        assert_eq!(said.contains(&format!("Dockerfile:{clone})")), !covered, "{name}, line {clone}: {said}");
        assert_eq!(revision(&world, &format!("/{name}")), old, "{name}");
    }
    world.xtask(["verify"]).fails(1).says("not watched");
    world.push(Kind::Backend);
    let new = tip_of(&world);
    assert_ne!(old, new);
    world.rebuild();
    for (name, covered, _) in COVERS {
        assert_eq!(revision(&world, &format!("/{name}")), if *covered { &new } else { &old }.as_str(), "{name}");
    }
}
