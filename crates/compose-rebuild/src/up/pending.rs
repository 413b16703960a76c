//! What a run is about to start, written down before tags move, so that the next run can finish what a killed one began.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::sys::files;
use crate::value::{ImageRef, ProjectName, Service, is_id};

/// Tags with the images that they had before, and services that are being started.
#[derive(Debug, PartialEq, Eq)]
pub struct Pending {
    path: Utf8PathBuf,
    /// Where tags were before, by the IDs of the images.
    pub before: BTreeMap<ImageRef, String>,
    /// Services that ran and are started from other images.
    pub services: BTreeSet<Service>,
}

impl Pending {
    /// Tags that may move in this run, and nothing started.
    pub fn new(state: &Utf8Path, project: &ProjectName, before: BTreeMap<ImageRef, String>) -> Self {
        Self { path: state.join(format!("up-{project}")), before, services: BTreeSet::new() }
    }

    /// What an earlier run did not finish. Anybody may have written the file: what does not fit is left out.
    pub fn left(state: &Utf8Path, project: &ProjectName) -> Option<Self> {
        let mut pending = Self::new(state, project, BTreeMap::new());
        let text = files::read(&pending.path, files::STATE_LIMIT).ok()?;
        for line in String::from_utf8_lossy(&text).lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["tag", name, id] if is_id(id) => {
                    drop(name.parse().map(|name| pending.before.insert(name, id.to_owned())))
                }
                ["service", name] => drop(name.parse().map(|name| pending.services.insert(name))),
                _ => {}
            }
        }
        Some(pending)
    }

    /// Writes it down.
    pub fn write(&self) -> anyhow::Result<()> {
        self.path.parent().map_or(Ok(()), files::create_directory)?;
        let tags = self.before.iter().map(|(name, id)| format!("tag {name} {id}\n"));
        let services = self.services.iter().map(|service| format!("service {service}\n"));
        files::write(&self.path, tags.chain(services).collect::<String>().as_bytes())
    }

    /// Forgets it: nothing is left to be finished.
    pub fn end(&self) {
        let _ = fs_err::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let directory = tempfile::tempdir().expect("temporary");
        let (state, project) = (Utf8Path::from_path(directory.path()).expect("UTF-8"), "p".parse().expect("name"));
        assert_eq!(Pending::left(state, &project), None);
        let id = format!("sha256:{}", "1".repeat(64));
        let mut pending = Pending::new(state, &project, [("a:1".parse().expect("name"), id)].into());
        pending.services.insert("web".parse().expect("name"));
        pending.write().expect("written");
        assert_eq!(Pending::left(state, &project).as_ref(), Some(&pending));
        let text = fs_err::read_to_string(&pending.path).expect("read");
        let hostile = "tag --x sha256:1\ntag b:1 --force\nservice --all\nservice $(id)\nremove x\n\0\u{1b}\n";
        fs_err::write(&pending.path, format!("{hostile}{text}{hostile}")).expect("written");
        assert_eq!(Pending::left(state, &project).as_ref(), Some(&pending));
        pending.end();
        assert_eq!(Pending::left(state, &project), None);
    }
}
