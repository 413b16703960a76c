//! From lines to instructions: comments, continued lines, here-documents.

use super::{Instruction, Text};
use crate::shell;

/// The instructions in their order.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut lines = text.lines().enumerate().map(|(index, line)| (line, index + 1));
    let mut found = Vec::new();
    while let Some((first, line)) = lines.next() {
        if is_comment(first) || first.trim().is_empty() {
            continue;
        }
        let mut joined = Text::new();
        let (mut now, mut number) = (first, line);
        loop {
            let body = now.trim_end().strip_suffix(escape).filter(|body| !body.ends_with(escape));
            joined.extend(body.unwrap_or(now).chars().map(|c| (c, number)));
            if body.is_none() {
                break;
            }
            match lines.find(|(next, _)| !is_comment(next) && !next.trim().is_empty()) {
                Some((next, at)) => (now, number) = (next, at),
                None => break,
            }
        }
        let start = joined.iter().position(|(c, _)| !c.is_whitespace()).unwrap_or(joined.len());
        let end = joined[start..].iter().position(|(c, _)| c.is_whitespace()).map_or(joined.len(), |at| start + at);
        let keyword: String = joined[start..end].iter().map(|(c, _)| c.to_ascii_uppercase()).collect();
        let mut rest = trim(&joined[end..]);
        let mut flags = Vec::new();
        while rest.first().is_some_and(|(c, _)| *c == '-') && rest.get(1).is_some_and(|(c, _)| *c == '-') {
            let flag = rest.iter().position(|(c, _)| c.is_whitespace()).unwrap_or(rest.len());
            flags.push(rest[2..flag].iter().map(|(c, _)| c).collect());
            rest = trim(&rest[flag..]);
        }
        let mut documents = Vec::new();
        if matches!(keyword.as_str(), "RUN" | "COPY" | "ADD" | "ONBUILD") {
            for delimiter in shell::here_documents(rest) {
                let body = lines.by_ref().take_while(|(line, _)| line.trim_start_matches('\t') != delimiter);
                documents.push(body.flat_map(|(line, at)| line.chars().chain(['\n']).map(move |c| (c, at))).collect());
            }
        }
        found.push(Instruction { line, keyword, flags, text: rest.to_vec(), documents });
    }
    found
}

fn trim(text: &[(char, usize)]) -> &[(char, usize)] {
    let start = text.iter().position(|(c, _)| !c.is_whitespace()).unwrap_or(text.len());
    &text[start..]
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The character that continues a line: `# escape=` may choose a backtick.
fn escape(text: &str) -> char {
    // Below the first comment that is none, directives are comments too.
    let mut directives = text.lines().map_while(|line| line.trim_start().strip_prefix('#')?.split_once('='));
    let escape = directives.find(|(name, _)| name.trim().eq_ignore_ascii_case("escape"));
    escape.and_then(|(_, value)| value.trim().chars().next()).unwrap_or('\\')
}
