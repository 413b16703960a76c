//! Asking Git remotes and checkouts; never a prompt, never a transport that runs commands.

#![expect(clippy::disallowed_methods, reason = "Git is configured by the environment")]

pub mod checkout;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use camino::Utf8Path;
use xshell::{Cmd, Shell, cmd};

use crate::value::{Commit, GitRef, GitUrl};

/// How long a remote may take for one answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Variables that tie Git to one repository or show it to a person (`git rev-parse --local-env-vars`, without the
/// configuration in the environment, which is the user's).
const REDIRECTIONS: &str = "
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CEILING_DIRECTORIES GIT_COMMON_DIR GIT_CONFIG GIT_DIR GIT_EXTERNAL_DIFF
    GIT_GRAFT_FILE GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE GIT_NAMESPACE GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY
    GIT_PREFIX GIT_QUARANTINE_PATH GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE
";
/// The variable with a token for private repositories, followed by `.HOST` one for that host; a build gets it as the secret
/// of this name.
pub const TOKEN: &str = "GIT_AUTH_TOKEN";
/// Whether a variable holds a token.
pub fn is_token(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name == TOKEN || name.strip_prefix(TOKEN).is_some_and(|host| host.starts_with('.')))
}

/// What git asks for a login, in the form of its own configuration: the token stays a variable.
const LOGIN: &str = r#"!echo "username=${GIT_AUTH_USER:-x-access-token}"; echo "password=$GIT_AUTH_TOKEN" #"#;

/// How remotes may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Configured transports beside the usual ones.
    pub transports: Vec<String>,
    /// The host that GIT_AUTH_TOKEN belongs to: that of the first source. No other is ever offered it.
    pub token_host: Option<String>,
}

/// Git with the environment of the user, without what redirects it, and without prompts.
fn git<'a>(sh: &'a Shell, transports: &str) -> Cmd<'a> {
    let redirected = REDIRECTIONS.split_whitespace();
    redirected
        .fold(cmd!(sh, "git"), |cmd, name| cmd.env_remove(name))
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        // Whatever command runs SSH: what it would ask a person is answered by a program that fails.
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("SSH_ASKPASS", "false")
        .env("GIT_ALLOW_PROTOCOL", transports)
}

/// Transports that git may use: the usual ones, and those that are configured.
fn allowed(transports: &[String]) -> String {
    let usual = ["https", "http", "ssh", "git"].into_iter();
    usual.chain(transports.iter().map(String::as_str)).collect::<Vec<_>>().join(":")
}

/// The token that belongs to the host of an address.
fn token(url: &GitUrl, access: &Access) -> Option<OsString> {
    let token = |name: &str| std::env::var_os(name).filter(|token| !token.is_empty());
    let host = url.host().filter(|_| !url.is_ssh())?;
    let is_its = Some(host) == access.token_host.as_deref();
    token(&format!("{TOKEN}.{host}")).or_else(|| token(TOKEN).filter(|_| is_its))
}

/// Whether a remote is given a token.
pub fn has_token(url: &GitUrl, access: &Access) -> bool {
    token(url, access).is_some()
}

/// git with a remote: it asks the user's own credential helpers, or gives this address the token that belongs to its host.
fn with_remote<'a>(sh: &'a Shell, url: &GitUrl, access: &Access) -> Cmd<'a> {
    let cmd = git(sh, &allowed(&access.transports));
    let Some(token) = token(url, access) else { return cmd };
    let key = format!("credential.{url}.helper");
    // Behind what the user's environment configures.
    let count = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let configured = |at: u32, value: &str| {
        [(format!("GIT_CONFIG_KEY_{at}"), key.clone()), (format!("GIT_CONFIG_VALUE_{at}"), value.to_owned())]
    };
    cmd.env(TOKEN, token)
        .env("GIT_CONFIG_COUNT", (count + 2).to_string())
        .envs(configured(count, ""))
        .envs(configured(count + 1, LOGIN))
}

/// The version of git.
pub fn version<'a>(sh: &'a Shell) -> Cmd<'a> {
    git(sh, "").arg("--version")
}

/// `git ls-remote` for exactly the names that a ref can mean: a branch, a tag (peeled too), `HEAD` and what it points to.
pub fn ls_remote<'a>(sh: &'a Shell, url: &GitUrl, git_ref: &GitRef, access: &Access) -> Cmd<'a> {
    let name = git_ref.as_str();
    let names = match name {
        "HEAD" => vec![name.to_owned()],
        _ if name.starts_with("refs/") => vec![name.to_owned(), format!("{name}^{{}}")],
        _ => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/tags/{name}^{{}}")],
    };
    let target = (name == "HEAD").then_some("--symref");
    with_remote(sh, url, access)
        // The headers of answers, without secrets, are traced: one of them says when to ask again.
        .envs([("GIT_TRACE_CURL", "1"), ("GIT_TRACE_CURL_NO_DATA", "1"), ("GIT_TRACE_REDACT", "1")])
        .arg("ls-remote")
        .args(target)
        .args(["--", url.as_str()])
        .args(names)
}

/// What stands in every line in which git traces HTTP.
pub const HTTP_TRACE: &str = " http.c:";

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
    access: &Access,
) -> Cmd<'a> {
    // A user's configuration may ask for an older protocol, which neither filters nor serves single commits.
    let config = ["-c", "protocol.version=2", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
    with_remote(sh, url, access)
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
