//! What is in an image: its labels, its version file and its source files, read without running anything of it.

pub mod compare;
pub mod deep;
mod exported;
mod opened;
pub mod skip;
pub mod verdict;

use camino::Utf8Path;

use crate::build::digests::Digests;
use crate::error::Failure;
use crate::facts::image::{Image, Store};
use crate::plan::{Build, Plan, ServicePlan};
use crate::sys::threads::{at_once, both};
use crate::ui::Ui;
use crate::value::Builder;
pub use opened::Opened;

/// A built image that holds what was planned.
#[derive(Debug)]
pub struct Verified<'a> {
    pub service: &'a ServicePlan,
    /// How it was built.
    pub build: &'a Build,
    pub image: Image,
}

/// What a verification found, with what it needed to find it.
#[derive(Debug)]
pub struct Verification<'a> {
    /// The images, all of which passed.
    pub images: Vec<Verified<'a>>,
    /// The containers; dropping them takes a moment.
    pub opened: Opened<'a>,
}

/// Where staged images are, and who can read them.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where they are.
    pub store: Store,
    /// The builder that made them, the current one when none is named.
    pub builder: Option<&'a Builder>,
    /// A directory for what a builder is sent.
    pub state: &'a Utf8Path,
}

/// Checks every staged image of a plan; only what passed may be promoted.
///
/// # Errors
/// Exit code 1 when an image does not hold what was planned, 3 when it is missing or the engine does not answer.
pub fn staged<'a>(ui: &'a Ui, plan: &'a Plan, place: Place<'_>, digests: &Digests) -> anyhow::Result<Verification<'a>> {
    let in_engine = |build: &&Build| place.store == Store::Engine && build.version_file.is_some();
    let with_file: Vec<_> =
        plan.builds().map(|(_, build)| build).filter(in_engine).map(|build| &build.staged).collect();
    let wanted: Vec<_> = plan.builds().map(|(_, build)| build.staged.clone()).collect();
    let open = || Opened::new(ui, &plan.project, &with_file);
    let (opened, images) = both(open, || place.store.inspect(ui, &wanted));
    let (opened, images) = (opened?, images?);
    let verify = |service: &'a ServicePlan, build: &'a Build| {
        let image = images.get(&build.staged).ok_or_else(|| {
            Failure::precondition(format!("the build of `{}` left no image", service.service))
                .kept("every tag is where it was")
                .hint("run it again with `-v` to see the command")
        })?;
        if !digests.get(&service.service).is_some_and(|digest| digest.is_of(&image.id)) {
            return Err(Failure::precondition(format!("`{}` is not the image that was just built", build.staged))
                .kept("every tag is where it was")
                .hint("something else moves the same tags, or buildx wrote no metadata; run it again with `-v`")
                .into());
        }
        check_labels(service, build, image)?;
        if let Some(wanted) = &build.version_file {
            let found = match place.store {
                Store::Engine => opened.read(&build.staged, image, &wanted.path)?,
                Store::Registry => {
                    let directory = place.state.join(&build.staged.tag);
                    exported::read(ui, place.builder, &directory, &build.staged, image, &wanted.path)?
                }
            };
            if found.as_ref() != Some(&wanted.content) {
                let found = found.as_deref().unwrap_or("nothing");
                return Err(mismatch(service, &format!("`{}`", wanted.path), &wanted.content, found).into());
            }
        }
        anyhow::Ok(Verified { service, build, image: image.clone() })
    };
    let images = at_once(plan.builds(), |(service, build)| verify(service, build));
    Ok(Verification { images: images.into_iter().collect::<anyhow::Result<_>>()?, opened })
}

fn check_labels(service: &ServicePlan, build: &Build, image: &Image) -> Result<(), Failure> {
    for (name, wanted) in &build.labels {
        let found = image.label(name);
        if found.unwrap_or_default() != wanted {
            return Err(mismatch(service, &format!("label `{name}`"), wanted, found.unwrap_or("nothing")));
        }
    }
    Ok(())
}

fn mismatch(service: &ServicePlan, what: &str, wanted: &str, found: &str) -> Failure {
    Failure::no(format!(
        "the image built for `{}` holds the wrong code: {what} is `{found}` instead of `{wanted}`",
        service.service
    ))
    .kept("every tag is where it was")
    .hint("the Dockerfile must build exactly the commit that it is given; see `version-file` in docs/configuration.md")
}
