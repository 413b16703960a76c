//! Everything that the image of one stage is made from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::arguments::{Args, is_predefined};
use crate::dockerfile::{Dockerfile, Globals, Stage, declare};
use crate::lines::Instruction;
use crate::reads::{Read, Wanted, What, unknown, wanted};
use crate::shell::Variables;
use crate::values::Values;

/// What is asked of a Dockerfile.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The stage that is built, the last one when nothing is said.
    pub target: Option<&'a str>,
    /// The arguments that the build is given.
    pub args: &'a Args,
    /// The named contexts, which take the place of stages and images.
    pub contexts: &'a BTreeMap<String, String>,
}

/// No arguments.
static NO_ARGS: Args = Args::new();
/// No named contexts.
static NO_CONTEXTS: BTreeMap<String, String> = BTreeMap::new();

impl Default for Build<'_> {
    /// The last stage, without arguments and named contexts.
    fn default() -> Self {
        Self { target: None, args: &NO_ARGS, contexts: &NO_CONTEXTS }
    }
}

/// Everything that the image of one stage is made from.
#[derive(Clone, Debug, Default)]
pub struct Closure {
    /// Names of the stages in it.
    pub stages: BTreeSet<String>,
    /// Positions of the stages in it.
    pub members: BTreeSet<usize>,
    /// Arguments that it takes, with the values that they have in this build.
    pub args: Args,
    /// The lines that determine it, as they are written: when these are the same and so are the values of its arguments and
    /// everything that it reads, BuildKit makes the same image.
    pub text: String,
    /// What goes in from outside, in the order of the lines.
    pub reads: Vec<Read>,
}

impl Closure {
    /// What only BuildKit understands, each with its line.
    pub fn unknown(&self) -> impl Iterator<Item = (usize, &str)> {
        self.reads.iter().filter_map(|read| match &read.what {
            What::Unknown(what) => Some((read.line, what.as_str())),
            _ => None,
        })
    }
}

/// What one stage needs.
#[derive(Default)]
struct Needs {
    stages: Vec<usize>,
    reads: Vec<Read>,
    args: Args,
    /// Arguments above the first stage that it uses.
    globals: Vec<String>,
    /// Whether it takes another stage by its number.
    counts: bool,
}

impl Dockerfile {
    /// What the target is made from; nothing when there is no such stage.
    pub fn closure(&self, build: &Build<'_>) -> Option<Closure> {
        let target = match build.target.filter(|target| !target.is_empty()) {
            Some(name) => self.find(name)?,
            None => self.stages.len().checked_sub(1)?,
        };
        let values = self.globals(build.args);
        let mut needs = Resolver { dockerfile: self, build, globals: &values }.all();
        let mut closure = Closure::default();
        let mut open = vec![target];
        while let Some(index) = open.pop() {
            if self.stages[index].replacement(build).is_none() && closure.members.insert(index) {
                open.extend(&needs[index].stages);
            }
        }
        if let Some(name) = self.stages[target].replacement(build) {
            closure.reads.push(Read { line: self.stages[target].from.line, what: What::Named(name.to_owned()) });
        }
        let (mut globals, mut counts) = (Vec::new(), false);
        for &index in &closure.members {
            let own = std::mem::take(&mut needs[index]);
            closure.stages.extend(self.stages[index].name.clone());
            closure.reads.extend(own.reads);
            closure.args.extend(own.args);
            globals.extend(own.globals);
            counts |= own.counts;
        }
        let lines = self.globals_behind(globals, &values, &mut closure.args);
        // The stage that is built counts as it is written, because its name is a value here.
        if let Some(stage @ None) = closure.args.get_mut("TARGETSTAGE") {
            *stage = Some(build.target.unwrap_or_default().to_owned());
        }
        let misplaced = self.global.iter().filter(|one| one.keyword != "ARG");
        let misplaced = misplaced.map(|one| (one.line, format!("the instruction `{}` above all stages", one.keyword)));
        let foreign = self.foreign_builder(build).map(|(line, builder)| (line, format!("the builder `{builder}`")));
        let of_platform = build.contexts.keys().filter(|name| name.contains("::"));
        let of_platform = of_platform.map(|name| (1, format!("the context `{name}` for one platform")));
        let unknown =
            misplaced.chain(foreign).chain(of_platform).map(|(line, what)| Read { line, what: What::Unknown(what) });
        closure.reads.extend(unknown);
        closure.reads.sort_by_key(|read| read.line);
        let predefined = build.args.iter().filter(|(name, _)| is_predefined(name));
        closure.args.extend(predefined.map(|(name, value)| (name.clone(), value.clone())));
        closure.text = self.directives.concat();
        let of_stages = closure.members.iter().map(|&index| &self.stages[index]);
        let of_stages = of_stages.flat_map(|stage| [&stage.from].into_iter().chain(&stage.instructions));
        let lines = lines.into_iter().map(|index| &self.global[index]).chain(of_stages);
        lines.for_each(|instruction| closure.text.push_str(&instruction.source));
        if counts {
            closure.text.push_str(&format!("# stages {:?}\n", closure.members));
        }
        Some(closure)
    }

