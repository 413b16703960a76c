//! Command lines about containers that Compose keeps, and images that say something about versions.

use xshell::{Cmd, Shell, cmd};

use crate::value::{ImageRef, ProjectName};

/// The IDs of a project's containers that Compose keeps, running or not: those of `docker compose run` are none.
pub fn containers<'a>(sh: &'a Shell, project: &ProjectName) -> Cmd<'a> {
    let project = format!("label=com.docker.compose.project={project}");
    let kept = "label=com.docker.compose.oneoff=False";
    cmd!(sh, "docker ps --all --quiet --no-trunc --filter {project} --filter {kept}")
}

/// Makes an image without content that has these labels, whose values need no quotes.
pub fn mark<'a>(sh: &'a Shell, name: &ImageRef, labels: &[(&str, String)]) -> Cmd<'a> {
    let changes = labels.iter().flat_map(|(name, value)| ["--change".to_owned(), format!("LABEL {name}={value}")]);
    cmd!(sh, "docker image import").args(changes).args(["--", "/dev/null"]).arg(name.to_string())
}

/// A line for each image: its ID and what it takes on disk.
pub fn image_sizes<'a>(sh: &'a Shell) -> Cmd<'a> {
    cmd!(sh, "docker image ls --no-trunc --format").arg("{{.ID}} {{.Size}}")
}

/// The last lines that a container wrote, each to the stream where it was written.
pub fn logs<'a>(sh: &'a Shell, container: &str) -> Cmd<'a> {
    cmd!(sh, "docker logs --tail 20 --").arg(container)
}
