//! Where something stands in the compose files, which Compose does not tell.

use crate::doctor::Finding;

/// The compose files, by the names that findings give them, with their texts.
#[derive(Clone, Debug, Default)]
pub struct Files(pub Vec<(String, String)>);

impl Files {
    /// Puts a finding where `key` of a service stands, else where the service begins, else to the first file.
    pub fn place(&self, finding: Finding, service: &str, key: &str) -> Finding {
        // A later file has the last word.
        let found = self.0.iter().rev().find_map(|(file, text)| Some((file, block(text, service)?)));
        match found {
            Some((file, block)) => {
                let text = &self.0.iter().find(|(name, _)| name == file).expect("found before").1;
                let inside = block.iter().find(|(_, line)| has_key(line, key)).map(|(number, _)| *number);
                let is_alias = block.iter().any(|(_, line)| line.contains(": *") || line.contains("- *"));
                let shared =
                    || lines(text).find(|(_, line)| has_key(line, key)).filter(|_| is_alias).map(|(number, _)| number);
                finding.at(file, inside.or_else(shared).or(block.first().map(|(number, _)| *number)))
            }
            None => match self.0.first() {
                Some((file, _)) => finding.at(file, None),
                None => finding,
            },
        }
    }
}

/// The lines of a text without comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
}

/// The lines of a service.
fn block<'a>(text: &'a str, service: &str) -> Option<Vec<(usize, &'a str)>> {
    let mut below =
        lines(text).filter(|(_, line)| !line.trim().is_empty()).skip_while(|(_, line)| !line.starts_with("services:"));
    below.next()?;
    let below: Vec<_> = below.take_while(|(_, line)| indent(line) > 0).collect();
    let depth = indent(below.first()?.1);
    let is_start = |line: &str| indent(line) == depth && key_of(line) == Some(service);
    let start = below.iter().position(|(_, line)| is_start(line))?;
    let length = below[start + 1..].iter().take_while(|(_, line)| indent(line) > depth).count();
    Some(below[start..=start + length].to_vec())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn key_of(line: &str) -> Option<&str> {
    line.split_once(':').map(|(key, _)| key.trim().trim_matches(['"', '\'']))
}

/// Whether a line says something about a key: `key: x`, `- key=x`, `{key: x}`.
fn has_key(line: &str, key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '.';
    !key.is_empty()
        && line.match_indices(key).any(|(at, _)| {
            let after = line[at + key.len()..].trim_start_matches(['"', '\'']);
            !line[..at].ends_with(is_word)
                && !line[..at].ends_with(['$', '{']) | line[..at].trim().is_empty()
                && after.starts_with([':', '='])
                && !after.starts_with(":-")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Area;

    #[test]
    fn a_key_is_found_in_its_service_or_behind_its_alias() {
        let text = "x-args: &args\n  A: ${A:-1}\n\nservices:\n  one:\n    privileged: true\n    build: {context: ., args: *args}\n\n  # two:\n  \"two\":\n    build:\n      args:\n        - A=2\n  three: {image: x, network_mode: host}\nvolumes:\n  one:\n";
        let files = Files(vec![("compose.yml".to_owned(), text.to_owned())]);
        let line =
            |service: &str, key: &str| files.place(Finding::error(Area::Compose, "x", "y"), service, key).place();
        assert_eq!(line("one", "privileged"), "compose.yml:6");
        assert_eq!(line("one", "A"), "compose.yml:2");
        assert_eq!(line("two", "A"), "compose.yml:13");
        assert_eq!(line("two", "B"), "compose.yml:10");
        assert_eq!(line("three", "network_mode"), "compose.yml:14");
        assert_eq!(line("four", "A"), "compose.yml");
    }

    #[test]
    fn the_last_file_that_has_the_service_counts() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let files = Files(vec![
            file("a", "services:\n  x:\n    image: y\n"),
            file("b", "services:\n x:\n  privileged: true\n"),
        ]);
        assert_eq!(files.place(Finding::error(Area::Compose, "x", "y"), "x", "privileged").place(), "b:3");
        assert_eq!(Files::default().place(Finding::error(Area::Compose, "x", "y"), "x", "k").place(), "");
    }
}
