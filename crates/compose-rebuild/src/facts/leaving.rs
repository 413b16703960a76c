//! Files that base images copy into what is made from them (`ONBUILD COPY`): of an image that only a registry has nobody knows
//! this before BuildKit builds with it, and then loads a context that no instruction of the Dockerfile asks for.

use std::collections::BTreeSet;

use buildkit_report::events::Progress;
use camino::Utf8PathBuf;

use crate::project::Built;
use crate::sys::files;
use crate::value::Service;

/// The services that earlier builds on these compose files showed to be such.
pub fn read(compose_files: &[Utf8PathBuf]) -> BTreeSet<Service> {
    let names: Vec<String> = files::recall("onbuild", compose_files).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// Writes down what a build of these services showed, beside what is `known` of others.
pub fn remember(
    compose_files: &[Utf8PathBuf],
    known: &BTreeSet<Service>,
    built: &[(&Service, &Built)],
    progress: &Progress,
) {
    let loads = |target: &str| {
        let own = format!("[{target} internal] load build context");
        let is_its = |name: &str| name == own || built.len() == 1 && name == "[internal] load build context";
        progress.steps().iter().any(|step| is_its(&step.name))
    };
    let mut leaving = known.clone();
    for (service, built) in built {
        match !built.takes_files() && loads(&built.bake_target) {
            true => leaving.insert((*service).clone()),
            false => leaving.remove(*service),
        };
    }
    if leaving != *known {
        files::remember("onbuild", compose_files, &leaving);
    }
}
