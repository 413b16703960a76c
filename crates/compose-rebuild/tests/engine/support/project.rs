//! Small projects, written file by file.

use std::fs;

use serde_json::Value;

use super::World;

impl World {
    /// A project of these files alone. In them `NAME` stands for the Compose project, `BASE_IMAGE` for an image with git, and
    /// `REPO` for the address of the upstream repository.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        for file in ["Dockerfile", "compose.yml"] {
            fs::remove_file(world.project().join(file)).unwrap();
        }
        world.manifest("");
        files.iter().for_each(|(name, text)| world.write(name, text));
        world
    }

    /// Writes a file of the project, with the names that [`World::of`] replaces.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let text = text.replace("NAME", &self.name).replace("BASE_IMAGE", self.var("NODE_IMAGE"));
        self.file(name, &text.replace("REPO", self.var("GITHUB_REPO")));
    }

    /// The name of an image of this world by its tag or by what follows the project's name.
    pub(crate) fn image(&self, rest: &str) -> String {
        format!("{}{rest}", self.name)
    }

    /// What the tool would do to a service: `fresh`, `reuse` or `build`.
    #[track_caller]
    pub(crate) fn planned(&self, service: &str) -> String {
        let plan = self.plan();
        let mut services = plan["services"].as_array().unwrap().iter();
        let found = services.find(|one| one["service"] == service).unwrap_or_else(|| panic!("{service}: {plan:#}"));
        match &found["action"] {
            Value::String(action) => action.clone(),
            action => action.as_object().unwrap().keys().next().unwrap().clone(),
        }
    }

    /// The plan as data.
    #[track_caller]
    pub(crate) fn plan(&self) -> Value {
        serde_json::from_str(&self.xtask(["plan", "--message-format", "json"]).ok().stdout).unwrap()
    }

    /// Every commit that the revision label of an image names.
    #[track_caller]
    pub(crate) fn revisions(&self, image: &str) -> Vec<String> {
        self.label(image, "org.opencontainers.image.revision").split(' ').map(str::to_owned).collect()
    }

    /// Fails when there is something to do, or when a rebuild that does nothing changes anything.
    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let state = self.state();
        self.rebuild();
        assert_eq!(self.state(), state, "nothing was pushed");
        self.assert_nothing_staged();
    }
}
