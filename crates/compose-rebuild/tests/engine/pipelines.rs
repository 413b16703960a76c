//! What GitHub and GitLab say of the pipelines: the schemas that both publish, from a package that carries them along.

use std::path::Path;

use crate::support::{World, text};

/// Pinned, because it brings the schemas.
const CHECKER: &str = "check-jsonschema==0.39.0";

#[test]
fn the_pipelines_are_what_github_and_gitlab_read() {
    let world = World::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let script = format!(
        "python3 -m venv /checker && /checker/bin/pip install --quiet {CHECKER}
        check() {{ /checker/bin/check-jsonschema --builtin-schema \"vendor.$@\"; }}
        check github-workflows /repository/.github/workflows/*.yml
        check github-actions /repository/.github/actions/*/action.yml
        check dependabot /repository/.github/dependabot.yml
        check gitlab-ci /repository/ci/gitlab.yml
        sed 's/runs-on:/run-on:/' /repository/.github/workflows/check.yml > /wrong.yml
        ! check github-workflows /wrong.yml > /said || exit 9
        sed 's/script:/scripts: 1/' /repository/ci/gitlab.yml > /wrong.yml
        ! check gitlab-ci /wrong.yml >> /said || exit 9
        echo both wrong ones were refused"
    );
    let mut docker = world.command("docker");
    docker.args(["run", "--rm", "--volume", &format!("{}:/repository:ro", root.display())]);
    let said = text(docker.args([world.var("PYTHON_IMAGE"), "sh", "-euc", &script]));
    assert!(said.ends_with("both wrong ones were refused"), "{said}");
}
