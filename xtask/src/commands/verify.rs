//! `verify`: compare the remote's tip with what the images hold and what the containers run.

pub mod known;

use std::collections::BTreeMap;
use std::thread;

use super::Context;
use crate::cli;
use crate::error::{Failure, exit_code};
use crate::facts::containers::{self, Container};
use crate::facts::history::{self, Relation, together};
use crate::facts::sources::unknown_service;
use crate::facts::trees::{self, Tree};
use crate::facts::{images, join, versions};
use crate::report::{human, verdicts};
use crate::value::{Commit, GitUrl};
use crate::verify::compare::{Difference, Expected};
use crate::verify::skip::Skip;
use crate::verify::verdict::{Evidence, Row, VersionFile};
use crate::verify::{Opened, deep};
use known::{Known, Subject};

/// Files of commits, by repository and commit.
type Trees<'a> = BTreeMap<(&'a GitUrl, Commit), Tree>;

/// Runs the command.
///
/// # Errors
/// Exit code 1 when something is not current, 2 for an unknown service, 3 when remote or engine do not answer.
pub fn run(context: &Context, options: &cli::Verify) -> anyhow::Result<()> {
    let rows = rows(context, options)?;
    verdicts::show(&context.ui, &rows);
    conclude(&rows)
}

/// Judges everything that is asked for.
///
/// # Errors
/// Exit code 2 for an unknown service, 3 when remote or engine do not answer.
pub fn rows(context: &Context, options: &cli::Verify) -> anyhow::Result<Vec<Row>> {
    let ui = &context.ui;
    let known = Known::gather(ui, &context.settings.files, options.offline)?;
    let skip = Skip::parse(&known.workspace.config.deep_skip)?;
    let subjects = subjects(context, &known, options)?;
    let trees = if options.deep { trees(context, &known, &subjects, options.offline)? } else { Trees::new() };
    let (opened, running) = thread::scope(|scope| {
        let running = scope.spawn(|| containers::running(ui, &known.project.name));
        let open = |subject| open(context, &known, subject, &trees, &skip);
        let threads: Vec<_> = subjects.iter().map(|subject| scope.spawn(move || open(subject))).collect();
        let opened: anyhow::Result<Vec<_>> = threads.into_iter().map(join).collect();
        anyhow::Ok((opened?, join(running)?))
    })?;
    let mut rows = Vec::new();
    for (subject, (version_file, deep)) in subjects.iter().zip(opened) {
        let of_service = |one: &&Container| subject.service.as_ref().is_some_and(|name| name.as_str() == one.service);
        let containers = running.iter().filter(of_service).filter(|_| !subject.alone).cloned().collect();
        let mut evidence = Evidence {
            exists: subject.image.is_some(),
            ours: subject.ours,
            remote: subject.remote.clone(),
            label: subject.label().map(str::to_owned),
            sources: subject.parts(),
            unwatched: !subject.watched,
            version_file,
            containers,
            id: subject.image.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
            deep,
            ..Evidence::default()
        };
        if subject.ours && subject.remote.is_some() && !evidence.is_at_tip() {
            evidence.relation = relation(context, &known, subject)?;
            evidence.newer = newer(context, &known, subject)?;
        }
        rows.push(Row::new(subject.service.clone(), subject.name.clone(), evidence, subject.alone));
    }
    if options.image.is_none() {
        human::unwatched(ui, &known.unwatched(&options.services));
    }
    Ok(rows)
}

/// What is verified: the services that were named, all of them, or one image.
fn subjects<'a>(context: &Context, known: &'a Known, options: &cli::Verify) -> anyhow::Result<Vec<Subject<'a>>> {
    if let Some(name) = &options.image {
        let image = images::inspect(&context.ui, std::slice::from_ref(name))?.remove(name);
        return Ok(vec![known.image(name, image)]);
    }
    let services = &known.project.services;
    if let Some(unknown) = options.services.iter().find(|service| !services.contains_key(*service)) {
        return Err(unknown_service(unknown, &known.project).into());
    }
    let wanted = |service: &&_| options.services.is_empty() || options.services.contains(service);
    Ok(services.keys().filter(wanted).map(|service| known.service(service)).collect())
}

