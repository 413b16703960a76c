//! The override file: the only seam between a plan and Compose. JSON is YAML.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::plan::{LOCAL_STAGE, Plan};

/// What takes a list of the compose file away; JSON has no word for it, YAML has a tag.
const RESET: &str = "!reset []";

/// The override file of a plan; `local` is the directory that takes the place of [`LOCAL_STAGE`]. Without `cache` nothing is
/// exported there.
pub fn render(plan: &Plan, local: Option<&Utf8Path>, cache: bool) -> String {
    let services: Value = plan
        .builds()
        .map(|(service, build)| {
            let mut contexts = build.contexts.clone();
            if let Some(directory) = local.filter(|_| build.local) {
                contexts.insert(LOCAL_STAGE.to_owned(), directory.to_string());
            }
            let mut build_section = json!({
                "args": escaped(&build.args),
                "labels": escaped(&build.labels),
                "additional_contexts": escaped(&contexts),
            });
            // With `mode=max` the values of build arguments would be in it.
            if plan.attestations.provenance {
                build_section["provenance"] = "mode=min".into();
            }
            if plan.attestations.sbom {
                build_section["sbom"] = true.into();
            }
            if !cache {
                build_section["cache_to"] = json!(RESET);
            }
            (service.service.as_str(), json!({"image": escape(&build.staged.to_string()), "build": build_section}))
        })
        .collect();
    let text = format!("{:#}\n", json!({"services": services}));
    // No other value can be this one: images, arguments and labels are checked types or hexadecimal, names are keys.
    text.replace(&format!(r#""cache_to": "{RESET}""#), &format!(r#""cache_to": {RESET}"#))
}

fn escaped(map: &BTreeMap<String, String>) -> Value {
    map.iter().map(|(name, value)| (name.as_str(), escape(value))).collect()
}

/// Compose interpolates `$` in every string.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}
