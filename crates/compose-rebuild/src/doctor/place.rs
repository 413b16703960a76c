//! Where something stands in the compose files, which Compose does not tell.

use super::Finding;

/// The compose files, by the names that findings give them, with their texts.
#[derive(Clone, Debug, Default)]
pub struct Files(pub Vec<(String, String)>);

impl Files {
    /// Puts a finding where `key` of a service stands, else where the service begins, else to the first file.
    pub fn place(&self, finding: Finding, service: &str, key: &str) -> Finding {
        // A later file has the last word.
        let found = self.0.iter().rev().find_map(|(file, text)| Some((file, line_of(text, service, key)?)));
        match (found, self.0.first()) {
            (Some((file, line)), _) => finding.at(file, Some(line)),
            (None, Some((file, _))) => finding.at(file, None),
            (None, None) => finding,
        }
    }
}

/// The line of a key of a service; of the key behind an alias; of the service.
fn line_of(text: &str, service: &str, key: &str) -> Option<usize> {
    let find = |lines: &[(usize, &str)]| lines.iter().find(|(_, line)| has_key(line, key)).map(|(number, _)| *number);
    let block = service_lines(text, service)?;
    let has_alias = block.iter().any(|(_, line)| line.contains(": *"));
    find(&block).or_else(|| find(&lines(text)).filter(|_| has_alias)).or(Some(block[0].0))
}

/// The lines with something on them, with their numbers from 1.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#')).collect()
}

/// The lines of a service in a compose file, its name first.
pub(super) fn service_lines<'a>(text: &'a str, service: &str) -> Option<Vec<(usize, &'a str)>> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines = lines(text);
    let services = lines.iter().position(|(_, line)| line.starts_with("services:"))? + 1;
    let depth = indent(lines.get(services)?.1);
    let start = lines[services..]
        .iter()
        .take_while(|(_, line)| indent(line) > 0)
        .position(|(_, line)| indent(line) == depth && has_key(line, service))?;
    let block = &lines[services + start..];
    let end = block[1..].iter().position(|(_, line)| indent(line) <= depth).map_or(block.len(), |end| end + 1);
    Some(block[..end].to_vec())
}

/// Whether a line begins with a key: `key: x`, `"key": x`, `- key=x`.
fn has_key(line: &str, key: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ").trim_start_matches(['"', '\'']);
    let rest = line.strip_prefix(key).map(|rest| rest.trim_start_matches(['"', '\'']));
    !key.is_empty() && rest.is_some_and(|rest| rest.starts_with([':', '=']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Area;

    #[test]
    fn a_key_is_found_in_its_service_or_behind_its_alias() {
        let text = "x-args: &args\n  A: ${A:-1}\n\nservices:\n  one:\n    privileged: true\n    build: {context: ., args: *args}\n\n  # two:\n  \"two\":\n    build:\n      args:\n        - A=2\n  three: {image: x}\nvolumes:\n  one:\n";
        let other = "services:\n x:\n  privileged: true\n";
        let files = Files(vec![("a".to_owned(), text.to_owned()), ("b".to_owned(), other.to_owned())]);
        let place = |service: &str, key: &str| {
            let finding = files.place(Finding::error(Area::Compose, "project", "y"), service, key);
            (finding.file.expect("a file"), finding.line)
        };
        for (service, key, file, line) in [
            ("one", "privileged", "a", Some(6)),
            ("one", "A", "a", Some(2)),
            ("two", "A", "a", Some(13)),
            ("two", "B", "a", Some(10)),
            ("three", "image", "a", Some(14)),
            ("x", "privileged", "b", Some(3)),
            ("four", "A", "a", None),
        ] {
            assert_eq!(place(service, key), (file.to_owned(), line), "{service} {key}");
        }
    }
}
