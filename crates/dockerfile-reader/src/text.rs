//! Characters that know their lines, and the here-documents that a line of a Dockerfile begins.

/// Characters, each with the line that it stands on, from 1.
pub type Text = Vec<(char, usize)>;

/// What stands between `<<NAME` and `NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The word that ends it.
    pub name: String,
    /// Whether its variables stay as they are, because the word is quoted.
    pub is_quoted: bool,
    /// Whether tabs before its end do not count, as after `<<-`.
    pub(crate) strips_tabs: bool,
    /// The lines.
    pub text: Text,
}

/// The characters of a text without their lines.
pub fn plain(text: &[(char, usize)]) -> String {
    text.iter().map(|(c, _)| c).collect()
}

/// A text without the white space around it.
pub(crate) fn trim(text: &[(char, usize)]) -> &[(char, usize)] {
    let is_space = |(c, _): &(char, usize)| c.is_whitespace();
    let start = text.iter().position(|c| !is_space(c)).unwrap_or(text.len());
    let end = text.iter().rposition(|c| !is_space(c)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// The here-documents that a line begins, empty: BuildKit looks for them before any shell does, word by word, and finds
/// none where quotes or braces stay open.
pub(crate) fn documents(line: &[(char, usize)]) -> Vec<Document> {
    let words = words(line).unwrap_or_default();
    words.iter().filter_map(|word| document(word)).collect()
}

/// The here-document that a whole word is: `<<NAME`, `3<<-"NAME"`.
pub(crate) fn document(word: &str) -> Option<Document> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, strips_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start();
    let (mut name, mut quote, mut is_quoted) = (String::new(), None, false);
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, is_quoted) = (Some(c), true),
            (None | Some('"'), '\\') => name.extend(characters.next()),
            (None, c) if c.is_whitespace() => return None,
            (_, c) => name.push(c),
        }
    }
    let is_name = !name.is_empty() && !rest.contains('<');
    is_name.then(|| Document { name, is_quoted, strips_tabs, text: Text::new() })
}

/// What the reader of words looks for the end of.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Quote,
    /// `${NAME:-` up to `}`.
    Braces,
    /// `${NAME/` up to the next `/`.
    Pattern,
}

/// The words of a line with their quotes; nothing where the builder gives up.
fn words(line: &[(char, usize)]) -> Option<Vec<String>> {
    let mut characters = line.iter().map(|(c, _)| *c).peekable();
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), Vec::new());
    while let Some(c) = characters.next() {
        if c.is_whitespace() && open.is_empty() {
            words.push(std::mem::take(&mut word));
            continue;
        }
        word.push(c);
        match (open.last(), c) {
            (Some(Open::Quote), '"') | (Some(Open::Braces), '}') => drop(open.pop()),
            (Some(Open::Pattern), '/') => {
                open.pop();
                open.push(Open::Braces);
            }
            (Some(Open::Quote), '\\') => word.extend(characters.next_if(|c| matches!(c, '"' | '$' | '\\'))),
            (_, '\\') => word.extend(characters.next()),
            (_, '$') if characters.next_if_eq(&'{').is_some() => {
                word.push('{');
                open.extend(braces(&mut characters, &mut word)?);
            }
            (Some(Open::Quote), _) => {}
            (_, '"') => open.push(Open::Quote),
            (_, '\'') => loop {
                let c = characters.next()?;
                word.push(c);
                if c == '\'' {
                    break;
                }
            },
            (_, '<') if characters.next_if_eq(&'<').is_some() => {
                word.push('<');
                while let Some(space) = characters.next_if(|c| c.is_whitespace()) {
                    word.push(space);
                }
            }
            _ => {}
        }
    }
    words.push(word);
    open.is_empty().then_some(words)
}

/// What `${` opens after its name; nothing where the builder knows no such substitution.
fn braces(characters: &mut std::iter::Peekable<impl Iterator<Item = char>>, word: &mut String) -> Option<Option<Open>> {
    if characters.peek().is_none_or(|c| matches!(c, '{' | '}' | ':')) {
        return None;
    }
    // A number and a special parameter end by themselves.
    let first = characters.peek().copied()?;
    let is_part = |c: &char| match first {
        '0'..='9' => c.is_ascii_digit(),
        _ => c.is_alphanumeric() || *c == '_',
    };
    match characters.next_if(|c| "@*#?-$!".contains(*c)) {
        Some(special) => word.push(special),
        None => {
            while let Some(c) = characters.next_if(is_part) {
                word.push(c);
            }
        }
    }
    let operator = characters.next()?;
    word.push(operator);
    match operator {
        '}' => Some(None),
        '+' | '-' | '?' | '#' | '%' => Some(Some(Open::Braces)),
        ':' => {
            let next = characters.next().filter(|c| !matches!(c, '#' | '%'))?;
            word.push(next);
            Some(Some(Open::Braces))
        }
        '/' => {
            word.extend(characters.next_if_eq(&'/'));
            Some(Some(Open::Pattern))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_documents_are_words_of_their_own() {
        let names = |line: &str| {
            let line: Text = line.chars().map(|c| (c, 1)).collect();
            documents(&line).into_iter().map(|document| document.name).collect::<Vec<_>>().join(" ")
        };
        for (line, expected) in [
            ("RUN <<E", "E"),
            ("RUN 3<<E", "E"),
            ("RUN python3 - <<  E > x", "E"),
            ("COPY <<a <<-\"b c\" /x", "a b c"),
            ("RUN <<eo'f'", "eof"),
            ("RUN <<'e'o\\'f", "eo'f"),
            ("RUN <<$EOF", "$EOF"),
            ("RUN cat <<E>x", "E>x"),
            ("RUN echo $(( 1 << 3 ))", "3"),
            ("RUN ${A:0:3} ${B/x/y} ${C:-\"}\"} <<E", "E"),
            ("RUN echo $((1<<2)) cat<<E <<<E <<''", ""),
            ("RUN \"<<E\" '<<E' \\<<E", ""),
            ("RUN it's <<E", ""),
            ("RUN ${#A} <<E", ""),
            ("RUN ${A[0]} <<E", ""),
        ] {
            assert_eq!(names(line), expected, "{line}");
        }
        assert!(document("<<'E'").is_some_and(|one| one.is_quoted && !one.strips_tabs));
        assert!(document("<<-E").is_some_and(|one| !one.is_quoted && one.strips_tabs));
    }
}
