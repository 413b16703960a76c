//! Each check finds its fault where it is, and nothing where there is none.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::facts::config::Config;
use crate::facts::found::{Meanings, Watch};
use crate::facts::sources;
use crate::project::Project;
use crate::value::show;

#[path = "../../../../dockerfile-reader/tests/corpus/cases.rs"]
#[allow(dead_code, reason = "the reader's own tests use the rest")]
mod cases;

/// The service that is built from a Dockerfile, with the arguments and the target that Compose gives it.
pub(crate) fn service(text: &str, build: Value) -> Project {
    let mut definition = json!({"tags": ["app"], "dockerfile": "Dockerfile"});
    definition.as_object_mut().expect("object").extend(build.as_object().expect("object").clone());
    let mut built = Built::parse("app", &definition).expect("a target");
    built.keep = built.target.as_deref() == Some("model");
    built.read_dockerfile(text);
    let services = [("app".parse().expect("name"), built)].into();
    Project { name: "p".parse().expect("name"), services, extension: Value::Null }
}

/// Everything that is wrong in the Dockerfile of a project.
pub(crate) fn findings_of(project: &Project) -> Vec<Finding> {
    findings_with(project, &Meanings::new())
}

fn findings_with(project: &Project, meanings: &Meanings) -> Vec<Finding> {
    let config = Config::default();
    let seen = sources::unnamed(project, &config, meanings).expect("names").sightings;
    let built =
        project.services.values().flat_map(|built| check(built, &seen.iter().collect::<Vec<_>>(), &Names::of(&config)));
    let mut findings: Vec<_> = built.collect();
    findings.sort();
    findings
}

fn found_in(text: &str, build: Value) -> Vec<(&'static str, usize)> {
    let findings = findings_of(&service(text, build));
    for finding in &findings {
        assert!(!finding.what.is_empty() && finding.why.ends_with('.') && !finding.cure.is_empty(), "{finding:?}");
        assert_eq!(finding.file.as_deref(), Some("Dockerfile"));
    }
    findings.into_iter().map(|finding| (finding.check, finding.line.expect("a line"))).collect()
}

fn found(text: &str) -> Vec<(&'static str, usize)> {
    found_in(text, json!({}))
}

#[track_caller]
fn assert_found(check: &'static str, line: usize, text: &str) {
    assert_eq!(found(text), [(check, line)], "{text}");
}

#[track_caller]
fn assert_healthy(text: &str) {
    assert_eq!(found(text), [], "{text}");
}

/// The project of one service that a case of the corpus is.
fn project_of(case: &cases::Case) -> Project {
    service(case.text, json!({"args": case.args, "target": case.target}))
}

