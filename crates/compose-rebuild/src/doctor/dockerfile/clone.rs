//! Code that nobody notices a push to, and checkouts that ignore what was asked for.

use super::stage::{Script, StageView, error, warning};
use crate::doctor::patch::{self, Edit};
use crate::doctor::{Finding, Names, list};
use crate::facts::found::{Sighting, Watch};
use crate::value::show;
use dockerfile_reader::shell::Word;
use dockerfile_reader::tools::Git;

/// Branches that are written into Dockerfiles.
const BRANCHES: &[&str] =
    &["main", "master", "develop", "development", "dev", "trunk", "stable", "staging", "production"];

pub(super) fn check(stage: &StageView<'_>, names: &Names) -> Vec<Finding> {
    let unwatched = stage.seen.iter().copied().filter(|seen| matches!(seen.watch, Watch::No { .. }));
    let (uncovered, others): (Vec<_>, Vec<_>) = unwatched.partition(|seen| seen.is_uncovered());
    let of_one_kind = others.chunk_by(|one, next| one.watch == next.watch);
    let mut findings: Vec<_> = of_one_kind.filter_map(not_watched).collect();
    // An argument above the first step stands above all others, too.
    let (unset, others): (Vec<_>, Vec<_>) = uncovered.into_iter().partition(|seen| stage.unset(seen).is_some());
    let of_one_argument = unset.chunk_by(|one, next| stage.unset(one) == stage.unset(next));
    findings.extend(of_one_argument.chain([&others[..]]).filter_map(|code| without_bust(stage, code, &names.bust)));
    findings.extend(hard_coded(stage, names));
    findings
}

/// Steps that run once and never again.
fn without_bust(stage: &StageView<'_>, code: &[&Sighting], bust: &str) -> Option<Finding> {
    let first = code.first()?;
    let (fetch, order) = (&first.fetch, first.fetch.instruction + 1);
    let what = format!("code of {} with no `ARG {bust}` above it in its stage", repositories(code));
    let run = stage.runs.iter().find(|run| run.order == order);
    let installs = run.and_then(|run| stage.installs_before_code(run).pop());
    let unset = stage.unset(first);
    let below = stage.args.iter().find(|(at, arg)| *at > order && stage.covers(&arg.name));
    let is_alone = code.iter().filter(|seen| seen.fetch.instruction == fetch.instruction).count() == 1;
    let is_patched = !stage.is_kept && below.is_none() && unset.is_none();
    let edits = if is_patched { patch::cover(stage.dockerfile, fetch, is_alone, bust) } else { Vec::new() };
    let cure = match (unset, below, installs) {
        (Some((name, true)), ..) => format!("pass `{name}` in `args` of the compose file: it has no value"),
        (Some((name, false)), ..) => format!("write `ARG {name}` in this stage: one above `FROM` has no value there"),
        _ if stage.is_kept => "pin it to a commit: this image is kept, and made once".to_owned(),
        (None, Some((_, arg)), _) => format!(
            "pin it to a commit; or move `ARG {}` above it, and every push to the code below runs this step again, too",
            arg.name
        ),
        _ if edits.iter().any(Edit::removes) => "move the argument that stands below it to just above it".to_owned(),
        (None, None, Some((_, what))) => {
            format!("write `ARG {bust}=unknown` above this `RUN`, split below {what}: packages need no new code")
        }
        (None, None, None) => format!("write `ARG {bust}=unknown` just above this `RUN`"),
    };
    let finding = error("clone-without-bust", fetch.line, what)
        .why("Docker cannot see that something was pushed, so the step stays cached and the image keeps the old code.")
        .cure(cure);
    Some(Finding { edits, ..finding })
}

/// Code that no argument makes watched.
fn not_watched(code: &[&Sighting]) -> Option<Finding> {
    let Watch::No { why, cure } = &code[0].watch else { return None };
    let what = format!("a push to {} is not noticed: {why}", repositories(code));
    let finding = warning("source-not-watched", code[0].fetch.line, what)
        .why("An image is called up to date although it may hold older code.")
        .cure(cure);
    Some(finding)
}

/// What is fetched, in words.
fn repositories(code: &[&Sighting]) -> String {
    let mut all: Vec<_> = code.iter().map(|seen| show(&seen.repository)).collect();
    all.dedup();
    list(&all)
}

/// Branches that are written down although an argument says which is wanted; only where the stage has one repository.
fn hard_coded(stage: &StageView<'_>, names: &Names) -> Vec<Finding> {
    if stage.seen.windows(2).any(|two| two[0].repository != two[1].repository) {
        return Vec::new();
    }
    // The argument that says which branch is wanted.
    let known = names.refs.iter().find(|name| stage.has_above(usize::MAX, |arg| arg == *name));
    let told = stage.runs.iter().flat_map(Script::git).find_map(|git| git.branch()?.strip_prefix('$'));
    let wanted = known.map(String::as_str).or(told.map(|name| name.trim_matches(['{', '}'])));
    let Some(wanted) = wanted else { return Vec::new() };
    let literal = stage.runs.iter().flat_map(Script::git).filter_map(|git| Some((git, literal_branch(&git)?)));
    let findings = literal.map(|(git, branch)| {
        let what = format!("`git {}` of `{branch}` although `{wanted}` says what is wanted", git.verb);
        error("hard-coded-checkout", git.line, what)
            .why(format!("With another branch in `{wanted}` the image still holds the code of `{branch}`."))
            .cure(format!("write `\"${wanted}\"` instead of `{branch}`"))
    });
    findings.collect()
}

/// The branch that is written down where it is chosen.
fn literal_branch<'a>(git: &Git<'a>) -> Option<&'a str> {
    // `git checkout -- main` names files, `-b` makes a branch.
    let is_other = |word: &Word| matches!(word.text.as_str(), "--" | "-b" | "-B" | "-c" | "-C" | "--orphan");
    let words: Vec<&str> = git.positional().into_iter().map(|word| word.text.as_str()).collect();
    let chosen: Vec<&str> = match git.verb {
        "clone" => git.branch().into_iter().collect(),
        "fetch" | "pull" => words.get(1..).unwrap_or_default().to_vec(),
        "checkout" | "switch" | "reset" if !git.args.iter().any(is_other) => words,
        _ => Vec::new(),
    };
    chosen.into_iter().find(|name| BRANCHES.contains(&name.trim_start_matches("origin/")))
}
