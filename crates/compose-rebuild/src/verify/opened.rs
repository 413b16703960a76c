//! Images that are open for reading: containers that are created and never started.

use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use camino::Utf8Path;

use crate::error::Failure;
use crate::facts::image::Image;
use crate::sys::docker;
use crate::sys::process::{self, Finished};
use crate::sys::threads::at_once;
use crate::ui::Ui;
use crate::value::{ImageRef, ProjectName};

/// Most bytes that a version file may have.
const VERSION_LIMIT: u64 = 256;
/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long the engine may take for a directory, which may hold gigabytes.
const ARCHIVE_DEADLINE: Duration = Duration::from_secs(600);

/// Images whose files can be read. None is ever run: containers are created, files copied out, and dropping this removes
/// the containers.
#[derive(Debug)]
pub struct Opened<'a> {
    ui: &'a Ui,
    containers: Vec<(&'a ImageRef, String)>,
}

impl<'a> Opened<'a> {
    /// Creates a container of each image, all at the same time.
    pub fn new(ui: &'a Ui, project: &ProjectName, images: &[&'a ImageRef]) -> anyhow::Result<Self> {
        // The names are ours, so that a container goes even when nobody waited for the engine to say that it is there.
        let run = RandomState::new().build_hasher().finish();
        let name = |(number, &image): (usize, &&'a ImageRef)| (image, format!("xtask-verify-{run:016x}-{number}"));
        let opened = Self { ui, containers: images.iter().enumerate().map(name).collect() };
        let create =
            |(image, name): &(&ImageRef, String)| docker::create(name, image, project).ask(ui, DEADLINE).map(drop);
        at_once(&opened.containers, create).into_iter().collect::<anyhow::Result<()>>()?;
        Ok(opened)
    }

    fn container(&self, name: &ImageRef) -> Option<&str> {
        self.containers.iter().find(|(image, _)| *image == name).map(|(_, container)| container.as_str())
    }

    /// The content of a short file, or nothing when there is no such file; `path` starts at the working directory of
    /// the image.
    ///
    /// # Errors
    /// Exit code 1 for something else than a short regular file, 3 when the engine does not answer.
    pub fn read(&self, name: &ImageRef, image: &Image, path: &str) -> anyhow::Result<Option<String>> {
        let Some(container) = self.container(name) else { return Ok(None) };
        let path = Utf8Path::new(&image.working_directory).join(path);
        let copied = docker::copy_file(container, path.as_str()).output(self.ui, DEADLINE)?;
        // What was so long that it was not read to its end is refused for that, however the engine took it.
        if copied.status.success() || copied.stdout.len() as u64 == process::OUTPUT_LIMIT {
            return Ok(Some(only_file(&copied.stdout, path.as_str())?));
        }
        if is_absent(&copied) {
            return Ok(None);
        }
        Err(docker::failure(&copied).into())
    }

    /// What `take` makes of a file or directory of an image, which it reads as a tar archive while that comes; nothing
    /// when it is not there. `path` starts at the working directory of the image.
    pub fn archive<T: Send + 'static>(
        &self,
        name: &ImageRef,
        image: &Image,
        path: &OsStr,
        take: impl FnOnce(&mut dyn Read) -> T + Send + 'static,
    ) -> anyhow::Result<Option<T>> {
        let Some(container) = self.container(name) else { return Ok(None) };
        let path = Path::new(&image.working_directory).join(path);
        let (copied, taken) = process::read(self.ui, &docker::copy_out(container, path), ARCHIVE_DEADLINE, take)?;
        match (copied.status.success(), taken) {
            (true, Some(taken)) => Ok(Some(taken)),
            (true, None) => Err(Failure::precondition("the engine's answer is cut").hint("run it again").into()),
            (false, _) if is_absent(&copied) => Ok(None),
            (false, _) => Err(docker::failure(&copied).into()),
        }
    }
}

/// Whether a copy failed because there is nothing to copy.
fn is_absent(copied: &Finished) -> bool {
    copied.stderr.contains("Could not find the file") || copied.stderr.contains("no such file")
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        let containers: Vec<_> = self.containers.iter().map(|(_, container)| container.clone()).collect();
        if !containers.is_empty() {
            // What cannot be removed now, the next run removes by its label.
            let _ = docker::remove_containers(&containers).cleanup(self.ui);
        }
    }
}

/// The text of the one regular file in a tar archive.
pub(super) fn only_file(archive: &[u8], path: &str) -> Result<String, Failure> {
    let refuse = |why: &str| {
        Failure::no(format!("`{path}` in the image {why}"))
            .hint("it must be a regular file that holds the commit and nothing else")
    };
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().map_err(|_| refuse("cannot be read"))?;
    let mut entry = entries.next().and_then(Result::ok).ok_or_else(|| refuse("cannot be read"))?;
    if !entry.header().entry_type().is_file() {
        return Err(refuse("is a link or a directory"));
    }
    if entry.size() > VERSION_LIMIT {
        return Err(refuse("is too long"));
    }
    let mut text = String::new();
    entry.read_to_string(&mut text).map_err(|_| refuse("is not text"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_path("version.txt").expect("path");
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        if kind.is_symlink() {
            header.set_link_name("/etc/passwd").expect("link");
        }
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, content).expect("append");
        builder.into_inner().expect("archive")
    }

    #[test]
    fn only_a_short_regular_file_counts() {
        let read = |kind, content: &[u8]| only_file(&archive(kind, content), "v").map_err(|failure| failure.code);
        assert_eq!(read(tar::EntryType::Regular, b"abc\n"), Ok("abc".to_owned()));
        assert_eq!(read(tar::EntryType::Regular, &[b'a'; 300]), Err(1));
        assert_eq!(read(tar::EntryType::Regular, b"\xff"), Err(1));
        assert_eq!(read(tar::EntryType::Symlink, b""), Err(1));
        assert_eq!(read(tar::EntryType::Directory, b""), Err(1));
        assert!(only_file(b"not a tar", "v").is_err());
    }
}
