//! Files of images that only a builder or a registry has: a build without any step exports them.

use std::time::Duration;

use camino::Utf8Path;

use super::opened::only_file;
use crate::error::Failure;
use crate::facts::image::Image;
use crate::sys::{docker, files};
use crate::ui::Ui;
use crate::value::{Builder, ImageRef};

/// How long a builder may take; it may have to fetch layers.
const DEADLINE: Duration = Duration::from_secs(600);

/// The content of a short file, or nothing when there is no such file; `path` starts at the working directory of the
/// image. `directory` is for what the builder is sent.
///
/// # Errors
/// Exit code 1 for something else than a short regular file, 3 when the builder does not answer.
pub(super) fn read(
    ui: &Ui,
    builder: Option<&Builder>,
    directory: &Utf8Path,
    name: &ImageRef,
    image: &Image,
    path: &str,
) -> anyhow::Result<Option<String>> {
    let path = Utf8Path::new(&image.working_directory).join(path);
    files::create_directory(directory)?;
    let from = serde_json::json!([path, "/file"]).to_string().replace('$', "\\$");
    files::write(&directory.join("Dockerfile"), format!("FROM scratch\nCOPY --from=image {from}\n").as_bytes())?;
    let exported = docker::export(builder, directory, name, &image.id).output(ui, DEADLINE)?;
    let _ = fs_err::remove_dir_all(directory);
    if exported.status.success() {
        return Ok(Some(only_file(&exported.stdout, path.as_str())?));
    }
    if exported.stderr.contains("not found") && exported.stderr.contains("calculate checksum of ref") {
        return Ok(None);
    }
    let failure = Failure::precondition(format!("the builder cannot read `{name}`: {}", exported.last_error()));
    Err(failure.kept("every tag is where it was").hint("run it again with `-v` to see the command").into())
}
