//! What people see: each story's commands with their output in colour, as a picture that has the text in it.
//!
//! `SNAPSHOTS=overwrite` in the environment takes what is printed now as right.

use regex_lite::Regex;
use serde_json::json;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

use crate::support::state::Rule;
use crate::support::{World, commit};

/// A story's screen so far.
struct Story {
    world: World,
    screen: String,
}

impl Story {
    fn of(world: World) -> Self {
        Self { world, screen: String::new() }
    }

    /// Runs a command, whatever its end.
    fn run(&mut self, line: &str) -> &World {
        let args = line.split(' ').chain(["--color", "always"]);
        let outcome = self.world.run(args).finish();
        self.screen += &format!("$ compose-rebuild {line}\n{}{}", outcome.stdout, outcome.stderr);
        self.screen += &format!("[exit code {}]\n\n", outcome.code.unwrap());
        &self.world
    }

    /// Compares the screen with the picture of this name.
    #[track_caller]
    fn is(self, name: &str) {
        let root = self.world.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let mut screen = self.screen.replace(&root, "");
        // What is another one in every run.
        for (pattern, constant) in
            [(r"\d+\.\d+( ?)s\b", "1.00${1}s"), (r"\d{8}T\d{6}[0-9A-Za-z.-]*?\.log", "20260101T120000.log")]
        {
            screen = Regex::new(pattern).unwrap().replace_all(&screen, constant).into_owned();
        }
        let path = format!("{}/tests/cli/transcripts/{name}.term.svg", env!("CARGO_MANIFEST_DIR"));
        let picture = Data::read_from(path.as_ref(), Some(DataFormat::TermSvg));
        let assert = Assert::new().action_env("SNAPSHOTS");
        assert.eq(Data::from(screen).coerce_to(DataFormat::TermSvg), picture);
    }
}

#[test]
fn a_push_is_noticed_built_and_verified() {
    let mut story = Story::of(World::new());
    story.run("rebuild");
    story.run("rebuild").push(&commit('b'));
    story.run("verify");
    story.run("plan");
    story.run("rebuild");
    story.run("verify");
    story.is("push");
}

#[test]
fn a_push_that_does_not_build_and_a_remote_that_does_not_answer() {
    let mut story = Story::of(World::built());
    let world = &story.world;
    world.push(&commit('b'));
    let step = r#"{"vertexes":[{"digest":"sha256:a","name":"[vibevoice 2/2] RUN make","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z","error":"process \"/bin/sh -c make\" did not complete successfully: exit code: 2"}],"logs":[{"vertex":"sha256:a","stream":2,"data":"bWFrZTogKioqIFthbGxdIEVycm9yIDEK","timestamp":"2026-01-01T00:00:01Z"}]}"#;
    world.fault(&["buildx bake"], Rule { stdout: step.into(), exit: Some(1), ..Rule::default() });
    story.run("rebuild").heal();
    let gone = Rule { stderr: "fatal: Could not resolve host\n".to_owned(), exit: Some(128), ..Rule::default() };
    story.world.fault(&["ls-remote"], gone);
    story.run("rebuild").heal();
    story.run("rebuild nobody");
    story.is("failures");
}

/// Forty services of one clone, each with a stage and an image of its own.
fn fleet() -> World {
    let world = World::new();
    let names: Vec<_> = (1..=40).map(|number| format!("service-{number:02}")).collect();
    let stage = |name: &String| format!("FROM source AS {name}\nRUN make\n");
    let clone = "FROM base AS source\nARG CACHE_BUST\nRUN git clone https://git.example/vibevoice.git\n";
    world.file("Dockerfile", clone.to_owned() + &names.iter().map(stage).collect::<String>());
    world.remote("https://git.example/vibevoice.git", format!("{}\tHEAD\n", commit('a')));
    let service = |name: &String| {
        let build = json!({"context": world.project(), "dockerfile": "Dockerfile", "target": name});
        (name.clone(), json!({"image": format!("fleet/{name}"), "build": build}))
    };
    let services: serde_json::Map<_, _> = names.iter().map(service).collect();
    world.manifest("");
    world.engine(|engine| engine.config = json!({"name": "vibevoice", "services": services}));
    world
}

#[test]
fn what_is_equal_is_said_once_however_many_services_there_are() {
    let mut story = Story::of(fleet());
    story.run("plan");
    story.run("rebuild --quiet");
    story.run("rebuild");
    story.run("verify");
    story.world.remote("https://git.example/vibevoice.git", format!("{}\tHEAD\n", commit('b')));
    story.run("verify");
    story.run("rebuild");
    let listed = story.world.run(["verify", "-v"]).ok().stdout;
    assert_eq!(listed.matches("\nservice-").count(), 40, "{listed}");
    story.is("fleet");
}

/// `errors.txt` has the words of every error; this is how each kind of them looks.
#[test]
fn every_kind_of_error() {
    let mut story = Story::of(World::built());
    for line in ["rebuild --nonsense", "destroy", "plan -f nothing.yml", "plan --cache-bust ;", "full", "rollback v9"] {
        story.run(line);
    }
    let fails = |exit, stderr: &str| Rule { stderr: stderr.to_owned(), exit: Some(exit), ..Rule::default() };
    let silent = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n";
    story.world.fault(&["image inspect"], fails(1, silent));
    story.run("rebuild").heal();
    story.world.push(&commit('b'));
    story.run("verify");
    story.is("errors");
}

#[test]
fn a_version_that_was_rolled_back_is_held() {
    let mut story = Story::of(World::built());
    story.world.push(&commit('b'));
    story.world.run(["rebuild"]).ok();
    story.run("rollback v0.1.0-aaaaaaaaaaaa");
    story.run("rebuild");
    story.run("verify");
    story.run("rebuild --forward");
    story.is("rollback");
}
