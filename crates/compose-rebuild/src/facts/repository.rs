//! Bare repositories of our own, one for each remote and use, that hold what was fetched to answer a question: commits
//! without trees, or one tree without files. Never a whole clone.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Failure;
use crate::facts::remotes;
use crate::facts::workspace::Workspace;
use crate::sys::process::{CommandLine, Finished};
use crate::sys::{files, git, interrupt};
use crate::ui::Ui;
use crate::value::digest::sha256;
use crate::value::{Commit, GitUrl};

/// The use of the repositories that have commits with their trees.
pub const TREES: &str = "trees";
/// How many commits of a branch are looked at.
const DEPTH: u32 = 1000;
/// How many commits come with their trees: at first, and at most.
pub const DEPTHS: [u32; 2] = [100, 5000];
/// How long a remote may take to send commits or trees.
const DEADLINE: Duration = Duration::from_secs(60);
/// Most packs that a repository has: every fetch adds one, and nothing puts them together.
const PACKS: usize = 100;
/// How long another run may hold a lock of the repository.
const BUSY: Duration = Duration::from_secs(5);
/// How long git may take for what is here.
const LOCAL: Duration = Duration::from_secs(20);
/// In a repository whose remote was seen to leave out what it is asked to leave out.
const FILTERS: &str = "xtask-filters";

/// In a repository whose answers lay beyond the first commits that were fetched.
const DEEP: &str = "xtask-deep";

/// Where code comes from, and where what was fetched from there is kept.
#[derive(Clone, Copy)]
pub struct Remote<'a> {
    ui: &'a Ui,
    workspace: &'a Workspace,
    pub(super) url: &'a GitUrl,
}

impl<'a> Remote<'a> {
    /// The remote with this address, for a project in `workspace`.
    pub fn new(ui: &'a Ui, workspace: &'a Workspace, url: &'a GitUrl) -> Self {
        Self { ui, workspace, url }
    }

    /// Where its repository of a use is.
    fn place(&self, kind: &str, like: &Commit) -> Utf8PathBuf {
        let digest = sha256(format!("{} {}", self.url, like.as_str().len()));
        self.workspace.state.join("git").join(format!("{kind}-{}.git", &digest[..16]))
    }
}

/// A bare repository below the state directory.
pub struct Repository<'a> {
    path: Utf8PathBuf,
    remote: Remote<'a>,
}

impl<'a> Repository<'a> {
    /// The repository of this use for a remote whose commits are of the form of `like`; made if it is not there.
    pub fn open(kind: &str, remote: Remote<'a>, like: &Commit) -> anyhow::Result<Self> {
        if let Some(there) = Self::existing(kind, remote, like)? {
            return Ok(there);
        }
        let made = Self { path: remote.place(kind, like), remote };
        let state = &remote.workspace.state;
        files::create_directory(state)?;
        files::create_directory(&state.join("git"))?;
        made.init(like)?;
        Ok(made)
    }

    /// The repository that [`Repository::open`] has made before, if it has.
    pub fn existing(kind: &str, remote: Remote<'a>, like: &Commit) -> anyhow::Result<Option<Self>> {
        let path = remote.place(kind, like);
        files::refuse_link(&path)?;
        let is_there = path.join("config").is_file();
        Ok(is_there.then_some(Self { path, remote }))
    }

    fn init(&self, like: &Commit) -> anyhow::Result<()> {
        if self.path.exists() {
            fs_err::remove_dir_all(&self.path)?;
        }
        let finished = git::init_bare(&self.path, like).output(self.remote.ui, LOCAL)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(Failure::precondition(format!("git: {}", finished.last_error()))
            .hint(format!("check the permissions of `{}`", self.path))
            .into())
    }

    /// Runs a command on what is here; what it printed, if it ended well.
    pub fn ask(&self, line: impl FnOnce(&Utf8Path) -> CommandLine) -> anyhow::Result<Option<Vec<u8>>> {
        let finished = line(&self.path).output(self.remote.ui, LOCAL)?;
        Ok(finished.status.success().then_some(finished.stdout))
    }

