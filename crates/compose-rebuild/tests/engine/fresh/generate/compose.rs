//! The compose file, and the files beside it.

use super::{Draft, Random, Recipe, Service, Shared};
use crate::fresh::draft::KIND;

/// The architecture of this machine, as Docker calls it.
const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

impl Recipe<'_> {
    /// A service that builds a stage of this Dockerfile, and its section without its name.
    pub(super) fn service(&mut self, number: usize) -> (Service, String) {
        let name = format!("s{number}");
        let last = self.stages.len() - 1;
        let target = self.random.below(self.stages.len() + 1);
        let closure = self.closure(target.min(last));
        let image = match self.random.chance(12) {
            true => format!("NAME-{name}"),
            false => format!("NAME/{name}"),
        };
        // One service at least is always built.
        let profile = self.random.chance(6) && number > 0;
        let mut keys = vec![self.context(), self.dockerfile()];
        if target <= last {
            let other = self.random.below(self.stages.len());
            keys.push(format!("target: {}", self.draft.place("target", format!("t{target}"), format!("t{other}"))));
        }
        keys.extend(self.arguments());
        if !self.contexts.is_empty() {
            let all = self.contexts.iter().map(|(name, value)| format!("        {name}: \"{value}\""));
            keys.push(format!("additional_contexts:\n{}", all.collect::<Vec<_>>().join("\n")));
        }
        if self.secret {
            keys.push(format!("secrets: [token{}]", self.number));
        }
        keys.extend(self.options(&name));
        let lines: Vec<_> = keys.iter().map(|key| format!("      {key}\n")).collect();
        let reversed: String = lines.iter().rev().map(String::as_str).collect();
        let build = self.draft.place("=order of keys", lines.concat(), reversed);
        let mut section = format!("    build:\n{build}");
        if !image.starts_with("NAME-") {
            section.insert_str(0, &format!("    image: {}\n", self.image_name(number, &image)));
            section += &self.extends(number);
        }
        if profile {
            section += "    profiles: [more]\n";
        }
        section += &format!("    environment: {{WHO: {}}}\n", self.draft.word("=environment of the container"));
        section += &self.draft.added("=command of the container", "    command: [sleep, inf]\n");
        section += &self.draft.added("platform", format!("    platform: linux/{ARCH}\n"));
        let (busts, images) = (closure.busts, closure.images);
        let unknowable = closure.unknowable;
        let (shell, triggers) = (closure.shell, closure.triggers);
        (Service { name, image, unknowable, busts, images, profile, shell, triggers }, section)
    }

    /// The image as the compose file names it, perhaps by a variable.
    fn image_name(&mut self, number: usize, image: &str) -> String {
        if !self.random.chance(20) {
            return image.to_owned();
        }
        let set = self.draft.added("=variable of the name of an image", format!("PREFIX{number}=NAME\n"));
        let tag = self.draft.added("variable of the tag of an image", format!("TAG{number}=other\n"));
        self.shared.environment += &(set + &tag);
        image.replace("NAME", &format!("${{PREFIX{number}:-NAME}}")) + &format!(":${{TAG{number}:-latest}}")
    }

    /// What a service takes from another one, of the same file or of another file.
    fn extends(&mut self, number: usize) -> String {
        let (file, text) = match self.random.below(8) {
            0 => {
                let platform = self.draft.added("platform of an extended service", format!(", platform: linux/{ARCH}"));
                ("", format!("{{image: BASE_IMAGE{platform}}}"))
            }
            1 => {
                let label = self.draft.word("label of an extended service");
                let arg = self.draft.word("=argument of an extended service that nothing takes");
                (
                    "file: base.yml, ",
                    format!("{{build: {{context: ., labels: {{ext: {label}}}, args: {{EXT: {arg}}}}}}}"),
                )
            }
            _ => return String::new(),
        };
        let name = format!("base{number}");
        *self.shared.extended.entry(file.to_owned()).or_default() += &format!("  {name}: {text}\n");
        format!("    extends: {{{file}service: {name}}}\n")
    }

    fn context(&mut self) -> String {
        match self.repository {
            Some(repository) => format!("context: \"REPO{repository}#main\""),
            None => format!("context: {}", self.draft.place("=spelling of the context", ".", "./")),
        }
    }

    /// The Dockerfile, in a file or as part of the compose file.
    fn dockerfile(&mut self) -> String {
        if self.repository.is_some() || self.random.chance(20) {
            let (name, text) = Draft::inline(self.number);
            self.draft.file(name, self.text.clone());
            return format!("dockerfile_inline: {text}");
        }
        let renamed = self.draft.added("=name of the Dockerfile", "-renamed");
        let name = format!("d{}{renamed}.Dockerfile", self.number);
        let how = match self.random.below(6) {
            0 => self.draft.added("line ends of the Dockerfile", format!("{KIND}crlf:")),
            1 => self.draft.added("byte order mark", "\u{feff}"),
            2 => self.draft.added("=time of the Dockerfile", format!("{KIND}old:")),
            _ => String::new(),
        };
        let mut text = how + &self.text;
        if self.random.chance(8) {
            let others = ["a", "b"].map(|which| format!("files/{which}{}.Dockerfile", self.number));
            self.draft.file(&others[0], text.clone());
            self.draft.file(&others[1], text + "\nLABEL other=one\n");
            text = format!("{KIND}link:{}", self.draft.place("target of a linked Dockerfile", &others[0], &others[1]));
        }
        self.draft.file(&name, text);
        if self.random.chance(20) {
            self.draft.file(format!("{name}.dockerignore"), self.ignored.clone());
        }
        format!("dockerfile: {name}")
    }

    /// The arguments, as a map or as a list.
    fn arguments(&mut self) -> Option<String> {
        let unused = self.draft.word("=argument that nothing takes");
        let mut all: Vec<_> = self.args.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        all.push(format!("UNUSED: {unused}"));
        all.push(format!("TRIGGER: {}", self.draft.word("argument of an image below")));
        let lines: Vec<_> = all.iter().map(|line| format!("        {line}")).collect();
        let reversed: Vec<_> = lines.iter().rev().cloned().collect();
        let lines = self.draft.place("=order of arguments", lines.join("\n"), reversed.join("\n"));
        Some(format!("args:\n{lines}"))
    }

    /// Keys of the build section that no instruction needs.
    fn options(&mut self, service: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for _ in 0..self.random.below(3) {
            let (name, one, other) = match self.random.below(7) {
                0 => ("labels", "{who: one}", "{who: two}"),
                1 => ("shm_size", "64mb", "65mb"),
                2 => ("ulimits", "{nofile: 1024}", "{nofile: 1025}"),
                3 => ("extra_hosts", "[\"one:10.0.0.1\"]", "[\"one:10.0.0.2\"]"),
                4 if !self.network => ("network", "none", "default"),
                4 => continue,
                5 => ("platforms", "[]", "[linux/ARCH]"),
                _ => {
                    keys.push(format!("tags: [\"NAME/{service}:more\"]"));
                    continue;
                }
            };
            let kind = match name {
                "labels" => "labels of the build section",
                _ => "option of the build section",
            };
            keys.push(format!("{name}: {}", self.draft.place(kind, one, other.replace("ARCH", ARCH))));
        }
        keys.sort();
        keys.dedup_by_key(|key| key.split(':').next().map(str::to_owned));
        keys
    }
}

