//! `verify`: compare the remote's tip with what the images hold.

use std::thread;

use serde::Serialize;

use super::Context;
use crate::cli;
use crate::error::Failure;
use crate::facts::sources::unknown_service;
use crate::facts::{Facts, gather, join};
use crate::plan::label;
use crate::value::{ImageRef, Service};
use crate::verify::Opened;

/// What was found for one service.
#[derive(Debug, Serialize)]
struct Row {
    service: Service,
    image: ImageRef,
    /// What the remotes have.
    remote: String,
    /// What the image's label says.
    label: Option<String>,
    /// What the version file in the image says.
    version_file: Option<String>,
    verdict: Verdict,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Everything agrees.
    Current,
    /// The image is made from another commit than the remote has now.
    Stale,
    /// The label and the version file disagree.
    WrongContent,
    /// The image does not say who made it.
    NotOurs,
    /// There is no image.
    NeverBuilt,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::WrongContent => "wrong content",
            Self::NotOurs => "not built by xtask",
            Self::NeverBuilt => "never built",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Exit code 1 when a service is not current, 2 for an unknown service, 3 when remote or engine do not answer.
pub fn run(context: &Context, options: &cli::Verify) -> anyhow::Result<()> {
    let ui = &context.ui;
    let facts = gather(ui, &context.settings.files, None)?;
    if let Some(unknown) = options.services.iter().find(|service| !facts.project.services.contains_key(*service)) {
        return Err(unknown_service(unknown, &facts.project).into());
    }
    let selected = facts.project.services.keys();
    let selected = selected.filter(|service| options.services.is_empty() || options.services.contains(service));
    let rows = thread::scope(|scope| {
        let threads: Vec<_> = selected.map(|service| scope.spawn(|| row(context, &facts, service))).collect();
        threads.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let short = |revision: Option<&str>| {
        revision.filter(|text| !text.is_empty()).map_or("-".to_owned(), |text| {
            text.split(' ').map(|one| one.chars().take(18).collect::<String>()).collect::<Vec<_>>().join(" ")
        })
    };
    ui.data(&format!("{:<20} {:<18} {:<18} {:<18} verdict", "service", "remote", "label", "version file"));
    for row in &rows {
        let (remote, label, file) =
            (short(Some(&row.remote)), short(row.label.as_deref()), short(row.version_file.as_deref()));
        ui.data(&format!("{:<20} {remote:<18} {label:<18} {file:<18} {}", row.service.as_str(), row.verdict.words()));
        ui.message("verdict", row);
    }
    let bad: Vec<_> =
        rows.iter().filter(|row| row.verdict != Verdict::Current).map(|row| row.service.as_str()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let cure = match rows.iter().any(|row| row.verdict == Verdict::WrongContent) {
        true => "build it again without cache: cargo xtask full --keep-models",
        false => "bring it up to date: cargo xtask rebuild",
    };
    Err(Failure::no(format!("not current: {}", bad.join(", "))).kept("nothing was changed").hint(cure).into())
}

fn row(context: &Context, facts: &Facts, service: &Service) -> anyhow::Result<Row> {
    let built = &facts.project.services[service];
    let sources = facts.sources.iter().filter(|resolved| resolved.source.services.contains(service));
    let remote = sources.map(|resolved| resolved.revision.to_string()).collect::<Vec<_>>().join(" ");
    let mut row = Row {
        service: service.clone(),
        image: built.image.clone(),
        remote,
        label: None,
        version_file: None,
        verdict: Verdict::NeverBuilt,
    };
    let Some(image) = facts.images.get(&built.image) else { return Ok(row) };
    if !image.belongs_to(&facts.project.name) {
        row.verdict = Verdict::NotOurs;
        return Ok(row);
    }
    row.label = image.label(label::REVISION).map(str::to_owned);
    let one_source = !row.remote.is_empty() && !row.remote.contains(' ');
    let path = facts.workspace.config.version_file(service).filter(|_| one_source && !built.build_only);
    if let Some(path) = path {
        let opened = Opened::new(&context.ui, &facts.project.name, &[&built.image])?;
        row.version_file = opened.read(&built.image, image, path)?;
    }
    let label = row.label.as_deref().unwrap_or_default();
    let missing = path.is_some() && row.version_file.is_none();
    row.verdict = if missing || row.version_file.as_deref().is_some_and(|content| content != label) {
        Verdict::WrongContent
    } else if label != row.remote {
        Verdict::Stale
    } else {
        Verdict::Current
    };
    Ok(row)
}
