//! Writing down which versions are bad, where every checkout that deploys to the same engine sees it.

use std::time::Duration;

use crate::facts::image::Store;
use crate::plan::hold::{self, Bad};
use crate::project::{Project, key};
use crate::sys::docker;
use crate::ui::Ui;
use crate::value::{Service, label};

/// Adds a version to the bad ones of a service.
pub fn add(ui: &Ui, project: &Project, service: &Service, bad: Bad) -> anyhow::Result<()> {
    change(ui, project, service, |all| {
        all.retain(|one| one.key != bad.key);
        all.insert(0, bad);
    })
}

/// Takes the version with this key from the bad ones of a service.
pub fn remove(ui: &Ui, project: &Project, service: &Service, key: &str) -> anyhow::Result<()> {
    change(ui, project, service, |all| all.retain(|one| one.key != key))
}

fn change(ui: &Ui, project: &Project, service: &Service, change: impl FnOnce(&mut Vec<Bad>)) -> anyhow::Result<()> {
    let name = key::mark(project, service)?;
    let before = hold::known(&Store::Engine.inspect(ui, std::slice::from_ref(&name))?, project, service);
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
    docker::mark(&name, &labels).ask(ui, Duration::from_secs(60))?;
    Ok(())
}
