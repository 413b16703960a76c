//! Plain builds, without the program under test, and what they make.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::{World, text};

impl World {
    /// The tag of a plain build.
    pub(crate) fn throwaway(&self, service: &str) -> String {
        format!("{}/truth-{service}", self.name)
    }

    /// Builds targets of a definition, and nothing else happens.
    pub(crate) fn bake<'a>(&self, definition: &Value, targets: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut command = self.command("docker");
        command.args(["buildx", "bake", "--file", "-", "--progress", "quiet", "--allow", "fs=*"]).args(targets);
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1").env("BUILDX_GIT_INFO", "0");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(definition.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// What is in the images of a plain build: layers, platform and configuration.
    pub(crate) fn contents<'a>(&self, services: impl Iterator<Item = &'a str> + Clone) -> BTreeMap<String, Value> {
        let format = r#"{"layers":{{json .RootFS.Layers}},"os":{{json .Os}},"architecture":{{json .Architecture}},"config":{{json .Config}}}"#;
        let tags = services.clone().map(|service| self.throwaway(service));
        let lines = text(self.command("docker").args(["image", "inspect", "--format", format, "--"]).args(tags));
        services.zip(lines.lines()).map(|(name, line)| (name.to_owned(), serde_json::from_str(line).unwrap())).collect()
    }

    /// Goes on as another project in an empty directory.
    pub(crate) fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        fs::remove_dir_all(self.project()).unwrap();
        fs::create_dir(self.project()).unwrap();
        self.manifest("");
    }

    /// Removes every image of the project.
    pub(crate) fn remove_images(&self) {
        let filters = [format!("reference={}/*", self.name), format!("reference={}-*", self.name)];
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let list =
            text(self.command("docker").args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).args(filters));
        let _ = self.command("docker").args(["image", "rm", "--force"]).args(list.lines()).output().unwrap();
    }
}
