//! What a plain build of Compose's own definition makes, without the tool.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::draft::KIND;
use super::{BRANCH, Bench, Trial};

impl Bench {
    /// Pushes a change of a file.
    pub(super) fn push(&mut self, repository: usize, file: &str) {
        self.pushes += 1;
        let text = format!("{} {}\n", self.name, self.pushes);
        self.repository(repository).push_file(file, &text);
    }

    /// Lets another branch of both repositories point to this.
    pub(super) fn move_branch(&self, to: &str) {
        for number in 0..2 {
            self.repository(number).git(&["update-ref", &format!("refs/heads/{BRANCH}"), to]);
        }
    }
}

impl Bench {
    /// Makes two images, of which one may take the place of the other.
    pub(super) fn make_bases(&self) {
        for which in ["one", "two"] {
            let text = format!("FROM {}\nENV WHICH={which} BRANCH={BRANCH}\n", self.world.var("NODE_IMAGE"));
            self.world.file("base/Dockerfile", &text);
            let directory = self.world.project().join("base");
            self.world.docker(&["build", "--quiet", "--tag", &self.base(which), directory.to_str().unwrap()]);
        }
        self.move_base("one");
    }

    /// Lets the name of the base image stand for one of the two.
    pub(super) fn move_base(&self, which: &str) {
        self.world.docker(&["tag", &self.base(which), &self.base("latest")]);
    }

    /// The base image that may move.
    pub(super) fn base(&self, tag: &str) -> String {
        format!("{}/base:{tag}", self.name)
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
        let is_read = |name: &str, text: &str| name.ends_with("ml") || name.ends_with(".env") || text.starts_with(KIND);
        let mut files = self.written.clone();
        files.retain(|name, text| is_read(name, text));
        if self.definition.0 != files {
            self.definition = (files, serde_json::from_str(&world.compose(&["build", "--print"])).unwrap());
        }
        self.definition.1.clone()
    }
}
