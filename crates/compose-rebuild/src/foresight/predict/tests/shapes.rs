//! Shapes of Dockerfiles where a change reaches a stage in a way that is easily missed.

use super::{Given, after, given};

const SOURCE: &str = "ARG BASE=base\nFROM $BASE AS source\nWORKDIR /source\nARG COMMIT\n\
    RUN git clone \"$U\" app && git -C app checkout \"$COMMIT\" && mkdir in && mv app/web in/\n";

/// A build of these stages on top of the code.
fn of(stages: &str) -> Given {
    let files = vec!["d/x=1", "d/y=2", "d/e/z=3", "d/b.txt=4", "g/x=5", "x=6", "web/p=7", "@l=8", "@k/m=9"];
    Given { dockerfile: format!("{SOURCE}{stages}"), files, args: Vec::new(), ..given() }
}

/// What runs, and what nobody knows, after a push that has this file in place of that one.
#[track_caller]
fn pushed(stages: &str, from: &'static str, to: &'static str) -> (String, String) {
    let mut next = of(stages);
    next.commit = "bbbb";
    assert!(next.files.contains(&from), "{from}");
    next.files.iter_mut().filter(|file| **file == from).for_each(|file| *file = to);
    after(&[of(stages)], &next)
}

/// The project after an edit.
#[track_caller]
fn edited(stages: &str, from: &str, to: &str) -> (String, String) {
    assert!(stages.contains(from), "{from}");
    after(&[of(stages)], &of(&stages.replace(from, to)))
}

#[test]
fn what_is_copied_on_reaches_who_copies_it() {
    for (stages, from, to, runs) in [
        // Two files in one directory, which is copied whole.
        (
            "FROM $BASE AS w\nCOPY --from=source /source/app/d/x /out/x\nCOPY --from=source /source/app/d/y /out/y\n\
             FROM scratch AS app\nCOPY --from=w /out/ /\n",
            "d/x=1",
            "d/x=9",
            "source w app",
        ),
        // The second of two directories hides what the first one has.
        (
            "FROM scratch AS w\nCOPY --from=source /source/app/d/ /source/app/g/ /out/\n\
             FROM scratch AS app\nCOPY --from=w /out/x /x\n",
            "g/x=5",
            "g/x=9",
            "source w app",
        ),
        // Where it was a file, now a directory is.
        ("FROM $BASE AS app\nCOPY --from=source /source/app/x /x\n", "x=6", "x/x=6", "source app"),
        ("FROM $BASE AS app\nCOPY --from=source /source/app/d/*.txt /x/\n", "d/b.txt=4", "d/c.txt=4", "source app"),
        ("FROM $BASE AS app\nCOPY --from=source /source/app/d /x\n", "d/e/z=3", "d/e/y=3", "source app"),
        ("FROM $BASE AS app\nCOPY --from=source /source/in/web /x\n", "web/p=7", "web/q=7", "source app"),
        (
            "FROM $BASE AS app\nENV D=d\nRUN --mount=from=source,source=/source/app/$D,target=/d make\n",
            "d/x=1",
            "d/x=9",
            "source app",
        ),
        (
            "FROM $BASE AS app\nRUN --mount=type=cache,from=0,source=/source/app/d,target=/d make\n",
            "d/x=1",
            "d/x=9",
            "source app",
        ),
        // With `--parents` the whole path is kept.
        (
            "FROM scratch AS w\nCOPY --parents --from=source /source/app/d/x /out/\n\
             FROM scratch AS app\nCOPY --from=w /out/source/app/d/x /x\n",
            "d/x=1",
            "d/x=9",
            "source w app",
        ),
    ] {
        assert_eq!(pushed(stages, from, to), (runs.to_owned(), String::new()), "{stages}");
        assert_eq!(pushed(stages, "@k/m=9", "@k/m=10").0.replace(" app", ""), "source", "{stages}");
    }
}

#[test]
fn a_command_changes_only_what_it_was_told() {
    let stages = "FROM $BASE AS w\nWORKDIR /in\nCOPY --from=source /source/app/d/ 0/\n\
        COPY --from=source /source/app/g/ 1/\nRUN find . -type f | sort > /out/sum\n\
        FROM scratch AS app\nCOPY --from=w /in/0/ /\n";
    assert_eq!(pushed(stages, "g/x=5", "g/x=9").0, "source w");
    assert_eq!(pushed(stages, "d/x=1", "d/x=9").0, "source w app");
    assert_eq!(pushed(&stages.replace("/in/0", "/out"), "g/x=5", "g/x=9").0, "source w app");
    assert_eq!(pushed(&stages.replace("find", "make"), "g/x=5", "g/x=9").0, "source w app");
    let pattern = stages.replace("/in/0/", "/in/*/x*").replace("/out/sum", "/in/0/xs");
    assert_eq!(pushed(&pattern, "d/y=2", "d/z=2").0, "source w app");
}

