//! `verify`: compare the remote's tip with what the images hold and what the containers run.

pub mod known;

use std::collections::{BTreeSet, HashMap};

use super::{Context, kept};
use crate::cli;
use crate::error::{Failure, exit_code};
use crate::facts::containers::{self, Container};
use crate::facts::history::{self, Relation, together};
use crate::facts::image::Store;
use crate::facts::repository::Remote;
use crate::facts::tree::Tree;
use crate::facts::{images, trees};
use crate::report::{fleet, human, verdicts};
use crate::sys::files;
use crate::sys::threads::{at_once, both};
use crate::ui::Ui;
use crate::value::{Commit, GitUrl};
use crate::verify::compare::Expected;
use crate::verify::skip::Skip;
use crate::verify::verdict::{Evidence, Row, Verdict};
use crate::verify::{Opened, deep};
use known::{Known, Side, Subject};

/// Files of commits, by repository and commit.
type Trees<'a> = HashMap<(&'a GitUrl, Commit), Tree>;

/// Runs the command.
///
/// # Errors
/// Exit code 1 when something is not current, 2 for an unknown service, 3 when remote or engine do not answer.
pub fn run(context: &Context, options: &cli::Verify) -> anyhow::Result<()> {
    let (known, rows) = judged(context, options)?;
    let ui = &context.ui;
    if options.html {
        let (state, project) = (&known.facts.workspace.state, &known.facts.project.name);
        let path = state.join(format!("verify-{project}.html"));
        files::create_directory(state)?;
        let page = ui.named(fleet::page(project.as_str(), &rows, context.settings.now));
        files::write(&path, page.as_bytes())?;
        rows.iter().for_each(|row| ui.message("verdict", row));
        ui.data(path.as_str());
    } else {
        verdicts::show(ui, &rows);
    }
    conclude(ui, &rows)
}

/// Judges everything that is asked for.
pub fn rows(context: &Context, options: &cli::Verify) -> anyhow::Result<Vec<Row>> {
    Ok(judged(context, options)?.1)
}

/// Judges everything that is asked for, and what it was judged by.
fn judged<'a>(context: &'a Context, options: &cli::Verify) -> anyhow::Result<(Known<'a>, Vec<Row>)> {
    let ui = &context.ui;
    let known = Known::gather(context, options)?;
    let skip = Skip::parse(&known.facts.workspace.config.deep_skip)?;
    let subjects = subjects(&known, options)?;
    let trees = if options.deep { trees(&known, &subjects, options.offline)? } else { Trees::new() };
    // Containers of this machine say nothing about a registry.
    let running = || match known.store {
        Store::Engine => containers::running(ui, &known.facts.project.name),
        Store::Registry => Ok(Vec::new()),
    };
    let open = |subject| open(&known, subject, &trees, &skip);
    let (running, opened) = both(running, || at_once(&subjects, open));
    let opened = opened.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let running = running?;
    let last =
        kept::all(ui, &known.facts.workspace.state).find(|(_, last)| last.project == known.facts.project.name.as_str());
    let broken = last.filter(|(_, last)| last.failure.as_ref().is_some_and(|failure| failure.code == exit_code::STEP));
    // A rebuild would end in the same failure.
    let failed = |row: &Row| {
        broken.iter().flat_map(|(_, last)| &last.services).any(|built| {
            row.service.as_ref().is_some_and(|service| built.service == service.as_str())
                && row.evidence.remote.as_ref() == Some(&built.revision)
        })
    };
    let mut rows = Vec::new();
    for (subject, mut evidence) in subjects.iter().zip(opened) {
        let of_service = |one: &&Container| subject.service.as_ref().is_some_and(|name| name.as_str() == one.service);
        evidence.containers = running.iter().filter(of_service).filter(|_| !subject.alone).cloned().collect();
        if evidence.ours && evidence.remote.is_some() && !evidence.is_at_tip() {
            evidence.relation = relation(&known, subject)?;
            evidence.newer = newer(&known, subject)?;
        }
        let mut row = Row::new(subject.service.clone(), subject.name.clone(), evidence, subject.alone);
        if row.verdict == Verdict::Behind && failed(&row) {
            row.cure = Some("its last build failed, fix it and push: cargo xtask report".to_owned());
        } else if known.store == Store::Registry {
            row.cure = row.cure.map(|cure| cure.replace("xtask rebuild", "xtask rebuild --push"));
        }
        rows.push(row);
    }
    if options.image.is_none() {
        human::unwatched(ui, &known.unwatched(&options.services));
    }
    Ok((known, rows))
}

/// What is verified: the services that were named, all of them, or one image.
fn subjects<'a>(known: &'a Known<'_>, options: &cli::Verify) -> anyhow::Result<Vec<Subject<'a>>> {
    if let Some(name) = &options.image {
        let image = known.store.inspect(known.ui, std::slice::from_ref(name))?.remove(name);
        return Ok(vec![known.image(name, image)]);
    }
    let services = &known.facts.project.services;
    let wanted = |service: &&_| options.services.is_empty() || options.services.contains(service);
    Ok(services.keys().filter(wanted).map(|service| known.service(service)).collect())
}

