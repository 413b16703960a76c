//! What instructions read from outside their stage.

use crate::address::{self, Reference};
use crate::arguments::is_platform;
use crate::lines::Instruction;
use crate::shell::Variables;
use crate::text::document;

/// Something that a build reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The line of the instruction that reads it.
    pub line: usize,
    /// What is read.
    pub what: What,
}

/// What a build may read. A variable that only the build knows stands in it as `$NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Paths of the build context.
    Context(Vec<String>),
    /// An image.
    Image {
        /// The name with tag and digest, as far as they are written.
        name: String,
        /// The platform that the `FROM` asks for.
        platform: Option<String>,
    },
    /// A named context, in the place of a stage or an image.
    Named(String),
    /// A file of a web server.
    Url {
        /// The address.
        address: String,
        /// Whether its checksum is written down.
        has_checksum: bool,
    },
    /// A repository that BuildKit itself fetches.
    Git {
        /// The address without user information.
        address: String,
        /// What is taken from it.
        reference: Reference,
    },
    /// A secret of the build.
    Secret {
        /// The name in the build.
        id: String,
        /// Whether the step fails without it.
        is_required: bool,
    },
    /// An agent of SSH.
    Ssh {
        /// The name in the build.
        id: String,
        /// Whether the step fails without it.
        is_required: bool,
    },
    /// Something that only BuildKit understands, or refuses.
    Unknown(String),
}

impl Read {
    /// Whether nothing in it is left to the build.
    pub fn is_certain(&self) -> bool {
        match &self.what {
            What::Unknown(_) => false,
            What::Image { name, platform } => {
                // The builder's own platforms do not change from build to build.
                let is_own = |platform: &&String| is_platform(platform.trim_matches(['$', '{', '}']));
                !name.contains('$') && !platform.iter().any(|one| one.contains('$') && !is_own(&one))
            }
            What::Context(paths) => !paths.iter().any(|path| path.contains('$')),
            What::Named(text) | What::Url { address: text, .. } | What::Git { address: text, .. } => {
                !text.contains('$')
            }
            What::Secret { id, .. } | What::Ssh { id, .. } => !id.contains('$'),
        }
    }
}

impl Instruction {
    /// Whether BuildKit has such an instruction.
    pub fn is_known(&self) -> bool {
        known_flags(&self.keyword).is_some()
    }
}

/// What an instruction reads, before it is known which names are stages.
pub(crate) enum Wanted {
    /// A stage or an image, and whether a number means a stage.
    Place {
        name: String,
        by_number: bool,
    },
    What(What),
}

/// What an instruction reads.
pub(crate) fn wanted(instruction: &Instruction, values: &dyn Variables) -> Vec<Wanted> {
    let known = known_flags(&instruction.keyword);
    let Some(known) = known else {
        return vec![unknown(format!("the instruction `{}`", instruction.keyword))];
    };
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let flags = instruction.flags.iter().map(|flag| name(flag)).filter(|name| !known.contains(&name.as_str()));
    let mut found: Vec<_> = flags.map(|name| unknown(format!("the flag `--{name}`"))).collect();
    match instruction.keyword.as_str() {
        "COPY" | "ADD" => files(instruction, values, &mut found),
        "RUN" => {
            for mount in instruction.flags.iter().filter_map(|flag| flag.strip_prefix("mount=")) {
                found.extend(self::mount(instruction, mount, values));
            }
        }
        _ => {}
    }
    found
}

pub(crate) fn unknown(what: String) -> Wanted {
    Wanted::What(What::Unknown(what))
}

/// The flags that an instruction may have; nothing when there is no such instruction.
fn known_flags(keyword: &str) -> Option<&'static [&'static str]> {
    Some(match keyword {
        "ADD" => &["chmod", "checksum", "chown", "exclude", "keep-git-dir", "link", "unpack"],
        "COPY" => &["chmod", "chown", "exclude", "from", "link", "parents"],
        "FROM" => &["platform"],
        "HEALTHCHECK" => &["interval", "retries", "start-interval", "start-period", "timeout"],
        "RUN" => &["device", "mount", "network", "security"],
        "ARG" | "CMD" | "ENTRYPOINT" | "ENV" | "EXPOSE" | "LABEL" | "MAINTAINER" | "ONBUILD" | "SHELL"
        | "STOPSIGNAL" | "USER" | "VOLUME" | "WORKDIR" => &[],
        _ => return None,
    })
}

/// What `COPY` and `ADD` take.
fn files(instruction: &Instruction, values: &dyn Variables, found: &mut Vec<Wanted>) {
    let words = instruction.words();
    let sources = words.split_last().map_or(&[][..], |(_, sources)| sources);
    let sources = sources.iter().filter(|word| instruction.documents.is_empty() || document(word).is_none());
    let sources: Vec<_> = sources.map(|word| instruction.expand(word, values).text).collect();
    if let Some(from) = instruction.flag("from").filter(|from| !from.is_empty()) {
        let name = instruction.expand(from, values).text;
        return found.push(Wanted::Place { name, by_number: true });
    }
    // An empty one checks nothing.
    let checksum = instruction.flag("checksum").map(|checksum| instruction.expand(checksum, values).text);
    let checksum = checksum.filter(|checksum| !checksum.is_empty());
    let mut paths = Vec::new();
    for source in sources {
        if instruction.keyword == "COPY" {
            paths.push(source);
        } else if let Some((address, reference)) = address::add(&source) {
            let commit = checksum.as_deref().map(Reference::of);
            found.push(Wanted::What(What::Git { address, reference: commit.unwrap_or(reference) }));
        } else if source.starts_with("http://") || source.starts_with("https://") {
            let has_checksum = checksum.as_ref().is_some_and(|checksum| !checksum.contains('$'));
            found.push(Wanted::What(What::Url { address: source, has_checksum }));
        } else if source.starts_with('$') {
            found.push(unknown(format!("`ADD {source}`")));
        } else {
            paths.push(source);
        }
    }
    if !paths.is_empty() {
        found.push(Wanted::What(What::Context(paths)));
    }
}

/// What a mount makes readable.
fn mount(instruction: &Instruction, options: &str, values: &dyn Variables) -> Vec<Wanted> {
    let options = options.split(',').map(|field| match field.split_once('=') {
        Some((name, value)) => (name.to_lowercase(), instruction.expand(value, values).text),
        None => (field.to_lowercase(), "true".to_owned()),
    });
    let options: Vec<_> = options.collect();
    let option = |names: &[&str]| {
        let found = options.iter().rev().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let source = option(&["source", "src"]);
    let is_required = option(&["required"]).is_some_and(|value| !matches!(value, "false" | "0" | "f" | "F" | "FALSE"));
    let from = option(&["from"]).map(|name| Wanted::Place { name: name.to_owned(), by_number: false });
    let kind = option(&["type"]).unwrap_or("bind").to_lowercase();
    let what = match kind.as_str() {
        "bind" if from.is_none() => Some(What::Context(vec![source.unwrap_or("/").to_owned()])),
        "bind" | "cache" | "tmpfs" => None,
        "secret" => {
            let target = || option(&["target", "dst", "destination"])?.rsplit('/').next();
            let id = option(&["id"]).or(source).or_else(target).unwrap_or_default();
            Some(What::Secret { id: id.to_owned(), is_required })
        }
        "ssh" => Some(What::Ssh { id: option(&["id"]).unwrap_or("default").to_owned(), is_required }),
        _ => Some(What::Unknown(format!("a mount of type `{kind}`"))),
    };
    from.into_iter().chain(what.map(Wanted::What)).collect()
}