#[test]
fn where_files_may_be_anywhere_nobody_knows() {
    for (stages, from, to) in [
        // Behind a link, and a link itself.
        ("FROM $BASE AS app\nCOPY --from=source /source/app/l/x /x\n", "d/x=1", "d/x=9"),
        ("FROM $BASE AS app\nCOPY --from=source /source/app/l /x\n", "d/x=1", "d/x=9"),
        ("FROM $BASE AS app\nCOPY --from=source --exclude=y /source/app/d /x\n", "d/y=2", "d/y=9"),
        ("FROM $BASE AS app\nCOPY --from=source /source/app/d/[a-c].txt /x/\n", "d/b.txt=4", "d/b.txt=9"),
        ("FROM $BASE AS app\nCOPY --from=source --parents /source/app/**/z /x/\n", "d/e/z=3", "d/e/z=9"),
        // A variable of the base image.
        ("FROM $BASE AS app\nCOPY --from=source /source$HERE/x /x\n", "g/x=5", "g/x=9"),
    ] {
        assert_eq!(pushed(stages, from, to), ("source".to_owned(), "app".to_owned()), "{stages}");
        assert_eq!(after(&[of(stages)], &of(stages)), (String::new(), String::new()), "the same again: {stages}");
    }
}

#[test]
fn lines_and_values_reach_what_they_are_keyed_in() {
    let top = "FROM w AS app\nCOPY --from=source /source/app/x /y\n";
    for (stages, from, to, runs) in [
        ("FROM $BASE AS app\nARG V=1\nCOPY <<E /x\n$V\nE\n", "V=1", "V=2", "app"),
        ("FROM $BASE AS app\nARG V=1\nCOPY <<'E' /x\n$V\nE\n", "V=1", "V=2", ""),
        ("FROM $BASE AS app\nCOPY <<E /x\none\nE\n", "one", "two", "app"),
        ("FROM $BASE AS app\nENV V=0\nARG V=1\nRUN make\n", "V=1", "V=2", "app"),
        ("FROM $BASE AS app\nRUN make\nENV V=1\n", "V=1", "V=2", ""),
        ("FROM $BASE AS app\nUSER a\nWORKDIR /x\n", "USER a", "USER b", "app"),
        ("FROM $BASE AS app\nUSER a\nUSER b\nRUN make\n", "USER a", "USER c", ""),
        ("FROM $BASE AS app\nSHELL [\"/bin/sh\", \"-c\"]\nRUN make\n", "\"-c\"", "\"-ec\"", "app"),
        ("FROM $BASE AS app\nWORKDIR /a\nWORKDIR b\nCOPY --from=source /source/app/x .\n", "/a", "/c", "app"),
    ] {
        assert_eq!(edited(stages, from, to), (runs.to_owned(), String::new()), "{stages}");
    }
    for (stages, from, to, runs) in [
        ("FROM $BASE AS w\nONBUILD RUN make\n", "RUN make", "RUN make all", "app"),
        ("FROM $BASE AS w\nONBUILD ARG V=1\nONBUILD RUN make\n", "V=1", "V=2", "app"),
    ] {
        assert_eq!(edited(&format!("{stages}{top}"), from, to), (runs.to_owned(), String::new()), "{stages}");
    }
    // What the stage between does to the files, though they are the same in the code.
    let between = "FROM scratch AS w\nCOPY --chmod=644 --from=source /source/app/d /d\nWORKDIR /d/new\n\
        FROM scratch AS app\nCOPY --from=w /d /d\n";
    assert_eq!(edited(between, "644", "755").0, "w app");
    assert_eq!(edited(between, "--chmod=644", "--exclude=y").0, "w app");
    assert_eq!(edited(between, "/new", "/other").0, "w app");
}

#[test]
fn a_part_of_another_image_may_be_the_same() {
    let moved = |copied: &str| {
        let stages = format!("FROM scratch AS app\n{copied}\n");
        after(&[of(&stages)], &Given { base: "sha256:2", ..of(&stages) })
    };
    assert_eq!(moved("COPY --from=base /bin/x /x"), (String::new(), "app".to_owned()));
    assert_eq!(moved("COPY --from=base / /"), ("app".to_owned(), String::new()));
}
