//! Asking Git remotes and checkouts; never a prompt, never a transport that runs commands.

#![expect(clippy::disallowed_methods, reason = "Git is configured by the environment")]

pub mod checkout;

use std::time::Duration;

use camino::Utf8Path;
use xshell::{Cmd, Shell, cmd};

use crate::value::{Commit, GitRef, GitUrl};

/// How long a remote may take for one answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What git needs of the environment: how to reach a remote as this user, and nothing that redirects it.
const PASSED: &str = "
    PATH HOME USER LOGNAME SUDO_UID TMPDIR XDG_CONFIG_HOME XDG_RUNTIME_DIR GNUPGHOME
    SSH_AUTH_SOCK SSH_ASKPASS SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE
    http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
    GIT_ASKPASS GIT_SSH GIT_SSL_CAINFO GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM GIT_EXEC_PATH
    GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
";
/// The variable with a token for private repositories; a build gets it as the secret of this name.
pub const TOKEN: &str = "GIT_AUTH_TOKEN";
/// What git asks for a login, in the form of its own configuration: the token stays a variable.
const LOGIN: &str = r#"!echo username=x-access-token; echo "password=$GIT_AUTH_TOKEN" #"#;

fn git<'a>(sh: &'a Shell, transports: &str) -> Cmd<'a> {
    let passed = PASSED.split_whitespace().filter_map(|name| Some((name, std::env::var_os(name)?)));
    cmd!(sh, "git")
        .env_clear()
        .envs(passed)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", transports)
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=5")
}

/// Transports that git may use: the usual ones, and those that are configured.
fn allowed(transports: &[String]) -> String {
    let usual = ["https", "http", "ssh", "git"].into_iter();
    usual.chain(transports.iter().map(String::as_str)).collect::<Vec<_>>().join(":")
}

/// git with a remote: it asks the user's own credential helpers, or gives this address the token if there is one.
fn with_remote<'a>(sh: &'a Shell, url: &GitUrl, transports: &[String]) -> Cmd<'a> {
    let cmd = git(sh, &allowed(transports));
    let Some(token) = std::env::var_os(TOKEN).filter(|token| !token.is_empty()) else { return cmd };
    let key = format!("credential.{url}.helper");
    cmd.env(TOKEN, token)
        .env("GIT_CONFIG_COUNT", "2")
        .envs([("GIT_CONFIG_KEY_0", key.as_str()), ("GIT_CONFIG_VALUE_0", "")])
        .envs([("GIT_CONFIG_KEY_1", key.as_str()), ("GIT_CONFIG_VALUE_1", LOGIN)])
}

/// The version of git.
pub fn version<'a>(sh: &'a Shell) -> Cmd<'a> {
    git(sh, "").arg("--version")
}

/// `git ls-remote` for exactly the names that a ref can mean: a branch, a tag (peeled too), `HEAD`.
pub fn ls_remote<'a>(sh: &'a Shell, url: &GitUrl, git_ref: &GitRef, transports: &[String]) -> Cmd<'a> {
    let name = git_ref.as_str();
    let names = match name {
        "HEAD" => vec!["HEAD".to_owned()],
        _ if name.starts_with("refs/") => vec![name.to_owned(), format!("{name}^{{}}")],
        _ => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/tags/{name}^{{}}")],
    };
    with_remote(sh, url, transports).args(["ls-remote", "--", url.as_str()]).args(names)
}

/// `git describe` of the nearest tag that looks like a version.
pub fn describe<'a>(sh: &'a Shell, directory: &Utf8Path) -> Cmd<'a> {
    git(sh, "")
        .args(["-C", directory.as_str(), "describe", "--tags", "--abbrev=0"])
        .args(["--match=v[0-9]*", "--match=[0-9]*"])
}

/// Prints `true` when a checkout lacks a part of its history.
pub fn is_shallow_checkout<'a>(sh: &'a Shell, directory: &Utf8Path) -> Cmd<'a> {
    git(sh, "").args(["-C", directory.as_str(), "rev-parse", "--is-shallow-repository"])
}

