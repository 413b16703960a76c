//! Answers, files and command lines of any content: read without a panic, and nothing in them is taken for more than it is.

use camino::Utf8Path;
use clap::Parser;
use compose_rebuild::cli::Cli;
use compose_rebuild::facts::config::Config;
use compose_rebuild::facts::early::Questions;
use compose_rebuild::facts::image::Image;
use compose_rebuild::facts::workspace::workspace_version;
use compose_rebuild::project::Built;
use compose_rebuild::sys::docker;
use compose_rebuild::up::pending::Pending;
use compose_rebuild::value::measure;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// A target as `docker compose build --print` writes it.
const TARGET: &str = r#"{"context":"/project","contexts":{"base":"target:base"},"dockerfile":"Dockerfile","args":{"A":"b","GITHUB_REPO":
"https://h/n.git"},"labels":{"l":"v"},"tags":["more:1","name:latest"],"secret":["id=a,env=A"],"ssh":["default"],"target":"app",
"platforms":["linux/amd64"],"dockerfile-inline":"FROM a AS b\nARG X=1\nRUN git clone https://h/n.git\n","output":["type=docker"]}"#;
/// Images as `docker image inspect` writes them.
const IMAGES: &str = r#"[{"Id":"sha256:a","RepoTags":["x:1"],"Created":"2026-01-01T00:00:00Z","Size":50,"Metadata":{"LastTagTime":
"2026-01-01T00:00:00Z"},"GraphDriver":{"Data":{"UpperDir":"/x"}},"Config":{"Labels":{"k":"v"},"OnBuild":["RUN x"],"WorkingDir":"/w"},
"RootFS":{"Layers":["l1"]}},null]"#;
const CONFIG: &str = r#"{"version":"1.2.3","sources":[{"repository":"https://h/n.git","branch":"main","paths":["a/**"]}],"transports":["file"],
"services":{"a":{"package":"p","version-file":"v","paths":[]}},"notify":["a","b"],"doctor":{"allow":{"x":"y"}},"cache-bust-arg":"X"}"#;
const QUESTIONS: &str = r#"{"remotes":[["https://h/n.git","main"]],"images":["a:b"],"store":"engine"}"#;
const MARKER: &str = "tag a:latest sha256:aaaa\nservice a\ntag stranger:1 x\n";
const MANIFEST: &str = "[workspace.package]\nversion = \"1.2.3\"\n[package]\nversion.workspace = true\n";

/// A text as its author writes it, with bytes changed, cut, or in other places.
fn near(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let signs = || prop::sample::select(b"\"{}[]:,\\\n 0-$%n\x00\xff\x1b".to_vec());
    let byte = prop_oneof![signs(), any::<u8>()];
    (vec((0..text.len(), byte), 0..12), 0..2 * text.len(), 0..text.len(), 0..text.len()).prop_map(
        move |(flips, cut, from, to)| {
            let mut bytes = text.as_bytes().to_vec();
            for (at, byte) in flips {
                bytes[at] = byte;
            }
            bytes.truncate(cut);
            let part = bytes.get(from.min(to)..from.max(to)).map(<[u8]>::to_vec).unwrap_or_default();
            if cut % 3 == 0 {
                bytes.splice(to.min(bytes.len())..to.min(bytes.len()), part);
            }
            bytes
        },
    )
}

/// JSON of any shape, with the names that a reader of this text looks for.
fn shaped(text: &'static str) -> impl Strategy<Value = Value> {
    let names: Vec<String> = text.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let name = prop_oneof![prop::sample::select(names), "\\PC{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        name.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_definition_of_compose_makes_it_panic(bytes in near(TARGET), shaped in shaped(TARGET)) {
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        for definition in [value, shaped] {
            if let Ok(built) = Built::parse("a", &definition) {
                prop_assert!(built.names().all(|name| !name.to_string().starts_with('-')));
                let _ = (built.exports_cache(), built.takes_files(), built.contexts_read().count());
            }
        }
    }

    #[test]
    fn no_answer_of_the_engine_makes_it_panic(bytes in near(IMAGES), shaped in shaped(IMAGES)) {
        for json in [bytes, shaped.to_string().into_bytes()] {
            for image in docker::json::<Vec<Option<Image>>>(&json).into_iter().flatten().flatten() {
                let _ = image.label("k");
            }
        }
    }

    #[test]
    fn no_configuration_makes_it_panic(bytes in near(CONFIG), shaped in shaped(CONFIG)) {
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        for (cargo, compose) in [(&value, &shaped), (&shaped, &value), (&value, &Value::Null)] {
            if let Err(failure) = Config::read(cargo, compose) {
                prop_assert_eq!(failure.code, 2);
            }
        }
    }

    #[test]
    fn no_state_makes_it_panic_or_names_what_is_no_name(bytes in near(MARKER), questions in near(QUESTIONS)) {
        let directory = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(directory.path()).unwrap();
        std::fs::write(state.join("up-a"), &bytes).unwrap();
        let left = Pending::left(state, &"a".parse().unwrap()).unwrap();
        for (name, id) in &left.before {
            prop_assert!(!name.to_string().starts_with('-') && compose_rebuild::value::is_id(id));
        }
        prop_assert!(left.services.iter().all(|service| !service.to_string().starts_with('-')));
        let _ = serde_json::from_slice::<Questions>(&questions);
    }

    #[test]
    fn no_manifest_size_or_duration_makes_it_panic(bytes in near(MANIFEST), text in "[0-9.eE+-]{0,6}[ kKmMGTiBdhws]{0,3}|\\PC{0,12}") {
        let _ = workspace_version(&String::from_utf8_lossy(&bytes));
        let _ = (measure::size(&text), measure::duration(&text));
    }

    #[test]
    fn no_command_line_makes_it_panic(words in vec(prop_oneof![
        prop::sample::select(vec!["rebuild", "full", "verify", "prune", "plan", "report", "release", "rollback", "doctor", "--yes", "--local",
            "--cache-bust", "--builder", "--push", "--keep", "--older-than", "--cache-limit=1GB", "-f", "--", "--message-format", "json"])
            .prop_map(str::to_owned),
        "-{0,2}[a-z]{1,8}(=\\PC{0,6})?",
        any::<String>(),
    ], 0..7)) {
        let words = ["xtask".to_owned()].into_iter().chain(words.into_iter().map(|word| word.replace('\0', "")));
        let _ = Cli::try_parse_from(words);
    }
}
