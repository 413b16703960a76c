//! The commit in place of a branch, where a line names that right behind the address: `git+https://host/app.git@main`.

use super::edit::{Edit, apply};
use dockerfile_reader::sources::{Busts, Fetch, fetches};
use dockerfile_reader::{Dockerfile, Reference};

/// What lets a step take the commit that it is told, by an argument that `keyword` declares above the line `at`; nothing where the form of
/// the step does not allow that.
pub(super) fn edits(dockerfile: &Dockerfile, fetch: &Fetch, at: usize, keyword: &str) -> Vec<Edit> {
    let text = &dockerfile.text;
    let (Reference::Named(name), Some(line)) = (&fetch.reference, text.lines().nth(fetch.line - 1)) else {
        return Vec::new();
    };
    let argument = argument(fetch);
    let named = ['@', '#'].map(|sign| format!("{sign}{name}"));
    let places: Vec<_> = named.iter().flat_map(|text| line.match_indices(text.as_str())).collect();
    let [(start, found)] = places[..] else { return Vec::new() };
    let (before, after) = (&line[..=start], &line[start + found.len()..]);
    let edits = vec![
        Edit { at, remove: 0, insert: vec![format!("{keyword} {argument}=")] },
        Edit { at: fetch.line, remove: 1, insert: vec![format!("{before}${{{argument}:-{name}}}{after}")] },
    ];
    // Whether the shell sees the argument is what the reader of Dockerfiles knows.
    let edited = Dockerfile::read(&apply(text, &edits));
    let again = fetches(&edited, &Default::default(), &Busts::of(&edited, []));
    let takes = |one: &Fetch| one.commit_arg.as_ref() == Some(&argument) && one.reference == fetch.reference;
    let is_new = !text.contains(&argument);
    if is_new && again.iter().any(takes) { edits } else { Vec::new() }
}

/// A name that says it is a commit, after the repository.
fn argument(fetch: &Fetch) -> String {
    let name = fetch.name().trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("{}_COMMIT", letters.collect::<String>())
}
