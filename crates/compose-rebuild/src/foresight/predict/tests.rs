//! What is expected after which change, on Dockerfiles alone.

mod shapes;

use super::model::{Code, Recipe};
use super::stages::simulate;
use super::tree::tests::tree_of;
use super::*;
use crate::plan::VersionFile;
use dockerfile_reader::Dockerfile;

/// What a build is made from, as far as these tests change it.
pub(super) struct Given {
    pub(super) dockerfile: String,
    pub(super) commit: &'static str,
    pub(super) files: Vec<&'static str>,
    pub(super) args: Vec<(&'static str, &'static str)>,
    pub(super) base: &'static str,
}

const STAGES: &str = "ARG BASE=base\nFROM $BASE AS source\nWORKDIR /source\nARG COMMIT\nARG BUST\n\
    RUN git clone \"$U\" app && git -C app checkout \"$COMMIT\" && echo \"$COMMIT\" > app/version && mv app/web . && \
    rm -rf app/.git\n\
    FROM $BASE AS deps\nCOPY --from=source /source/web/lock ./\nRUN install\n\
    FROM deps AS web\nARG MODE=fast\nCOPY --from=source /source/web/ ./\nRUN build\n\
    FROM $BASE AS docs\nCOPY --from=source /source/app/*.md /docs/\n\
    FROM scratch AS copied\nCOPY --from=source /source/app/lib /lib\n\
    FROM $BASE AS tool\nCOPY --from=copied /lib/x /x\nRUN make\n\
    FROM $BASE AS app\nCOPY --from=source /source/app/ /app/\nCOPY --from=web /out/ /out/\nCOPY --from=docs /docs /docs\n\
    COPY --from=tool /bin/tool /bin/tool\nLABEL a=b\n";

pub(super) fn given() -> Given {
    Given {
        dockerfile: STAGES.to_owned(),
        commit: "aaaa",
        files: vec!["web/lock=1", "web/page=2", "a.md=3", "lib/x=4", "lib/y=5", "other=6"],
        args: vec![("BUST", "v1")],
        base: "sha256:1",
    }
}

fn stages_of(given: &Given) -> Stages {
    let dockerfile = Dockerfile::read(&given.dockerfile);
    let mut args: BTreeMap<String, String> =
        given.args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    args.insert("COMMIT".to_owned(), given.commit.to_owned());
    let tree = tree_of(&given.files);
    let bases = [("base".to_owned(), given.base.to_owned())].into();
    let version_file = VersionFile { path: "version".to_owned(), content: given.commit.to_owned() };
    let recipe = Recipe {
        dockerfile: &dockerfile,
        target: Some("app"),
        settings: String::new(),
        args,
        contexts: BTreeMap::new(),
        code: vec![Code { pin: given.commit.to_owned(), tree: &tree }],
        bases: &bases,
        version_file: Some(&version_file),
    };
    simulate(&recipe).into_values().map(|stage| (["app".to_owned()].into(), stage)).collect()
}

/// The stages that run and those that nobody can know, after these builds.
#[track_caller]
pub(super) fn after(builds: &[Given], next: &Given) -> (String, String) {
    let mut record = Record::default();
    for given in builds {
        record.built(&stages_of(given), &[], Cache::Kept, BTreeSet::new());
    }
    let all = predict(&stages_of(next), &record, Cache::Kept);
    let those = |expected: Expected| -> String {
        let names: Vec<_> = all.iter().filter(|one| one.expected == expected).map(|one| one.stage.as_str()).collect();
        names.join(" ")
    };
    (those(Expected::Runs), those(Expected::Unknown))
}

#[test]
fn only_what_a_change_reaches_runs() {
    let pushed = |from: &'static str, to: &'static str| {
        let mut next = given();
        next.commit = "bbbb";
        next.files = next.files.into_iter().map(|file| if file == from { to } else { file }).collect();
        after(&[given()], &next)
    };
    let runs = |stages: &str| (stages.to_owned(), String::new());
    assert_eq!(after(&[given()], &given()), runs(""));
    assert_eq!(pushed("other=6", "other=7"), runs("source app"));
    assert_eq!(pushed("web/page=2", "web/page=7"), runs("source web app"));
    assert_eq!(pushed("web/lock=1", "web/lock=7"), runs("source deps web app"));
    assert_eq!(pushed("a.md=3", "a.md=7"), runs("source docs app"));
    assert_eq!(pushed("lib/x=4", "lib/x=7"), runs("source copied tool app"));
    assert_eq!(pushed("lib/y=5", "lib/y=7"), runs("source copied app"), "a file beside the one that goes on");
}

#[test]
fn a_bust_value_alone_runs_the_clone_alone_and_a_revert_is_remembered() {
    let with = |change: fn(&mut Given)| {
        let mut given = given();
        change(&mut given);
        given
    };
    let bust = with(|given| given.args = vec![("BUST", "v2")]);
    assert_eq!(after(&[given()], &bust).0, "source");
    let other = with(|given| (given.commit, given.files[1]) = ("bbbb", "web/page=9"));
    let back = with(|given| given.commit = "cccc");
    assert_eq!(after(&[given(), other], &back).0, "source app", "the version file is another one");
    assert_eq!(after(&[], &given()).0, "source deps web docs copied tool app");
    let argument = with(|given| given.args.push(("MODE", "slow")));
    assert_eq!(after(&[given()], &argument).0, "web app", "an argument counts from its line on, in its stage");
    assert_eq!(after(&[given()], &with(|given| given.base = "sha256:2")).0, "source deps web docs tool app");
}

