//! Every error that a user can meet, with what was kept and the hint, as `errors.txt` shows them.
//!
//! `RECORD_ERRORS=FILE` in the environment of the suites adds each error that a run ends with to a file;
//! `UPDATE_ERRORS=FILE` in that of the test here makes `errors.txt` of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::support::state::Rule;
use crate::support::{World, commit};

/// `doctor` says it as a finding, or as the reason why code is not watched.
const DOCTOR: &str = "doctor.rs";
/// A person says it on a terminal, where errors have colours.
const TERMINAL: &str = "terminal.rs";
/// The suite with a real engine meets it.
const ENGINE: &str = "engine/up.rs";
/// The suite with a real registry meets it.
const REGISTRY: &str = "engine/registry.rs";
/// Unit tests beside it make it.
const UNIT: &str = "unit tests";
/// No test makes it yet.
const OPEN: &str = "";
/// Errors that no run of this suite ends with, by the beginning of their cause, each with the test that has it.
const UNMET: [(&str, &str); 19] = [
    ("`doctor.allow` names", DOCTOR),
    ("BuildKit looks at the branch", DOCTOR),
    ("a cache mount keeps what was cloned", DOCTOR),
    ("its address {} is only known", DOCTOR),
    ("its ref {} is only known", DOCTOR),
    ("no cache-bust argument stands above it", DOCTOR),
    ("no ref of the repository says", DOCTOR),
    ("not confirmed", TERMINAL),
    ("{what}, and there is nothing to go back to", ENGINE),
    ("either the registry loses what it confirms", REGISTRY),
    ("services are built from each other in a circle", UNIT),
    ("{} is not an image tag", UNIT),
    ("{} is not a version: {error}", UNIT),
    ("something else moves the same tags", OPEN),
    ("check the engine, then run it again", OPEN),
    ("git: {", OPEN),
    ("the remote {} sent commit {} without its tree", OPEN),
    ("`{name}` is {id} in the registry instead of", OPEN),
    ("the builder cannot read `{name}`", OPEN),
];

/// A place in the source that makes a failure: its file, its cause or hint as it is written there, and what a user reads of it.
struct Maker {
    file: String,
    said: String,
    lines: Vec<Regex>,
}

impl Maker {
    /// Whether a user read what this made.
    fn is_of(&self, block: &str) -> bool {
        self.lines.iter().all(|line| line.is_match(block))
    }
}

/// What a format string makes; the program has another name in the tests.
fn as_regex(format: &str) -> String {
    let mut regex = String::new();
    let text = format.replace("cargo xtask", "compose-rebuild");
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        regex += &regex_lite::escape(&rest[..at]);
        let open = &rest[at..];
        let doubled = open.starts_with("{{") || open.starts_with("}}");
        let end = if doubled { 2 } else { open.find('}').map_or(open.len(), |end| end + 1) };
        regex += &if doubled { regex_lite::escape(&open[..1]) } else { ".*?".to_owned() };
        rest = &open[end..];
    }
    regex + &regex_lite::escape(rest)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// All places that make a failure, outside of unit tests.
fn makers() -> Vec<Maker> {
    let mut makers = Vec::new();
    let mut open = vec![root().join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("src/error.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
            collect(text.parse().unwrap(), file, &mut makers);
        }
    }
    makers.sort_by(|one, other| (&one.file, &one.said).cmp(&(&other.file, &other.said)));
    makers
}

/// Adds what stands in these tokens: `Failure::KIND(CAUSE)` with the calls of `kept` and `hint` that follow it.
fn collect(tokens: TokenStream, file: &str, makers: &mut Vec<Maker>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        collect(group.stream(), file, makers);
        let words: Vec<_> = tokens[at.saturating_sub(4)..at].iter().map(ToString::to_string).collect();
        let [failure, _, _, kind] = words.as_slice() else { continue };
        if failure != "Failure" || !["no", "usage", "precondition", "step"].contains(&kind.as_str()) {
            continue;
        }
        let called = |name: &str| {
            let mut rest = tokens[at + 1..].chunks(3).map_while(|call| match call {
                [TokenTree::Punct(_), TokenTree::Ident(word), TokenTree::Group(group)] => Some((word, group)),
                _ => None,
            });
            rest.find(|(word, _)| *word == name).and_then(|(_, group)| literal(group.stream()))
        };
        let (cause, kept, hint) = (literal(group.stream()), called("kept"), called("hint"));
        // A cause that another function makes is known by its hint.
        let said = cause.clone().or(hint.clone()).unwrap_or_default();
        let lines = [("error:", cause), (" kept:", kept), (" hint:", hint)];
        let lines = lines.into_iter().filter_map(|(label, format)| {
            Some(Regex::new(&format!("(?s)(^|\n){label} {}", as_regex(&format?))).unwrap())
        });
        let lines = lines.collect();
        makers.push(Maker { file: file.to_owned(), said, lines });
    }
}

