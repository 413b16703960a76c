//! Asking Git remotes and checkouts; never a prompt, never a transport that runs commands.

#![expect(clippy::disallowed_methods, reason = "Git is configured by the environment")]

pub mod checkout;

use std::ffi::OsString;
use std::time::Duration;

use camino::Utf8Path;

use crate::sys::process::CommandLine;
use crate::value::secrets::TOKEN;
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
fn git(transports: &str) -> CommandLine {
    CommandLine::new("git")
        .without_envs(REDIRECTIONS.split_whitespace())
        .envs([("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ALLOW_PROTOCOL", transports)])
        // Whatever command runs SSH: what it would ask a person is answered by a program that fails.
        .envs([("SSH_ASKPASS_REQUIRE", "force"), ("SSH_ASKPASS", "false")])
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
fn with_remote(url: &GitUrl, access: &Access) -> CommandLine {
    let git = git(&allowed(&access.transports));
    let Some(token) = token(url, access) else { return git };
    let key = format!("credential.{url}.helper");
    // Behind what the user's environment configures.
    let count = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let configured = |at: u32, value: &str| {
        [(format!("GIT_CONFIG_KEY_{at}"), key.clone()), (format!("GIT_CONFIG_VALUE_{at}"), value.to_owned())]
    };
    git.envs([(TOKEN, token), ("GIT_CONFIG_COUNT", (count + 2).to_string().into())])
        .envs(configured(count, ""))
        .envs(configured(count + 1, LOGIN))
}

/// The version of git.
pub fn version() -> CommandLine {
    git("").args(["--version"])
}

/// `git ls-remote` for exactly the names that a ref can mean: a branch, a tag (peeled too), `HEAD` and what it points to.
pub fn ls_remote(url: &GitUrl, git_ref: &GitRef, access: &Access) -> CommandLine {
    let name = git_ref.as_str();
    let names = match name {
        "HEAD" => vec![name.to_owned()],
        _ if name.starts_with("refs/") => vec![name.to_owned(), format!("{name}^{{}}")],
        _ => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/tags/{name}^{{}}")],
    };
    let target = (name == "HEAD").then_some("--symref");
    with_remote(url, access)
        // The headers of answers, without secrets, are traced: one of them says when to ask again.
        .envs([("GIT_TRACE_CURL", "1"), ("GIT_TRACE_CURL_NO_DATA", "1"), ("GIT_TRACE_REDACT", "1")])
        .args(["ls-remote"])
        .args(target)
        .args(["--", url.as_str()])
        .args(names)
}

/// What stands in every line in which git traces HTTP.
pub const HTTP_TRACE: &str = " http.c:";

/// `git describe` of the nearest tag that looks like a version.
pub fn describe(directory: &Utf8Path) -> CommandLine {
    git("")
        .args(["-C", directory.as_str(), "describe", "--tags", "--abbrev=0"])
        .args(["--match=v[0-9]*", "--match=[0-9]*"])
}

/// Prints `true` when a checkout lacks a part of its history.
pub fn is_shallow_checkout(directory: &Utf8Path) -> CommandLine {
    git("").args(["-C", directory.as_str(), "rev-parse", "--is-shallow-repository"])
}

/// The files of a checkout that are not ignored, NUL-terminated, tracked or not.
pub fn list_files(directory: &Utf8Path) -> CommandLine {
    git("").args(["-C", directory.as_str(), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
}

/// Lets a fetch leave out trees and files: only commits come.
pub const NO_TREES: &str = "--filter=tree:0";
/// Lets a fetch leave out files: commits and trees come.
pub const NO_FILES: &str = "--filter=blob:none";

/// An empty bare repository for commits of the form of `like`, without hooks.
pub fn init_bare(directory: &Utf8Path, like: &Commit) -> CommandLine {
    let format = (like.as_str().len() == 64).then_some("--object-format=sha256");
    let options = ["init", "--quiet", "--bare", "--template="];
    git("").args(options).args(format).args(["--", directory.as_str()])
}

/// Fetches commits, each under a ref of this name, with so much of their history.
pub fn fetch(
    repository: &Utf8Path,
    url: &GitUrl,
    filter: &str,
    depth: u32,
    commits: &[(&Commit, &str)],
    access: &Access,
) -> CommandLine {
    // A user's configuration may ask for an older protocol, which neither filters nor serves single commits.
    let config = ["-c", "protocol.version=2", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
    with_remote(url, access)
        .args(config)
        .args(["--git-dir", repository.as_str(), "fetch", "--quiet", filter, "--no-tags", "--no-write-fetch-head"])
        .args([format!("--depth={depth}").as_str(), "--", url.as_str()])
        .args(commits.iter().map(|(commit, name)| format!("+{commit}:refs/xtask/{name}")))
}

/// A command on a bare repository of ours that never reaches for what was left out of a fetch.
fn within(repository: &Utf8Path) -> CommandLine {
    git("").envs([("GIT_NO_LAZY_FETCH", "1")]).args(["--git-dir", repository.as_str()])
}

/// Ends well when the tree of a commit is there.
pub fn has_tree(repository: &Utf8Path, commit: &Commit) -> CommandLine {
    within(repository).args(["cat-file", "-e", &format!("{commit}^{{tree}}")])
}

/// How many commits each of two has that the other has not, separated by a tab.
pub fn count_apart(repository: &Utf8Path, left: &Commit, right: &Commit) -> CommandLine {
    within(repository).args(["rev-list", "--left-right", "--count", &format!("{left}...{right}"), "--"])
}

/// The newest commit, from this one along first parents, that changed a file which these pathspecs match.
pub fn newest_change(repository: &Utf8Path, tip: &Commit, specs: &[String]) -> CommandLine {
    within(repository).args(["rev-list", "--first-parent", "--max-count=1", tip.as_str(), "--"]).args(specs)
}

/// Ends well when two commits have an ancestor in common.
pub fn merge_base(repository: &Utf8Path, left: &Commit, right: &Commit) -> CommandLine {
    within(repository).args(["merge-base", left.as_str(), right.as_str()])
}

/// Prints `false` when the repository has the whole history of what was fetched.
pub fn is_shallow(repository: &Utf8Path) -> CommandLine {
    within(repository).args(["rev-parse", "--is-shallow-repository"])
}

/// The newest commits that `to` has and `from` has not: ID, time of its author, subject, NUL-terminated.
pub fn log(repository: &Utf8Path, from: &Commit, to: &Commit, most: usize) -> CommandLine {
    let options = ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=tformat:%H %aI %s"];
    let most = format!("--max-count={most}");
    within(repository).args(options).args([most, format!("{from}..{to}"), "--".to_owned()])
}

/// Every file of a commit: mode, type, ID, tab, path, NUL-terminated.
pub fn ls_tree(repository: &Utf8Path, commit: &Commit) -> CommandLine {
    within(repository).args(["ls-tree", "-r", "-z", "--full-tree", commit.as_str()])
}
