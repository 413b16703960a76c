//! Reading a Dockerfile: its stages, what each depends on, and which build arguments it takes.
//! Knows nothing of Docker, Compose or Git.

pub mod listing;
pub mod shell;
pub mod sources;
mod span;
pub mod tools;
pub mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parse_dockerfile::{Flag, Instruction, Source};
use span::span;
use values::Values;

/// A Dockerfile, as far as decisions need it.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// Arguments before the first stage, with their defaults, in their order.
    global_args: Vec<(String, Option<String>)>,
    stages: Vec<Stage>,
}

/// Build arguments by name, with the default if there is one.
pub type Args = BTreeMap<String, Option<String>>;

/// One stage.
#[derive(Clone, Debug)]
struct Stage {
    /// The name after `AS`, lower case.
    name: Option<String>,
    /// The arguments that the stage declares.
    args: Args,
    /// What follows `FROM`.
    base: String,
    /// Names or numbers of stages, or images, that files are copied or mounted from.
    copies_from: BTreeSet<String>,
    copies_context: bool,
    /// The instructions as they are written, without comments between them.
    text: String,
}

/// Everything that the image of one stage is made from.
#[derive(Clone, Debug, Default)]
pub struct Closure {
    /// Names of the stages in it.
    pub stages: BTreeSet<String>,
    /// Positions of the stages in it.
    pub members: BTreeSet<usize>,
    /// Arguments that any of its stages takes, with their defaults.
    pub args: Args,
    /// Whether files of the build context go in.
    pub copies_context: bool,
    /// Its instructions as they are written.
    pub text: String,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = parse_dockerfile::parse(text).map_err(|error| error.to_string())?;
        let global_args = parsed.global_args().flat_map(|arg| assignments(&arg.arguments.value)).collect();
        let stages = parsed.stages().map(|stage| {
            let mut read = Stage {
                name: stage.from.as_.as_ref().map(|(_, name)| name.value.to_lowercase()),
                base: stage.from.image.value.to_string(),
                args: Args::new(),
                copies_from: BTreeSet::new(),
                copies_context: false,
                text: format!("FROM {}", stage.from.image.value),
            };
            for instruction in stage.instructions {
                read.add(instruction);
                read.text.push('\n');
                read.text.push_str(span(instruction).and_then(|span| text.get(span)).unwrap_or_default());
            }
            read
        });
        Ok(Self { stages: stages.collect(), global_args })
    }

    /// What the stage that `target` names (or the last one) is made from, with the arguments that the build is given: they
    /// may choose a stage.
    pub fn closure(&self, target: Option<&str>, given: &Args) -> Option<Closure> {
        let names = self.names();
        let first = match target {
            Some(name) => self.find(&names, name)?,
            None => self.stages.len().checked_sub(1)?,
        };
        let globals = self.globals(given);
        let mut members = BTreeSet::new();
        let mut open = vec![first];
        while let Some(index) = open.pop() {
            if !members.insert(index) {
                continue;
            }
            let stage = &self.stages[index];
            // A stage can only see the stages above it; the same name below is an image.
            let above = |name: &str| self.find(&names, name).filter(|&found| found < index);
            open.extend(stage.copies_from.iter().chain([&globals.expand(&stage.base)]).filter_map(|name| above(name)));
        }
        let mut closure = Closure { members: members.clone(), ..Closure::default() };
        for stage in members.iter().map(|&index| &self.stages[index]) {
            closure.stages.extend(stage.name.clone());
            closure.args.extend(stage.args.iter().map(|(name, default)| {
                let inherited = || self.global_args.iter().rev().find(|(global, _)| global == name)?.1.clone();
                (name.clone(), default.clone().or_else(inherited))
            }));
            if stage.base.contains('$') {
                closure.args.extend(self.used_by(&stage.base));
            }
            closure.copies_context |= stage.copies_context;
            closure.text.push_str(&stage.text);
            closure.text.push('\n');
        }
        Some(closure)
    }

    /// The positions of named stages, of several with the same name the last.
    fn names(&self) -> HashMap<&str, usize> {
        let named = self.stages.iter().enumerate();
        named.filter_map(|(index, stage)| Some((stage.name.as_deref()?, index))).collect()
    }

    fn find(&self, names: &HashMap<&str, usize>, name: &str) -> Option<usize> {
        let named = names.get(name.to_lowercase().as_str()).copied();
        named.or_else(|| name.parse().ok().filter(|&index| index < self.stages.len()))
    }

    /// The values of the global arguments.
    fn globals(&self, given: &Args) -> Values {
        let mut values = Values::default();
        for (name, default) in &self.global_args {
            let default = || default.as_ref().map(|default| values.expand(default));
            let value = given.get(name).cloned().flatten().or_else(default).unwrap_or_default();
            values.set(name, &value);
        }
        values
    }

    /// The global arguments that a `FROM` uses, with those that their defaults use.
    fn used_by(&self, text: &str) -> Args {
        let mut used = Args::new();
        for (name, default) in &self.global_args {
            if text.contains(&format!("${name}")) || text.contains(&format!("${{{name}")) {
                used.insert(name.clone(), default.clone());
            }
        }
        let defaults: Vec<_> = used.values().flatten().filter(|default| default.contains('$')).cloned().collect();
        used.extend(defaults.iter().filter(|default| *default != text).flat_map(|default| self.used_by(default)));
        used
    }
}

