//! Asking Git remotes and checkouts; never a prompt, never a transport that runs commands.

use std::time::Duration;

use xshell::{Cmd, Shell, cmd};

use crate::value::{GitRef, GitUrl};

/// How long a remote may take for one answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What git needs of the environment: how to reach a remote as this user, and nothing that redirects it.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSL_CAINFO",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

fn git<'a>(sh: &'a Shell, transports: &str) -> Cmd<'a> {
    let passed = PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    cmd!(sh, "git")
        .env_clear()
        .envs(passed)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", transports)
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=5")
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
    let allowed = ["https", "http", "ssh", "git"].into_iter().chain(transports.iter().map(String::as_str));
    git(sh, &allowed.collect::<Vec<_>>().join(":")).args(["ls-remote", "--", url.as_str()]).args(names)
}

/// `git describe` of the nearest tag, for a project without Cargo.
pub fn describe<'a>(sh: &'a Shell, directory: &camino::Utf8Path) -> Cmd<'a> {
    git(sh, "").args(["-C", directory.as_str(), "describe", "--tags", "--abbrev=0"])
}

/// The files of a checkout that are not ignored, NUL-terminated, tracked or not.
pub fn list_files<'a>(sh: &'a Shell, directory: &camino::Utf8Path) -> Cmd<'a> {
    git(sh, "").args(["-C", directory.as_str(), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
}
