//! What `${NAME#pattern}` and the like make of a value.

/// Longest pattern that is looked for.
const LONGEST: usize = 64;

/// One part of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    Any,
    Star,
}

/// What an operation makes of a value; nothing where that is not sure.
pub(super) fn apply(value: &str, operation: &str) -> Option<String> {
    let mut operator = operation.chars();
    match operator.next()? {
        sign @ ('#' | '%') => {
            let rest = operator.as_str();
            let longest = rest.strip_prefix(sign);
            cut(value, &parts(longest.unwrap_or(rest))?, sign == '%', longest.is_some())
        }
        '/' => replace(value, operator.as_str()),
        ',' if operation == ",," => Some(value.to_lowercase()),
        '^' if operation == "^^" => Some(value.to_uppercase()),
        _ => slice(value, operation),
    }
}

fn parts(pattern: &str) -> Option<Vec<Part>> {
    let is_simple = pattern.chars().count() <= LONGEST && !pattern.contains(['[', ']', '$', '`', '\\', '(']);
    let part = |c| match c {
        '*' => Part::Star,
        '?' => Part::Any,
        c => Part::Char(c),
    };
    is_simple.then(|| pattern.chars().map(part).collect())
}

/// The value without what the pattern matches at its start or its end.
fn cut(value: &str, pattern: &[Part], at_end: bool, longest: bool) -> Option<String> {
    let mut chars: Vec<char> = value.chars().collect();
    let mut pattern = pattern.to_vec();
    if at_end {
        chars.reverse();
        pattern.reverse();
    }
    let mut matched = lengths(&chars, &pattern);
    let length = if longest { matched.next_back() } else { matched.next() };
    drop(chars.drain(..length.unwrap_or(0)));
    if at_end {
        chars.reverse();
    }
    Some(chars.into_iter().collect())
}

/// How many characters at the start a pattern matches, from few to many.
fn lengths(chars: &[char], pattern: &[Part]) -> impl DoubleEndedIterator<Item = usize> + use<> {
    let mut reached = vec![false; chars.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; reached.len()];
        for at in 0..reached.len() {
            next[at] = match part {
                Part::Star => reached[at] || at > 0 && next[at - 1],
                Part::Any => at > 0 && reached[at - 1],
                Part::Char(c) => at > 0 && reached[at - 1] && chars[at - 1] == *c,
            };
        }
        reached = next;
    }
    reached.into_iter().enumerate().filter(|(_, is_reached)| *is_reached).map(|(at, _)| at)
}

/// `${NAME/this/that}`, where `this` has no pattern.
fn replace(value: &str, rest: &str) -> Option<String> {
    let (rest, all) = rest.strip_prefix('/').map_or((rest, false), |rest| (rest, true));
    let (this, that) = rest.split_once('/').unwrap_or((rest, ""));
    let is_literal = parts(this)?.iter().all(|part| matches!(part, Part::Char(_)));
    if !is_literal || this.is_empty() || that.contains(['$', '`', '&']) {
        return None;
    }
    Some(match (this.chars().next()?, all) {
        ('#', false) => value.strip_prefix(&this[1..]).map_or(value.to_owned(), |rest| format!("{that}{rest}")),
        ('%', false) => value.strip_suffix(&this[1..]).map_or(value.to_owned(), |rest| format!("{rest}{that}")),
        (_, false) => value.replacen(this, that, 1),
        (_, true) => value.replace(this, that),
    })
}

/// `${NAME:from:length}` with plain numbers.
fn slice(value: &str, numbers: &str) -> Option<String> {
    let (from, length) = numbers.split_once(':').unwrap_or((numbers, ""));
    let from: usize = from.trim().parse().ok()?;
    let length: usize = if length.is_empty() { usize::MAX } else { length.trim().parse().ok()? };
    Some(value.chars().skip(from).take(length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_as_the_shell_cuts_them() {
        for (value, operation, expected) in [
            ("v1.2@sha", "%%@*", Some("v1.2")),
            ("a@b@c", "%@*", Some("a@b")),
            ("https://h/o/n.git", "##*/", Some("n.git")),
            ("a/b/c", "#*/", Some("b/c")),
            ("main", "#x", Some("main")),
            ("main", "%", Some("main")),
            ("a.b.c", "/./-", Some("a-b.c")),
            ("a.b.c", "//./-", Some("a-b-c")),
            ("v1.v2", "/#v/", Some("1.v2")),
            ("1.0-dev", "/%-dev/", Some("1.0")),
            ("0123456789", "0:7", Some("0123456")),
            ("0123", "2", Some("23")),
            ("Main", ",,", Some("main")),
            ("abc", "?c", None),
            ("abc", "%?c", Some("a")),
            ("abc", "#[a]", None),
            ("a.b", "/*./x", None),
            ("abc", " -2", None),
            ("abc", "@Q", None),
        ] {
            assert_eq!(apply(value, operation).as_deref(), expected, "{value} {operation}");
        }
    }
}
