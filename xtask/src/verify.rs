//! What is in an image: its labels, and the version file, read without running anything of it.

use std::io::Read;
use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use xshell::Shell;

use crate::error::Failure;
use crate::facts::images::{self, Image};
use crate::facts::join;
use crate::plan::{Build, LABEL_CACHE_BUST, LABEL_KEY, LABEL_REVISION, Plan, ServicePlan};
use crate::sys::{docker, process};
use crate::ui::Ui;
use crate::value::ImageRef;

/// Most bytes that a version file may have.
const VERSION_LIMIT: u64 = 256;
/// How long the engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A built image that holds what was planned.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The service.
    pub service: &'a ServicePlan,
    /// How it was built.
    pub build: &'a Build,
    /// The image.
    pub image: Image,
}

/// Checks every staged image of a plan; only what passed may be promoted.
///
/// # Errors
/// Exit code 1 when an image does not hold what was planned, 3 when it is missing or the engine does not answer.
pub fn staged<'a>(ui: &Ui, plan: &'a Plan) -> anyhow::Result<Vec<Verified<'a>>> {
    let wanted: Vec<_> = plan.builds().map(|(_, build)| build.staged.clone()).collect();
    thread::scope(|scope| {
        let versions: Vec<_> = plan
            .builds()
            .map(|(_, build)| {
                scope.spawn(|| match &build.version_file {
                    Some(file) => read_version(ui, &plan.project, &build.staged, &file.path),
                    None => Ok(None),
                })
            })
            .collect();
        let images = images::inspect(ui, &wanted);
        let versions = versions.into_iter().map(join).collect::<Vec<_>>();
        let images = images?;
        let mut verified = Vec::new();
        for ((service, build), version) in plan.builds().zip(versions) {
            let image = images.get(&build.staged).ok_or_else(|| {
                Failure::precondition(format!("the build of `{}` left no image", service.service))
                    .kept("every tag is where it was")
                    .hint("run it again with `-v`; a builder that does not load images is not supported yet")
            })?;
            check_labels(service, build, image)?;
            check_version(service, build, version?)?;
            verified.push(Verified { service, build, image: image.clone() });
        }
        Ok(verified)
    })
}

fn check_labels(service: &ServicePlan, build: &Build, image: &Image) -> Result<(), Failure> {
    for name in [LABEL_KEY, LABEL_CACHE_BUST, LABEL_REVISION] {
        let (wanted, found) = (build.labels.get(name).map(String::as_str), image.label(name));
        if wanted != found && wanted.is_some() {
            return Err(mismatch(
                service,
                &format!("label `{name}`"),
                wanted.unwrap_or_default(),
                found.unwrap_or("nothing"),
            ));
        }
    }
    Ok(())
}

fn check_version(service: &ServicePlan, build: &Build, found: Option<String>) -> Result<(), Failure> {
    let Some(wanted) = &build.version_file else { return Ok(()) };
    match found {
        None if !wanted.required => Ok(()),
        Some(found) if found == wanted.content => Ok(()),
        found => Err(mismatch(
            service,
            &format!("`{}`", wanted.path),
            &wanted.content,
            found.as_deref().unwrap_or("nothing"),
        )),
    }
}

fn mismatch(service: &ServicePlan, what: &str, wanted: &str, found: &str) -> Failure {
    Failure::no(format!(
        "the image built for `{}` holds the wrong code: {what} is `{found}` instead of `{wanted}`",
        service.service
    ))
    .kept("every tag is where it was")
    .hint("the Dockerfile must build exactly the commit that it is given; see `version-file` in README.md")
}

/// The content of the version file of an image, or nothing when there is no such file. The image is never run: a container
/// is created, the file copied out, the container removed.
///
/// # Errors
/// Exit code 1 for something else than a short regular file, 3 when the engine does not answer.
pub fn read_version(ui: &Ui, project: &str, image: &ImageRef, path: &str) -> anyhow::Result<Option<String>> {
    let sh = Shell::new()?;
    let created = process::output(ui, docker::create(&sh, &image.to_string(), project), DEADLINE)?;
    if !created.status.success() {
        return Err(docker::failure(&created).into());
    }
    let container = String::from_utf8_lossy(&created.stdout).trim().to_owned();
    let directory = images::inspect(ui, std::slice::from_ref(image))?;
    let directory = directory.get(image).map_or("/", Image::working_directory).to_owned();
    let path = Utf8Path::new(&directory).join(path);
    let copied = process::output(ui, docker::copy_out(&sh, &container, path.as_str()), DEADLINE);
    let removed = process::output(ui, docker::remove_containers(&sh, &[container]), DEADLINE)?;
    if !removed.status.success() {
        ui.warning(&format!("a container that never ran could not be removed: {}", removed.last_error()));
    }
    let copied = copied?;
    if copied.status.success() {
        return Ok(Some(only_file(&copied.stdout, path.as_str())?));
    }
    if copied.stderr.contains("Could not find the file") || copied.stderr.contains("no such file") {
        return Ok(None);
    }
    Err(docker::failure(&copied).into())
}

/// The text of the one regular file in a tar archive.
fn only_file(archive: &[u8], path: &str) -> Result<String, Failure> {
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
