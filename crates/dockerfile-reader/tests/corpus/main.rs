//! What is found in Dockerfiles of many shapes, and what is never found.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "findings are for the doctor, who is tested elsewhere")]
mod cases;

use std::time::{Duration, Instant};

use cases::{Case, cases};
use dockerfile_reader::sources::{Busts, Cover, Fetch, fetches};
use dockerfile_reader::{Args, Build, Dockerfile, Reference};
use proptest::prelude::*;

fn found(text: &str, args: &Args) -> Vec<Fetch> {
    let dockerfile = Dockerfile::read(text);
    let contexts = [("b".to_owned(), "docker-image://x".to_owned())].into();
    for (target, contexts) in [(None, &contexts), (Some("b"), &Default::default())] {
        let closure = dockerfile.closure(&Build { target, args, contexts });
        assert!(target.is_some() || closure.is_some() || dockerfile.stages.is_empty());
    }
    fetched(&dockerfile, &Build { args, ..Build::default() })
}

fn fetched(dockerfile: &Dockerfile, build: &Build<'_>) -> Vec<Fetch> {
    fetches(dockerfile, build, &Busts::of(dockerfile, ["MY_BUST".to_owned()]))
}

/// What is found in a case, of the stages that its target needs, in the words of the corpus.
fn read(case: &Case, text: &str) -> Vec<String> {
    let dockerfile = Dockerfile::read(text);
    let closure = dockerfile.closure(&case.build()).expect("a stage");
    let is_built = |fetch: &&Fetch| case.target.is_none() || closure.members.contains(&fetch.runs_in);
    fetched(&dockerfile, &case.build()).iter().filter(is_built).map(words).collect()
}

fn words(fetch: &Fetch) -> String {
    let cover = match &fetch.cover {
        Cover::Nothing => "-".to_owned(),
        Cover::Kept => "kept".to_owned(),
        Cover::Argument(name) => name.clone(),
        Cover::Builder => "builder".to_owned(),
        Cover::Branch(name) => format!("branch:{name}"),
    };
    let reference = match (&fetch.reference, fetch.reference.moves()) {
        (Reference::Head, Some(true)) => "HEAD".to_owned(),
        (Reference::Named(name), None) => name.clone(),
        (Reference::Named(name), Some(true)) if name.starts_with("refs/") => name.clone(),
        (Reference::Named(name), Some(false)) if name.starts_with("refs/tags/") => name.clone(),
        (Reference::Untold(what), Some(true)) => format!("({what})"),
        (Reference::Commit(name) | Reference::Fixed(name), Some(false)) => format!("pinned:{name}"),
        other => panic!("{other:?}"),
    };
    let commit = fetch.commit_arg.as_ref().map(|name| format!("<{name}")).unwrap_or_default();
    format!("{} {cover} {reference}{commit} {}", fetch.line, fetch.repository)
}

