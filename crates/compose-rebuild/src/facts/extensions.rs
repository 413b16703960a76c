//! The extension fields of services: Compose leaves them out of the project that it resolves, so that it has to read the files
//! a second time. What it says then depends on nothing but their text, and so counts until that changes.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::sys::files as own;
use crate::value::digest::sha256;

/// The field that is read.
const FIELD: &str = "x-rebuild";

/// This field of the services that have it, by their names; `ask` is Compose's answer without interpolation.
///
/// # Errors
/// Those of `ask`.
pub(super) fn read(files: &[Utf8PathBuf], ask: impl Fn() -> anyhow::Result<Value>) -> anyhow::Result<Value> {
    let texts: Vec<_> = files.iter().map(|file| fs_err::read_to_string(file).unwrap_or_default()).collect();
    let says = |word: &str| texts.iter().any(|text| text.contains(word));
    if says("include") || says("extends") {
        return Ok(fields(&ask()?));
    }
    if !says(FIELD) {
        return Ok(Value::Null);
    }
    let digest = sha256(texts.join("\0"));
    let path = own::kept_for(FIELD, files).ok();
    if let Some(known) = path.as_ref().and_then(|path| last(path, &digest)) {
        return Ok(known);
    }
    let fields = fields(&ask()?);
    if let Some(path) = path {
        // Without it the next run is only slower.
        let _ = own::write(&path, format!("{digest}{fields}").as_bytes());
    }
    Ok(fields)
}

/// The answer that is kept, when it is one about this text.
fn last(path: &Utf8Path, digest: &str) -> Option<Value> {
    serde_json::from_slice(fs_err::read(path).ok()?.strip_prefix(digest.as_bytes())?).ok()
}

/// The field of each service that has it: everything else may be of any size, and secret.
fn fields(project: &Value) -> Value {
    let services = project["services"].as_object().into_iter().flatten();
    services.filter_map(|(name, service)| Some((name.as_str(), service.get(FIELD)?.clone()))).collect()
}