/// The files of every commit that an image says it is made from.
fn trees<'a>(
    context: &Context,
    known: &Known,
    subjects: &'a [Subject<'_>],
    offline: bool,
) -> anyhow::Result<Trees<'a>> {
    let mut trees = Trees::new();
    for subject in subjects.iter().filter(|subject| subject.complete && subject.ours) {
        for (remote, label, _) in subject.sides() {
            let Some(commit) = label else {
                context
                    .ui
                    .warning(&format!("`{}` is not made from a commit, so its files are not compared", subject.name));
                continue;
            };
            if !trees.contains_key(&(remote.url, commit.clone())) {
                let tree = trees::of_commit(&context.ui, &known.workspace.state, remote, &commit, offline)?;
                trees.insert((remote.url, commit), tree);
            }
        }
    }
    Ok(trees)
}

/// What is in an image: its version file, and how its files differ from those of its commit, if there is a tree of it.
fn open(
    context: &Context,
    known: &Known,
    subject: &Subject<'_>,
    trees: &Trees<'_>,
    skip: &Skip,
) -> anyhow::Result<(VersionFile, Option<Difference>)> {
    let Some(image) = subject.image.as_ref().filter(|_| subject.ours) else {
        return Ok((VersionFile::NotExpected, None));
    };
    let sides = if subject.complete { subject.sides() } else { Vec::new() };
    let tree = sides.into_iter().find_map(|(remote, label, _)| trees.get(&(remote.url, label?)));
    if subject.version_path.is_none() && tree.is_none() {
        return Ok((VersionFile::NotExpected, None));
    }
    let opened = Opened::new(&context.ui, &known.project.name, &[&subject.name])?;
    let version_file = match &subject.version_path {
        None => VersionFile::NotExpected,
        Some(path) => match opened.read(&subject.name, image, path) {
            Ok(Some(content)) => VersionFile::Content(content),
            Ok(None) => VersionFile::Missing,
            Err(error) => match Failure::of(&error) {
                // What is there is no version file: that is an answer, not a failure.
                refused if refused.code == exit_code::NO => VersionFile::Refused(refused.cause),
                _ => return Err(error),
            },
        },
    };
    let difference =
        tree.map(|tree| deep::compare(&opened, &subject.name, image, Expected::new(tree.clone(), skip.clone())));
    Ok((version_file, difference.transpose()?))
}

/// How the image relates to the tips of its sources.
fn relation(context: &Context, known: &Known, subject: &Subject<'_>) -> anyhow::Result<Option<Relation>> {
    let sides = subject.sides().into_iter();
    let relations = sides.filter(|(_, label, tip)| label.is_none() || label != tip).map(|(remote, label, tip)| {
        match (label, tip) {
            (Some(label), Some(tip)) => history::relation(&context.ui, &known.workspace.state, remote, &label, &tip),
            // Made from local files, or the label is not what this tool writes.
            _ => Ok(Relation::Elsewhere),
        }
    });
    Ok(together(relations.collect::<anyhow::Result<_>>()?))
}

/// The version to which a service that was rolled back can go forward.
fn newer(context: &Context, known: &Known, subject: &Subject<'_>) -> anyhow::Result<Option<String>> {
    let (Some(service), Some(image), false) = (&subject.service, &subject.image, subject.alone) else {
        return Ok(None);
    };
    let versions = versions::of_service(&context.ui, &known.project.name, service, &subject.name)?;
    Ok(versions::newer(&versions, image).map(|version| version.name.clone()))
}

/// The answer: no, unless everything is well, with the cure of each kind of verdict.
fn conclude(rows: &[Row]) -> anyhow::Result<()> {
    let bad: Vec<_> = rows.iter().filter(|row| !row.verdict.is_good()).collect();
    let mut cures: Vec<&str> = Vec::new();
    for cure in bad.iter().filter_map(|row| row.cure.as_deref()) {
        if !cures.contains(&cure) {
            cures.push(cure);
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = bad.iter().map(|row| format!("{} ({})", row.name(), row.words())).collect();
    let failure = Failure::no(format!("not current: {}", names.join(", ")));
    Err(failure.kept("nothing was changed").hint(cures.join("; ")).into())
}
