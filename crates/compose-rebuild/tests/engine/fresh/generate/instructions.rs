//! Instructions, and what may change in each.

use super::{Recipe, Stage};
use crate::fresh::BRANCH;

impl Recipe<'_> {
    /// Writes an instruction of a stage, or nothing.
    pub(super) fn instruction(&mut self, number: usize) {
        let mut stage = std::mem::take(&mut self.stages[number]);
        let kinds = if stage.shell { 20 } else { 11 };
        let text = match self.random.below(kinds) {
            0 | 1 => self.metadata(),
            2 => self.here_document(),
            3 | 4 => self.argument(),
            5 => self.predefined_argument(),
            6 => self.local_file(&mut stage),
            7 => self.repository_file(&mut stage),
            8 => self.named_context(&mut stage),
            9 => self.copy_of_stage(&mut stage, number),
            10 => match self.service_image(&mut stage) {
                Some((image, _)) => format!("COPY --from={image} /srv/out /out-{}\n", self.draft.number()),
                None => self.metadata(),
            },
            11..=13 => self.clone_in_run(&mut stage),
            14 => self.mount(&mut stage, number),
            _ => self.run(),
        };
        self.text += &text;
        stage.triggers |= text.starts_with("ONBUILD");
        self.stages[number] = stage;
    }

    /// What only the configuration of the image has.
    fn metadata(&mut self) -> String {
        let id = self.draft.number();
        let word = self.draft.word("metadata of the image");
        match self.random.below(12) {
            0 => format!("ENV E{id}={word}\n"),
            1 => format!("LABEL l{id}={word}\n"),
            2 => format!("WORKDIR /{word}\n"),
            3 => format!("CMD [\"{word}\"]\n"),
            4 => format!("ENTRYPOINT [\"{word}\"]\n"),
            5 => format!("VOLUME /v/{word}\n"),
            6 => format!("ONBUILD ENV O{id}={word}\n"),
            7 => format!("HEALTHCHECK CMD [\"{word}\"]\n"),
            8 => format!("EXPOSE {}\n", self.draft.place("metadata of the image", "8080", "8081")),
            9 => "ONBUILD ARG TRIGGER\nONBUILD LABEL trigger=$TRIGGER\n".to_owned(),
            10 => format!("STOPSIGNAL {}\n", self.draft.place("metadata of the image", "SIGINT ", "SIGTERM")),
            _ => format!("USER {}\n", self.draft.place("metadata of the image", "0", "root")),
        }
    }

    fn here_document(&mut self) -> String {
        let id = self.draft.number();
        let word = self.draft.word("here-document of COPY");
        match self.random.below(4) {
            0 => format!("COPY <<\"EOF\" /here-{id}\n$HOME {word}\nEOF\n"),
            1 => format!("COPY <<-EOF /here-{id}\n\t{word}\n\tEOF\n"),
            2 => format!("COPY <<one <<two /here-{id}/\nfirst\none\n{word}\ntwo\n"),
            _ => {
                let mode = self.draft.place("flag of COPY", "644", "600");
                format!("COPY --chmod={mode} <<EOF /here-{id}\n# {word}\nEOF\n")
            }
        }
    }

    /// An argument, with its value from wherever Compose takes values, or from the Dockerfile alone.
    fn argument(&mut self) -> String {
        let id = self.draft.number();
        let (name, variable) = (format!("P{id}"), format!("V{id}"));
        let default = self.draft.word("default of an argument");
        match self.random.below(8) {
            0 => {
                let word = self.draft.word("argument of the compose file");
                self.args.insert(name.clone(), word);
            }
            1 => {
                let word = self.draft.word("variable of .env");
                self.shared.environment += &format!("{variable}={word}\n");
                self.args.insert(name.clone(), format!("\"${{{variable}}}\""));
            }
            2 => {
                let word = self.draft.word("default of a variable");
                self.args.insert(name.clone(), format!("\"${{{variable}:-{word}}}\""));
            }
            3 => {
                let set = self.draft.added("variable of .env", format!("{variable}=set\n"));
                self.shared.environment += &set;
                self.args.insert(name.clone(), format!("\"${{{variable}:+it is}}\""));
            }
            4 => {
                let word = self.draft.word("variable of .env");
                self.shared.environment += &format!("{name}={word}\n");
                self.args.insert(name.clone(), String::new());
            }
            5 => {
                let word = self.draft.word("argument of the compose file");
                self.args.insert(name.clone(), format!("\"$${word}\""));
            }
            _ => {}
        }
        if self.random.chance(20) {
            self.globals += &format!("ARG {name}={default}\n");
        }
        let declared = if self.random.chance(60) { format!("={default}") } else { String::new() };
        let used = match self.random.below(4) {
            0 => format!("COPY <<EOF /arg-{id}\n${{{name}:-nothing}}\nEOF\n"),
            1 => format!("LABEL p{id}=\"${name}\"\n"),
            2 => String::new(),
            _ => format!("ENV A{id}=${{{name}}}\n"),
        };
        format!("ARG {name}{declared}\n{used}")
    }

    fn predefined_argument(&mut self) -> String {
        let id = self.draft.number();
        let name =
            self.random.of(&["TARGETPLATFORM", "TARGETARCH", "BUILDPLATFORM", "TARGETSTAGE", "HTTP_PROXY", "no_proxy"]);
        if name.to_ascii_lowercase().ends_with("proxy") {
            let value = self.draft.place("proxy argument", "\"http://a.invalid\"", "\"http://b.invalid\"");
            self.args.insert(name.to_owned(), value);
        }
        format!("ARG {name}\nENV B{id}=\"x${{{name}}}\"\n")
    }

    /// A repository that BuildKit fetches itself.
    fn repository_file(&mut self, stage: &mut Stage) -> String {
        let id = self.draft.number();
        let repository = self.random.below(2);
        let branch = self.random.of(&["main", "main", BRANCH, "${BRANCH:-main}"]);
        if branch.starts_with('$') {
            stage.unknowable |= stage.open;
            return format!("ADD REPO{repository}#{branch} /git-{id}\n");
        }
        let directory = self.draft.place("directory of a repository", "backend", "frontend");
        let keep = match self.random.chance(15) {
            true => self.draft.added("flag of ADD", "--keep-git-dir=true "),
            false => String::new(),
        };
        match self.random.below(3) {
            0 => format!("ADD {keep}REPO{repository}#{branch} /git-{id}\n"),
            1 => format!("ADD REPO{repository}#{branch}:{directory} /git-{id}\n"),
            _ => {
                let context = format!("git-{id}");
                self.contexts.insert(context.clone(), format!("REPO{repository}#{branch}"));
                format!("COPY --from={context} {directory} /{context}\n")
            }
        }
    }

    /// A named context of this machine.
    fn named_context(&mut self, stage: &mut Stage) -> String {
        let id = self.draft.number();
        stage.unknowable = true;
        let context = format!("named-{id}");
        let word = self.draft.word("file of a named context");
        self.draft.file(format!("{context}/file"), format!("{word}\n"));
        self.contexts.insert(context.clone(), format!("./{context}"));
        format!("COPY --from={context} file /{context}\n")
    }

    fn copy_of_stage(&mut self, stage: &mut Stage, number: usize) -> String {
        if number == 0 {
            return self.metadata();
        }
        let (one, other) = (self.random.below(number), self.random.below(number));
        stage.stages.insert(one);
        let from = self.draft.place("stage that is copied from", format!("t{one}"), format!("t{other}"));
        let flag = self.flag();
        format!("COPY {flag}--from={from} /srv/out /out-{}\n", self.draft.number())
    }

    /// A step that clones, most times below an argument that makes it run again.
    fn clone_in_run(&mut self, stage: &mut Stage) -> String {
        let id = self.draft.number();
        self.network = true;
        let repository = self.random.below(2);
        let mut text = String::new();
        if !stage.is_busted && self.random.chance(85) {
            stage.is_busted = true;
            text += "ARG CACHE_BUST\n";
        }
        let keep = format!("git -C /c{id} rev-parse HEAD > /rev-{id} && rm -rf /c{id}\n");
        if stage.is_busted && self.random.chance(30) {
            for (name, value) in [("GITHUB_REPO", "REPO0"), ("GITHUB_BRANCH", "main"), ("GITHUB_COMMIT", "\"\"")] {
                self.args.insert(name.to_owned(), value.to_owned());
            }
            for argument in ["CACHE_BUST", "GITHUB_COMMIT"] {
                stage.busts.entry(argument).or_default().insert(0);
            }
            text += "ARG GITHUB_REPO\nARG GITHUB_COMMIT\n";
            return text
                + &format!(
                    "RUN git init --quiet /c{id} && git -C /c{id} fetch --quiet --depth=1 -- \"$GITHUB_REPO\" \
                     \"$GITHUB_COMMIT\" && git -C /c{id} checkout --quiet FETCH_HEAD && {keep}"
                );
        }
        if stage.is_busted {
            stage.busts.entry("CACHE_BUST").or_default().insert(repository);
        }
        let depth = self.draft.added("flag of a clone", "--depth=1 ");
        let branch = self.draft.added("flag of a clone", "--branch main ");
        text + &format!("RUN git clone --quiet {depth}{branch}REPO{repository} /c{id} && {keep}")
    }

    /// A step that sees something without copying it.
    fn mount(&mut self, stage: &mut Stage, number: usize) -> String {
        let id = self.draft.number();
        match self.random.below(5) {
            0 if number > 0 => {
                let other = self.random.below(number);
                stage.stages.insert(other);
                format!("RUN --mount=type=bind,from=t{other},source=/srv/out,target=/in cat /in > /m-{id}\n")
            }
            1 => match self.service_image(stage) {
                Some((image, _)) => {
                    format!("RUN --mount=type=bind,from={image},source=/srv/out,target=/in cat /in > /m-{id}\n")
                }
                None => self.run(),
            },
            2 if self.repository.is_none() => {
                stage.unknowable = true;
                let word = self.draft.word("file of a mount");
                self.draft.file(format!("mount-{id}"), format!("{word}\n"));
                format!("RUN --mount=source=mount-{id},target=/in cat /in > /m-{id}\n")
            }
            3 => {
                self.secret();
                format!("RUN --mount=type=secret,id=token{} wc -c /run/secrets/* > /m-{id}\n", self.number)
            }
            _ => {
                let name = self.draft.word("cache of a mount");
                format!("RUN --mount=type=cache,id={name},target=/cache ls /cache > /m-{id}\n")
            }
        }
    }

    /// Lets the services of this Dockerfile have a secret.
    fn secret(&mut self) {
        if !self.secret {
            self.secret = true;
            let name = format!("token{}", self.number);
            let word = self.draft.word("content of a secret");
            self.draft.file(name.clone(), format!("{word}\n"));
            self.shared.secrets += &format!("  {name}: {{file: ./{name}}}\n");
        }
    }

    fn run(&mut self) -> String {
        let id = self.draft.number();
        let word = self.draft.word("step");
        match self.random.below(7) {
            0 => {
                let comment = self.draft.added("comment of a here-document", "# a note\n");
                format!("RUN <<EOF\nset -e\n{comment}echo {word} > /r-{id}\nEOF\n")
            }
            1 => format!("RUN cat <<EOF > /r-{id}\n{word}\nEOF\n"),
            2 => {
                self.continues = true;
                let comment = self.draft.added("comment", "# a note\n");
                format!("RUN true && \\\n{comment}    echo {word} > /r-{id}\n")
            }
            3 => {
                let network = self.draft.added("flag of RUN", "--network=none ");
                format!("RUN {network}echo {word} > /r-{id}\n")
            }
            4 => {
                let option = self.draft.place("shell", "-ec", "-uc");
                format!("SHELL [\"/bin/sh\", \"{option}\"]\nRUN echo {word} > /r-{id}\n")
            }
            5 => format!("RUN [\"/bin/sh\", \"-c\", \"echo {word} > /r-{id}\"]\n"),
            _ => format!("RUN echo {word} > /r-{id}\n"),
        }
    }
}
