//! Instructions and their lines, compared with what BuildKit's parser makes of the same text.

use super::*;

/// Inputs, each with BuildKit's instructions: first and last line, keyword, flags, here-documents with the number of their
/// lines; `'` stands before those whose end is quoted. The Go package `frontend/dockerfile/parser` of BuildKit, as of August
/// 2026, printed them, and builds by Docker 28.5.2 agreed about the lines.
const TABLE: &str = include_str!("../../tests/dockerfiles/buildkit.txt");

#[test]
fn the_parser_of_buildkit_divides_every_text_in_the_same_way() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for entry in TABLE.split("=== ").skip(1) {
        let (title, rest) = entry.split_once('\n').expect("a title");
        let (text, expected) = rest.split_once("---\n").expect("what is expected");
        let text = [("␉", "\t"), ("␍", "\r"), ("␠", " "), ("␛", "\u{feff}")]
            .iter()
            .fold(text.to_owned(), |text, (sign, meaning)| text.replace(sign, meaning));
        let found: Vec<_> = read(&text).instructions.iter().map(words).collect();
        // What BuildKit refuses is read as well as it can be.
        if !expected.starts_with("error: ") && found != expected.lines().collect::<Vec<_>>() {
            wrong.push(format!("{title}:\n  read {found:#?}\n  not\n{expected}"));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{} of {rows} are read wrongly\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 60, "{rows}");
}

fn words(instruction: &Instruction) -> String {
    let flags = instruction.flags.iter().map(|flag| format!(" [--{flag}]"));
    let documents = instruction.documents.iter().map(|document| {
        let quote = if document.is_quoted { "'" } else { "" };
        format!(" <<{quote}{}:{}", document.name, plain(&document.text).matches('\n').count())
    });
    let rest: String = flags.chain(documents).collect();
    format!("{}-{} {}{rest}", instruction.line, instruction.end, instruction.keyword)
}
