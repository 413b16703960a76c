//! What a builder can do; drivers differ.

use std::time::Duration;

use crate::error::Failure;
use crate::sys::docker;
use crate::ui::Ui;
use crate::value;

/// How long builder and engine may take for one answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A builder of buildx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    pub name: String,
    /// The driver: docker, docker-container, remote, kubernetes or cloud.
    pub driver: String,
}

impl Builder {
    /// Whether it is the engine's own: it sees the engine's images, and what it builds is one of them.
    pub fn is_the_engine(&self) -> bool {
        self.driver == "docker"
    }
}

/// Asks for a builder, the current one when none is named.
pub fn ask(ui: &Ui, name: Option<&value::Builder>) -> anyhow::Result<Builder> {
    let finished = docker::builder_inspect(name).output(ui, DEADLINE)?;
    if !finished.status.success() {
        return Err(Failure::precondition(format!("the builder cannot be inspected: {}", finished.last_error()))
            .kept("nothing was changed")
            .hint("`docker buildx ls` lists the builders; name one with `--builder NAME` or BUILDX_BUILDER")
            .into());
    }
    let text = finished.text();
    Ok(Builder { name: field(&text, "Name").to_owned(), driver: field(&text, "Driver").to_owned() })
}

/// Whether a build on this builder can write its cache to a registry: every driver can, but the engine's own only with
/// containerd's image store.
pub fn exports_cache(ui: &Ui, builder: &Builder) -> anyhow::Result<bool> {
    Ok(!builder.is_the_engine() || has_containerd_store(ui)?)
}

/// Whether the engine keeps images in containerd's store.
pub fn has_containerd_store(ui: &Ui) -> anyhow::Result<bool> {
    Ok(docker::info().ask(ui, DEADLINE)?.contains("io.containerd.snapshotter"))
}

/// A field in what `docker buildx inspect` prints, empty when it is not there.
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_builder_and_not_of_its_nodes() {
        let text = "Name:          fleet\nDriver:        remote\n\nNodes:\nName:             fleet0\nDriver: x\n";
        assert_eq!((field(text, "Name"), field(text, "Driver"), field(text, "Error")), ("fleet", "remote", ""));
    }
}