#[test]
fn a_tree_that_is_copied_with_its_repository_is_another_one_after_every_clone() {
    let keep = |given: Given| Given { dockerfile: given.dockerfile.replace(" && rm -rf app/.git", ""), ..given };
    assert!(given().dockerfile != keep(given()).dockerfile);
    // The version alone is another one.
    let next = || Given { args: vec![("BUST", "v2")], ..given() };
    assert_eq!(after(&[keep(given())], &keep(next())), ("source app".to_owned(), String::new()));
    assert_eq!(after(&[given()], &next()).0, "source");
    assert_eq!(after(&[keep(given())], &keep(given())).0, "", "what stays cached has the same repository");
    // Whether a program removed it nobody knows.
    let made =
        |given: Given| Given { dockerfile: given.dockerfile.replace("mv app/web .", "mv app/web . && make"), ..given };
    let (runs, unknown) = after(&[made(keep(given()))], &made(keep(next())));
    assert_eq!(runs, "source");
    assert!(unknown.contains("app"), "{unknown}");
}

#[test]
fn lines_count_where_they_are_and_a_label_counts_nowhere() {
    let edited = |from: &str, to: &str| {
        let mut next = given();
        next.dockerfile = next.dockerfile.replace(from, to);
        after(&[given()], &next)
    };
    assert_eq!(edited("RUN install", "RUN install -q").0, "deps web app");
    assert_eq!(edited("LABEL a=b", "LABEL a=c").0, "");
    assert_eq!(edited("FROM deps AS web", "# note\nFROM deps AS web").0, "");
    assert_eq!(edited("echo \"$COMMIT\" >", "echo  \"$COMMIT\" >").0, "source", "the same files come out");
    let (runs, unknown) = edited("mv app/web .", "mv app/web . && make");
    assert_eq!((runs.as_str(), unknown.as_str()), ("source", "deps web docs copied tool app"));
}

#[test]
fn what_nobody_can_know_is_never_called_cached() {
    let mut local = given();
    local.dockerfile = local.dockerfile.replace("RUN install", "COPY . .\nRUN install");
    assert_eq!(
        after(&[local], &{
            let mut next = given();
            next.dockerfile = next.dockerfile.replace("RUN install", "COPY . .\nRUN install");
            next
        })
        .1,
        "deps web app"
    );
    let mut record = Record::default().attempted(&stages_of(&given()));
    let all = predict(&stages_of(&given()), &record, Cache::Kept);
    assert!(all.iter().all(|one| one.expected == Expected::Unknown), "{all:#?}");
    record.built(&stages_of(&given()), &[], Cache::Kept, BTreeSet::new());
    for (cache, expected) in [
        (Cache::Kept, Expected::Cached),
        (Cache::Gone, Expected::Runs),
        (Cache::Doubtful("x"), Expected::Unknown),
        (Cache::Unused, Expected::Runs),
    ] {
        let all = predict(&stages_of(&given()), &record, cache);
        assert!(all.iter().all(|one| one.expected == expected), "{cache:?}: {all:#?}");
    }
}

#[test]
fn what_was_thrown_away_is_not_expected_to_be_there() {
    let cache = |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    let (one, mut two) = (given(), given());
    two.files[1] = "web/page=9";
    let mut record = Record::default();
    let expected = |record: &Record| {
        let all = predict(&stages_of(&one), record, Cache::Kept);
        all.into_iter().find(|stage| stage.stage == "web").expect("stage").expected
    };
    record.built(&stages_of(&one), &[], Cache::Kept, cache(&["a"]));
    record.built(&stages_of(&two), &[], Cache::Kept, cache(&["a", "b"]));
    assert_eq!((expected(&record), record.is_vague()), (Expected::Cached, false));
    record.built(&stages_of(&two), &[], Cache::Unused, cache(&["a", "b"]));
    assert_eq!(expected(&record), Expected::Unknown, "a build without the cache leaves it there");
    record.built(&stages_of(&two), &[], Cache::Doubtful("x"), BTreeSet::new());
    assert_eq!((expected(&record), record.is_vague()), (Expected::Unknown, true), "the builder did not answer");
    record.built(&stages_of(&two), &[], Cache::Gone, cache(&["c"]));
    assert_eq!(expected(&record), Expected::Runs);
}

#[test]
fn a_stage_that_is_built_without_the_cache_runs() {
    let definition = |json: serde_json::Value| json.as_object().expect("a target").clone();
    let filter = definition(serde_json::json!({"no-cache-filter": ["docs"]}));
    let mut record = Record::default();
    record.built(&stages_of(&given()), &[], Cache::Kept, BTreeSet::new());
    let mut stages = stages_of(&given());
    stages.iter_mut().for_each(|(_, stage)| stage.uncached = recipe::is_uncached(&filter, &stage.name));
    let all = predict(&stages, &record, Cache::Kept);
    let runs = all.iter().filter(|one| one.expected == Expected::Runs).map(|one| one.stage.as_str());
    assert_eq!(runs.collect::<Vec<_>>(), ["docs"]);
    assert!(recipe::is_uncached(&definition(serde_json::json!({"no-cache": true})), "any"));
}
