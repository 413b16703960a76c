//! The edits that fix findings about cache-bust arguments, as few lines as possible and in the style of the file.

mod edit;
mod pin;

use dockerfile_reader::sources::{Busts, Fetch};
use dockerfile_reader::{Dockerfile, Stage};
pub use edit::{Edit, apply, unified};

/// What makes a step run again that nothing does: an argument just above it, the one that stands below where there is one; and
/// the commit for what can take it.
pub(super) fn cover(dockerfile: &Dockerfile, fetch: &Fetch, is_alone: bool, bust: &str) -> Vec<Edit> {
    let stage = &dockerfile.stages[fetch.stage];
    let busts = Busts::of(dockerfile, [bust.to_owned()]);
    let below = argument(stage, |name| busts.has(name)).filter(|at| *at > fetch.instruction);
    let (at, keyword) = (begin(&dockerfile.text, stage, fetch.instruction), keyword(&dockerfile.text, stage, fetch));
    let mut edits = match below {
        Some(from) => move_argument(&dockerfile.text, stage, from, fetch.instruction),
        None => vec![Edit { at, remove: 0, insert: vec![format!("{keyword} {bust}=unknown")] }],
    };
    if is_alone {
        edits.extend(pin::edits(dockerfile, fetch, at, &keyword));
    }
    edits.sort();
    edits
}

/// Moves an argument, with the comment that stands just above it, to just above another step.
pub(super) fn move_argument(text: &str, stage: &Stage, from: usize, to: usize) -> Vec<Edit> {
    let (first, last) = (begin(text, stage, from), stage.instructions[from].line);
    let lines = text.lines().skip(first - 1).take(last + 1 - first).map(str::to_owned).collect();
    let removal = Edit { at: first, remove: last + 1 - first, insert: Vec::new() };
    let mut edits = vec![removal, Edit { at: begin(text, stage, to), remove: 0, insert: lines }];
    edits.sort();
    edits
}

/// The position of an argument that stands alone on its line.
pub(super) fn argument(stage: &Stage, is_such: impl Fn(&str) -> bool) -> Option<usize> {
    stage.instructions.iter().position(|instruction| {
        let declares = instruction.declares();
        let is_one_line = instruction.text.iter().all(|(_, line)| *line == instruction.line);
        instruction.keyword == "ARG" && is_one_line && matches!(&declares[..], [own] if is_such(&own.name))
    })
}

/// The line where an instruction begins, with the comment just above it.
fn begin(text: &str, stage: &Stage, position: usize) -> usize {
    let above = position.checked_sub(1).map_or(&stage.from, |above| &stage.instructions[above]);
    let line = stage.instructions[position].line;
    let between: Vec<&str> = text.lines().skip(above.end).take(line - 1 - above.end).collect();
    line - between.iter().rev().take_while(|line| line.trim_start().starts_with('#')).count()
}

/// `ARG`, indented and written as the instruction that fetches.
fn keyword(text: &str, stage: &Stage, fetch: &Fetch) -> String {
    let line = text.lines().nth(stage.instructions[fetch.instruction].line - 1).unwrap_or_default();
    let instruction = line.trim_start();
    let keyword = if instruction.starts_with("run") { "arg" } else { "ARG" };
    format!("{}{keyword}", &line[..line.len() - instruction.len()])
}

#[cfg(test)]
mod tests;
