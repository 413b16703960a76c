//! What buildx says that it built: its metadata file, one entry a target.

use std::collections::HashMap;

use camino::Utf8Path;
use serde::Deserialize;

use crate::sys::files;
use crate::value::Service;

/// The digests of the image of one target.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Digest {
    /// That of the manifest, or of the index around it.
    #[serde(rename = "containerimage.digest")]
    manifest: Option<String>,
    /// That of the configuration, by which the classic image store knows an image.
    #[serde(rename = "containerimage.config.digest")]
    config: Option<String>,
}

impl Digest {
    /// Whether the image with this ID is the one that was built.
    pub fn is_of(&self, id: &str) -> bool {
        [&self.manifest, &self.config].into_iter().flatten().any(|digest| digest == id)
    }
}

/// The digests of what was built, by the services of the images.
pub type Digests = HashMap<Service, Digest>;

/// Reads a metadata file; one that is missing or garbled speaks of no target.
pub(super) fn read(path: &Utf8Path) -> HashMap<String, Digest> {
    let text = files::read(path, files::STATE_LIMIT).unwrap_or_default();
    let entries: HashMap<String, serde_json::Value> = serde_json::from_slice(&text).unwrap_or_default();
    entries.into_iter().filter_map(|(target, entry)| Some((target, Digest::deserialize(entry).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_either_digest() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let text = r#"{"a": {"containerimage.digest": "m", "containerimage.config.digest": "c"},
            "buildx.build.warnings": [{}]}"#;
        std::fs::write(file.path(), text).expect("written");
        let digests = read(Utf8Path::from_path(file.path()).expect("UTF-8"));
        assert_eq!(digests.len(), 1);
        assert!(digests["a"].is_of("m") && digests["a"].is_of("c") && !digests["a"].is_of("x"));
        assert!(read(Utf8Path::new("/nowhere")).is_empty());
    }
}
