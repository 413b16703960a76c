//! The variables that lead a command to a sandbox.

use std::collections::BTreeMap;
use std::process::Command;

/// Names the directory of the sandbox, for a `cargo sandbox` inside it.
pub(crate) const DIR: &str = "SANDBOX_DIR";
/// Names the host of the registry, as it stands before the names of images.
pub(crate) const REGISTRY: &str = "SANDBOX_REGISTRY";

/// The variables that a sandbox exports.
const EXPORTED: &[&str] = &[
    DIR,
    REGISTRY,
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "GITHUB_BRANCH",
    "GITHUB_REPO",
    "HF_ENDPOINT",
    "MODEL_FILES",
    "MODEL_REPO",
    "MODEL_REVISION",
    "NODE_IMAGE",
    "PATH",
    "PYTHON_IMAGE",
    "RUNTIME_IMAGE",
    "RUNTIME_PACKAGES",
    "SANDBOX_ADDRESS",
];

/// The variables of the sandbox that this process runs in, while that exists.
pub(crate) fn inherited() -> Option<BTreeMap<String, String>> {
    let value = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    let env: BTreeMap<_, _> = EXPORTED.iter().filter_map(value).collect();
    std::path::Path::new(env.get(DIR)?).is_dir().then_some(env)
}

/// Removes what would lead Docker or a build elsewhere than to the sandbox.
pub(crate) fn remove_disturbing(command: &mut Command, private_engine: bool) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| is_disturbing(name, private_engine)) {
            command.env_remove(name);
        }
    }
}

/// With the machine's own engine, Docker's variables say where that is.
fn is_disturbing(name: &str, private_engine: bool) -> bool {
    matches!(name, "CACHE_BUST" | "GITHUB_COMMIT" | "WORKDIR" | "BUILDX_BUILDER" | "BUILDKIT_HOST")
        || name.starts_with("COMPOSE_")
        || (private_engine && name.starts_with("DOCKER_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_disturbing() {
        for name in ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "COMPOSE_FILE", "CACHE_BUST", "GITHUB_COMMIT"] {
            assert!(is_disturbing(name, true), "{name}");
        }
        assert!(!is_disturbing("HOME", true));
        assert!(!is_disturbing("DOCKER_CONTEXT", false));
    }
}
