//! What is at a path of a stage: BuildKit keys a `COPY --from` by content, so a stage that ran may still give the same.

use crate::facts::trees::Tree;
use crate::plan::predict::cause::Cause;
use crate::plan::predict::checkout::Effects;
use crate::plan::predict::mark::Mark;
use crate::plan::predict::stages::{Recipe, Simulated};
use crate::plan::predict::tree::{self, Part};

/// What an instruction adds to the files of a stage.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// Anything, made by a command or a base image.
    Made(Mark),
    /// Code, and what commands did to it.
    Checkout(Checkout),
    /// Files of another stage.
    Copied { origin: Origin, sources: Vec<String>, to: String, into: bool, made: Mark },
}

/// Code that was checked out.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    /// Which of the recipe's.
    pub code: Vec<usize>,
    pub effects: Effects,
    /// The mark of the step.
    pub made: Mark,
}

/// Where files are copied from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Stage(usize),
    Image(Mark),
    Elsewhere,
}

/// What is at a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub causes: Vec<(Cause, Mark)>,
    /// Whether it is files alone, to which nothing below adds.
    is_file: bool,
}

impl Content {
    pub(super) fn of(cause: Cause, mark: Mark) -> Self {
        Self { causes: vec![(cause, mark)], is_file: false }
    }

    pub(super) fn together(all: impl Iterator<Item = Self>) -> Self {
        let mut together = Self { is_file: true, ..Self::default() };
        for one in all {
            together.is_file &= one.is_file;
            together.causes.extend(one.causes);
        }
        together
    }
}

/// What is at a path of the stage with this number.
pub(super) fn content(recipe: &Recipe<'_>, all: &[Simulated], stage: usize, path: &str) -> Content {
    let name = &all[stage].name;
    let mut found = Vec::new();
    for layer in all[stage].layers.iter().rev() {
        match layer {
            Layer::Copied { origin, sources, to, into, made } => {
                for source in copied(sources, to, *into, path) {
                    let one = match (origin, source) {
                        (Origin::Stage(index), Some(source)) => content(recipe, all, *index, &source),
                        (Origin::Image(mark), Some(source)) => {
                            Content::of(Cause::Input(name.clone()), mark.and(Mark::of(&[&source])))
                        }
                        _ => Content::of(Cause::Input(name.clone()), *made),
                    };
                    let whole = one.is_file;
                    found.push(one);
                    if whole && path != to {
                        return Content::together(found.into_iter());
                    }
                }
            }
            Layer::Made(mark) => {
                found.push(Content::of(Cause::Input(name.clone()), mark.and(Mark::of(&[path]))));
                break;
            }
            Layer::Checkout(checkout) => {
                found.push(checkout.content(recipe, name, path));
                break;
            }
        }
    }
    Content::together(found.into_iter())
}

/// The paths that were copied to `path`; nothing for a part that cannot be told apart.
fn copied(sources: &[String], to: &str, into: bool, path: &str) -> Vec<Option<String>> {
    let below =
        |outer: &str, inner: &str| inner == outer || inner.starts_with(&format!("{}/", outer.trim_end_matches('/')));
    if path.contains(['*', '?', '[']) || sources.iter().any(|source| source.contains(['*', '?', '['])) {
        return vec![None];
    }
    if below(path, to) {
        return sources.iter().cloned().map(Some).collect();
    }
    if !below(to, path) {
        return Vec::new();
    }
    let rest = path[to.len()..].trim_start_matches('/');
    let (first, more) = rest.split_once('/').map_or((rest, ""), |(first, more)| (first, more));
    let named = |source: &&String| into && source.rsplit('/').next() == Some(first);
    match sources.iter().find(named) {
        // A file; a directory of this name gives its content, and its name goes.
        Some(file) if more.is_empty() => vec![Some(file.clone()), Some(format!("{file}/{first}"))],
        _ => sources.iter().map(|source| Some(format!("{}/{rest}", source.trim_end_matches('/')))).collect(),
    }
}

impl Checkout {
    fn content(&self, recipe: &Recipe<'_>, stage: &str, path: &str) -> Content {
        let trees = || self.code.iter().map(|&index| recipe.code[index].tree);
        let whole = trees().map(tree::whole).fold(Mark::of(&[]), Mark::and);
        // Something that the commands made: another one when the code is, and who knows otherwise.
        let made = Mark { low: whole.low, high: self.made.high };
        let mut parts: Vec<Part> = trees().flat_map(|tree| self.parts(tree, path)).collect();
        if self.effects.is_root(path) {
            parts.push(Part { path: ".".to_owned(), mark: whole, is_file: false });
        }
        let is_file = parts.iter().all(|part| part.is_file);
        let written: Vec<&str> = self.effects.written_in(path, is_file).collect();
        if parts.is_empty() || self.effects.is_renamed(path) {
            let version = self.version(recipe, &written, path);
            return version.unwrap_or_else(|| Content::of(Cause::Input(stage.to_owned()), made));
        }
        let mark = parts.iter().map(|part| part.mark).fold(Mark::of(&[]), Mark::and);
        let mark = if parts.len() > 1 { mark.doubtful() } else { mark };
        let rules = trees().map(tree::attributes).fold(self.effects.mark.unwrap_or(Mark::of(&[])), Mark::and);
        let opaque = if self.effects.opaque { made } else { Mark::of(&[]) };
        let mut causes = vec![(Cause::Files(parts[0].path.clone()), mark.and(rules.doubtful()).and(opaque.doubtful()))];
        causes.extend(written.into_iter().map(|file| match version_content(recipe, file) {
            Some(content) => (Cause::Files(last(file).to_owned()), Mark::of(&[content])),
            None => (Cause::Input(stage.to_owned()), made),
        }));
        Content { causes, is_file }
    }

    /// The parts of a tree that a path of the image may be: as much of its end as the tree has, below where the tree may be.
    fn parts(&self, tree: &Tree, path: &str) -> Vec<Part> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let part = |start: usize| Some((start, tree::part(tree, &names[start..].join("/"))?));
        let all: Vec<(usize, Part)> = (0..names.len()).filter_map(part).collect();
        let (below, elsewhere): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(start, _)| self.effects.is_root(&format!("/{}", names[..*start].join("/"))));
        let likely = if below.is_empty() { elsewhere } else { below };
        likely.into_iter().map(|(_, part)| part).collect()
    }

    /// The content of the version file, if `path` is it.
    fn version(&self, recipe: &Recipe<'_>, written: &[&str], path: &str) -> Option<Content> {
        let [file] = written else { return None };
        let content = version_content(recipe, file).filter(|_| last(path) == last(file))?;
        Some(Content::of(Cause::Files(file.trim_start_matches('/').to_owned()), Mark::of(&[content])))
    }
}

fn version_content<'a>(recipe: &Recipe<'a>, written: &str) -> Option<&'a str> {
    let file = recipe.version_file?;
    format!("/{written}").ends_with(&format!("/{}", file.path)).then_some(file.content.as_str())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
