use super::*;
use crate::facts::history::together;

fn good() -> Evidence {
    let commit = "a".repeat(40);
    Evidence {
        exists: true,
        ours: true,
        remote: Some(commit.clone()),
        label: Some(commit.clone()),
        sources: vec![part(Some(commit.clone()), commit.clone())],
        version_file: Some(commit),
        id: "sha256:1".to_owned(),
        ..Evidence::default()
    }
}

fn part(label: Option<String>, remote: String) -> Part {
    Part { repository: "r".to_owned(), wanted: "main".to_owned(), known: label.is_some(), label, remote: Some(remote) }
}

/// The remote has another commit now.
fn push(evidence: &mut Evidence) {
    evidence.remote = Some("b".repeat(40));
    evidence.sources[0].remote.clone_from(&evidence.remote);
}

fn container(image: &str) -> Container {
    Container { name: "c".to_owned(), service: "s".to_owned(), image: image.to_owned(), ..Container::default() }
}

fn behind(by: u64) -> Relation {
    Relation::Behind { by, missed: Vec::new() }
}

#[track_caller]
fn verdict(change: impl FnOnce(&mut Evidence), wanted: Verdict, words: &str) {
    let mut evidence = good();
    change(&mut evidence);
    let row = Row::new(Some("s".parse().expect("name")), "i".parse().expect("name"), evidence, false);
    assert_eq!((row.verdict, row.words().as_str()), (wanted, words));
    assert_eq!(row.cure.is_none(), wanted.is_good());
}

#[test]
fn every_state_has_its_verdict() {
    verdict(|_| (), Verdict::Current, "current");
    verdict(|e| e.containers = vec![container("sha256:1")], Verdict::Current, "current");
    verdict(|e| e.version_file = None, Verdict::Current, "current");
    verdict(|e| e.deep = Some(Difference::default()), Verdict::Current, "current");
    verdict(|e| e.remote = None, Verdict::Consistent, "consistent");
    verdict(|e| e.exists = false, Verdict::NeverBuilt, "never built");
    verdict(|e| e.ours = false, Verdict::NotOurs, "not built by xtask");
    verdict(push, Verdict::Behind, "behind");
    let related = |relation| {
        move |e: &mut Evidence| {
            push(e);
            e.relation = Some(relation);
        }
    };
    verdict(related(behind(3)), Verdict::Behind, "behind by 3");
    verdict(related(Relation::Unknown), Verdict::Behind, "behind");
    verdict(related(Relation::Ahead { by: 2 }), Verdict::NotOnBranch, "ahead by 2");
    verdict(related(Relation::Elsewhere), Verdict::NotOnBranch, "on another branch");
    verdict(
        |e| {
            related(behind(1))(e);
            e.newer = Some("i:v2".to_owned());
        },
        Verdict::RolledBack,
        "behind, rolled back",
    );
    verdict(
        |e| e.containers = vec![container("sha256:0")],
        Verdict::ContainerOutdated,
        "container older than its image",
    );
}

#[test]
fn wrong_content_is_said_before_age() {
    for (file, fault) in
        [(None, Some("it is missing".to_owned())), (Some("b".repeat(40)), None), (Some(String::new()), None)]
    {
        verdict(
            |e| {
                (e.version_file, e.no_version) = (file, fault);
                push(e);
                e.containers = vec![container("sha256:0")];
            },
            Verdict::WrongContent,
            "wrong content",
        );
    }
    let mut difference = Difference::default();
    difference.missing.count = 1;
    verdict(|e| e.deep = Some(difference), Verdict::WrongContent, "wrong content");
}

#[test]
fn an_image_without_sources_is_up_to_date_by_its_key_alone() {
    let without = |remote: Option<&str>, definition| {
        let remote = remote.map(str::to_owned);
        move |e: &mut Evidence| {
            (e.remote, e.label, e.version_file, e.sources) = (remote, None, None, Vec::new());
            e.definition = definition;
        }
    };
    verdict(without(Some(""), Definition::Same), Verdict::CurrentByKey, "up to date by its key");
    verdict(without(Some(""), Definition::Changed), Verdict::DefinitionChanged, "definition changed");
    for remote in [Some(""), None] {
        verdict(without(remote, Definition::Unknown), Verdict::NothingToCompare, "nothing to compare");
    }
    let is_started_from_another = |e: &mut Evidence| {
        without(Some(""), Definition::Same)(e);
        e.containers = vec![container("sha256:0")];
    };
    verdict(is_started_from_another, Verdict::ContainerOutdated, "container older than its image");
}

#[test]
fn only_an_image_of_all_sources_that_are_all_watched_is_current() {
    let second = |label: Option<String>| move |e: &mut Evidence| e.sources.push(part(label, "d".repeat(40)));
    verdict(second(Some("d".repeat(40))), Verdict::Current, "current");
    verdict(second(Some("c".repeat(40))), Verdict::Behind, "behind");
    verdict(second(None), Verdict::NewSource, "new source");
    verdict(|e| e.gone = true, Verdict::SourceGone, "source gone");
    verdict(|e| e.unwatched = true, Verdict::NotWatched, "not watched");
    let offline = |e: &mut Evidence| {
        e.unwatched = true;
        e.remote = None;
    };
    verdict(offline, Verdict::NotWatched, "not watched");
    // What a rebuild changes is said first.
    let behind = |e: &mut Evidence| {
        push(e);
        e.unwatched = true;
    };
    verdict(behind, Verdict::Behind, "behind");
}

#[test]
fn several_sources_are_behind_together() {
    assert_eq!(together(vec![behind(1), behind(2)]), Some(behind(3)));
    assert_eq!(together(vec![behind(1), Relation::Unknown]), Some(Relation::Unknown));
    assert_eq!(together(vec![behind(1), Relation::Elsewhere, behind(1)]), Some(Relation::Elsewhere));
    assert_eq!(together(vec![behind(1), Relation::Ahead { by: 1 }]), Some(Relation::Elsewhere));
    assert_eq!(together(Vec::new()), None);
}

#[test]
fn json_has_figures_and_no_inner_names() {
    let mut evidence = good();
    push(&mut evidence);
    evidence.relation = Some(behind(3));
    let row = Row::new(None, "i".parse().expect("name"), evidence, true);
    let json = serde_json::to_value(&row).expect("json");
    assert_eq!((json["verdict"].as_str(), json["behind"].as_u64()), (Some("behind"), Some(3)));
    assert_eq!(json["version_file"].as_str(), Some("a".repeat(40).as_str()));
    assert!(json["service"].is_null() && json["ahead"].is_null() && json.get("relation").is_none(), "{json}");
}
