//! Writing down which versions are bad, where every machine that deploys from the same store sees it.

use std::time::Duration;

use crate::facts::image::Store;
use crate::plan::hold::{self, Bad};
use crate::project::{Project, key};
use crate::push;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{Service, label};

/// Adds a version to the bad ones of a service.
pub fn add(ui: &Ui, store: Store, project: &Project, service: &Service, bad: Bad) -> anyhow::Result<()> {
    change(ui, store, project, service, |all| {
        all.retain(|one| one.key != bad.key);
        all.insert(0, bad);
    })
}

/// Takes the version with this key from the bad ones of a service.
pub fn remove(ui: &Ui, store: Store, project: &Project, service: &Service, key: &str) -> anyhow::Result<()> {
    change(ui, store, project, service, |all| all.retain(|one| one.key != key))
}

fn change(
    ui: &Ui,
    store: Store,
    project: &Project,
    service: &Service,
    change: impl FnOnce(&mut Vec<Bad>),
) -> anyhow::Result<()> {
    let name = key::mark(project, service)?;
    let before = hold::known(&store.inspect(ui, std::slice::from_ref(&name))?, project, service);
    let mut all = before.clone();
    change(&mut all);
    if all == before {
        return Ok(());
    }
    let labels = [
        (label::PROJECT, project.name.to_string()),
        (label::SERVICE, service.to_string()),
        (label::BAD, hold::write(&all)),
    ];
    docker::ask(ui, Duration::from_secs(60), |sh| docker::mark(sh, &name, &labels))?;
    if store == Store::Registry {
        push::upload(ui, &name)?;
    }
    Ok(())
}
