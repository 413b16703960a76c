//! The checkout that is released: its files, branch and tags, and the tags of its remote.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use semver::Version;
use toml_edit::DocumentMut;

use crate::error::Failure;
use crate::facts::workspace::Workspace;
use crate::sys::git::{self, checkout as commands};
use crate::sys::process::{self, CommandLine};
use crate::ui::Ui;
use crate::value::Commit;

/// The file that holds the version of the workspace.
pub const MANIFEST: &str = "Cargo.toml";
/// The file that repeats it for each member.
pub const LOCK: &str = "Cargo.lock";
/// The file that says what changed.
pub const CHANGELOG: &str = "CHANGELOG.md";

/// A checkout of the repository around the workspace.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The directory of Cargo.toml, Cargo.lock and CHANGELOG.md.
    pub root: Utf8PathBuf,
    /// The branch that is checked out, if one is.
    pub branch: Option<String>,
    /// The branch that the remote calls its own, if that is known here.
    pub remote_branch: Option<String>,
    /// The commit that is checked out.
    pub head: Commit,
    pub subject: String,
    /// Files that differ from it, from `root` where they are below it.
    pub changed: Vec<String>,
    /// The files that a release may change, as far as they are in the commit.
    pub committed: BTreeMap<&'static str, String>,
    /// The files as they are on disk.
    pub on_disk: BTreeMap<&'static str, String>,
    /// Cargo.toml in the commit before.
    pub before: Option<String>,
    /// Members whose version is that of the workspace.
    pub members: BTreeSet<String>,
    /// Versions with a tag, and the commits that these mean.
    pub tags: BTreeMap<Version, Commit>,
    /// What the remote has, when it was asked.
    pub remote_tags: BTreeMap<Version, Commit>,
    /// The tip of the remote's branch, when it was asked and that commit is not here.
    pub unseen: Option<Commit>,
    /// Why git cannot make commits, if it cannot.
    pub nobody: Option<String>,
}

/// Reads the checkout around a workspace.
///
/// # Errors
/// Exit code 2 without a Cargo workspace in a Git repository with a commit.
pub fn read(ui: &Ui, workspace: &Workspace) -> anyhow::Result<Checkout> {
    let root = workspace.root.clone().ok_or_else(|| {
        Failure::usage("there is no Cargo workspace whose version a release could raise")
            .hint("add a Cargo.toml with `[workspace.package] version`")
    })?;
    let ask = |line| answer(ui, line);
    let Some(head) = ask(commands::head(&root))? else {
        return Err(Failure::usage(format!("`{root}` is in no Git repository with a commit"))
            .hint("commit first: a release is a commit with a tag")
            .into());
    };
    let prefix = ask(commands::prefix(&root))?.unwrap_or_default();
    let status = required(ui, commands::changes(&root))?;
    let changed = status.split('\0').filter_map(|line| line.get(3..)).filter(|path| !path.is_empty());
    let changed = changed.map(|path| path.strip_prefix(&prefix).unwrap_or(path).to_owned()).collect();
    let mut committed = BTreeMap::new();
    for file in [MANIFEST, LOCK, CHANGELOG] {
        committed.extend(text(ui, commands::show(&root, "HEAD", file))?.map(|text| (file, text)));
    }
    let on_disk = committed.keys().filter_map(|file| Some((*file, fs_err::read_to_string(root.join(file)).ok()?)));
    let takes_version = |path: &Utf8PathBuf| fs_err::read_to_string(path).is_ok_and(|manifest| inherits(&manifest));
    let members = workspace.members.iter().filter(|member| takes_version(&member.manifest_path));
    let members = members.map(|member| member.name.clone());
    let remote_branch = ask(commands::remote_head(&root))?;
    let identity = commands::identity(&root).output(ui, git::DEADLINE)?;
    Ok(Checkout {
        branch: ask(commands::branch(&root))?,
        remote_branch: remote_branch.and_then(|name| Some(name.split_once('/')?.1.to_owned())),
        head: head.parse()?,
        subject: ask(commands::subject(&root))?.unwrap_or_default(),
        changed,
        on_disk: on_disk.collect(),
        committed,
        before: text(ui, commands::show(&root, "HEAD^", MANIFEST))?,
        members: members.collect(),
        tags: versions(&required(ui, commands::tags(&root))?, ' '),
        remote_tags: BTreeMap::new(),
        unseen: None,
        nobody: (!identity.status.success()).then(|| identity.last_error().to_owned()),
        root,
    })
}

