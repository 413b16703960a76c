//! Addresses whose content tells the commit of a branch: BuildKit looks at them for every build.

use crate::address::Reference;

/// Branches that HEAD may point to when nobody says which one it is.
const USUAL: [&str; 2] = ["main", "master"];

/// Whether what is at an address changes with every push to what a clone takes.
pub(super) fn tells_about(address: &str, repository: &str, reference: &Reference) -> bool {
    let Some((host, owner, branch)) = told(address) else { return false };
    let Some((own_host, own_path)) = place(repository) else { return false };
    let is_reference = match (reference, branch) {
        (Reference::Head | Reference::Named(_), None) => true,
        (Reference::Head, Some(branch)) => branch == "HEAD" || USUAL.contains(&branch),
        (Reference::Named(name), Some(branch)) => name.trim_start_matches("refs/heads/") == branch,
        _ => false,
    };
    is_reference && host.eq_ignore_ascii_case(own_host) && owner.eq_ignore_ascii_case(own_path)
}

/// Whether the content of an address tells about a branch.
pub(super) fn is_told(address: &str) -> bool {
    told(address).is_some()
}

/// The host, `owner/name` and the branch that an address tells about; no branch where it tells about all.
fn told(address: &str) -> Option<(&str, &str, Option<&str>)> {
    let (host, path) = address.strip_prefix("https://")?.split_once('/')?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let asked = query.split('&').find_map(|one| one.strip_prefix("sha="));
    let path = path.trim_end_matches('/').trim_end_matches(".atom");
    let (host, path) = match host {
        "api.github.com" => ("github.com", path.strip_prefix("repos/")?),
        _ => (host, path.strip_prefix("api/v1/repos/").unwrap_or(path)),
    };
    let all = |owner: &str| owner.trim_end_matches(".git").len();
    if let Some(owner) = path.strip_suffix("/info/refs") {
        return Some((host, &owner[..all(owner)], None));
    }
    if let Some(owner) = path.strip_suffix("/commits") {
        return Some((host, owner, asked.or(Some("HEAD"))));
    }
    let signs = ["/git/refs/heads/", "/git/ref/heads/", "/branches/", "/commits/"];
    let (owner, branch) = signs.iter().find_map(|sign| path.split_once(sign))?;
    Some((host, owner, Some(branch)))
}

/// The host of a repository and `owner/name` there.
fn place(repository: &str) -> Option<(&str, &str)> {
    let (host, path) = match repository.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => repository.split_once(':')?,
    };
    let host = host.rsplit('@').next()?;
    Some((host.split(':').next()?, path.trim_end_matches('/').trim_end_matches(".git")))
}
