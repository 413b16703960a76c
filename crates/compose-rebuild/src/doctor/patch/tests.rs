//! Patches are small, in the file's own style, and leave nothing that they should have cured.

use serde_json::{Value, json};

use super::*;
use crate::doctor::dockerfile::tests::{findings_of, service};

/// The edits that the findings of a Dockerfile have.
fn edits(text: &str, target: &Value) -> Vec<Edit> {
    let findings = findings_of(&service(text, target.clone()));
    let mut edits: Vec<_> = findings.into_iter().flat_map(|finding| finding.edits).collect();
    edits.sort();
    edits
}

fn cured(text: &str) -> String {
    let new = apply(text, &edits(text, &json!({})));
    assert_eq!(edits(&new, &json!({})), [], "{new}");
    new
}

#[test]
fn a_clone_gets_its_argument_just_above() {
    assert_eq!(
        cured("FROM a\nRUN apt-get install -y git\n\n# the code\nRUN true && \\\n    git clone https://h/n\n"),
        "FROM a\nRUN apt-get install -y git\n\nARG CACHE_BUST=unknown\n# the code\nRUN true && \\\n    git clone https://h/n\n"
    );
    assert_eq!(
        cured(
            "from a as x\n  run git clone https://h/n\nFROM x\nFROM b\nCOPY --from=x / /\nRUN pip install git+https://h/m"
        ),
        "from a as x\n  arg CACHE_BUST=unknown\n  run git clone https://h/n\nFROM x\nFROM b\nCOPY --from=x / /\nARG CACHE_BUST=unknown\nRUN pip install git+https://h/m"
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
    // With its comment, and above that of the step; never between a step and its comment.
    assert_eq!(
        cured(&format!("FROM a\n# code\n{clone}\n# again\n# and again\nARG CACHEBUST=1\nRUN x\n")),
        format!("FROM a\n# again\n# and again\nARG CACHEBUST=1\n# code\n{clone}\nRUN x\n")
    );
    assert_eq!(
        cured(&format!("FROM a\nRUN <<E\n# no comment\nE\nRUN true\n{clone}")),
        format!("FROM a\nRUN <<E\n# no comment\nE\nRUN true\nARG CACHE_BUST=unknown\n{clone}")
    );
}

#[test]
fn what_is_well_or_not_to_be_touched_stays() {
    for text in [
        "FROM a\nARG CACHE_BUST\nRUN git clone https://h/n\n",
        "FROM a\nARG CACHE_BUST\nRUN x $CACHE_BUST && apt-get install y\nRUN git clone https://h/n\n",
        "FROM a\nRUN git clone -b v1.2.3 https://h/n\n",
        "FROM a\nADD https://h/n.git /n\n",
        // Somebody wants to have that once.
        "FROM a\nRUN git clone https://h/m && make -C m\nARG CACHE_BUST\nRUN git clone https://h/n\n",
        "FROM a AS unused\nRUN git clone https://h/n\nFROM a\n",
    ] {
        assert_eq!(cured(text), text);
    }
    assert_eq!(edits("FROM a AS model\nRUN git clone https://h/n\n", &json!({"target": "model"})), []);
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
    let diff = unified("f", text, &edits(text, &json!({})));
    assert!(diff.contains("\n+ARG CACHE_BUST=unknown\r\n") && diff.contains("\n RUN x\r\n"), "{diff}");
    assert_eq!(crate::ui::clean_lines(&diff), diff);
}
