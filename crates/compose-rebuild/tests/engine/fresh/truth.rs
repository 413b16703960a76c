//! What a plain build of Compose's own definition makes, without the tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Bench, Trial};
use crate::support::{World, text};

impl Bench {
    /// Pushes a change of a file.
    pub(super) fn push(&mut self, repository: usize, file: &str) {
        self.pushes += 1;
        let text = format!("{} {}\n", self.name, self.pushes);
        self.repository(repository).push_file(file, &text);
    }
}

impl Trial<'_> {
    /// The content of the images of these services, or of all, as a plain build makes them now. What cannot be built is
    /// another image, too.
    pub(super) fn truth(&mut self, services: Option<&BTreeSet<String>>) -> BTreeMap<String, Value> {
        let mut definition = self.definition();
        let world = &self.bench.world;
        let built = self.project.services.iter().filter(|service| !service.profile);
        let asked: Vec<_> = built.clone().filter(|one| services.is_none_or(|all| all.contains(&one.name))).collect();
        if asked.is_empty() {
            return BTreeMap::new();
        }
        for service in built {
            let target = &mut definition["target"][&service.name];
            target["tags"] = json!([world.throwaway(&service.name)]);
            for (image, other) in &service.images {
                target["contexts"][image.replace("NAME", &world.name)] = json!(format!("target:{other}"));
            }
            for (argument, repositories) in &service.busts {
                let tips: Vec<_> = repositories.iter().map(|number| self.bench.repository(*number).tip()).collect();
                target["args"][*argument] = json!(tips.join("-"));
            }
        }
        let names = asked.iter().map(|service| service.name.as_str());
        let outcome = world.bake(&definition, names.clone());
        match outcome {
            Ok(()) => world.contents(names),
            Err(error) => names.map(|name| (name.to_owned(), json!({"error": error}))).collect(),
        }
    }
}

impl Trial<'_> {
    /// What Compose would build, asked again when a file that it reads has changed.
    fn definition(&mut self) -> Value {
        let world = &self.bench.world;
        let files = ["compose.yml", ".env"].map(|name| fs::read_to_string(world.project().join(name)).unwrap());
        if self.definition.0 != files {
            self.definition = (files, serde_json::from_str(&world.compose(&["build", "--print"])).unwrap());
        }
        self.definition.1.clone()
    }
}

impl World {
    /// The tag of a plain build.
    fn throwaway(&self, service: &str) -> String {
        format!("{}/truth-{service}", self.name)
    }

    /// Builds targets of a definition, and nothing else happens.
    fn bake<'a>(&self, definition: &Value, targets: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut command = self.command("docker");
        command.args(["buildx", "bake", "--file", "-", "--progress", "quiet", "--allow", "fs=*"]).args(targets);
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1").env("BUILDX_GIT_INFO", "0");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(definition.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// What is in the images of a plain build: layers, platform and configuration.
    fn contents<'a>(&self, services: impl Iterator<Item = &'a str> + Clone) -> BTreeMap<String, Value> {
        let format = r#"{"layers":{{json .RootFS.Layers}},"os":{{json .Os}},"architecture":{{json .Architecture}},"config":{{json .Config}}}"#;
        let tags = services.clone().map(|service| self.throwaway(service));
        let lines = text(self.command("docker").args(["image", "inspect", "--format", format, "--"]).args(tags));
        services.zip(lines.lines()).map(|(name, line)| (name.to_owned(), serde_json::from_str(line).unwrap())).collect()
    }

    /// Goes on as another project in an empty directory.
    pub(super) fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        fs::remove_dir_all(self.project()).unwrap();
        fs::create_dir(self.project()).unwrap();
        self.manifest("");
    }

    /// Removes every image of the project.
    pub(super) fn remove_images(&self) {
        let filters = [format!("reference={}/*", self.name), format!("reference={}-*", self.name)];
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        let list =
            text(self.command("docker").args(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).args(filters));
        let _ = self.command("docker").args(["image", "rm", "--force"]).args(list.lines()).output().unwrap();
    }
}
