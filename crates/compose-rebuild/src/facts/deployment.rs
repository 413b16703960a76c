//! The version of a deployment whose services have none of their own, and what is to be said about one that nobody wrote down.

use camino::Utf8Path;
use semver::Version;

use crate::sys::git;
use crate::ui::Ui;
use crate::value::show;

/// A version of the deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub version: Version,
    /// Where it comes from if nobody wrote it down, and how to do that.
    pub doubt: Option<String>,
}

impl Deployment {
    /// A version that somebody wrote down.
    pub fn written(version: Version) -> Self {
        Self { version, doubt: None }
    }

    /// The version of the newest Git tag, else 0.0.0; `fix` says where to write one down.
    pub fn of_tags(ui: &Ui, directory: &Utf8Path, fix: &str) -> anyhow::Result<Self> {
        Ok(match newest(ui, directory, fix)? {
            Ok((version, tag)) => {
                let doubt = format!("the version {version} is that of the newest Git tag {}; {fix}", show(&tag));
                Self { version, doubt: Some(doubt) }
            }
            Err(why) => Self { version: Version::new(0, 0, 0), doubt: Some(format!("the version is 0.0.0: {why}")) },
        })
    }
}

/// The version of the newest tag and that tag, or why there is none.
fn newest(ui: &Ui, directory: &Utf8Path, fix: &str) -> anyhow::Result<Result<(Version, String), String>> {
    let described = git::describe(directory).output(ui, git::DEADLINE)?;
    if described.status.success() {
        let tag = described.text().trim().to_owned();
        let version = tag.trim_start_matches('v').parse();
        return Ok(match version {
            Ok(version) => Ok((version, tag)),
            Err(_) => Err(format!("the newest Git tag {} is no version such as `v1.2.3`; {fix}", show(&tag))),
        });
    }
    if described.stderr.contains("dubious ownership") {
        // The last line is the command that git proposes.
        let command = described.last_error();
        return Ok(Err(format!("git reads no tag of a repository that another user owns; run `{command}`, or {fix}")));
    }
    let shallow = git::is_shallow_checkout(directory).output(ui, git::DEADLINE)?;
    if shallow.text().trim() == "true" {
        let fetch = "run `git fetch --unshallow --tags` (in GitHub Actions `fetch-depth: 0` of the checkout)";
        return Ok(Err(format!("this clone is shallow and has no tag; {fetch}, or {fix}")));
    }
    Ok(Err(format!("no Git tag such as `v1.2.3` says another; {fix}")))
}
