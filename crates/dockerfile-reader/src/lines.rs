//! From the lines of a Dockerfile to its instructions, as BuildKit's parser divides them.

use crate::text::{self, Document, Text, plain, trim};

/// An instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The line that it starts on, from 1.
    pub line: usize,
    /// The last of its lines, here-documents included.
    pub end: usize,
    /// The keyword in upper case.
    pub keyword: String,
    /// The flags without their dashes and quotes: `from=x`.
    pub flags: Vec<String>,
    /// What follows, without flags and with continued lines joined.
    pub text: Text,
    /// The here-documents.
    pub documents: Vec<Document>,
    /// The lines as they are written, without comments and empty lines between them.
    pub source: String,
    /// The character that escapes others.
    pub(crate) escape: char,
}

/// A Dockerfile before anything is known of its stages.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// `# syntax=` and the like, as they are written.
    pub(crate) directives: Vec<String>,
    pub(crate) instructions: Vec<Instruction>,
}

impl Instruction {
    /// What follows the keyword and the flags, as one text.
    pub fn plain(&self) -> String {
        plain(&self.text)
    }

    /// Every character of what follows, those of here-documents last.
    pub fn characters(&self) -> impl Iterator<Item = &(char, usize)> {
        self.text.iter().chain(self.documents.iter().flat_map(|document| &document.text))
    }

    /// The value of a flag.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('='))
    }

    /// The words where they are a JSON array.
    pub fn json(&self) -> Option<Vec<String>> {
        json(&self.text)
    }

    /// The words as they are written, of a JSON array or between white space.
    pub fn words(&self) -> Vec<String> {
        self.json().unwrap_or_else(|| self.plain().split_whitespace().map(str::to_owned).collect())
    }

    /// What an `ONBUILD` runs in a stage that starts from its own.
    pub fn trigger(&self) -> Option<Self> {
        (self.keyword == "ONBUILD").then(|| {
            let (keyword, flags, text) = split(&self.text, self.escape);
            Self { keyword, flags, text, ..self.clone() }
        })
    }
}

/// Reads the lines of a Dockerfile.
pub(crate) fn read(text: &str) -> Lines {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (directives, escape) = directives(text);
    let mut lines = text.split_inclusive('\n').zip(1..);
    let mut instructions = Vec::new();
    while let Some((first, line)) = lines.next() {
        let (mut now, mut end, mut source) = (first.trim_start(), line, first.to_owned());
        if now.is_empty() || now.starts_with('#') {
            continue;
        }
        let mut joined = Text::new();
        loop {
            let (part, goes_on) = continued(now, escape);
            joined.extend(part.chars().map(|c| (c, end)));
            let is_some = |(next, at): &(&str, usize)| {
                end = *at;
                !next.trim_start().is_empty() && !next.trim_start().starts_with('#')
            };
            match lines.by_ref().take(if goes_on { usize::MAX } else { 0 }).find(is_some) {
                Some((next, _)) => now = next,
                None => break,
            }
            source.push_str(now);
        }
        let (keyword, flags, rest) = split(&joined, escape);
        let is_compound = keyword == "ONBUILD";
        let (inner, _, words) =
            if is_compound { split(&rest, escape) } else { (keyword.clone(), Vec::new(), rest.clone()) };
        let takes_documents = matches!(inner.as_str(), "RUN" | "COPY" | "ADD") && json(&words).is_none();
        let mut documents = if takes_documents { text::documents(&joined) } else { Vec::new() };
        for document in &mut documents {
            for (next, at) in lines.by_ref() {
                end = at;
                source.push_str(next);
                let next = next.trim_end_matches(['\r', '\n']);
                if document.name == if document.strips_tabs { next.trim_start_matches('\t') } else { next } {
                    break;
                }
                document.text.extend(next.chars().chain(['\n']).map(|c| (c, at)));
            }
        }
        if !source.ends_with('\n') {
            source.push('\n');
        }
        instructions.push(Instruction { line, end, keyword, flags, text: rest, documents, source, escape });
    }
    Lines { directives, instructions }
}

/// A line without what continues it, and whether the next line belongs to it.
fn continued(line: &str, escape: char) -> (&str, bool) {
    let line = line.trim_end_matches(['\r', '\n']);
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape).filter(|body| !body.ends_with(escape)) {
        Some(body) => (body, true),
        None => (line, false),
    }
}

/// Keyword, flags and what follows them.
fn split(line: &[(char, usize)], escape: char) -> (String, Vec<String>, Text) {
    let line = trim(line);
    let end = line.iter().position(|(c, _)| c.is_whitespace()).unwrap_or(line.len());
    let keyword = line[..end].iter().map(|(c, _)| c.to_ascii_uppercase()).collect();
    let mut rest = trim(&line[end..]);
    let mut flags = Vec::new();
    while let [('-', _), ('-', _), ..] = rest {
        let (flag, length) = flag(rest, escape);
        rest = trim(&rest[length..]);
        if flag == "--" {
            break;
        }
        flags.push(flag[2..].to_owned());
    }
    (keyword, flags, rest.to_vec())
}

/// The flag at the start of a text without its quotes, and how long it is with them.
fn flag(text: &[(char, usize)], escape: char) -> (String, usize) {
    let (mut flag, mut quote, mut escaped) = (String::new(), None, false);
    for (at, &(c, _)) in text.iter().enumerate() {
        match quote {
            _ if escaped => {
                flag.push(c);
                escaped = false;
            }
            _ if c == escape => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => return (flag, at),
            _ => flag.push(c),
        }
    }
    (flag, text.len())
}

fn json(text: &[(char, usize)]) -> Option<Vec<String>> {
    text.first().filter(|(c, _)| *c == '[')?;
    serde_json::from_str(&plain(text)).ok()
}

/// The directives above everything else, and the character that escapes: `# escape=` may choose a backtick.
fn directives(text: &str) -> (Vec<String>, char) {
    // The builder looks for the syntax below `#!`, its parser for nothing.
    let shebang = text.starts_with("#!");
    let (mut found, mut escape) = (Vec::new(), '\\');
    for line in text.split_inclusive('\n').skip(usize::from(shebang)) {
        let Some((name, value)) = line.trim_start().strip_prefix('#').and_then(|comment| comment.split_once('='))
        else {
            break;
        };
        let name = name.trim().to_ascii_lowercase();
        if !matches!(name.as_str(), "syntax" | "escape" | "check") || value.trim().is_empty() {
            break;
        }
        if name == "escape" && value.trim() == "`" && !shebang {
            escape = '`';
        }
        found.push(format!("{}\n", line.trim_end_matches(['\r', '\n'])));
    }
    (found, escape)
}

#[cfg(test)]
mod tests;
