//! The user's own checkout: what a release reads there, and what it writes.

use camino::Utf8Path;

use super::{allowed, git};
use crate::sys::process::CommandLine;
use crate::value::Commit;

/// The remote that releases go to.
pub const REMOTE: &str = "origin";

/// A command in a checkout. Its remote is the user's own choice, so it may be a directory too.
fn within(root: &Utf8Path) -> CommandLine {
    git(&allowed(&["file".to_owned()])).args(["-C", root.as_str()])
}

/// The path of a directory from the top of its checkout, empty or with a slash at its end.
pub fn prefix(root: &Utf8Path) -> CommandLine {
    within(root).args(["rev-parse", "--show-prefix"])
}

/// The full ID of the commit that is checked out.
pub fn head(root: &Utf8Path) -> CommandLine {
    within(root).args(["rev-parse", "--verify", "HEAD"])
}

/// The subject of the commit that is checked out.
pub fn subject(root: &Utf8Path) -> CommandLine {
    within(root).args(["log", "--max-count=1", "--no-show-signature", "--format=%s"])
}

/// The branch that is checked out; fails when none is.
pub fn branch(root: &Utf8Path) -> CommandLine {
    within(root).args(["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// The branch that the remote calls its own, after the name of the remote; fails when that is not known here.
pub fn remote_head(root: &Utf8Path) -> CommandLine {
    within(root).args(["symbolic-ref", "--quiet", "--short", &format!("refs/remotes/{REMOTE}/HEAD")])
}

/// What differs from the commit: two letters, space, path from the top, NUL-terminated.
pub fn changes(root: &Utf8Path) -> CommandLine {
    within(root).args(["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"])
}

/// A file beside the manifest as it is in a commit; fails when it is not there.
pub fn show(root: &Utf8Path, commit: &str, file: &str) -> CommandLine {
    within(root).args(["show", &format!("{commit}:./{file}")])
}

/// The tags of versions, with the commits they mean: commit, space, name.
pub fn tags(root: &Utf8Path) -> CommandLine {
    let format = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)";
    within(root).args(["for-each-ref", format, "refs/tags/v*"])
}

/// Asks the remote for its release tags and the tip of its branch, in the form of `ls-remote`.
pub fn remote_refs(root: &Utf8Path, branch: &str) -> CommandLine {
    within(root).args(["ls-remote", "--", REMOTE, "refs/tags/v*", &format!("refs/heads/{branch}")])
}

/// Ends well when a commit is the one that is checked out, or comes before it.
pub fn has(root: &Utf8Path, commit: &Commit) -> CommandLine {
    within(root).args(["merge-base", "--is-ancestor", commit.as_str(), "HEAD"])
}

/// Ends well when git knows who makes commits and tags.
pub fn identity(root: &Utf8Path) -> CommandLine {
    within(root).args(["var", "GIT_COMMITTER_IDENT"])
}

/// Commits exactly these files.
pub fn commit(root: &Utf8Path, message: &str, files: &[&str]) -> CommandLine {
    within(root).args(["commit", "--quiet", "--message", message, "--"]).args(files)
}

/// Makes an annotated tag.
pub fn tag(root: &Utf8Path, tag: &str, message: &str, commit: &Commit) -> CommandLine {
    within(root).args(["tag", "--annotate", "--message", message, "--", tag, commit.as_str()])
}

/// Pushes the commit that is checked out to a branch, and a tag: both or none.
pub fn push(root: &Utf8Path, branch: &str, tag: &str) -> CommandLine {
    let refs = [format!("HEAD:refs/heads/{branch}"), format!("refs/tags/{tag}")];
    within(root).args(["push", "--quiet", "--atomic", "--", REMOTE]).args(refs)
}
