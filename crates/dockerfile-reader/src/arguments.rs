//! What `ARG` and `ENV` declare, and the values that a build gives.

use std::collections::BTreeMap;

use crate::lines::Instruction;
use crate::shell::{Variables, Word, expand};

/// Build arguments by name, with their values if they have any.
pub type Args = BTreeMap<String, Option<String>>;

/// Arguments that the builder sets by itself once a Dockerfile declares them.
pub(crate) const PLATFORMS: [&str; 11] = [
    "BUILDARCH",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "TARGETARCH",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETPLATFORM",
    "TARGETSTAGE",
    "TARGETVARIANT",
];

/// One `NAME=value` of an `ARG` or `ENV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub name: String,
    /// The value without quotes, if there is one; its variables stand in it.
    pub value: Option<String>,
    /// The line of the name.
    pub line: usize,
    /// The value as it is written.
    pub(crate) written: Option<String>,
}

impl Instruction {
    /// What an `ARG` or `ENV` declares; nothing for other instructions.
    pub fn declares(&self) -> Vec<Assignment> {
        let words = match self.keyword.as_str() {
            "ARG" | "ENV" => self.quoted_words(),
            _ => return Vec::new(),
        };
        let nothing = Args::new();
        let assignment = |name: &str, value: Option<&str>, line: usize| Assignment {
            name: name.to_owned(),
            value: value.map(|value| expand(value, self.escape, &nothing).text),
            line,
            written: value.map(str::to_owned),
        };
        // The old form `ENV NAME the rest`.
        if let [(name, line), ..] = words.as_slice()
            && self.keyword == "ENV"
            && !name.contains('=')
        {
            let text = self.plain();
            let value = text.split_once(char::is_whitespace).map_or("", |(_, value)| value.trim_start());
            return vec![assignment(name, Some(value), *line)];
        }
        let parts = words.iter().map(|(word, line)| match word.split_once('=') {
            Some((name, value)) => assignment(name, Some(value), *line),
            None => assignment(word, None, *line),
        });
        parts.collect()
    }

    /// Words with their quotes, each with its line.
    fn quoted_words(&self) -> Vec<(String, usize)> {
        let mut words: Vec<(String, usize)> = Vec::new();
        let (mut quote, mut between, mut escaped) = (None, true, false);
        for &(c, line) in &self.text {
            if quote.is_none() && !escaped && c.is_whitespace() {
                between = true;
                continue;
            }
            if std::mem::take(&mut between) {
                words.push((String::new(), line));
            }
            words.last_mut().expect("pushed before").0.push(c);
            match quote {
                _ if escaped => escaped = false,
                _ if c == self.escape && quote != Some('\'') => escaped = true,
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' => quote = Some(c),
                _ => {}
            }
        }
        words
    }

    /// Sets what an `ARG` or `ENV` declares, with the values that the build is given and those above the first stage.
    pub fn assign<V: Variables>(
        &self,
        given: &dyn Variables,
        globals: &dyn Variables,
        variables: &mut V,
        set: impl Fn(&mut V, &str, Option<String>),
    ) {
        let all = self.declares();
        let value = |one: &Assignment, variables: &V| Some(self.expand(one.written.as_ref()?, variables).text);
        if self.keyword == "ENV" {
            // All values of one instruction are replaced with what was set before it.
            let values: Vec<_> = all.iter().map(|one| value(one, variables)).collect();
            all.iter().zip(values).for_each(|(one, value)| set(variables, &one.name, value));
            return;
        }
        for one in all {
            let own = given.get(&one.name).or_else(|| value(&one, variables)).or_else(|| globals.get(&one.name));
            set(variables, &one.name, own);
        }
    }

    /// A word of this instruction as the builder reads it.
    pub fn expand(&self, text: &str, values: &dyn Variables) -> Word {
        expand(text, self.escape, values)
    }
}

/// Whether the builder knows the value of an argument that nobody gives.
pub(crate) fn is_platform(name: &str) -> bool {
    PLATFORMS.contains(&name)
}

/// Whether a build takes an argument that its Dockerfile does not declare.
pub(crate) fn is_predefined(name: &str) -> bool {
    let proxies = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];
    name.starts_with("BUILDKIT_")
        || name == "SOURCE_DATE_EPOCH"
        || proxies.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}