impl Checkout {
    /// Asks the remote for its tags, and for the tip of the branch.
    pub fn ask_remote(&mut self, ui: &Ui, branch: &str) -> anyhow::Result<()> {
        let refs = required(ui, commands::remote_refs(&self.root, branch))?;
        self.remote_tags = versions(&refs, '\t');
        let name = format!("refs/heads/{branch}");
        let tip = refs.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == name);
        if let Some(tip) = tip.and_then(|(commit, _)| commit.parse().ok()) {
            let has = commands::has(&self.root, &tip).output(ui, git::DEADLINE)?;
            self.unseen = (!has.status.success()).then_some(tip);
        }
        Ok(())
    }
}

/// What a command of git must be able to do.
pub fn required(ui: &Ui, line: CommandLine) -> anyhow::Result<String> {
    let finished = line.output(ui, process::LONG)?;
    if !finished.status.success() {
        return Err(Failure::precondition(format!("git: {}", finished.last_error()))
            .hint(format!("see what git says: {}", line.shown()))
            .into());
    }
    Ok(finished.text())
}

/// The answer to a question that git may not be able to answer.
fn text(ui: &Ui, line: CommandLine) -> anyhow::Result<Option<String>> {
    let finished = line.output(ui, git::DEADLINE)?;
    Ok(finished.status.success().then(|| finished.text()))
}

/// An answer of git without white space around it.
fn answer(ui: &Ui, line: CommandLine) -> anyhow::Result<Option<String>> {
    Ok(text(ui, line)?.map(|text| text.trim().to_owned()))
}

/// Reads lines of commit and tag; the line of an annotated tag's commit comes after its own.
fn versions(lines: &str, separator: char) -> BTreeMap<Version, Commit> {
    let read = |line: &str| {
        let (commit, name) = line.split_once(separator)?;
        let name = name.strip_prefix("refs/tags/v")?;
        Some((name.strip_suffix("^{}").unwrap_or(name).parse().ok()?, commit.parse().ok()?))
    };
    lines.lines().filter_map(read).collect()
}

/// Whether a member's manifest takes its version from the workspace.
fn inherits(manifest: &str) -> bool {
    let parsed: Option<DocumentMut> = manifest.parse().ok();
    let inherited = |document: DocumentMut| document.get("package")?.get("version")?.get("workspace")?.as_bool();
    parsed.and_then(inherited).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_inherits_its_version_or_has_its_own() {
        assert!(inherits("[package]\nname = \"a\"\nversion.workspace = true\n"));
        assert!(!inherits("[package]\nname = \"a\"\nversion = \"0.1.0\"\n"));
    }

    #[test]
    fn tags_mean_commits_and_only_versions_count() {
        let [tag, commit, other] = ["1", "2", "3"].map(|digit| digit.repeat(40));
        let lines = format!(
            "{other}\trefs/tags/v1.0.0\n{tag}\trefs/tags/v1.1.0-rc.1+b\n{commit}\trefs/tags/v1.1.0-rc.1+b^{{}}\n\
             {tag}\trefs/tags/vendor\nnonsense\n"
        );
        let found = versions(&lines, '\t');
        let found: Vec<_> = found.iter().map(|(version, commit)| format!("{version} {commit}")).collect();
        assert_eq!(found, [format!("1.0.0 {other}"), format!("1.1.0-rc.1+b {commit}")]);
    }
}
