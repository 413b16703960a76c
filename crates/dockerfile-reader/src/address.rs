//! Addresses as people write them, and as Git takes them.

use crate::shell::Word;

/// What is taken from a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// What the remote's HEAD points to.
    Head,
    /// A branch or a tag, or words that nobody but Git understands.
    Named(String),
    /// One commit.
    Commit(String),
    /// A version or an abbreviated commit: what does not move, and no remote is asked about.
    Fixed(String),
    /// Code that no single ref of the address stands for, such as `the submodules`; the words go before `of ADDRESS`.
    Untold(&'static str),
}

impl Reference {
    /// The reference behind a name; none is HEAD.
    pub(crate) fn of(name: &str) -> Self {
        let name = name.trim();
        let is_hex = name.bytes().all(|b| b.is_ascii_hexdigit());
        match name.len() {
            0 => Self::Head,
            40 | 64 if is_hex => Self::Commit(name.to_ascii_lowercase()),
            // Digits alone are a date or a number more often than a commit.
            7..40 if is_hex && [true, false].iter().all(|is| name.bytes().any(|b| b.is_ascii_digit() == *is)) => {
                Self::Fixed(name.to_owned())
            }
            _ if name == "HEAD" => Self::Head,
            _ => Self::Named(name.to_owned()),
        }
    }

    /// Whether it can mean other code tomorrow; nothing where only the remote knows, because a name may be that of a branch
    /// or of a tag.
    pub fn moves(&self) -> Option<bool> {
        match self {
            Self::Head | Self::Untold(_) => Some(true),
            // A tag that the build chooses may be another one tomorrow.
            Self::Named(name) if name.starts_with("refs/tags/") => Some(name.contains(['$', '`'])),
            Self::Named(name) => name.starts_with("refs/").then_some(true),
            Self::Commit(_) | Self::Fixed(_) => Some(false),
        }
    }
}

/// The address of a remote without user information; nothing for a directory.
pub(crate) fn remote(text: &str) -> Option<String> {
    let is_drive = text.find(':') == Some(1) && text.as_bytes()[0].is_ascii_alphabetic();
    let is_local = text.is_empty()
        || text.starts_with(['/', '.', '~'])
        || text.starts_with("file:")
        || is_drive
        || !(text.contains("://") || text.contains(':') || text.contains('$'));
    if is_local {
        return None;
    }
    let text = text.trim_end_matches('/');
    Some(match text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}")
        }
        // npm and pip write `ssh://git@host:owner/name`, which Git does not take.
        Some(("ssh", rest))
            if rest.split_once(':').is_some_and(|(_, port)| !port.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            rest.to_owned()
        }
        _ => text.to_owned(),
    })
}

/// An address in which the names of empty variables stand where something is missing.
pub(crate) fn whole(word: &Word) -> String {
    let path = word.text.split_once("://").map_or(word.text.as_str(), |(_, path)| path);
    let is_incomplete = path.is_empty()
        || path.starts_with('/')
        || path.ends_with(['/', ':'])
        || ["/.", "//", ":/", "/v/", "/v."].iter().any(|sign| path.contains(sign));
    if is_incomplete { word.filled() } else { word.text.clone() }
}

/// `git+URL@ref#options`, wherever it stands in a word; an address of Git's own needs no `git+`.
pub(crate) fn pip(text: &str) -> Option<(String, Reference)> {
    let text =
        text.split_once("git+").map_or(Some(text).filter(|text| text.starts_with("git://")), |(_, text)| Some(text))?;
    let (text, fragment) = text.split([' ', ';']).next()?.split_once('#').unwrap_or((text, ""));
    let text = text.split([' ', ';']).next().unwrap_or_default();
    // Ansible writes the ref behind a comma.
    let (text, fragment) = text.split_once(',').filter(|_| fragment.is_empty()).unwrap_or((text, fragment));
    let (address, reference) = text.find("://").and_then(|_| with_reference(text))?;
    // Poetry names the ref behind the `#` where pip has options.
    let reference = if reference.is_empty() && !fragment.contains('=') { fragment } else { reference };
    Some((remote(address)?, Reference::of(reference)))
}

/// The parts of `ADDRESS@ref`, whose ref may be missing; an `@` before the path belongs to a user.
pub(crate) fn with_reference(text: &str) -> Option<(&str, &str)> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let path = start + text[start..].find('/')?;
    let (end, reference) =
        text[path..].rsplit_once('@').map_or((text.len(), ""), |(before, name)| (path + before.len(), name));
    Some((&text[..end], reference))
}