impl Stage {
    fn add(&mut self, instruction: &Instruction<'_>) {
        match instruction {
            Instruction::Arg(arg) => self.args.extend(assignments(&arg.arguments.value)),
            Instruction::Copy(copy) => match flag(&copy.options, "from") {
                Some(from) => drop(self.copies_from.insert(from)),
                None => self.copies_context |= copy.src.iter().any(|source| matches!(source, Source::Path(_))),
            },
            Instruction::Add(add) => {
                let local = |source: &Source<'_>| matches!(source, Source::Path(path) if !is_remote(&path.value));
                self.copies_context |= add.src.iter().any(local);
            }
            Instruction::Run(run) => {
                for mount in run.options.iter().filter(|option| option.name.value == "mount") {
                    let options = mount.value.as_ref().map_or("", |value| &value.value);
                    let option = |name: &str| options.split(',').find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
                    match (option("from"), option("type").unwrap_or("bind")) {
                        (Some(from), _) => drop(self.copies_from.insert(from.to_owned())),
                        (None, "bind") => self.copies_context = true,
                        (None, _) => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether `ADD` fetches this itself instead of reading the build context.
fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|start| source.starts_with(start))
}

fn flag(options: &[Flag<'_>], name: &str) -> Option<String> {
    let found = options.iter().find(|option| option.name.value == name)?;
    found.value.as_ref().map(|value| value.value.to_string())
}

/// `A B=c D="e f"` as names and defaults; quotes around a default are not part of it.
fn assignments(text: &str) -> Vec<(String, Option<String>)> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => words.push(String::new()),
            _ => words.last_mut().expect("starts with one").push(c),
        }
    }
    let words = words.into_iter().filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once('=') {
            Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
            None => (word, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(text: &str, target: &str) -> Closure {
        Dockerfile::parse(text).expect("parses").closure(Some(target), &Args::new()).expect("target")
    }

    const STAGES: &str = "ARG BASE=a:1\nARG OTHER=b\nFROM ${BASE} AS model\nARG MODEL=x\nRUN fetch \"$MODEL\"\n\
        # a comment about code\nFROM b AS code\nARG CACHE_BUST\nRUN <<EOF\nclone\nEOF\n\
        FROM c AS final\nCOPY --from=code /a /b\nRUN --mount=type=bind,from=model,target=/m true\n";

    #[test]
    fn a_closure_follows_from_copy_and_mount() {
        let last = closure(STAGES, "final");
        assert_eq!(last.stages.iter().map(String::as_str).collect::<Vec<_>>(), ["code", "final", "model"]);
        assert!(
            last.args.contains_key("CACHE_BUST") && last.args.contains_key("MODEL") && last.args.contains_key("BASE")
        );
        assert!(!last.args.contains_key("OTHER"));
        assert!(last.text.contains("clone"));
    }

    #[test]
    fn a_closure_ignores_other_stages_and_comments() {
        let model = closure(STAGES, "model");
        assert_eq!(model.args.get("BASE"), Some(&Some("a:1".to_owned())));
        let edited = STAGES.replace("# a comment about code", "# other words").replace("clone", "git clone");
        assert_eq!(model.text, closure(&edited, "model").text);
        assert_ne!(model.text, closure(&STAGES.replace("fetch", "get"), "model").text);
    }

    #[test]
    fn an_argument_may_choose_a_stage() {
        let text = "ARG KIND=slim\nARG BASE=base-$KIND\nFROM a AS base-slim\nFROM b AS base-full\nARG CACHE_BUST\nRUN clone\n\
            FROM ${BASE}\nRUN x\n";
        let stages = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
            let closure = Dockerfile::parse(text).expect("parses").closure(None, &given.collect()).expect("a stage");
            (closure.stages.into_iter().collect::<Vec<_>>().join(" "), closure.args.contains_key("CACHE_BUST"))
        };
        assert_eq!(stages(&[]), ("base-slim".to_owned(), false));
        assert_eq!(stages(&[("KIND", "full")]), ("base-full".to_owned(), true));
        assert_eq!(stages(&[("BASE", "base-full")]), ("base-full".to_owned(), true));
        assert_eq!(stages(&[("BASE", "elsewhere")]), (String::new(), false));
    }

    #[test]
    fn only_local_sources_are_the_build_context() {
        let copies = |line: &str| closure(&format!("FROM a AS x\n{line}\n"), "x").copies_context;
        for local in
            ["COPY . .", "ADD a b", "RUN --mount=target=/x true", "RUN --mount=type=bind,source=a,target=/x true"]
        {
            assert!(copies(local), "{local}");
        }
        for remote in
            ["COPY --from=b / /", "ADD https://h/x /x", "RUN --mount=type=cache,target=/x true", "COPY <<E /x\na\nE"]
        {
            assert!(!copies(remote), "{remote}");
        }
    }

    #[test]
    fn defaults_lose_their_quotes() {
        assert_eq!(
            assignments("A B=c D=\"e f\""),
            [("A".into(), None), ("B".into(), Some("c".into())), ("D".into(), Some("e f".into()))]
        );
    }

    #[test]
    fn a_long_chain_of_stages_is_followed_at_once() {
        let chain: String = (0..40_000).map(|stage| format!("FROM s{stage} AS s{}\n", stage + 1)).collect();
        assert_eq!(closure(&chain, "s40000").members.len(), 40_000);
    }
}
