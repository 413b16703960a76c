//! Files in which some places have two texts: the first one before a change, the second one after it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

/// Encloses the number of a place.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// Begins the text of a file that is not plain text: its kind and a `:` follow.
pub(crate) const KIND: char = '\u{3}';

/// A Dockerfile whose name begins like this is text of the compose file, where [`Draft::inline`] stands.
const INLINE: &str = "inline/";

/// A place whose text may change.
pub(crate) struct Place {
    /// What kind of change this is; with `=` before it, a change that means nothing.
    pub(crate) kind: &'static str,
    texts: [String; 2],
}

/// The files of a project, with everything that can change in them.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) places: Vec<Place>,
    numbers: usize,
    files: BTreeMap<String, String>,
}

impl Draft {
    /// A place with these texts, which may contain other places; returns what stands for it.
    pub(crate) fn place(&mut self, kind: &'static str, before: impl Into<String>, after: impl Into<String>) -> String {
        self.places.push(Place { kind, texts: [before.into(), after.into()] });
        format!("{OPEN}{}{CLOSE}", self.places.len() - 1)
    }

    /// A number that nothing else in these files has.
    pub(crate) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    /// A word that changes, neither in length nor in kind.
    pub(crate) fn word(&mut self, kind: &'static str) -> String {
        let number = self.places.len();
        self.place(kind, format!("a{number}"), format!("b{number}"))
    }

    /// Something that is added by a change.
    pub(crate) fn added(&mut self, kind: &'static str, text: impl Into<String>) -> String {
        self.place(kind, "", text)
    }

    /// The name of a Dockerfile that is part of the compose file, and what stands there for its text.
    pub(crate) fn inline(number: usize) -> (String, String) {
        let name = format!("{INLINE}{number}");
        let stands = format!("{OPEN}{name}{CLOSE}");
        (name, stands)
    }

    /// Adds a file, whose name may contain places too.
    pub(crate) fn file(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.files.insert(name.into(), text.into());
    }

    /// The places that are somewhere in the files.
    pub(crate) fn used(&self) -> Vec<usize> {
        let before = self.render(None);
        (0..self.places.len()).filter(|place| self.render(Some(*place)) != before).collect()
    }

    /// The files, with the second text at one place.
    pub(crate) fn render(&self, changed: Option<usize>) -> BTreeMap<String, String> {
        let text = |text: &String| self.filled(text, changed);
        let files = self.files.iter().filter(|(name, _)| !name.starts_with(INLINE));
        files.map(|(name, content)| (text(name), text(content))).collect()
    }

    fn filled(&self, text: &str, changed: Option<usize>) -> String {
        let mut text = text.to_owned();
        while let Some((range, name)) = first(&text) {
            let replacement = match name.parse::<usize>() {
                Ok(place) => self.places[place].texts[usize::from(changed == Some(place))].clone(),
                Err(_) => Value::from(self.filled(&self.files[&name], changed).replace('$', "$$")).to_string(),
            };
            text.replace_range(range, &replacement);
        }
        text
    }
}

/// The first place of a text, and what it is called.
fn first(text: &str) -> Option<(Range<usize>, String)> {
    let start = text.find(OPEN)?;
    let end = start + text[start..].find(CLOSE)?;
    Some((start..end + CLOSE.len_utf8(), text[start + OPEN.len_utf8()..end].to_owned()))
}