    /// The builder that a directive or an argument names, if it is not that of Docker.
    fn foreign_builder(&self, build: &Build<'_>) -> Option<(usize, String)> {
        let is_syntax =
            |name: &str| name.trim_start_matches(['#', ' ', '\t']).trim_end().eq_ignore_ascii_case("syntax");
        let mut directives = (1..).zip(&self.directives).filter_map(|(line, text)| Some((line, text.split_once('=')?)));
        let named = directives.find(|(_, (name, _))| is_syntax(name));
        let given = build.args.get("BUILDKIT_SYNTAX").cloned().flatten().map(|builder| (1, builder));
        let builder = given.or(named.map(|(line, (_, builder))| (line, builder.trim().to_owned())));
        builder.filter(|(_, builder)| !builder.is_empty() && !familiar(builder).starts_with("docker/dockerfile"))
    }

    /// The instructions above the first stage that declare these arguments, and those that their defaults use; adds them all
    /// to `args`.
    fn globals_behind(&self, names: Vec<String>, values: &Globals, args: &mut Args) -> BTreeSet<usize> {
        let mut declared: HashMap<String, Vec<_>> = HashMap::new();
        for (index, instruction) in self.global.iter().enumerate() {
            for one in instruction.declares() {
                declared.entry(one.name).or_default().push((index, one.written));
            }
        }
        let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), names);
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            for (index, written) in declared.get(&name).into_iter().flatten() {
                found.insert(*index);
                let words = written.iter().map(|written| self.global[*index].expand(written, values));
                open.extend(words.flat_map(|word| word.expands));
            }
            let value = values.get(&name);
            args.entry(name).or_insert(value);
        }
        found
    }
}

impl Stage {
    /// The named context that takes its place.
    pub(crate) fn replacement<'a>(&self, build: &Build<'a>) -> Option<&'a str> {
        let name = self.name.as_deref().filter(|name| !matches!(*name, "scratch" | "context"))?;
        build.contexts.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// What is wrong with its `FROM`.
    fn fault(&self) -> Option<String> {
        let words = self.from.words();
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_letter);
        let is_right = words.len() == 1 || (words.len() == 3 && self.name.as_deref().is_some_and(is_name));
        (!is_right).then(|| format!("`FROM {}`", words.join(" ")))
    }
}

/// Finds what every stage needs, from the first to the last.
struct Resolver<'a> {
    dockerfile: &'a Dockerfile,
    build: &'a Build<'a>,
    globals: &'a Globals,
}