/// The files of every commit that an image says it is made from.
fn trees<'a>(known: &Known<'_>, subjects: &'a [Subject<'_>], offline: bool) -> anyhow::Result<Trees<'a>> {
    let mut trees = Trees::new();
    let is_comparable = |subject: &&Subject<'_>| {
        let Evidence { ours, gone, .. } = subject.evidence;
        subject.complete && ours && !gone && subject.sides().iter().all(|side| side.known)
    };
    for subject in subjects.iter().filter(is_comparable) {
        subject.directories(&known.facts.workspace.config)?;
        for side in subject.sides() {
            let Some(commit) = side.label else {
                let warning = format!("`{}` is not made from a commit, so its files are not compared", subject.name);
                known.ui.warning(&warning);
                continue;
            };
            if !trees.contains_key(&(side.url, commit.clone())) {
                let remote = Remote::new(known.ui, &known.facts.workspace, side.url);
                let tree = trees::of_commit(remote, &commit, offline)?;
                trees.insert((side.url, commit), tree);
            }
        }
    }
    Ok(trees)
}

/// The files that an image has to have, when all its commits are known.
fn expected(known: &Known<'_>, subject: &Subject<'_>, trees: &Trees<'_>, skip: &Skip) -> Option<Expected> {
    let directories = subject.directories(&known.facts.workspace.config).ok().filter(|_| subject.complete)?;
    let tree = |side: Side<'_>| trees.get(&(side.url, side.label?)).cloned();
    let trees: Option<Vec<_>> = subject.sides().into_iter().map(tree).collect();
    Some(Expected::new(directories.into_iter().zip(trees?).collect(), skip.clone()))
}

/// Adds what is in an image: its version file, and how its files differ from those of its commits, if these are known.
fn open(known: &Known<'_>, subject: &Subject<'_>, trees: &Trees<'_>, skip: &Skip) -> anyhow::Result<Evidence> {
    let mut evidence = subject.evidence.clone();
    let image = subject.image.as_ref().filter(|_| evidence.ours);
    let expected = expected(known, subject, trees, skip);
    let (Some(image), true) = (image, subject.version_path.is_some() || expected.is_some()) else {
        return Ok(evidence);
    };
    let opened = Opened::new(known.ui, &known.facts.project.name, &[&subject.name])?;
    if let Some(path) = &subject.version_path {
        match opened.read(&subject.name, image, path) {
            Ok(Some(content)) => evidence.version_file = Some(content),
            Ok(None) => evidence.no_version = Some("the version file is missing".to_owned()),
            Err(error) => match Failure::of(&error) {
                // What is there is no version file: that is an answer, not a failure.
                refused if refused.code == exit_code::NO => evidence.no_version = Some(refused.cause),
                _ => return Err(error),
            },
        }
    }
    let difference = expected.map(|expected| deep::compare(&opened, &subject.name, image, expected));
    evidence.deep = difference.transpose()?;
    Ok(evidence)
}

/// How the image relates to the tips of its sources.
fn relation(known: &Known<'_>, subject: &Subject<'_>) -> anyhow::Result<Option<Relation>> {
    let sides = subject.sides().into_iter();
    let relations = sides.filter(|side| side.label.is_none() || side.label != side.tip).map(|side| {
        match (&side.label, &side.tip) {
            (Some(label), Some(tip)) => {
                history::relation(Remote::new(known.ui, &known.facts.workspace, side.url), label, tip)
            }
            // Made from local files, or the label is not what this tool writes.
            _ => Ok(Relation::Elsewhere),
        }
    });
    Ok(together(relations.collect::<anyhow::Result<_>>()?))
}

/// The version to which a service that was rolled back can go forward.
fn newer(known: &Known<'_>, subject: &Subject<'_>) -> anyhow::Result<Option<String>> {
    let alone = subject.alone || known.store == Store::Registry;
    let (Some(service), Some(image), false) = (&subject.service, &subject.image, alone) else {
        return Ok(None);
    };
    images::newer(known.ui, &known.facts.project.name, service, &subject.name, image)
}

/// The answer: no, unless everything is well, with the cure of each kind of verdict.
fn conclude(ui: &Ui, rows: &[Row]) -> anyhow::Result<()> {
    let bad: Vec<_> = rows.iter().filter(|row| !row.verdict.is_good()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    let cures: Vec<_> = bad.iter().filter_map(|row| row.cure.as_deref()).filter(|cure| seen.insert(*cure)).collect();
    let groups = human::groups(ui, &bad, |row| row.words());
    let name = |group: &Vec<&&Row>| human::names_or_count(group, |row| row.name(), "service");
    let names: Vec<_> = groups.iter().map(|group| format!("{} ({})", name(group), group[0].words())).collect();
    let failure = Failure::no(format!("not current: {}", names.join(", ")));
    Err(failure.kept("nothing was changed").hint(cures.join("; ")).into())
}
