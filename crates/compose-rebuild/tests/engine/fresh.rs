//! "Up to date" is never wrong: made-up projects are changed in one place each, and what the tool says is compared with
//! what a plain `docker buildx bake` of Compose's own definition makes.
//!
//! `RANDOM_PROJECTS` is how many projects are tried, `RANDOM_SEED` which ones, and `RANDOM_FIRST` the first of them.

mod draft;
mod figures;
mod generate;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use std::{fs, thread};

use serde_json::Value;

use crate::support::{Random, World, number};
use draft::KIND;
use figures::Figures;
use generate::Project;

/// Projects at the same time: most of their time they wait for the engine.
const WORKERS: usize = 3;

/// Another branch of the repositories, whose name looks like a commit.
const BRANCH: &str = "20240101";

/// Changes of the files of one project.
const CHANGES: usize = 5;

#[test]
fn whenever_buildkit_makes_another_image_the_tool_did_not_say_fresh() {
    let (seed, first) = (number("RANDOM_SEED", 1), number("RANDOM_FIRST", 0));
    let next = AtomicUsize::new(first);
    let end = first + number("RANDOM_PROJECTS", 20);
    let figures = Mutex::new(Figures::default());
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(end - first) {
            scope.spawn(|| {
                let mut bench = Bench::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= end {
                        break;
                    }
                    let figures_of_one = bench.project(seed, index);
                    figures.lock().unwrap().add(figures_of_one);
                }
            });
        }
    });
    figures.into_inner().unwrap().finish();
}

/// A place to try one project after the other, with repositories to push to.
struct Bench {
    world: World,
    other: World,
    name: String,
    pushes: usize,
}

impl Bench {
    fn new() -> Self {
        let (world, other) = (World::new(), World::new());
        let name = world.name.clone();
        let mut bench = Self { world, other, name, pushes: 0 };
        bench.make_bases();
        (0..2).for_each(|repository| bench.push(repository, "README.md"));
        bench
    }

    /// The repository of this number.
    fn repository(&self, number: usize) -> &World {
        if number == 0 { &self.world } else { &self.other }
    }

    /// Tries one project.
    fn project(&mut self, seed: usize, index: usize) -> Figures {
        let mut random = Random::new((seed * 1_000_003 + index) as u64);
        let project = generate::project(&mut random);
        self.world.begin(&format!("{}p{index}", self.name));
        self.move_branch("refs/heads/main~1");
        let mut trial = Trial {
            bench: self,
            project,
            seed,
            index,
            figures: Figures::default(),
            before: BTreeMap::new(),
            written: BTreeMap::new(),
            definition: Default::default(),
        };
        trial.write(None);
        if trial.rebuild("at first") {
            trial.before = trial.truth(None);
            trial.changes(&mut random);
        }
        let figures = trial.figures;
        self.world.remove_images();
        figures
    }
}

/// Makes a file of what a draft says.
fn put(world: &World, name: &str, text: &str) {
    let special = text.strip_prefix(KIND).and_then(|rest| rest.split_once(':'));
    let ((kind, text), path) = (special.unwrap_or(("", text)), world.project().join(name));
    match kind {
        "link" => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(text, path).unwrap();
        }
        "directory" => fs::create_dir_all(path).unwrap(),
        "crlf" => world.file(name, &text.replace('\n', "\r\n")),
        _ => world.file(name, text),
    }
    match kind {
        "executable" => fs::set_permissions(world.project().join(name), PermissionsExt::from_mode(0o755)).unwrap(),
        "old" => fs::File::open(world.project().join(name)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap(),
        _ => {}
    }
}

/// One project, built once, and what happens to it.
struct Trial<'a> {
    bench: &'a mut Bench,
    project: Project,
    seed: usize,
    index: usize,
    figures: Figures,
    /// What a plain build made of it before any change.
    before: BTreeMap<String, Value>,
    /// The files as they are now.
    written: BTreeMap<String, String>,
    /// What Compose said last that it would build, with the files that it had read.
    definition: (BTreeMap<String, String>, Value),
}