#[test]
fn the_corpus_is_judged_as_it_is_meant() {
    let mut wrong = Vec::new();
    for case in cases::cases() {
        let Some(mut expected) = case.findings.clone() else { continue };
        let found: BTreeSet<_> = findings_of(&project_of(&case)).into_iter().collect();
        let mut found: Vec<_> = found.iter().map(|one| format!("{} {}", one.line.unwrap_or(0), one.check)).collect();
        found.sort();
        expected.sort_unstable();
        if found != expected {
            wrong.push(format!("{}:\n  found {found:?}\n  not   {expected:?}", case.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `plan` and `rebuild` take from `derive` is what `doctor` says, whether remotes say nothing, or that all names are those of
/// branches or of tags.
#[test]
fn doctor_and_plan_never_disagree_about_a_source() {
    for case in cases::cases() {
        let project = project_of(&case);
        let open = sources::unnamed(&project, &Config::default(), &Meanings::new()).expect("names").open;
        let meant = |kind: &str| -> Meanings {
            let full = |question: &(String, String)| format!("refs/{kind}/{}", question.1.replace("HEAD", "main"));
            open.iter().map(|question| (question.clone(), full(question))).collect()
        };
        for meanings in [Meanings::new(), meant("heads"), meant("tags")] {
            agree(case.title, &project, &meanings);
        }
    }
}

fn agree(title: &str, project: &Project, meanings: &Meanings) {
    let Ok((sources, found)) = sources::derive(project, &Config::default(), meanings) else { return };
    let findings = findings_with(project, meanings);
    let such = findings.iter().filter(|one| matches!(one.check, "clone-without-bust" | "source-not-watched"));
    let said: Vec<_> = such.map(|one| (one.line, &one.what)).collect();
    for one in &found.unwatched {
        let names = |(_, what): &&(Option<usize>, &String)| what.contains(&show(&one.repository));
        assert!(said.iter().any(|said| names(&said)), "{title}: {one:?} {said:?}");
    }
    assert_eq!(said.is_empty(), found.unwatched.is_empty(), "{title}");
    // What is followed is in the table as watched, and nothing else is.
    let is_watched = |seen: &&Sighting| matches!(seen.watch, Watch::Argument { .. } | Watch::Builder);
    let watched: BTreeSet<_> =
        found.sightings.iter().filter(is_watched).map(|seen| seen.fetch.repository.clone()).collect();
    let followed: BTreeSet<_> = sources.iter().map(|source| source.repository.to_string()).collect();
    assert!(watched.is_subset(&followed), "{title}: {watched:?} {followed:?}");
}

#[test]
fn the_shipped_dockerfile_is_healthy() {
    assert_healthy(include_str!("../../../../../Dockerfile"));
}

#[test]
fn a_clone_needs_the_bust_above_it() {
    let check = "clone-without-bust";
    assert_found(check, 2, "FROM a\nRUN git clone https://h/n\n");
    assert_found(check, 4, "FROM a\nRUN true && \\\n  # why\n  git clone https://h/n\n");
    assert_found(check, 4, "FROM a\nRUN <<'E'\nset -e\ngit clone https://h/n\nE\n");
    assert_found(check, 2, "FROM a\nRUN git clone https://h/n\nARG CACHE_BUST\nRUN true\n");
    assert_found("source-not-watched", 2, "FROM a\nRUN cd /src && git fetch origin && git pull\n");
    assert_found(check, 5, "FROM a AS one\nARG CACHE_BUST\n\nFROM b\nRUN git clone https://h/n\n");
    assert_found(check, 3, "FROM a\nARG B=main\nRUN git clone -b \"$B\" https://h/n\n");
    assert_found(check, 2, "FROM a\nRUN [\"git\", \"clone\", \"https://h/n\"]\n");
    assert_healthy("FROM a\nARG CACHE_BUST\nRUN git clone https://h/n\n");
    assert_healthy("FROM a\nARG CACHEBUST=1\nRUN git clone https://h/n\n");
    // A commit makes a step run again when it is that of the repository.
    assert_found(check, 3, "FROM a\nARG GITHUB_COMMIT\nRUN git clone https://h/n\n");
    assert_healthy("FROM a AS one\nARG CACHE_BUST\nFROM one\nRUN git clone https://h/n\n");
    // Other names of the argument, other tools, and what BuildKit looks after itself.
    assert_healthy("FROM a\nARG REBUILD=1\nRUN pip install git+https://h/o/n@main\n");
    assert_healthy("FROM a\nADD https://h/n.git#main /n\n");
    assert_found(check, 3, "FROM a\nRUN true && \\\n    pip install git+https://h/o/n@main\n");
    // What does not move, and what is no remote.
    assert_healthy("FROM a\nRUN git clone --branch v1.2.3 https://h/n\n");
    assert_healthy(
        "FROM a\nRUN git clone https://h/n && cd n && git checkout 0123456789abcdef0123456789abcdef01234567\n",
    );
    assert_healthy("FROM a\nARG N_VERSION=v1.2\nRUN git clone --branch=\"$N_VERSION\" https://h/n\n");
    assert_healthy("FROM a\nRUN git clone /src/n && git init && git -C n status\n");
    assert_healthy("FROM a\n# RUN git clone https://h/n\nRUN echo 'git clone https://h/n'\n");
}

#[test]
fn a_version_that_nothing_passes_is_asked_for() {
    let project = service("FROM a\nARG V\nRUN go install github.com/o/n@$V\n", json!({}));
    let findings = findings_of(&project);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].cure.starts_with("pass `V`") && findings[0].edits.is_empty(), "{findings:?}");
}

#[test]
fn a_checkout_is_not_hard_coded_beside_an_argument() {
    let check = "hard-coded-checkout";
    let start = "FROM a\nARG GITHUB_BRANCH=main\nARG CACHE_BUST\n";
    assert_found(check, 4, &format!("{start}RUN git clone https://h/n && cd n && git checkout main\n"));
    assert_found(
        check,
        5,
        &format!("{start}RUN git clone -b \"$GITHUB_BRANCH\" https://h/n\nRUN git reset --hard origin/master\n"),
    );
    assert_found(check, 4, &format!("{start}RUN git clone -b main https://h/n\n"));
    assert_found(check, 4, &format!("{start}RUN git clone https://h/n && git -C n pull origin main\n"));
    assert_found(
        check,
        4,
        "FROM a\nARG CACHE_BUST\nARG REF=x\nRUN git clone --branch=\"$REF\" https://h/n && cd n && git switch dev\n",
    );
    assert_healthy(&format!("{start}RUN git clone https://h/n && git checkout \"$GITHUB_BRANCH\"\n"));
    assert_healthy(&format!("{start}RUN git checkout -b main && git checkout -- main && git checkout FETCH_HEAD\n"));
    assert_healthy("FROM a\nARG CACHE_BUST\nRUN git clone https://h/n && git checkout main\n");
}

#[test]
fn the_bust_stands_below_installs() {
    let check = "bust-above-installs";
    for install in
        ["apt-get update && apt-get install -y x", "pip install x", "npm ci", "uv pip install x", "apk add git"]
    {
        assert_found(check, 3, &format!("FROM a\n\nARG CACHE_BUST\nRUN {install}\nRUN git clone https://h/n\n"));
    }
    assert_found("installs-below-clone", 4, "FROM a\nARG CACHE_BUST\nRUN git clone https://h/n\nRUN npm ci\n");
    assert_healthy("FROM a\nRUN apt-get install -y git\nARG CACHE_BUST\nRUN git clone https://h/n\n");
    assert_healthy("FROM a AS s\nARG CACHE_BUST\nRUN git clone https://h/n\nFROM b\nCOPY --from=s /l .\nRUN npm ci\n");
}

#[test]
fn the_bust_stays_out_of_the_model_stage() {
    let check = "bust-in-model-stage";
    let model = json!({"target": "model"});
    assert_eq!(found_in("FROM a AS model\nARG CACHE_BUST\nRUN true\n", model), [(check, 2)]);
    assert_found(check, 2, "FROM a\nARG CACHE_BUST\nRUN hf download m --revision x\n");
    assert_found(check, 2, "FROM a\nARG CACHE_BUST\nRUN python -c \"snapshot_download('m', revision='x')\"\n");
    assert_healthy("FROM a AS other\nARG CACHE_BUST\nRUN true\n");
    assert_healthy("FROM a\nRUN hf download m --revision x\nARG CACHE_BUST\nRUN git clone https://h/n\n");
}

#[test]
fn the_name_alone_does_nothing() {
    let check = "bust-without-dollar";
    assert_found(check, 3, "FROM a\nARG CACHE_BUST\nRUN echo CACHE_BUST && git clone https://h/n\n");
    assert_found(check, 3, "FROM a\nARG CACHE_BUST\nRUN echo 'bust: $CACHE_BUST'\n");
    assert_healthy("FROM a\nARG CACHE_BUST\nRUN echo \"CACHE_BUST: $CACHE_BUST\" && echo ${CACHE_BUST}\n");
}

#[test]
fn arguments_are_quoted() {
    let check = "unquoted-argument";
    let start = "FROM a\nARG A='b c'\nARG CACHE_BUST\n";
    assert_found(check, 4, &format!("{start}RUN git clone $A x\n"));
    assert_healthy("FROM a\nARG A\nARG CACHE_BUST\nRUN git clone https://h/n $A\n");
    assert_healthy("FROM a\nARG A=x\nARG CACHE_BUST\nRUN git clone https://h/n $A\n");
    assert_found(check, 5, &format!("{start}RUN cmd && \\\n  git clone ${{A}} ${{A}}\n"));
    assert_found(check, 5, &format!("{start}RUN <<E\ncmd \"$(git clone $A)\"\nE\n"));
    assert_healthy(&format!("{start}RUN git clone \"$A\" x\nRUN B=$A; [ $A = 1 ] && cmd \"$B\" $B\n"));
    assert_found(check, 4, &format!("{start}RUN pip install -r $A/list x==$A && \\\n git init && git checkout $A\n"));
    assert_healthy(&format!("{start}RUN make -j$A && cmd $A && pip install x==$A\n"));
    assert_healthy("FROM a\nENV B=1\nRUN git checkout $B $HOME\nWORKDIR $B\n");
    assert_healthy("FROM a\nRUN git checkout $A\nARG A\n");
}

#[test]
fn a_model_has_a_revision() {
    let check = "model-without-revision";
    assert_found(check, 2, "FROM a\nRUN hf download m\n");
    assert_found(check, 3, "FROM a\nRUN true \\\n && huggingface-cli download m --local-dir /x\n");
    assert_found(check, 3, "FROM a\nRUN python3 - <<E\nsnapshot_download('m', allow_patterns=('a', 'b'))\nE\n");
    assert_found(check, 2, "FROM a\nRUN python -c 'hf_hub_download(\"m\", \"f\")'\n");
    assert_healthy("FROM a\nARG R=main\nRUN hf download m --revision \"$R\"\n");
    assert_healthy(
        "FROM a\nRUN <<E\n#!/usr/bin/python3\n# snapshot_download(m)\nsnapshot_download(\n  f(m),\n  revision=R)\nE\n",
    );
    assert_healthy("FROM a\nRUN hf auth whoami && hf --version\n");
}

#[test]
fn secrets_are_no_arguments() {
    let check = "secret-in-dockerfile";
    assert_found(check, 1, "ARG INDEX=https://u:p@h/x\nFROM a\n");
    assert_found(check, 2, "FROM a\nENV INDEX=https://u:p@h/simple\n");
    assert_found(check, 2, "FROM a\nRUN curl https://u:p@h/x\n");
    // `docker build --check` says what a name says.
    assert_healthy("FROM a\nARG HF_TOKEN=x\nENV API_KEY=x U=https://git@h/a\nRUN git status git@h:a https://git@h/a\n");
    assert_healthy("FROM a\nRUN --mount=type=secret,id=t T=$(cat /run/secrets/t) && curl \"https://x:$T@h/x\"\n");
}

/// Parts of a Dockerfile, separated by tildes.
const PARTS: &str = "FROM a~ AS b~\n~\n~RUN ~ARG ~ENV ~A=1~ ~\\\n~<<E~\nE\n~$A~${A~}~$(~)~((~`~\"~'~git clone ~-b~--branch~https://u@h~hf download ~snapshot_download(~CACHE_BUST~echo ~#~[~\"sh\", \"-c\"~]~;~&&~|~é~\u{0}~\r\n~COPY <<X Y ~=~env ~xargs -n 1 ";

proptest! {
    #[test]
    fn no_text_makes_the_checks_panic(text in "\\PC*") {
        found_any(&text);
        found_any(&format!("FROM a\nRUN {text}"));
    }

    /// Text that looks like a Dockerfile, cut and stirred.
    #[test]
    fn no_dockerfile_makes_the_checks_panic(parts in proptest::collection::vec(prop::sample::select(PARTS.split('~').collect::<Vec<_>>()), 0..40)) {
        found_any(&parts.concat());
    }

    /// Nothing that is cut off or lost in the shipped file.
    #[test]
    fn no_mutation_makes_the_checks_panic(from in 0_usize..9000, length in 0_usize..9000) {
        let text = include_str!("../../../../../Dockerfile");
        let kept = text.char_indices().filter(|(at, _)| *at < from || *at > from + length).map(|(_, c)| c);
        found_any(&kept.collect::<String>());
    }
}

fn found_any(text: &str) {
    findings_of(&service(text, json!({})));
}
