//! Stages, and what each begins with.

use std::collections::BTreeMap;

use super::{Draft, Random, Recipe, Service, Shared, Stage};

impl<'a> Recipe<'a> {
    pub(super) fn new(
        draft: &'a mut Draft,
        random: &'a mut Random,
        shared: &'a mut Shared,
        known: &'a [Service],
    ) -> Self {
        let repository = random.chance(8).then(|| random.below(2));
        Self {
            draft,
            random,
            shared,
            number: known.len(),
            known,
            text: String::new(),
            globals: String::new(),
            ignored: String::new(),
            stages: Vec::new(),
            contexts: BTreeMap::new(),
            args: BTreeMap::new(),
            repository,
            secret: false,
            continues: false,
            network: false,
        }
    }

    /// Writes the stages.
    pub(super) fn write(&mut self) {
        for number in 0..=self.random.below(4) {
            let stage = self.begin(number);
            self.stages.push(stage);
            for _ in 0..=self.random.below(4) {
                if self.random.chance(20) {
                    self.text += &self.draft.added("comment", "# a note\n");
                }
                self.instruction(number);
            }
        }
        self.text.insert_str(0, &self.globals);
        if !self.continues && self.random.chance(30) {
            let directive = self.draft.added("escape directive", "# escape=`\n");
            self.text.insert_str(0, &directive);
        }
    }

    /// Begins a stage, which has a file of its own whatever else it has. That one stands below /srv because BuildKit reads the
    /// whole directory that a copied path is in, and /srv is otherwise empty.
    fn begin(&mut self, number: usize) -> Stage {
        let mut stage = Stage::default();
        let from = match self.random.below(10) {
            0..=2 => "scratch".to_owned(),
            3..=4 if number > 0 => {
                let other = self.random.below(number);
                stage.stages.insert(other);
                (stage.shell, stage.open) = (self.stages[other].shell, self.stages[other].open);
                format!("t{other}")
            }
            5..=7 => match self.service_image(&mut stage) {
                Some((name, shell)) => {
                    (stage.shell, stage.open) = (shell, true);
                    name
                }
                None => "scratch".to_owned(),
            },
            _ => {
                (stage.shell, stage.open) = (true, true);
                self.random.of(&["BASE_IMAGE", "OWN_BASE"]).to_owned()
            }
        };
        let from = if self.random.chance(20) { self.global_base(from) } else { from };
        let from_word = self.draft.place("case of an instruction", "FROM", "from");
        let platform = self.draft.added("platform of FROM", "--platform=$TARGETPLATFORM ");
        let word = self.draft.word("here-document of COPY");
        self.text +=
            &format!("{from_word} {platform}{from} AS t{number}\nCOPY <<EOF /srv/out\nstage {number}: {word}\nEOF\n");
        stage
    }

    /// An argument above the first stage that names this base, which the compose file may name too.
    fn global_base(&mut self, base: String) -> String {
        let name = format!("F{}", self.draft.number());
        let other = match base.as_str() {
            "BASE_IMAGE" => "OWN_BASE",
            "OWN_BASE" => "BASE_IMAGE",
            same => same,
        };
        let named = self.draft.place("argument above the stages", base.clone(), other);
        if self.random.chance(40) {
            self.args.insert(name.clone(), named);
            self.globals += &format!("ARG {name}={base}\n");
        } else {
            let before = self.draft.number();
            self.globals += &format!("ARG G{before}={named}\nARG {name}=${{G{before}}}\n");
        }
        format!("${{{name}}}")
    }

    /// The image of another service, as `FROM`, `COPY --from` and mounts name it; and whether it has a shell.
    pub(super) fn service_image(&mut self, stage: &mut Stage) -> Option<(String, bool)> {
        let known: Vec<_> = self.known.iter().filter(|service| !service.profile).collect();
        if known.is_empty() {
            return None;
        }
        let service = known[self.random.below(known.len())];
        let alike: Vec<_> = known.iter().filter(|other| other.shell == service.shell).collect();
        let other = alike[self.random.below(alike.len())];
        stage.unknowable |= [service, other].iter().any(|one| one.unknowable || one.triggers);
        let name = match self.random.below(5) {
            0 => service.image.clone(),
            1 => format!("{}:latest", service.image),
            2 => format!("docker.io/{}", service.image),
            _ => {
                // The two change places.
                let context = format!("from-{}-{}", service.name, other.name);
                let both = |one: &Service, two: &Service| {
                    format!("service:{}\"\n        {context}-other: \"service:{}", one.name, two.name)
                };
                let places =
                    self.draft.place("services that change places", both(service, other), both(other, service));
                self.contexts.insert(context.clone(), places);
                return Some((format!("{context}{}", self.random.of(&["", "-other"])), service.shell));
            }
        };
        // An image without an owner is one of Docker's own to BuildKit.
        if !service.image.contains('/') && name.starts_with("docker.io/") {
            return None;
        }
        stage.images.insert(service.image.clone(), service.name.clone());
        Some((name, service.shell))
    }
}