/// The text of some tokens, when it is a string or a format string.
fn literal(tokens: TokenStream) -> Option<String> {
    let text = tokens.into_iter().take(3).find_map(|token| match token {
        TokenTree::Literal(literal) => Some(literal.to_string()),
        TokenTree::Group(group) => group.stream().into_iter().next().map(|first| first.to_string()),
        _ => None,
    })?;
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let joined = Regex::new(r"\\\n\s*").unwrap().replace_all(text, "").into_owned();
    Some(joined.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\"))
}

/// The blocks of a file of errors.
fn blocks(text: &str) -> Vec<String> {
    text.split("\n\n").map(|block| block.trim_end().to_owned()).filter(|block| block.starts_with("error: ")).collect()
}

#[test]
fn every_error_is_met_and_shown_with_its_hint() {
    let snapshot = root().join("tests/cli/errors.txt");
    let makers = makers();
    if let Some(recorded) = std::env::var_os("UPDATE_ERRORS") {
        let mut recorded = blocks(&fs::read_to_string(recorded).unwrap());
        recorded.sort_by_key(|block| (block.len(), block.clone()));
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for maker in &makers {
            if let Some(block) = recorded.iter().find(|block| maker.is_of(block)) {
                shown.entry(block.clone()).or_default();
            }
        }
        let text: String = shown.keys().map(|block| format!("{block}\n\n")).collect();
        fs::write(&snapshot, text.trim_end().to_owned() + "\n").unwrap();
    }
    let shown = blocks(&fs::read_to_string(&snapshot).unwrap());
    let mut open = Vec::new();
    for maker in &makers {
        let is_unmet = UNMET.iter().any(|(cause, _)| maker.said.starts_with(cause));
        let is_shown = shown.iter().any(|block| maker.is_of(block));
        // Of what has neither, nobody can tell.
        if is_unmet == is_shown && !maker.said.is_empty() {
            open.push(format!("{}: {}", maker.file, maker.said));
        }
    }
    let extra: Vec<_> = shown.iter().filter(|block| !makers.iter().any(|maker| maker.is_of(block))).collect();
    assert!(
        open.is_empty() && extra.is_empty(),
        "not shown in errors.txt, or shown and in UNMET:\n{}\nextra: {extra:#?}",
        open.join("\n")
    );
}

/// Errors of projects and machines that no other test of the suite is about.
#[test]
fn projects_that_cannot_be_built_are_refused() {
    let of = |change: fn(&mut Value)| {
        let world = World::new();
        world.engine(|engine| change(&mut engine.config["services"]));
        world
    };
    let rebuild = |world: World, code: i32, text: &str| drop(world.run(["rebuild"]).fails(code).says(text));
    let no_build = |services: &mut Value| *services = json!({"db": {"image": "postgres:16"}});
    rebuild(of(no_build), 2, "no service of the project has a build section");
    let keep = |services: &mut Value| services["vibevoice"]["x-rebuild"] = json!("always");
    rebuild(of(keep), 2, "`x-rebuild` of service `vibevoice`");
    let dockerfile = |text: &str| {
        let world = World::new();
        world.file("Dockerfile", text);
        world
    };
    rebuild(dockerfile("# nothing\n"), 2, "has no stage");
    let world = World::new();
    world.manifest("[[workspace.metadata.xtask.sources]]\nname = \"x\"\nservices = [\"vibevoice\"]\n");
    rebuild(world, 2, "has no repository");
    World::new().run(["rebuild", "--up", "--push"]).fails(2).says("exclude each other");
    World::new().run(["rebuild", "--local", "nothing-here"]).fails(2).says("is not a directory");
    let world = World::built();
    world.push(&commit('b'));
    let says = |text: &str| Rule { stderr: format!("{text}\n"), exit: Some(1), ..Rule::default() };
    world.fault(&["buildx bake"], says("unknown flag: --allow"));
    rebuild(world, 3, "buildx is missing or too old");
    let world = World::built();
    world.push(&commit('b'));
    let line = json!({"vertexes": [{"digest": "a", "name": "[internal] load metadata for base", "error": "no such host",
        "started": "2026-01-01T00:00:00Z", "completed": "2026-01-01T00:00:01Z"}]});
    world.fault(&["buildx bake"], Rule { stdout: line.to_string().into_bytes(), exit: Some(1), ..Rule::default() });
    rebuild(world, 3, "check base images");
    let world = World::new();
    world.fault(&["buildx inspect"], says("no builder \"far\" found"));
    world.run(["rebuild", "--builder", "far"]).fails(3).says("the builder cannot be inspected");
    World::new().run(["release", "minor"]).fails(2);
    let world = World::new();
    std::fs::remove_file(world.project().join("Cargo.toml")).unwrap();
    world.run(["release", "minor"]).fails(2).says("there is no Cargo workspace");
    World::new().run(["release", "v1"]).fails(2);
}

/// A project of the usual remote and another one.
const TWO_SOURCES: &str = "[[workspace.metadata.xtask.sources]]\nname = \"app\"\nrepository-arg = \"GITHUB_REPO\"\n\
    ref-arg = \"GITHUB_BRANCH\"\ncommit-arg = \"GITHUB_COMMIT\"\n[[workspace.metadata.xtask.sources]]\nname = \"lib\"\n\
    repository = \"https://git.example/lib.git\"\nref = \"main\"\nservices = [\"vibevoice\"]\n";

/// Settings that contradict each other or the project.
#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let configured = |configuration: &str| {
        let world = World::new();
        world.remote("https://git.example/lib.git", format!("{}\trefs/heads/main\n", commit('c')));
        world.manifest(configuration);
        world
    };
    let refused = |world: &World, args: &[&str], text: &str| drop(world.run(args.iter().copied()).fails(2).says(text));
    let two = configured(TWO_SOURCES);
    fs::create_dir(two.path("checkout")).unwrap();
    let checkout = two.path("checkout").to_str().unwrap().to_owned();
    refused(&two, &["rebuild", "--local", &checkout], "the project has 2");
    let own = format!("{TWO_SOURCES}[workspace.metadata.xtask.services.vibevoice]\npaths = [\"backend/**\"]\n");
    refused(&configured(&own), &["rebuild"], "has several sources, and `paths` of its own");
    let nobody = "[[workspace.metadata.xtask.sources]]\nname = \"lib\"\nrepository = \"https://git.example/lib.git\"\n\
        ref = \"main\"\n";
    let world = configured(nobody);
    let text = fs::read_to_string(world.project().join("Dockerfile")).unwrap();
    world.file("Dockerfile", text.replace("ARG CACHE_BUST", "ARG OTHER"));
    refused(&world, &["rebuild"], "no service is made from source");
    let world = World::new();
    world.engine(|engine| engine.config["services"]["vibevoice"]["x-rebuild"] = json!({"keep": true}));
    refused(&world, &["rebuild"], "takes code that changes");
    let world = World::new();
    world.engine(|engine| {
        for service in ["backend-builder", "vibevoice"] {
            engine.config["services"][service]["build"]["tags"] = json!(["shared:1"]);
        }
    });
    refused(&world, &["rebuild"], "have the same tag `shared:1`");
    let world = World::new();
    fs::create_dir(world.path("checkout")).unwrap();
    let checkout = world.path("checkout").to_str().unwrap().to_owned();
    let text = fs::read_to_string(world.project().join("Dockerfile")).unwrap();
    world.file("Dockerfile", text.replace("local-source", "elsewhere"));
    refused(&world, &["rebuild", "--local", &checkout], "needs a stage `local-source`");
    let world = World::new();
    world.file("Dockerfile", text.replace("USER ", "RUN git clone https://git.example/x.git # \u{1b}[31m\nUSER "));
    refused(&world, &["doctor", "--patch"], "has control characters");
    let world = World::new();
    let twice = json!({"group": {"default": {"targets": ["a_b", "a_b"]}}, "target": {}}).to_string();
    world.fault(&["build --print"], Rule { stdout: twice.into_bytes(), exit: Some(0), ..Rule::default() });
    refused(&world, &["rebuild"], "the same target name `a_b`");
}

