//! Addresses whose content tells the commit of a branch: BuildKit looks at them for every build.

use super::fetch::Cover;
use crate::address::Reference;

/// What covers a clone below addresses that tell about branches.
pub(super) fn cover(told: &[String], repository: &str, reference: &Reference) -> Cover {
    let Some((own_host, own_path)) = place(repository) else { return Cover::Nothing };
    let covers = told.iter().filter_map(|address| {
        let (host, path, branch) = self::told(address)?;
        let is_same = host.eq_ignore_ascii_case(own_host) && path.eq_ignore_ascii_case(own_path);
        match (reference, branch.filter(|_| is_same)) {
            (Reference::Head | Reference::Named(_), None) if is_same => Some(Cover::Builder),
            (Reference::Head, Some("HEAD")) => Some(Cover::Builder),
            (Reference::Head, Some(branch)) => Some(Cover::Branch(branch.to_owned())),
            (Reference::Named(name), Some(branch)) if name.trim_start_matches("refs/heads/") == branch => {
                Some(Cover::Builder)
            }
            _ => None,
        }
    });
    covers.min_by_key(|cover| *cover != Cover::Builder).unwrap_or(Cover::Nothing)
}

/// The host, `owner/name` and the branch that an address tells about; no branch where it tells about all.
pub(super) fn told(address: &str) -> Option<(&str, &str, Option<&str>)> {
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
