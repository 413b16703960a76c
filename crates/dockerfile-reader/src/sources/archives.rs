//! Archives and files of a repository that a web server makes of a branch or a tag.

use super::fetch::is_version;
use crate::address::Reference;

/// Hosts whose pages `owner/name` are repositories.
const HOSTS: [&str; 4] = ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org"];
/// Ends of files that hold a key or a text for people, and no code.
const NO_CODE: [&str; 9] = [".key", ".gpg", ".asc", ".pub", ".pem", ".crt", ".md", "LICENSE", "LICENSE.txt"];

/// The repository and the ref behind the address of an archive, or of a file of a branch.
pub(super) fn archive(text: &str) -> Option<(String, Reference)> {
    let (scheme, rest) = text.split_once("://")?;
    // `name @ https://...` and `NAME=https://...`.
    let scheme = scheme.rsplit([' ', '@', '=']).next().filter(|scheme| matches!(*scheme, "https" | "http"))?;
    let rest = rest.split(['?', '#', ' ']).next()?;
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit('@').next()?;
    let of = |host: &str, owner: &str, reference: &str| {
        let owner = owner.trim_matches('/').trim_end_matches(".git");
        let is_whole = owner.contains('/') && !reference.is_empty();
        is_whole.then(|| (format!("{scheme}://{host}/{owner}"), self::reference(reference)))
    };
    let ends = [".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".tgz", ".tar"];
    let plain = ends.iter().find_map(|end| path.strip_suffix(end));
    match host {
        "codeload.github.com" => {
            let (owner, reference) =
                ["/tar.gz/", "/zip/", "/legacy.tar.gz/"].iter().find_map(|sign| path.split_once(sign))?;
            of("github.com", owner, reference)
        }
        "api.github.com" => {
            let path = format!("{}/", path.trim_end_matches('/'));
            let (owner, reference) = ["/tarball/", "/zipball/"].iter().find_map(|sign| path.split_once(sign))?;
            let reference = if reference.is_empty() { "HEAD" } else { reference.trim_end_matches('/') };
            of("github.com", owner.strip_prefix("repos/")?, reference)
        }
        "raw.githubusercontent.com" | "raw.github.com" => {
            let mut parts = path.splitn(3, '/');
            let owner = format!("{}/{}", parts.next()?, parts.next()?);
            of("github.com", &owner, file_of_branch(parts.next()?)?)
        }
        _ if host.ends_with(".jsdelivr.net") => {
            let (owner, file) = path.strip_prefix("gh/")?.split_once('@')?;
            of("github.com", owner, file_of_branch(file)?)
        }
        _ => {
            if let Some((owner, reference)) = path.split_once("/-/archive/") {
                return of(host, owner, reference.rsplit_once('/').map_or(reference, |(reference, _)| reference));
            }
            if let Some((owner, reference)) =
                plain.and_then(|path| path.split_once("/archive/").or_else(|| path.split_once("/get/")))
            {
                // Other servers have archives of anything.
                let is_one = HOSTS.contains(&host) || !reference.trim_start_matches("refs/heads/").contains('/');
                return of(host, owner, reference).filter(|_| is_one || reference.starts_with("refs/"));
            }
            if let Some((owner, reference)) = ["/tarball/", "/zipball/"].iter().find_map(|sign| path.split_once(sign)) {
                return of(host, owner, reference);
            }
            let page = if text.ends_with("?raw=true") { "/blob/" } else { "/raw/" };
            let (owner, file) = ["/-/raw/", "/raw/", page].iter().find_map(|sign| path.split_once(sign))?;
            of(host, owner, file_of_branch(file.trim_start_matches("branch/"))?)
        }
    }
}

/// The branch at the start of the path of a file, where it may be one: of single files most are those of a version or a commit.
fn file_of_branch(path: &str) -> Option<&str> {
    let named = path.strip_prefix("refs/heads/").unwrap_or(path);
    let branch = named.split('/').next()?;
    let is_code = !NO_CODE.iter().any(|end| path.ends_with(end));
    let is_unknown = branch.contains(['$', '`']) && !branch.contains("BRANCH");
    let moves =
        !is_version(branch) && !is_unknown && matches!(Reference::of(branch), Reference::Head | Reference::Named(_));
    let is_branch = named.len() < path.len() || (moves && branch != "refs");
    (is_code && is_branch).then(|| &path[..path.len() - named.len() + branch.len()])
}

fn reference(name: &str) -> Reference {
    let name = name.trim_start_matches('/');
    Reference::of(name.strip_prefix("heads/").unwrap_or(name))
}

/// A repository that a program is given by its address alone.
pub(super) fn whole(text: &str) -> Option<(String, Reference)> {
    let (address, reference) = text.split_once(['#', ',']).unwrap_or((text, ""));
    let address = address.strip_prefix("git+").unwrap_or(address);
    let is_page = || {
        let path =
            HOSTS.iter().find_map(|host| address.strip_prefix("https://")?.strip_prefix(host)?.strip_prefix('/'));
        path.is_some_and(|path| path.trim_end_matches('/').split('/').filter(|part| !part.is_empty()).count() == 2)
    };
    let has_scheme = ["https://", "http://", "ssh://", "git://", "git@"].iter().any(|start| address.starts_with(start));
    let is_repository = has_scheme && (address.ends_with(".git") || text.starts_with("git+") || is_page());
    crate::address::remote(address).filter(|_| is_repository).map(|url| (url, Reference::of(reference)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_archives_name_a_repository_and_a_ref() {
        for (text, expected) in [
            ("https://github.com/o/n/archive/refs/heads/main.tar.gz", Some("https://github.com/o/n refs/heads/main")),
            ("https://github.com/o/n/archive/refs/tags/v1.zip", Some("https://github.com/o/n refs/tags/v1")),
            ("https://github.com/o/n/archive/release/2.x.zip", Some("https://github.com/o/n release/2.x")),
            ("https://gitlab.com/g/s/n/-/archive/main/n-main.tar.gz", Some("https://gitlab.com/g/s/n main")),
            ("https://codeload.github.com/o/n/tar.gz/refs/heads/dev", Some("https://github.com/o/n refs/heads/dev")),
            ("https://api.github.com/repos/o/n/tarball", Some("https://github.com/o/n HEAD")),
            ("https://api.github.com/repos/o/n/zipball/dev", Some("https://github.com/o/n dev")),
            ("https://bitbucket.org/o/n/get/master.tar.gz", Some("https://bitbucket.org/o/n master")),
            ("https://raw.githubusercontent.com/o/n/master/install.sh", Some("https://github.com/o/n master")),
            ("https://raw.githubusercontent.com/o/n/refs/heads/x/a.sh", Some("https://github.com/o/n refs/heads/x")),
            ("https://raw.githubusercontent.com/o/n/v1.2/install.sh", None),
            ("https://raw.githubusercontent.com/o/n/master/apt.key", None),
            ("https://raw.github.com/o/n/release/install.sh", Some("https://github.com/o/n release")),
            ("https://raw.githubusercontent.com/o/n/master/LICENSE", None),
            ("https://raw.githubusercontent.com/o/n/11.0/a.txt", Some("https://github.com/o/n 11.0")),
            ("https://raw.githubusercontent.com/o/n/1a2b3c4d5e/a.sh", None),
            ("https://raw.githubusercontent.com/o/n/${N_VERSION}/a.sh", None),
            ("https://raw.githubusercontent.com/o/n/${BRANCH}/a.sh", Some("https://github.com/o/n ${BRANCH}")),
            ("https://cdn.jsdelivr.net/gh/o/n@main/a.sh", Some("https://github.com/o/n main")),
            ("https://cdn.jsdelivr.net/gh/o/n@1.2.3/a.js", None),
            ("https://cdn.jsdelivr.net/npm/n@1.2.3/a.js", None),
            ("https://github.com/o/n/raw/main/a/b", Some("https://github.com/o/n main")),
            ("https://github.com/o/n/blob/main/a/b?raw=true", Some("https://github.com/o/n main")),
            ("https://github.com/o/n/blob/main/a/b", None),
            ("https://github.com/o/n/releases/latest/download/a.tar.gz", None),
            ("https://example.org/archive/a.tar.gz", None),
            ("https://example.org/java/jdk/archive/181/binaries/jre.tar.gz", None),
            ("n @ https://github.com/o/n/archive/main.zip", Some("https://github.com/o/n main")),
        ] {
            let found = archive(text).map(|(url, reference)| match reference {
                Reference::Head => format!("{url} HEAD"),
                Reference::Named(name) => format!("{url} {name}"),
                other => panic!("{other:?}"),
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
