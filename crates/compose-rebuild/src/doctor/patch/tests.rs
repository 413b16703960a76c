//! Patches are small, in the file's own style, and leave nothing that they should have cured.

use super::*;

fn cured(text: &str) -> String {
    let patient = Patient { file: String::new(), text: text.to_owned(), kept: ["model".to_owned()].into() };
    let commits = ["GITHUB_COMMIT".to_owned()];
    let new = apply(text, &dockerfile(&patient, "CACHE_BUST", &commits));
    let again = Patient { text: new.clone(), ..patient };
    assert_eq!(dockerfile(&again, "CACHE_BUST", &commits), [], "{new}");
    new
}

#[test]
fn a_clone_gets_its_argument_just_above() {
    assert_eq!(
        cured("FROM a\nRUN apt-get install -y git\n\n# the code\nRUN true && \\\n    git clone https://h/n\n"),
        "FROM a\nRUN apt-get install -y git\n\n# the code\nARG CACHE_BUST=unknown\nRUN true && \\\n    git clone https://h/n\n"
    );
    assert_eq!(
        cured("from a\n  run git clone https://h/n\nFROM b\nRUN pip install git+https://h/m"),
        "from a\n  arg CACHE_BUST=unknown\n  run git clone https://h/n\nFROM b\nARG CACHE_BUST=unknown\nRUN pip install git+https://h/m"
    );
}

#[test]
fn what_can_take_a_commit_in_place_of_a_branch_does() {
    assert_eq!(
        cured("FROM a\nRUN pip install x \\\n    \"git+https://h/My-app.git@main\"\n"),
        "FROM a\nARG CACHE_BUST=unknown\nARG MY_APP_COMMIT=\nRUN pip install x \\\n    \"git+https://h/My-app.git@${MY_APP_COMMIT:-main}\"\n"
    );
    assert_eq!(
        cured("FROM a\nRUN npm install github:o/n#dev && npm install github:o/m#dev2\n"),
        "FROM a\nARG CACHE_BUST=unknown\nRUN npm install github:o/n#dev && npm install github:o/m#dev2\n",
        "two in one instruction are left alone"
    );
    // The shell would not see a variable there, a clone takes no commit, and a version does not move.
    for line in ["pip install 'git+https://h/n@main'", "git clone -b main https://h/n", "pip install git+https://h/n"] {
        assert_eq!(cured(&format!("FROM a\nRUN {line}\n")), format!("FROM a\nARG CACHE_BUST=unknown\nRUN {line}\n"));
    }
}

#[test]
fn an_argument_moves_to_where_it_belongs() {
    let clone = "RUN git clone https://h/n\n";
    assert_eq!(
        cured(&format!("FROM a\n{clone}ARG CACHEBUST=1\nRUN x\n")),
        format!("FROM a\nARG CACHEBUST=1\n{clone}RUN x\n")
    );
    assert_eq!(
        cured(&format!("FROM a\nARG CACHEBUST\nRUN apt-get install x\n{clone}")),
        format!("FROM a\nRUN apt-get install x\nARG CACHEBUST\n{clone}")
    );
}

#[test]
fn what_is_well_or_not_to_be_touched_stays() {
    for text in [
        "FROM a\nARG CACHE_BUST\nRUN git clone https://h/n\n",
        "FROM a\nARG CACHE_BUST\nRUN x $CACHE_BUST && apt-get install y\nRUN git clone https://h/n\n",
        "FROM a\nRUN git clone -b v1.2.3 https://h/n\n",
        "FROM a\nADD https://h/n.git /n\n",
        "FROM a\nARG GITHUB_COMMIT\nRUN git clone https://h/n\n",
        "FROM a AS model\nRUN git clone https://h/n\n",
    ] {
        assert_eq!(cured(text), text);
    }
}

#[test]
fn the_argument_is_passed_in_the_form_of_the_file() {
    let passed = |build: &str| {
        let text = format!("services:\n  x:\n    image: y\n{build}  z:\n    image: y\n");
        let edits: Vec<_> = compose(&text, "x", "B").into_iter().collect();
        let new = apply(&text, &edits);
        new["services:\n  x:\n    image: y\n".len()..].trim_end_matches("  z:\n    image: y\n").to_owned()
    };
    for (build, expected) in [
        ("    build: .\n", "    build:\n      context: .\n      args:\n        B: ${B:-unknown}\n"),
        ("    build:\n      context: .\n", "    build:\n      args:\n        B: ${B:-unknown}\n      context: .\n"),
        (
            "    build:\n      args:\n        A: 1\n",
            "    build:\n      args:\n        B: ${B:-unknown}\n        A: 1\n",
        ),
        ("    build:\n      args:\n      - A=1\n", "    build:\n      args:\n      - B=${B:-unknown}\n      - A=1\n"),
        ("    build: {context: .}\n", "    build: {context: ., args: {B: \"${B:-unknown}\"}}\n"),
        ("    build:\n      args: *args\n", "    build:\n      args: *args\n"),
        ("    build: *build\n", "    build: *build\n"),
    ] {
        assert_eq!(passed(build), expected);
    }
}

#[test]
fn a_diff_has_context_and_right_numbers() {
    let text: String = (1..=20).map(|number| format!("{number}\n")).collect();
    let edit =
        |at, remove, insert: &[&str]| Edit { at, remove, insert: insert.iter().map(|&line| line.to_owned()).collect() };
    let edits = [edit(2, 0, &["new"]), edit(4, 1, &[]), edit(18, 1, &["other"])];
    assert_eq!(
        unified("f", &text, &edits),
        "--- a/f\n+++ b/f\n@@ -1,7 +1,7 @@\n 1\n+new\n 2\n 3\n-4\n 5\n 6\n 7\n@@ -15,6 +15,6 @@\n 15\n 16\n 17\n-18\n+other\n 19\n 20\n"
    );
    assert_eq!(
        unified("f", "a", &[edit(1, 0, &["b"])]),
        "--- a/f\n+++ b/f\n@@ -1,1 +1,2 @@\n+b\n a\n\\ No newline at end of file\n"
    );
    assert_eq!(apply("a", &[edit(1, 0, &["b"])]), "b\na");
    assert_eq!(
        unified("f", "a", &[edit(1, 1, &["b"])]),
        "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n"
    );
}

#[test]
fn a_file_of_windows_stays_one() {
    let text = "FROM a\r\nRUN pip install git+https://h/n@dev\r\nRUN x\r\n";
    let new = cured(text);
    assert_eq!(new, cured(&text.replace('\r', "")).replace('\n', "\r\n"));
    let patient = Patient { file: String::new(), text: text.to_owned(), kept: Default::default() };
    let diff = unified("f", text, &dockerfile(&patient, "CACHE_BUST", &[]));
    assert!(diff.contains("\n+ARG CACHE_BUST=unknown\r\n") && diff.contains("\n RUN x\r\n"), "{diff}");
    assert_eq!(crate::ui::clean_lines(&diff), diff);
}