/// Writes the compose file and the files that all services share.
pub(super) fn write(
    draft: &mut Draft,
    random: &mut Random,
    shared: &Shared,
    services: &[Service],
    sections: &[String],
) {
    let (mut named, mut included) = (Vec::new(), Vec::new());
    let includes = random.chance(20);
    for (service, section) in services.iter().zip(sections) {
        let text = format!("  {}:\n{section}", service.name);
        if includes && !named.is_empty() && !section.contains("{service:") && random.chance(60) {
            included.push(text)
        } else {
            named.push(text)
        }
    }
    let mut environment = shared.environment.clone();
    let mut include = String::new();
    if !included.is_empty() {
        let name = random.of(&["included.yml", "more/included.yml"]);
        draft.file(name, format!("services:\n{}", included.concat()));
        include = format!("include:\n  - path: {name}\n    project_directory: .\n");
        if random.chance(30) {
            include += "    env_file: included.env\n";
            draft.file("included.env", environment.clone());
        }
    }
    if random.chance(25) {
        let defaults = ["compose.override.yml", "docker-compose.override.yml", "compose.override.yaml", "more.yml"];
        let name = random.of(&defaults);
        let one = &services[random.below(services.len())];
        // Services with one image have one build section.
        let build = if services.iter().filter(|other| other.image == one.image).count() == 1 {
            let label = draft.word("label of another compose file");
            let argument = draft.word("=argument of another compose file that nothing takes");
            format!("{{args: {{OVER: {argument}}}, labels: {{over: {label}}}}}")
        } else {
            "{}".to_owned()
        };
        draft.file(name, format!("services:\n  {}:\n    build: {build}\n", one.name));
        environment += if name == "more.yml" { "COMPOSE_FILE=compose.yml:more.yml\n" } else { "" };
    }
    let reversed: String = named.iter().rev().map(String::as_str).collect();
    let all = draft.place("=order of services", named.concat(), reversed);
    let comment = draft.added("=comment of the compose file", "# a note\n");
    let extension = draft.added("=extension field", "x-other: {a: 1}\n");
    let mut text = format!("name: NAME\n{comment}{extension}services:\n{all}");
    let plain = draft.added("=service that is not built", "  other:\n    image: BASE_IMAGE\n");
    text += &plain;
    for (file, services) in &shared.extended {
        match file.is_empty() {
            true => text += services,
            false => draft.file("base.yml", format!("services:\n{services}")),
        }
    }
    text += &include;
    if !shared.secrets.is_empty() {
        text += &format!("secrets:\n{}", shared.secrets);
    }
    let how = match random.below(4) {
        0 => draft.added("=line ends of the compose file", format!("{KIND}crlf:")),
        1 => draft.added("=time of the compose file", format!("{KIND}old:")),
        _ => String::new(),
    };
    draft.file("compose.yml", how + &text);
    let unused = draft.added("=variable that nothing uses", "OTHER=1\n");
    draft.file(".env", environment + &unused);
    let name = draft.added("=ignored name that nothing has", "nothing\n");
    draft.file(".dockerignore", format!("{}{name}", shared.ignored));
    let word = draft.word("=file that nothing copies");
    draft.file(format!("notes{}", random.below(10)), word);
}