impl Trial<'_> {
    /// Writes the files, as they are with the second text at one place.
    fn write(&mut self, place: Option<usize>) {
        let world = &self.bench.world;
        let mut files = self.project.draft.render(place);
        for text in files.values_mut() {
            let named = (0..2).fold(text.clone(), |text, number| {
                text.replace(&format!("REPO{number}"), self.bench.repository(number).var("GITHUB_REPO"))
            });
            let named = named.replace("NAME", &world.name).replace("BASE_IMAGE", world.var("NODE_IMAGE"));
            *text = named.replace("OWN_BASE", &self.bench.base("latest"));
        }
        for (name, text) in self.written.iter().filter(|(name, text)| files.get(*name) != Some(text)) {
            let path = world.project().join(name);
            let is_directory = text.starts_with(KIND) && path.is_dir() && !path.is_symlink();
            if is_directory { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
        }
        for (name, text) in files.iter().filter(|(name, text)| self.written.get(*name) != Some(text)) {
            put(world, name, text);
        }
        self.written = files;
    }

    /// Brings everything up to date; whether the tool did it.
    fn rebuild(&mut self, when: &str) -> bool {
        let outcome = self.bench.world.xtask(["rebuild"]);
        let done = outcome.code == Some(0);
        if !done {
            let truth = self.truth(None);
            let broken = truth.iter().find_map(|(name, content)| Some((name, content.get("error")?)));
            assert!(broken.is_none(), "{}: nobody can build this: {broken:?}\n{}", self.place(), self.files(None));
            self.figures.refused.push(format!("{}, {when}: {outcome}\n{}", self.place(), self.files(None)));
        }
        done
    }

    fn changes(&mut self, random: &mut Random) {
        self.figures.projects += 1;
        self.judge("=nothing", None);
        let mut open = self.project.draft.used();
        let (harmless, mut others): (Vec<_>, Vec<_>) =
            open.drain(..).partition(|place| self.project.draft.places[*place].kind.starts_with('='));
        let mut chosen = vec![harmless[random.below(harmless.len())]];
        while chosen.len() < CHANGES && !others.is_empty() {
            chosen.push(others.swap_remove(random.below(others.len())));
        }
        for place in chosen {
            self.write(Some(place));
            self.judge(self.project.draft.places[place].kind, Some(place));
            self.write(None);
        }
        if self.files(None).contains("OWN_BASE") {
            self.bench.move_base("two");
            self.judge("base image", None);
            self.bench.move_base("one");
        }
        self.bench.move_branch("refs/heads/main");
        self.judge("push to another branch", None);
        self.bench.move_branch("refs/heads/main~1");
        let repository = random.below(2);
        self.bench.push(repository, random.of(&["README.md", "backend/revision.py", "frontend/src/index.html"]));
        self.judge("push", None);
        if random.chance(30) && self.rebuild("after a push") {
            self.before = self.truth(None);
            self.judge("=nothing", None);
        }
    }

    /// Compares what the tool says with what a plain build makes.
    fn judge(&mut self, kind: &'static str, place: Option<usize>) {
        let outcome = self.bench.world.xtask(["plan", "--message-format", "json"]);
        if outcome.code != Some(0) {
            let line = format!("{}, after a change of {kind}: {outcome}\n{}", self.place(), self.files(place));
            return self.figures.refused.push(line);
        }
        let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let services = plan["services"].as_array().unwrap();
        let of = |name: &str| services.iter().find(|one| one["service"] == name).unwrap_or(&Value::Null);
        // A service may have the image of another one.
        let said = |name: &str| of(name)["action"]["shared"].as_str().map_or_else(|| of(name), of);
        let built: Vec<_> = self.project.services.iter().filter(|service| !service.profile).cloned().collect();
        let fresh: BTreeSet<String> =
            built.iter().map(|service| service.name.clone()).filter(|name| said(name)["action"] == "fresh").collect();
        // The whole truth is asked for of every fifth project alone: an image that the tool builds cannot be wrong.
        let asked = if self.index.is_multiple_of(5) {
            built.iter().map(|one| one.name.clone()).collect()
        } else {
            fresh.clone()
        };
        let after = if kind == "=nothing" { self.before.clone() } else { self.truth(Some(&asked)) };
        for service in &built {
            let name = &service.name;
            let is_other = after.get(name).map(|after| *after != self.before[name]);
            let says_fresh = fresh.contains(name);
            self.figures.count(kind, says_fresh, is_other, service.unknowable);
            if says_fresh && is_other == Some(true) && self.is_certain(name, place, &after[name]) {
                let (before, after) = (&self.before[name], &after[name]);
                let line = format!(
                    "{}: `{name}` is not fresh after a change of {kind}: before {before}, after {after}\n--- the tool: \
                     {:#}\n--- before:\n{}\n--- after:\n{}",
                    self.place(),
                    said(name),
                    self.files(None),
                    self.files(place)
                );
                self.figures.wrong.push(line);
            }
            if !says_fresh && !service.unknowable && kind.starts_with('=') {
                let line = format!("{}: `{name}` after {kind}: {:#}\n{}", self.place(), said(name), self.files(place));
                self.figures.timid.push(line);
            }
        }
    }

    /// Whether both builds make the same images again: a cache that forgot something would look like a change.
    fn is_certain(&mut self, name: &str, place: Option<usize>, after: &Value) -> bool {
        let one = BTreeSet::from([name.to_owned()]);
        let again = self.truth(Some(&one)).get(name) == Some(after);
        let Some(place) = place else { return again };
        self.write(None);
        let before = self.truth(Some(&one)).get(name) == Some(&self.before[name]);
        self.write(Some(place));
        again && before
    }

    /// What it takes to try this project alone.
    fn place(&self) -> String {
        format!("RANDOM_SEED={} RANDOM_FIRST={} RANDOM_PROJECTS=1", self.seed, self.index)
    }

    fn files(&self, place: Option<usize>) -> String {
        let all = self.project.draft.render(place);
        all.iter().map(|(name, text)| format!("--- {name}\n{}", text.replace(KIND, "kind "))).collect()
    }
}
