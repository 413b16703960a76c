//! Variables in the instructions of a Dockerfile.

use std::collections::{BTreeMap, BTreeSet};

/// Values by name.
pub(super) type Values = BTreeMap<String, String>;

/// A text with its variables replaced, and their names. What is not understood stays as it is, and every variable counts
/// as used then.
pub(super) fn expand(text: &str, values: &Values) -> (String, BTreeSet<String>) {
    let mut used = BTreeSet::new();
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        expanded.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if rest[at..].starts_with('\\') {
            let next = tail.chars().next();
            expanded.extend(next);
            rest = &tail[next.map_or(0, char::len_utf8)..];
            continue;
        }
        let Some((name, operation, length)) = variable(tail) else {
            return (text.to_owned(), values.keys().cloned().collect());
        };
        used.insert(name.to_owned());
        let value = values.get(name).map(String::as_str);
        let set = value.filter(|value| !value.is_empty());
        let (operator, word) =
            operation.split_at(operation.find(|c: char| !":-+".contains(c)).unwrap_or(operation.len()));
        let (word, inner) = expand(word, values);
        used.extend(inner);
        expanded.push_str(match operator {
            ":-" => set.unwrap_or(&word),
            "-" => value.unwrap_or(&word),
            ":+" => set.map_or("", |_| &word),
            "+" => value.map_or("", |_| &word),
            _ => value.unwrap_or_default(),
        });
        rest = &tail[length..];
    }
    (expanded + rest, used)
}

/// The variable after a `$`: its name, what the braces say beside it, and how long all of it is.
fn variable(text: &str) -> Option<(&str, &str, usize)> {
    let name_of = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(inner) = text.strip_prefix('{') else {
        let length = name_of(text);
        return (length > 0).then(|| (&text[..length], "", length));
    };
    let mut depth = 1;
    let end = inner.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        (depth == 0).then_some(at)
    })?;
    let (name, operation) = inner[..end].split_at(name_of(&inner[..end]));
    let known = operation.is_empty() || [":-", ":+", "-", "+"].iter().any(|operator| operation.starts_with(operator));
    (known && !name.is_empty()).then_some((name, operation, end + 2))
}

/// Words of an instruction: separated by white space, or a JSON array.
pub(super) fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text.trim()).unwrap_or_else(|_| text.split_whitespace().map(unquoted).collect())
}

fn unquoted(word: &str) -> String {
    word.replace(['"', '\''], "")
}

/// A path from the root, without `.`, `..` and doubled slashes.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_the_builder_does() {
        let values: Values = [("A", "x"), ("E", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let expanded = |text: &str| expand(text, &values).0;
        for (text, result) in [
            ("$A/${A}b", "x/xb"),
            ("${E:-d}${E-d}${N:-$A}${N:-${A}y}", "dxxy"),
            ("${A:+y}${E:+y}${N+y}", "y"),
            ("\\$A $N.", "$A ."),
            ("${A#x} $", "${A#x} $"),
        ] {
            assert_eq!(expanded(text), result, "{text}");
        }
        assert_eq!(expand("${N:-$A}", &values).1.len(), 2);
        assert_eq!(expand("${A%y}", &values).1.len(), 2, "all of them");
    }

    #[test]
    fn paths_are_from_the_root() {
        assert_eq!(absolute("/w/x", "./a//b/../c/"), "/w/x/a/c");
        assert_eq!(absolute("/w", "/"), "/");
        assert_eq!(words("[\"a b\", \"c\"]"), ["a b", "c"]);
        assert_eq!(words(" 'a'  b/ "), ["a", "b/"]);
    }
}