/// The files of a checkout that are not ignored, NUL-terminated, tracked or not.
pub fn list_files<'a>(sh: &'a Shell, directory: &Utf8Path) -> Cmd<'a> {
    git(sh, "").args(["-C", directory.as_str(), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
}

/// Lets a fetch leave out trees and files: only commits come.
pub const NO_TREES: &str = "--filter=tree:0";
/// Lets a fetch leave out files: commits and trees come.
pub const NO_FILES: &str = "--filter=blob:none";

/// An empty bare repository for commits of the form of `like`, without hooks.
pub fn init_bare<'a>(sh: &'a Shell, directory: &Utf8Path, like: &Commit) -> Cmd<'a> {
    let format = (like.as_str().len() == 64).then_some("--object-format=sha256");
    let options = ["init", "--quiet", "--bare", "--template="];
    git(sh, "").args(options).args(format).args(["--", directory.as_str()])
}

/// Fetches commits, each under a ref of this name, with so much of their history.
pub fn fetch<'a>(
    sh: &'a Shell,
    repository: &Utf8Path,
    url: &GitUrl,
    filter: &str,
    depth: u32,
    commits: &[(&Commit, &str)],
    transports: &[String],
) -> Cmd<'a> {
    // A user's configuration may ask for an older protocol, which neither filters nor serves single commits.
    let config = ["-c", "protocol.version=2", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
    with_remote(sh, url, transports)
        .args(config)
        .args(["--git-dir", repository.as_str(), "fetch", "--quiet", filter, "--no-tags", "--no-write-fetch-head"])
        .args([format!("--depth={depth}").as_str(), "--", url.as_str()])
        .args(commits.iter().map(|(commit, name)| format!("+{commit}:refs/xtask/{name}")))
}

/// A command on a bare repository of ours that never reaches for what was left out of a fetch.
fn within<'a>(sh: &'a Shell, repository: &Utf8Path) -> Cmd<'a> {
    git(sh, "").env("GIT_NO_LAZY_FETCH", "1").args(["--git-dir", repository.as_str()])
}

/// Ends well when the tree of a commit is there.
pub fn has_tree<'a>(sh: &'a Shell, repository: &Utf8Path, commit: &Commit) -> Cmd<'a> {
    within(sh, repository).args(["cat-file", "-e", &format!("{commit}^{{tree}}")])
}

/// How many commits each of two has that the other has not, separated by a tab.
pub fn count_apart<'a>(sh: &'a Shell, repository: &Utf8Path, left: &Commit, right: &Commit) -> Cmd<'a> {
    within(sh, repository).args(["rev-list", "--left-right", "--count", &format!("{left}...{right}"), "--"])
}

/// The newest commit, from this one along first parents, that changed a file which these pathspecs match.
pub fn newest_change<'a>(sh: &'a Shell, repository: &Utf8Path, tip: &Commit, specs: &[String]) -> Cmd<'a> {
    within(sh, repository).args(["rev-list", "--first-parent", "--max-count=1", tip.as_str(), "--"]).args(specs)
}

/// Ends well when two commits have an ancestor in common.
pub fn merge_base<'a>(sh: &'a Shell, repository: &Utf8Path, left: &Commit, right: &Commit) -> Cmd<'a> {
    within(sh, repository).args(["merge-base", left.as_str(), right.as_str()])
}

/// Prints `false` when the repository has the whole history of what was fetched.
pub fn is_shallow<'a>(sh: &'a Shell, repository: &Utf8Path) -> Cmd<'a> {
    within(sh, repository).args(["rev-parse", "--is-shallow-repository"])
}

/// The newest commits that `to` has and `from` has not: ID, time of its author, subject, NUL-terminated.
pub fn log<'a>(sh: &'a Shell, repository: &Utf8Path, from: &Commit, to: &Commit, most: usize) -> Cmd<'a> {
    let options = ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=tformat:%H %aI %s"];
    let most = format!("--max-count={most}");
    within(sh, repository).args(options).args([most, format!("{from}..{to}"), "--".to_owned()])
}

/// Every file of a commit: mode, type, ID, tab, path, NUL-terminated.
pub fn ls_tree<'a>(sh: &'a Shell, repository: &Utf8Path, commit: &Commit) -> Cmd<'a> {
    within(sh, repository).args(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()])
}
