//! The extension fields of services: Compose leaves them out of the project that it resolves, so that it has to read the files
//! a second time. What it says then depends on nothing but their text, and so counts until that changes.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::facts::early::kept_for;
use crate::sys::files as own;
use crate::value::digest::sha256;

/// The field that is read.
pub(super) const FIELD: &str = "x-rebuild";

/// The services of a project with this field alone, as JSON; `ask` is Compose's answer without interpolation.
///
/// # Errors
/// Those of `ask`.
pub(super) fn read(files: &[Utf8PathBuf], ask: impl FnOnce() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    let texts: Vec<_> = files.iter().map(|file| fs_err::read_to_string(file).unwrap_or_default()).collect();
    let says = |word: &str| texts.iter().any(|text| text.contains(word));
    if says("include") || says("extends") {
        return fields(&ask()?);
    }
    if !says(FIELD) {
        return Ok(b"{}".to_vec());
    }
    let digest = sha256(texts.join("\0"));
    let path = kept_for("extensions", files).ok();
    if let Some(known) = path.as_ref().and_then(|path| last(path, &digest)) {
        return Ok(known);
    }
    let fields = fields(&ask()?)?;
    if let Some(path) = path {
        // Without it the next run is only slower.
        let _ = own::write(&path, &[digest.as_bytes(), &fields].concat());
    }
    Ok(fields)
}

/// The answer that is kept, when it is one about this text.
fn last(path: &Utf8Path, digest: &str) -> Option<Vec<u8>> {
    fs_err::read(path).ok()?.strip_prefix(digest.as_bytes()).map(<[u8]>::to_vec)
}

/// Nothing but the field: everything else may be of any size, and secret.
fn fields(answer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut project: Value = serde_json::from_slice(answer)?;
    let mut services = project["services"].take();
    for service in services.as_object_mut().into_iter().flat_map(|services| services.values_mut()) {
        if let Some(fields) = service.as_object_mut() {
            fields.retain(|name, _| name == FIELD);
        }
    }
    let services = services.as_object().cloned().unwrap_or_default();
    Ok(serde_json::to_vec(&serde_json::json!({ "services": services }))?)
}