impl Resolver<'_> {
    fn all(&self) -> Vec<Needs> {
        let stages = &self.dockerfile.stages;
        let mut values = Values::default();
        let mut all = Vec::new();
        for (index, parent) in self.dockerfile.parents(self.globals).into_iter().enumerate() {
            let stage = &stages[index];
            let own = parent.filter(|&parent| stages[parent].replacement(self.build).is_none());
            let is_open = own.is_none() && (parent.is_some() || stage.base != "scratch");
            values.begin_stage(own.map(|own| own + 1), is_open);
            let mut needs = Needs::default();
            self.from(stage, parent, &mut needs);
            // What its parent has for stages on top of it comes first.
            let triggers = own.map_or(&[][..], |own| &stages[own].instructions);
            for trigger in triggers.iter().filter_map(Instruction::trigger) {
                if trigger.keyword == "RUN" {
                    needs.reads.push(Read { line: trigger.line, what: What::Unknown("`ONBUILD RUN`".to_owned()) });
                }
                self.instruction(index, &trigger, &mut values, &mut needs);
            }
            for instruction in &stage.instructions {
                self.instruction(index, instruction, &mut values, &mut needs);
            }
            all.push(needs);
        }
        all
    }

    fn from(&self, stage: &Stage, parent: Option<usize>, needs: &mut Needs) {
        let line = stage.from.line;
        let base = stage.from.expand(&stage.base, self.globals);
        let platform = stage.from.flag("platform").map(|platform| stage.from.expand(platform, self.globals));
        for used in [Some(&base), platform.as_ref()].into_iter().flatten() {
            needs.globals.extend(used.expands.iter().cloned());
        }
        let flags = wanted(&stage.from, self.globals).into_iter();
        for wanted in flags.chain(stage.fault().map(unknown)) {
            self.resolve(0, line, wanted, needs);
        }
        match parent {
            Some(parent) => self.stage(parent, line, needs),
            None => self.image(&base.text, platform.map(|platform| platform.text), line, needs),
        }
    }

    fn instruction(&self, stage: usize, instruction: &Instruction, values: &mut Values, needs: &mut Needs) {
        instruction.assign(self.build.args, self.globals, values, declare);
        if instruction.keyword == "ARG" {
            for one in instruction.declares() {
                needs.globals.extend(one.value.is_none().then(|| one.name.clone()));
                let value = values.get(&one.name);
                needs.args.insert(one.name, value);
            }
        }
        for wanted in wanted(instruction, values) {
            self.resolve(stage, instruction.line, wanted, needs);
        }
    }

    fn resolve(&self, stage: usize, line: usize, wanted: Wanted, needs: &mut Needs) {
        let (name, by_number) = match wanted {
            Wanted::What(what) => return needs.reads.push(Read { line, what }),
            Wanted::Place { name, by_number } => (name, by_number),
        };
        let is_number = by_number && name.parse::<i64>().is_ok();
        needs.counts |= is_number;
        let found = if is_number { self.dockerfile.copied(&name) } else { self.dockerfile.find(&name) };
        match found {
            Some(found) if found < stage => self.stage(found, line, needs),
            None if !is_number => self.image(&name, None, line, needs),
            // The builder knows the names of the stages below too, and refuses them.
            _ => {
                needs.reads.push(Read { line, what: What::Unknown(format!("`from={name}`, which is no stage above")) })
            }
        }
    }

    fn stage(&self, index: usize, line: usize, needs: &mut Needs) {
        match self.dockerfile.stages[index].replacement(self.build) {
            Some(name) => needs.reads.push(Read { line, what: What::Named(name.to_owned()) }),
            None => needs.stages.push(index),
        }
    }

    fn image(&self, name: &str, platform: Option<String>, line: usize, needs: &mut Needs) {
        let what = match self.build.contexts.get_key_value(familiar(name)) {
            _ if name == "scratch" => return,
            Some((context, _)) => What::Named(context.clone()),
            None => What::Image { name: name.to_owned(), platform },
        };
        needs.reads.push(Read { line, what });
    }
}

/// The name of an image as a named context has it: without the usual registry, and without `:latest`.
fn familiar(name: &str) -> &str {
    let short = ["docker.io/", "index.docker.io/"].iter().find_map(|host| name.strip_prefix(host)).unwrap_or(name);
    let short = match short.strip_prefix("library/") {
        Some(official) if !official.contains('/') => official,
        _ => short,
    };
    short.strip_suffix(":latest").unwrap_or(short)
}

#[cfg(test)]
mod tests;
