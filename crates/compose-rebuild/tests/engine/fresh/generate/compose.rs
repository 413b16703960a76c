//! The compose file, and the files beside it.

use super::{Draft, Random, Recipe, Service, Shared};

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
            section.insert_str(0, &format!("    image: {image}\n"));
        }
        if profile {
            section += "    profiles: [more]\n";
        }
        section += &format!("    environment: {{WHO: {}}}\n", self.draft.word("=environment of the container"));
        section += &self.draft.added("=command of the container", "    command: [sleep, inf]\n");
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        section += &self.draft.added("platform", format!("    platform: linux/{arch}\n"));
        let (busts, images) = (closure.busts, closure.images);
        let unknowable = closure.unknowable;
        let (shell, triggers) = (closure.shell, closure.triggers);
        (Service { name, image, unknowable, busts, images, profile, shell, triggers }, section)
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
        let name = format!("d{}.Dockerfile", self.number);
        self.draft.file(name.clone(), self.text.clone());
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
            let (name, one, other) = match self.random.below(6) {
                0 => ("labels", "{who: one}", "{who: two}"),
                1 => ("shm_size", "64mb", "65mb"),
                2 => ("ulimits", "{nofile: 1024}", "{nofile: 1025}"),
                3 => ("extra_hosts", "[\"one:10.0.0.1\"]", "[\"one:10.0.0.2\"]"),
                4 if !self.network => ("network", "none", "default"),
                4 => continue,
                _ => {
                    keys.push(format!("tags: [\"NAME/{service}:more\"]"));
                    continue;
                }
            };
            let kind = match name {
                "labels" => "labels of the build section",
                _ => "option of the build section",
            };
            keys.push(format!("{name}: {}", self.draft.place(kind, one, other)));
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
    let named = services.iter().zip(sections).map(|(service, section)| format!("  {}:\n{section}", service.name));
    let named: Vec<String> = named.collect();
    let reversed: String = named.iter().rev().map(String::as_str).collect();
    let all = draft.place("=order of services", named.concat(), reversed);
    let comment = draft.added("=comment of the compose file", "# a note\n");
    let extension = draft.added("=extension field", "x-other: {a: 1}\n");
    let mut text = format!("name: NAME\n{comment}{extension}services:\n{all}");
    let plain = draft.added("=service that is not built", "  other:\n    image: BASE_IMAGE\n");
    text += &plain;
    if !shared.secrets.is_empty() {
        text += &format!("secrets:\n{}", shared.secrets);
    }
    draft.file("compose.yml", text);
    let unused = draft.added("=variable that nothing uses", "OTHER=1\n");
    draft.file(".env", format!("{}{unused}", shared.environment));
    let name = draft.added("=ignored name that nothing has", "nothing\n");
    draft.file(".dockerignore", format!("{}{name}", shared.ignored));
    let word = draft.word("=file that nothing copies");
    draft.file(format!("notes{}", random.below(10)), word);
}