#[test]
fn every_case_is_read_as_it_is_meant() {
    let cases = cases();
    assert!(cases.len() >= 178, "{}", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let (read, Case { title, sources, .. }) = (read(case, case.text), case);
            (read != *sources).then(|| format!("{title}:\n  read {read:#?}\n  not  {sources:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} are read wrongly\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn a_mark_of_the_encoding_and_line_ends_of_windows_change_nothing() {
    for case in cases() {
        assert_eq!(read(&case, &format!("\u{feff}{}", case.text)), case.sources, "{}", case.title);
        assert_eq!(read(&case, &case.text.replace('\n', "\r\n")), case.sources, "{}", case.title);
    }
}

/// A file must be read within 50 ms, in a test without optimisation too.
#[test]
fn a_file_is_read_at_once() {
    for case in cases() {
        let fastest = (0..3).map(|_| {
            let started = Instant::now();
            found(case.text, &case.args);
            started.elapsed()
        });
        assert!(fastest.min() < Some(Duration::from_millis(50)), "{}", case.title);
    }
}

/// What a reader with a loop inside a loop would need minutes or hours for.
#[test]
fn a_megabyte_is_read_at_once_and_nothing_grows_faster_than_its_text() {
    let repeated = |start: &str, part: &str| start.to_owned() + &part.repeat((1 << 16) / part.len());
    let numbered = |size: usize, start: &str, part: &str| {
        let parts = (0..size / (part.len() + 5)).map(|number| part.replace('#', &number.to_string()));
        parts.fold(start.to_owned(), |text, part| text + &part)
    };
    let a_value = format!("FROM a\nARG A={}\nRUN ", "x".repeat(1000));
    for text in [
        repeated("", "FROM a\n"),
        repeated("FROM a AS a\n", "FROM a AS a\nRUN git pull\n"),
        repeated("FROM a AS a\n", "ARG A=1\nFROM a AS a\n"),
        repeated("FROM a\n", "RUN git clone https://h/a && cd a && git checkout x\n"),
        repeated("FROM a\nRUN ", "git clone https://h/a && cd a && git fetch && git checkout x && \\\n"),
        repeated("FROM a\nRUN true", " && git remote add a https://h/a && git fetch a b:c"),
        repeated(&a_value, "echo $A;"),
        repeated(&a_value, "$A"),
        repeated("FROM a\nARG A=xy\n", "ARG A=$A$A$A\n"),
        repeated("FROM a\nRUN ", "$("),
        repeated("FROM a\nRUN ", "${A:-"),
        repeated("FROM a\nRUN ", "(("),
        repeated("FROM a\nRUN ", "conda run -n "),
        repeated("FROM a\nRUN ", "for a in b c; do git clone https://h/$a; "),
        repeated("FROM a\nRUN ", "for a in b c; do git clone https://h/$a; done; "),
        repeated("FROM a\nRUN ", "if [ -n x ]; then (cd a; "),
        repeated("FROM a\nARG A=xyz\nRUN ", "${A##*y}${A//x/yy}"),
        repeated("FROM a\n", "ADD https://api.github.com/repos/a/b/commits/main /\nRUN git clone https://h/a\n"),
        repeated("FROM a\nRUN git clone ", "$A "),
        repeated("FROM a\nARG A='x y'\nRUN git clone ", "$A "),
        repeated("FROM a\nARG A='x y'\nRUN git clone ", "$A"),
        repeated("FROM a\nARG A=xyz\nRUN ", "${A#${A%"),
        repeated("FROM a\nRUN ", "`\"'"),
        repeated("FROM a\nRUN ", "sh -c \"sh -c 'sh -c "),
        repeated("FROM a\nRUN ", "<<E "),
        repeated("FROM a\n", "RUN <<E\n"),
        repeated("FROM a\nRUN Rscript -e '", "install_github(\"a/b\""),
        repeated("FROM a\nRUN npm i ", "@a/b@c/d#"),
        repeated("FROM a\nWORKDIR ", "../a/"),
        repeated("FROM a\n", "WORKDIR a\nRUN cd b && git pull\n"),
        numbered(1 << 16, "FROM a AS s\n", "ARG A#=1\nRUN echo $A#\n"),
        numbered(1 << 20, "", "FROM a AS s#\n"),
        numbered(1 << 16, "FROM a AS s0\n", "FROM s0 AS s#\nARG CACHE_BUST\nRUN git clone https://h/#\n"),
    ] {
        found(&text, &Args::new());
    }
    let usual = "ARG A#=1\nRUN git clone -b \"$A#\" https://h/# && \\\n  cd # && git checkout dev\n";
    let found = found(&numbered(1 << 20, "FROM a\n", usual), &Args::new());
    assert_eq!(found.last().map(|last| last.repository.len()), Some("https://h/10000".len()));
}

/// Text that a Dockerfile may be made of, and what never fetches anything.
const PARTS: &[&str] = &[
    "FROM a AS b\n",
    "FROM b\n",
    "RUN ",
    "ARG A=",
    "ENV ",
    "ADD ",
    "WORKDIR ",
    "\n",
    "\n",
    " ",
    "\\\n",
    "<<E\n",
    "\nE\n",
    "$A",
    "${A",
    ":-",
    ":+",
    "}",
    "$(",
    ")",
    "((",
    "`",
    "\"",
    "'",
    "git clone ",
    "git -C ",
    "git fetch ",
    "git checkout ",
    "-b",
    "--",
    "https://u@h/a",
    "git@h:a",
    "pip install ",
    "git+",
    "npm i ",
    "o/r#",
    "go install ",
    "@",
    "cargo install --git ",
    "R -e ",
    "install_github(",
    "CACHE_BUST",
    "echo ",
    "#",
    "[",
    "\"sh\", \"-c\"",
    "]",
    ";",
    "&&",
    "|",
    "é",
    "\u{0}",
    "\r\n",
    "=",
    "sudo -u ",
    "for a in b c; do ",
    "; done",
    "if [ -n \"$A\" ]; then ",
    "; fi",
    "${A##*/}",
    "sh -c ",
];

const SILENT: &[&str] = &[
    "# git clone https://h/a\n",
    "   # RUN git clone https://h/a\n",
    "RUN echo git clone https://h/a\n",
    "RUN echo \"git clone https://h/a && pip install git+https://h/a\"\n",
    "RUN printf '%s\\n' 'git clone https://h/a; git clone https://h/b'\n",
    "RUN true && \\\n  # git clone https://h/a && \\\n  true\n",
    "RUN true # && git clone https://h/a\n",
    "RUN : git clone https://h/a\n",
    "RUN cat <<E > /x\ngit clone https://h/a\nE\n",
    "COPY <<E /x\nRUN git clone https://h/a\nE\n",
    "CMD [\"git\", \"clone\", \"https://h/a\"]\n",
    "LABEL a=\"git clone https://h/a\"\n",
    "ENV A=\"git clone https://h/a\"\n",
    "FROM b AS c\n",
    "ARG CACHE_BUST\n",
    "WORKDIR /x\n",
    "\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        found(&text, &Args::new());
        found(&format!("FROM a\nRUN git clone {text}"), &Args::new());
    }

    #[test]
    fn no_mixture_makes_it_panic(parts in proptest::collection::vec(prop::sample::select(PARTS), 0..60)) {
        let text = format!("FROM a AS b\n{}", parts.concat());
        let count = text.split('\n').count();
        for fetch in found(&text, &Args::new()) {
            prop_assert!(fetch.line >= 1 && fetch.line <= count);
        }
        let dockerfile = Dockerfile::read(&text);
        let own = dockerfile.stages.iter().flat_map(|stage| [&stage.from].into_iter().chain(&stage.instructions));
        let mut above = 0;
        for one in own {
            prop_assert!(above < one.line && one.line <= one.end && one.end <= count, "{one:?}");
            prop_assert!(one.characters().all(|(_, line)| (one.line..=one.end).contains(line)), "{one:?}");
            above = one.end;
        }
    }

    #[test]
    fn comments_prints_and_files_are_never_fetches(parts in proptest::collection::vec(prop::sample::select(SILENT), 0..30)) {
        prop_assert_eq!(found(&format!("FROM a AS b\n{}", parts.concat()), &Args::new()), vec![]);
    }

    /// Whatever surrounds it, a line of the corpus that is disabled is gone.
    #[test]
    fn a_disabled_line_is_never_a_fetch(index in any::<prop::sample::Index>()) {
        let cases = cases();
        let case = index.get(&cases);
        let disabled: String = case.text.lines().map(|line| format!("# {line}\n")).collect();
        prop_assert_eq!(found(&format!("FROM a\n{disabled}RUN true\n"), &case.args), vec![]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4) })]

    /// Quadratic work would take minutes here.
    #[test]
    fn a_megabyte_of_any_mixture_is_read_at_once(parts in proptest::collection::vec(prop::sample::select(PARTS), 1..60)) {
        let part = parts.concat();
        found(&format!("FROM a AS b\n{}", part.repeat((1 << 20) / part.len())), &Args::new());
    }

    #[test]
    fn a_megabyte_of_any_bytes_is_read_at_once(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
        let text = String::from_utf8_lossy(&bytes.repeat((1 << 20) / bytes.len())).into_owned();
        found(&text, &Args::new());
        found(&format!("FROM a\nRUN {}", text.replace('\n', " ")), &Args::new());
    }
}