/// What npm, yarn and pnpm take for a Git repository: `github:owner/name#ref`, `owner/name`, an address.
pub(crate) fn npm(word: &str) -> Option<(String, Reference)> {
    let (text, fragment) = word.split_once('#').unwrap_or((word, ""));
    // `name@what`, also for a name with a scope.
    let text = match text.char_indices().skip(1).find(|(_, c)| matches!(c, '@' | ':' | '/')) {
        Some((at, '@')) => &text[at + 1..],
        Some((slash, '/')) if text.starts_with('@') => text[slash..].split_once('@').map_or(text, |(_, what)| what),
        _ => text,
    };
    let hosts = [("github:", "github.com"), ("gitlab:", "gitlab.com"), ("bitbucket:", "bitbucket.org")];
    let hosted = hosts.iter().find_map(|(start, host)| Some((*host, text.strip_prefix(start)?)));
    let address = match hosted.or_else(|| is_pair(text).then_some(("github.com", text))) {
        Some((host, path)) => format!("https://{host}/{}.git", path.trim_end_matches(".git")),
        None => {
            let bare = text.strip_prefix("git+").unwrap_or(text);
            let known =
                ["https://github.com/", "https://gitlab.com/", "https://bitbucket.org/", "git@", "git://", "ssh://"];
            let is_git =
                bare.len() < text.len() || bare.ends_with(".git") || known.iter().any(|start| bare.starts_with(start));
            let is_archive =
                bare.ends_with(".tgz") || bare.ends_with(".gz") || bare.contains("/archive/") || bare.contains("ball/");
            remote(bare).filter(|_| is_git && !is_archive)?
        }
    };
    let fragment = fragment.split('&').next().unwrap_or_default();
    let reference = match fragment.split_once('=') {
        Some(("commit" | "branch" | "tag" | "head", name)) => name,
        _ => fragment,
    };
    Some((address, Reference::of(reference)))
}

/// `host/owner/name/package@version` of Go, where the host is known to serve Git below `owner/name`.
pub(crate) fn go(word: &str) -> Option<(String, Reference)> {
    let (path, version) = word.split_once('@')?;
    let repository = match path.split_once(".git/").map(|(before, _)| before).or(path.strip_suffix(".git")) {
        Some(before) => format!("https://{before}.git"),
        None => {
            let parts: Vec<_> = path.splitn(4, '/').collect();
            match parts[..] {
                [host @ ("github.com" | "gitlab.com" | "bitbucket.org" | "codeberg.org"), owner, name, ..] => {
                    format!("https://{host}/{owner}/{name}")
                }
                // Only Go knows which repository that is.
                [host, _, ..] if host.contains('.') => path.to_owned(),
                _ => return None,
            }
        }
    };
    let is_version =
        |text: &str| text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let reference = match version {
        "latest" | "upgrade" | "patch" => Reference::Untold("the newest release"),
        version if is_version(version) => Reference::Fixed(version.to_owned()),
        _ if !repository.contains("://") => Reference::Untold("a branch"),
        version => Reference::of(version),
    };
    Some((repository, reference))
}

/// `owner/name[/directory][@ref]` of R's `install_github` and its relatives.
pub(crate) fn r(text: &str, host: &str) -> Option<(String, Reference)> {
    let (path, reference) = text.split_once(['@', '#']).unwrap_or((text, ""));
    let mut parts = path.split('/');
    let pair = format!("{}/{}", parts.next()?, parts.next()?);
    // `#12` is a pull request.
    let reference = if text.contains('#') { format!("refs/pull/{reference}/head") } else { reference.to_owned() };
    is_pair(&pair).then(|| (format!("https://{host}/{pair}"), Reference::of(&reference)))
}

/// What BuildKit takes for a Git repository; short of a whole commit, it looks for a branch or a tag of every name.
pub(crate) fn add(text: &str) -> Option<(String, Reference)> {
    // The only host that BuildKit knows without a scheme.
    let full;
    let text = match text.strip_prefix("github.com/") {
        Some(path) => {
            let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
            full = format!("https://github.com/{}.git#{fragment}", path.trim_end_matches(".git"));
            &full
        }
        None => text,
    };
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    let is_git = ["git@", "git://", "ssh://"].iter().any(|start| address.starts_with(start));
    if !(is_git || is_web && address.ends_with(".git")) {
        return None;
    }
    let whole = |kind: &str, name: &str| format!("{kind}{}", name.strip_prefix(kind).unwrap_or(name));
    let mut asked = query.split('&').filter_map(|one| match one.split_once('=')? {
        ("branch", name) => Some(whole("refs/heads/", name)),
        ("tag", name) => Some(whole("refs/tags/", name)),
        ("ref" | "commit" | "checksum", name) => Some(name.to_owned()),
        _ => None,
    });
    let named = || fragment.split(':').next().unwrap_or_default().to_owned();
    let reference = match Reference::of(&asked.next_back().unwrap_or_else(named)) {
        Reference::Fixed(name) => Reference::Named(name),
        reference => reference,
    };
    Some((remote(address)?, reference))
}

/// `owner/name` of a hosting service.
fn is_pair(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Longest path; a longer one is not gone to.
const LONGEST_PATH: usize = 512;

/// A path from where somebody is, without `.`, `..` and doubled slashes; where they are when it is too long.
///
/// ```
/// assert_eq!(dockerfile_reader::absolute("/w/x", "./a//b/../c/"), "/w/x/a/c");
/// assert_eq!(dockerfile_reader::absolute("/w", "/"), "/");
/// ```
pub fn absolute(from: &str, path: &str) -> String {
    if from.len() + path.len() > LONGEST_PATH {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    format!("/{}", parts.join("/"))
}
