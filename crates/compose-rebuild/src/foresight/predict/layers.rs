//! What is at a path of a stage: BuildKit keys a `COPY --from` by content, so a stage that ran may still give the same.

use crate::facts::tree::Tree;
use crate::foresight::predict::cause::Cause;
use crate::foresight::predict::mark::Mark;
use crate::foresight::predict::model::{Checkout, Layer, Origin, Recipe, Simulated};
use crate::foresight::predict::tree::{self, Part};

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
    let literal = literal(path);
    let mut found = Vec::new();
    for layer in all[stage].layers.iter().rev() {
        match layer {
            Layer::Copied { origin, sources, to, into, changes, made } => {
                let is_file =
                    |source: &str| matches!(origin, Origin::Stage(at) if content(recipe, all, *at, source).is_file);
                for source in copied(sources, to, *into, path, is_file) {
                    let mut one = match (origin, source) {
                        (Origin::Stage(index), Some(source)) => content(recipe, all, *index, &source),
                        (Origin::Image(mark), Some(source)) => {
                            Content::of(Cause::Input(name.clone()), mark.and(Mark::of(&[&source])))
                        }
                        _ => Content::of(Cause::Input(name.clone()), *made),
                    };
                    if !changes.is_empty() {
                        one.causes.iter_mut().for_each(|(_, mark)| *mark = mark.and(Mark::of(&[changes])));
                    }
                    let whole = one.is_file && path != to && is_below(path, to);
                    found.push(one);
                    if whole {
                        return Content::together(found.into_iter());
                    }
                }
            }
            Layer::Directory(directory) if is_below(directory, &literal) => {
                found.push(Content::of(Cause::Input(name.clone()), Mark::of(&[directory])));
            }
            Layer::Touched(paths, _) if !paths.iter().any(|one| is_related(one, &literal)) => {}
            Layer::Directory(_) => {}
            Layer::Made(mark) | Layer::Touched(_, mark) => {
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

/// The paths that were copied to `path`, what hides the others first; nothing for a part that cannot be told apart.
fn copied(sources: &[String], to: &str, into: bool, path: &str, is_file: impl Fn(&str) -> bool) -> Vec<Option<String>> {
    if !is_related(to, &literal(path)) {
        return Vec::new();
    }
    if is_pattern(path) {
        return vec![None];
    }
    if is_below(to, path) {
        return sources.iter().cloned().map(Some).collect();
    }
    if sources.iter().any(|source| is_pattern(source)) {
        return vec![None];
    }
    let rest = path[to.len()..].trim_start_matches('/');
    let mut found = Vec::new();
    for source in sources.iter().rev() {
        // A file keeps its name in a directory; a directory gives its content, and its name goes.
        if into && last(source) == rest {
            found.push(Some(source.clone()));
        }
        if !is_file(source) {
            found.push(Some(format!("{}/{rest}", source.trim_end_matches('/'))));
        }
    }
    found
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// The beginning of a path that has no wildcards.
fn literal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').take_while(|part| !is_pattern(part)).collect();
    format!("/{}", parts.join("/").trim_start_matches('/'))
}

fn is_related(one: &str, other: &str) -> bool {
    is_below(one, other) || is_below(other, one)
}

fn is_below(inner: &str, outer: &str) -> bool {
    inner == outer || inner.starts_with(&format!("{}/", outer.trim_end_matches('/')))
}

impl Checkout {
    fn content(&self, recipe: &Recipe<'_>, stage: &str, path: &str) -> Content {
        let trees = || self.code.iter().map(|&index| recipe.code[index].tree);
        let whole = trees().map(tree::whole).fold(Mark::of(&[]), Mark::and);
        // Something that the commands made: another one when the code is, and who knows otherwise.
        let made = Mark { low: whole.low, high: self.made.high };
        let mut parts: Vec<(bool, Part)> = trees().flat_map(|tree| self.parts(tree, path)).collect();
        if self.effects.is_root(path) {
            parts.push((true, Part { path: ".".to_owned(), mark: whole, is_file: false }));
        }
        let is_file = parts.iter().all(|(sure, part)| *sure && part.is_file);
        let written: Vec<&str> = self.effects.written_in(path, is_file).collect();
        if parts.is_empty() || self.effects.is_renamed(path) {
            let version = self.version(recipe, &written, path);
            return version.unwrap_or_else(|| Content::of(Cause::Input(stage.to_owned()), made));
        }
        let mark = parts.iter().map(|(_, part)| part.mark).fold(Mark::of(&[]), Mark::and);
        let mark = if parts.len() > 1 { mark.doubtful() } else { mark };
        // Where nobody knows what is there, it is at least the same when the same commands were run.
        let mark = Mark { high: mark.high.or(self.made.high), ..mark };
        let rules = trees().map(tree::attributes).fold(self.effects.mark.unwrap_or(Mark::of(&[])), Mark::and);
        let is_vague = self.effects.opaque || parts.iter().any(|(sure, _)| !sure);
        let vague = if is_vague { made } else { Mark::of(&[]) };
        let name = parts[0].1.path.clone();
        let mut causes = vec![(Cause::Files(name), mark.and(rules.doubtful()).and(vague.doubtful()))];
        causes.extend(written.into_iter().map(|file| match version_content(recipe, file) {
            Some(content) => (Cause::Files(last(file).to_owned()), Mark::of(&[content])),
            None => (Cause::Input(stage.to_owned()), made),
        }));
        let has_repository = self.effects.has_repository(path);
        if has_repository {
            // Whatever the commit: times and packs are others after every clone.
            let mark = if self.effects.opaque { self.made.doubtful() } else { self.made };
            causes.push((Cause::Files(".git".to_owned()), mark));
        }
        Content { causes, is_file: is_file && !has_repository }
    }

    /// The parts of a tree that a path of the image may be: as much of its end as the tree has. They are sure below where
    /// the tree may be; anywhere else it may be another file, behind a link.
    fn parts(&self, tree: &Tree, path: &str) -> Vec<(bool, Part)> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let part = |start: usize| {
            let is_sure = self.effects.is_root(&format!("/{}", names[..start].join("/")));
            let mut part = tree::part(tree, &names[start..].join("/"))?;
            part.mark = if is_sure { part.mark } else { part.mark.doubtful() };
            Some((is_sure, part))
        };
        let (sure, elsewhere): (Vec<_>, Vec<_>) = (0..names.len()).filter_map(part).partition(|(is_sure, _)| *is_sure);
        if sure.is_empty() { elsewhere } else { sure }
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