/// Engines, builders and registries that answer otherwise than they should.
#[test]
fn engines_and_registries_that_refuse_or_lie_change_nothing() {
    let refused = |world: &World, args: &[&str], code: i32, text: &str| {
        world.run(args.iter().copied()).fails(code).says(text);
        assert_eq!(world.mutable(), [None, None, None]);
    };
    let answers = |when: &str, stdout: &str, stderr: &str, exit: u8| {
        let world = World::new();
        world.engine(|engine| {
            for service in engine.config["services"].as_object_mut().unwrap().values_mut() {
                service["image"] = json!(format!("registry.example/{}", service["image"].as_str().unwrap()));
            }
        });
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.to_owned());
        world.fault(&[when], Rule { stdout, stderr, exit: Some(exit), ..Rule::default() });
        world
    };
    let remote = answers("buildx inspect", "Name: far\nDriver: remote\n", "", 0);
    refused(&remote, &["rebuild", "--builder", "far"], 2, "neither sees the images of this engine");
    refused(&answers("imagetools inspect", "{", "", 0), &["rebuild", "--push"], 3, "is cut or garbled");
    let denied = answers("imagetools inspect", "", "error: 401 unauthorized\n", 1);
    refused(&denied, &["rebuild", "--push"], 3, "refused the request for");
    refused(&World::new(), &["rebuild", "--pull"], 3, "no registry has the base image");
}