    /// Fetches the history of these commits without trees, as far as the remote filters.
    ///
    /// # Errors
    /// Exit code 130 when a signal came; a remote that does not answer is no error, but `false`.
    pub fn fetch_history(&self, commits: &[(&Commit, &str)]) -> anyhow::Result<bool> {
        let fetch = |depth, commits| {
            // Without an answer in time the question stays open, which is no reason to fail.
            let fetched = self.fetch(git::NO_TREES, depth, commits);
            interrupt::check()?;
            anyhow::Ok(fetched.is_ok_and(|finished| finished.status.success()))
        };
        let marker = self.path.join(FILTERS);
        if !marker.is_file() {
            // One commit tells whether the remote leaves out the trees; only then more is asked for.
            let probe = &commits[..1];
            if !fetch(1, probe)? || self.ask(|path| git::has_tree(path, probe[0].0))?.is_some() {
                return Ok(false);
            }
            files::write(&marker, b"")?;
        }
        fetch(DEPTH, commits)
    }

    /// Fetches one commit with its tree, without the files in it.
    pub fn fetch_tree(&self, commit: &Commit) -> anyhow::Result<()> {
        self.fetch_without_files(commit, 1).map(drop)
    }

    /// Fetches so many commits of a branch with their trees, without files; whether the remote leaves those out. One that
    /// does not is asked for one commit and no more.
    pub fn fetch_trees(&self, tip: &Commit, depth: u32) -> anyhow::Result<bool> {
        let marker = self.path.join(FILTERS);
        if !marker.is_file() {
            if self.fetch_without_files(tip, 1)?.stderr.contains("filtering not recognized by server") {
                return Ok(false);
            }
            files::write(&marker, b"")?;
        }
        self.fetch_without_files(tip, depth)?;
        Ok(true)
    }

    /// How many commits to fetch, and at most: what was needed once is fetched at once from then on, so that it does not
    /// come again with every push.
    pub fn depths(&self) -> impl Iterator<Item = anyhow::Result<u32>> {
        let marker = self.path.join(DEEP);
        let deeper = move || files::write(&marker, b"").map(|()| DEPTHS[1]);
        let first = (!self.path.join(DEEP).is_file()).then_some(Ok(DEPTHS[0]));
        first.into_iter().chain(std::iter::once_with(deeper))
    }

    /// Whether the history that was fetched ends with a commit that has parents at the remote.
    pub fn is_cut_at(&self, commit: &Commit) -> anyhow::Result<bool> {
        let path = self.path.join("shallow");
        Ok(path.is_file() && fs_err::read_to_string(&path)?.lines().any(|line| line == commit.as_str()))
    }

    fn fetch_without_files(&self, commit: &Commit, depth: u32) -> anyhow::Result<Finished> {
        let finished = self.fetch(git::NO_FILES, depth, &[(commit, "tree")])?;
        if finished.status.success() {
            return Ok(finished);
        }
        if ["not our ref", "unadvertised object"].iter().any(|sign| finished.stderr.contains(sign)) {
            return Err(Failure::precondition(format!("{} does not serve commit {commit}", self.remote.url))
                .kept("nothing was changed")
                .hint("the branch was rewritten: build its tip with `cargo xtask rebuild`")
                .into());
        }
        Err(remotes::refusal(&finished, self.remote.url).into())
    }

    /// Whether it has so many packs that one fetch of everything is better.
    fn is_full(&self) -> bool {
        let files = fs_err::read_dir(self.path.join("objects/pack")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "pack")).count() >= PACKS
    }

    /// Fetches; what a killed run left half done is thrown away and made again, and so is what many fetches left.
    fn fetch(&self, filter: &str, depth: u32, commits: &[(&Commit, &str)]) -> anyhow::Result<Finished> {
        if self.is_full() {
            self.init(commits[0].0)?;
        }
        let Remote { ui, workspace, url } = self.remote;
        let line = git::fetch(&self.path, url, filter, depth, commits, &workspace.access);
        let mut finished = line.output(ui, DEADLINE)?;
        // Another run fetches the same meanwhile, so that the next try has little to do. A lock that stays was left by one
        // that was killed.
        let busy = ["cannot lock ref", "shallow file has changed", ".lock': File exists"];
        let started = Instant::now();
        while !finished.status.success()
            && busy.iter().any(|sign| finished.stderr.contains(sign))
            && started.elapsed() < BUSY
        {
            remotes::pause(Duration::from_millis(200))?;
            finished = line.output(ui, DEADLINE)?;
        }
        let broken = [".lock': File exists", "not a git repository", "bad object", "corrupt"];
        if !finished.status.success() && broken.iter().any(|sign| finished.stderr.contains(sign)) {
            self.init(commits[0].0)?;
            return line.output(ui, DEADLINE);
        }
        Ok(finished)
    }
}
