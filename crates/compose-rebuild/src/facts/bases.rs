//! What registries have under the names of base images, asked only on request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::Failure;
use crate::facts::registry;
use crate::project::Project;
use crate::project::edges::with_inputs;
use crate::sys::compose_files::Selection;
use crate::sys::files;
use crate::ui::Ui;
use crate::value::ImageRef;
use crate::value::time::Timestamp;

/// How long an answer counts, so that a timer does not use up a registry's quota.
const COUNTS_FOR: Duration = Duration::from_secs(300);

/// The digests of base images in their registries.
pub type Digests = BTreeMap<ImageRef, String>;

/// The digests of the base images of the services that were named, or of all, as the registries have them now; what is kept stays whatever becomes of its
/// base. Answers that are younger than five minutes are those of an earlier run.
pub fn ask(ui: &Ui, project: &Project, selection: Selection<'_>, now: Timestamp) -> anyhow::Result<Digests> {
    let services = with_inputs(project, selection.services).into_iter().map(|service| &project.services[service]);
    let wanted = services.filter(|built| !built.keep).flat_map(|built| project.bases_of(built));
    let wanted: BTreeSet<ImageRef> = wanted.collect();
    let mut known: BTreeMap<String, (String, Timestamp)> = files::recall("bases", selection.files).unwrap_or_default();
    known.retain(|_, (_, asked)| now.since(*asked) < COUNTS_FOR && *asked <= now);
    let open: Vec<_> = wanted.iter().filter(|name| !known.contains_key(&name.to_string())).cloned().collect();
    let answers = registry::inspect(ui, &open)?;
    if let Some(missing) = open.iter().find(|name| !answers.contains_key(*name)) {
        return Err(Failure::precondition(format!("no registry has the base image `{missing}`"))
            .kept("nothing was changed")
            .hint("`--pull` asks registries for newer base images; leave it out where they are only on this machine")
            .into());
    }
    known.extend(answers.into_iter().map(|(name, image)| (name.to_string(), (image.id, now))));
    if !open.is_empty() {
        files::remember("bases", selection.files, &known);
    }
    let digest = |name: ImageRef| Some((name.clone(), known.get(&name.to_string())?.0.clone()));
    Ok(wanted.into_iter().filter_map(digest).collect())
}
