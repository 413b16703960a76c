//! Tests of the decisions.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::facts::store::CacheRecord;
use crate::project::Built;
use crate::value::Service;

const NOW: u64 = 1_000_000;

fn project() -> Project {
    let built = |image: &str, keep| Built { keep, ..Built::parse("app", &json!({"tags": [image]})).expect("valid") };
    let service = |name: &str| name.parse::<Service>().expect("name");
    let services = [(service("app"), built("app:latest", false)), (service("model"), built("app:model", true))];
    Project { name: "p".parse().expect("name"), services: services.into(), extension: serde_json::Value::Null }
}

fn at(seconds: u64) -> Timestamp {
    (std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).into()
}

fn policy() -> Policy {
    Policy { keep: 2, older_than: None, models: false, cache_limit: None }
}

fn image(tags: &[&str], value: &str, owner: Option<&str>, age: u64) -> Stored {
    let labels = owner.map(|owner| {
        [(label::PROJECT, owner), (label::SERVICE, "app"), (label::CACHE_BUST, value)]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    });
    Stored {
        tags: tags.iter().map(|tag| tag.parse().expect("name")).collect(),
        labels: labels.into_iter().flatten().collect(),
        created: at(NOW - age),
        had: at(NOW - age),
        is_exact: true,
        size: 10,
        unique: 1,
        layers: crate::facts::store::layers(&["base".to_owned(), format!("{tags:?}{age}")]),
    }
}

fn removed(store: &Inventory, policy: &Policy) -> Vec<String> {
    let lines = plan(store, &project(), policy).expect("plan");
    lines.into_iter().filter(|line| line.remove).map(|line| line.id).collect()
}

fn nothing() -> Inventory {
    Inventory { images: BTreeMap::new(), users: Default::default(), cache: Vec::new(), now: at(NOW) }
}

fn store() -> Inventory {
    let kept = key::kept_image(&project(), &"model".parse::<Service>().expect("name")).expect("name").to_string();
    let images = [
        ("current", image(&["app:latest", "app:v4"], "v4", Some("p"), 10)),
        ("last", image(&["app:v3"], "v3", Some("p"), 20)),
        ("old", image(&["app:v2"], "v2", Some("p"), 30)),
        ("used", image(&["app:v1"], "v1", Some("p"), 40)),
        ("dangling", image(&[], "v2", Some("p"), 35)),
        ("staged", image(&["app:staged-app-000000000000"], "v5", Some("p"), 5)),
        ("release", image(&["app:v0", "app:1.2.3"], "v0", Some("p"), 50)),
        ("by-hand", image(&["app:v00", "mine:prod"], "v00", Some("p"), 60)),
        ("kept", image(&[&kept], "v0", Some("p"), 70)),
        ("superseded", image(&["app:keep-000000000000"], "v0", Some("p"), 80)),
        ("stranger", image(&["app:v-1"], "v-1", Some("q"), 90)),
        ("unlabelled", image(&["app:v-2"], "v-2", None, 95)),
    ];
    Inventory {
        images: images.into_iter().map(|(id, image)| (id.to_owned(), image)).collect(),
        users: [("used".to_owned(), vec!["one".to_owned()])].into(),
        ..nothing()
    }
}

#[test]
fn only_what_nobody_needs_goes() {
    assert_eq!(removed(&store(), &policy()), ["staged", "old", "dangling"]);
    assert_eq!(removed(&store(), &Policy { models: true, ..policy() }), ["staged", "old", "dangling", "superseded"]);
    assert_eq!(removed(&store(), &Policy { keep: 3, ..policy() }), ["staged", "dangling"]);
    let older_than = Some(Duration::from_secs(33));
    assert_eq!(removed(&store(), &Policy { older_than, ..policy() }), ["dangling"]);
}

#[test]
fn the_cache_goes_oldest_first_and_children_before_parents() {
    let record = |id: &str, parent: &str, size, used, held| CacheRecord {
        id: id.to_owned(),
        parents: [parent].into_iter().filter(|p| !p.is_empty()).map(str::to_owned).collect(),
        description: String::new(),
        size,
        used: at(used),
        held,
    };
    let cache = vec![
        record("parent", "", 10, 1, false),
        record("child", "parent", 10, 3, false),
        record("held", "", 10, 0, true),
        record("young", "", 10, 9, false),
    ];
    let removed = |limit| {
        removed(&Inventory { cache: cache.clone(), ..nothing() }, &Policy { cache_limit: Some(limit), ..policy() })
    };
    assert_eq!(removed(30), Vec::<String>::new());
    assert_eq!(removed(20), ["child"]);
    assert_eq!(removed(5), ["child", "parent", "young"]);
}

fn any_image() -> impl Strategy<Value = (Stored, bool)> {
    let tag = prop::sample::select(vec![
        "app:latest",
        "app:model",
        "app:v1",
        "app:v2",
        "app:staged-app-000000000001",
        "app:keep-000000000001",
        "app:staged-mine",
        "app:keep-mine",
        "mirror/app:v1",
        "app:1.0.0",
        "x:y",
        "app:other-v1",
    ]);
    let owner = prop::sample::select(vec![None, Some("p"), Some("q")]);
    (prop::collection::vec(tag, 0..3), prop::sample::select(vec!["v1", "v2", ""]), owner, 0_u64..1000, any::<bool>())
        .prop_map(|(tags, value, owner, age, used)| (image(&tags, value, owner, age), used))
}

proptest! {
    #[test]
    fn nothing_in_use_unlabelled_or_current_ever_goes(
        images in prop::collection::vec(any_image(), 0..20),
        keep in 0_usize..4,
        models: bool,
        hours in prop::option::of(0_u64..2),
    ) {
        let mut store = nothing();
        for (index, (image, used)) in images.into_iter().enumerate() {
            if used {
                store.users.insert(index.to_string(), vec!["c".to_owned()]);
            }
            store.images.insert(index.to_string(), image);
        }
        let policy = Policy { keep, models, older_than: hours.map(|hours| Duration::from_secs(hours * 3600)), ..policy() };
        for id in removed(&store, &policy) {
            let image = &store.images[&id];
            prop_assert!(!store.users.contains_key(&id));
            prop_assert_eq!(image.label(label::PROJECT), Some("p"));
            let needed = ["app:latest", "app:model", "app:1.0.0", "x:y", "app:staged-mine", "app:keep-mine", "mirror/app:v1"];
            prop_assert!(!image.tags.iter().any(|tag| needed.contains(&tag.to_string().as_str())));
        }
    }
}
