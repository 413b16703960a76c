//! The table of everything that may change in a definition, and of what the key must make of it.

use std::collections::BTreeMap;

/// The rows, and how they are written.
const ROWS: &str = include_str!("../fixtures/table/rows.txt");

/// What the key must make of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// The value is another one.
    Other,
    /// The value is the same one, because the image is.
    Same,
    /// Nobody but BuildKit can tell, so nothing is ever said to be up to date.
    BuildKit,
    /// The image is the same, and the key may be another one.
    Either,
}

/// One change.
pub(crate) struct Row {
    /// The key of the build section, instruction, flag or argument that it is about, with the case of it in parentheses.
    pub(crate) title: &'static str,
    pub(crate) expectation: Expectation,
    /// Why the key is not another one.
    pub(crate) reason: &'static str,
    lines: Vec<&'static str>,
}

/// The files and the variables of the environment before or after a change.
#[derive(Default)]
pub(crate) struct Inputs {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
}

/// Reads the table.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let lines = ROWS.lines().skip_while(|line| !line.starts_with("== "));
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix("== ") {
            Some(head) => rows.push(row(head)),
            None => rows.last_mut().unwrap().lines.push(line),
        }
    }
    rows
}

fn row(head: &'static str) -> Row {
    let (title, expected) = head.split_once(" -> ").unwrap_or_else(|| panic!("`{head}` expects nothing"));
    let (expected, reason) = expected.split_once(": ").unwrap_or((expected, ""));
    let expectation = match expected {
        "other key" => Expectation::Other,
        "same key" => Expectation::Same,
        "BuildKit decides" => Expectation::BuildKit,
        "either" => Expectation::Either,
        _ => panic!("`{title}` expects `{expected}`"),
    };
    Row { title, expectation, reason, lines: Vec::new() }
}

impl Row {
    /// What it is made from, before or after the change.
    pub(crate) fn inputs(&self, after: bool) -> Inputs {
        let mut inputs = Inputs::default();
        let (mut service, mut compose, mut dockerfile) = (String::new(), String::new(), String::new());
        for line in &self.lines {
            let line = chosen(line, after);
            let (place, text) = line.split_once("| ").unwrap_or(("", &line));
            match place {
                "service" => service += &format!("    {text}\n"),
                "compose" => compose += &format!("{text}\n"),
                ".env" => drop(inputs.files.insert(".env".to_owned(), format!("{text}\n"))),
                "variable" => {
                    let (name, value) = text.split_once('=').unwrap();
                    inputs.variables.insert(name.to_owned(), value.to_owned());
                }
                _ => match place.strip_prefix("file ") {
                    Some(name) => drop(inputs.files.insert(name.to_owned(), text.replace("\\n", "\n") + "\n")),
                    None => dockerfile += &format!("{}\n", line.replace("\\n", "\n")),
                },
            }
        }
        if !service.contains("    build:") {
            service += "    build: .\n";
        }
        if !dockerfile.lines().any(|line| line.starts_with("FROM ")) {
            dockerfile.insert_str(0, "FROM scratch\n");
        }
        inputs.files.insert("Dockerfile".to_owned(), dockerfile);
        let head = "name: NAME\nservices:\n  app:\n    image: NAME/app\n";
        inputs.files.insert("compose.yml".to_owned(), format!("{head}{service}{compose}"));
        inputs
    }
}

/// A line with the first or the second text of everything that changes.
fn chosen(line: &str, after: bool) -> String {
    let mut chosen = String::new();
    let mut rest = line;
    while let Some((before, place)) = rest.split_once('«') {
        let (texts, end) = place.split_once('»').unwrap_or_else(|| panic!("`{line}` has no »"));
        let (first, second) = texts.split_once('|').unwrap_or_else(|| panic!("`{line}` has one text"));
        chosen = chosen + before + if after { second } else { first };
        rest = end;
    }
    chosen + rest
}
