//! The page of a build: one file without scripts that needs no network.

mod graph;
mod timeline;
mod trend;

use crate::measure::{bytes, counted, seconds};
use crate::stages::StageSummary;
use crate::steps::{Status, StepSummary};
use crate::summary::{ServiceSummary, Summary};
use crate::text::{html, html_with_code};
use crate::upstream::Upstream;

const STYLE: &str = include_str!("html/style.css");

/// The page of a summary; `before` are the earlier ones of the project, the newest first, `writer` the command
/// that made the page.
pub fn page(summary: &Summary, before: &[Summary], writer: &str) -> String {
    let title = format!("{} {}", summary.project, summary.command);
    let sections = [
        header(summary),
        failure(summary),
        tiles(summary),
        section("Services", &services(summary)),
        section("Commits", &commits(summary)),
        section("Timeline", &timeline::draw(summary)),
        format!(
            "<div class=\"pair\">{}{}</div>",
            section("Stages", &graph::draw(&summary.stages)),
            section("Predicted and actual", &prediction(&summary.stages))
        ),
        section("Steps", &steps(summary)),
        section("Last builds", &trend::draw(summary, before)),
        footer(summary, writer),
    ];
    document(&title, &sections)
}

/// A page of our own look, from HTML; `title` is text.
pub fn document(title: &str, sections: &[String]) -> String {
    let title = html(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}\n</main>\n</body>\n</html>\n",
        sections.join("\n")
    )
}

/// A part of a page with its heading, from HTML.
pub fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}\n</section>")
}

fn header(summary: &Summary) -> String {
    let (class, word) = match (&summary.failure, summary.figures.ran) {
        (Some(_), _) => ("failed", "failed"),
        (None, 0) => ("cached", "nothing ran"),
        (None, _) => ("ran", "done"),
    };
    format!(
        "<header><h1>{}</h1><p><code>{}</code> on {} <span class=\"chip {class}\">{word}</span></p></header>",
        html(&summary.project),
        html(&summary.command),
        summary.when()
    )
}

fn failure(summary: &Summary) -> String {
    let Some(failure) = &summary.failure else { return String::new() };
    let cause = failure.cause.lines().next().unwrap_or_default();
    let mut text = format!("<section class=\"failure\">\n<h2>It failed</h2>\n<p>{}</p>", html_with_code(cause));
    for step in summary.steps.iter().filter(|step| step.status() == Status::Failed) {
        let tail: Vec<_> = step.tail.iter().map(|line| html(line)).collect();
        text += &format!("\n<h3>{}</h3>\n<pre>{}</pre>", html(&step.title()), tail.join("\n"));
    }
    text + "\n</section>"
}

/// A figure with its name and a note, from HTML.
pub fn tile(name: &str, value: &str, note: &str) -> String {
    format!("<div class=\"tile\"><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>")
}

fn tiles(summary: &Summary) -> String {
    let figures = &summary.figures;
    let count = summary.steps.len();
    let share = format!(
        "{} of {}<span class=\"share\"><i style=\"width:{}%\"></i></span>",
        figures.cached,
        counted(count, "step"),
        figures.cached_share(count)
    );
    let saved = figures.saved();
    let (saved, note) = saved.split_once(", ").unwrap_or((&saved, "against running everything"));
    let downloads = (figures.bytes > 0).then(|| tile("Downloaded", &bytes(figures.bytes), "by steps of the build"));
    let downloads = downloads.unwrap_or_default();
    let healthy = html(&summary.healthy.join(", "));
    let up = if healthy.is_empty() { healthy } else { tile("Started", "healthy", &healthy) };
    format!(
        "<dl class=\"tiles\">{}{}{}{}{downloads}{up}</dl>",
        tile("Total", &seconds(summary.total_ms), &format!("build {}", seconds(summary.build_ms))),
        tile("From the cache", &format!("{} %", figures.cached_share(count)), &share),
        tile(
            "Critical path",
            &seconds(figures.critical_ms),
            &format!("{} in a row", counted(figures.critical.len(), "step"))
        ),
        tile("Saved", saved, note)
    )
}

fn services(summary: &Summary) -> String {
    let row = |service: &ServiceSummary| {
        let made_from = html(&service.made_from.join(", "));
        let made_from = if made_from.is_empty() { made_from } else { format!("<small>made from {made_from}</small>") };
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td><code>{}</code></td><td>{}{made_from}</td></tr>",
            html(&service.service),
            html(&service.action),
            html(&service.cache_bust),
            html_with_code(&service.why)
        )
    };
    let rows: String = summary.services.iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"services\"><thead><tr><th>Service</th><th>Action</th><th>Value</th><th>Why</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}

/// What was built of each repository, and the commits that were new in it.
fn commits(summary: &Summary) -> String {
    let mut sources: Vec<_> = summary.services.iter().flat_map(|service| &service.sources).collect();
    sources.sort_by_key(|source| (&source.repository, &source.wanted, &source.revision));
    sources.dedup_by_key(|source| (&source.repository, &source.wanted, &source.revision));
    let built = sources.iter().map(|source| {
        let revision: String = source.revision.chars().take(12).collect();
        format!("<li>{} {} <code>{}</code></li>", html(&source.repository), html(&source.wanted), html(&revision))
    });
    let built: String = built.collect();
    let news: String = summary.upstream.iter().map(news).collect();
    match sources.is_empty() {
        true => "<p class=\"note\">No service has code from a repository.</p>".to_owned(),
        false => format!("<div class=\"commits\"><h3>Built</h3><ul>{built}</ul>{news}</div>"),
    }
}

/// The commits of one source that the images before did not have.
fn news(upstream: &Upstream) -> String {
    let lines = upstream.lines();
    let (head, commits) = lines.split_first().map_or(("", &[][..]), |(head, rest)| (head.as_str(), rest));
    let row = |line: &String| match line.split_once(' ') {
        Some((id, rest)) if id != "and" => format!("<li><code>{}</code> {}</li>", html(id), html(rest)),
        _ => format!("<li>{}</li>", html(line)),
    };
    let services = html(&upstream.services.join(", "));
    format!("<h3>New in {services}: {}</h3><ul>{}</ul>", html(head), commits.iter().map(row).collect::<String>())
}

fn prediction(stages: &[StageSummary]) -> String {
    let row = |stage: &StageSummary| {
        let mark = match stage.as_expected {
            Some(true) => "<span class=\"yes\" title=\"as predicted\">✓</span>",
            Some(false) => "<span class=\"no\" title=\"not as predicted\">✗</span>",
            None => "",
        };
        let why = stage.why.as_ref().map_or(String::new(), |why| format!("<small>{}</small>", html_with_code(why)));
        format!(
            "<tr><th scope=\"row\">{}{why}</th><td>{}</td><td>{} {mark}</td></tr>",
            html(&stage.title),
            stage.prediction(),
            stage.outcome()
        )
    };
    let rows: String = stages.iter().map(row).collect();
    let is_note = stages.iter().all(|stage| stage.expected.is_none());
    let note = if is_note { "<p class=\"note\">Nothing was predicted for this build.</p>" } else { "" };
    format!(
        "<table class=\"prediction\"><thead><tr><th>Stage</th><th>Predicted</th><th>Actual</th></tr></thead><tbody>{rows}</tbody></table>{note}"
    )
}

fn steps(summary: &Summary) -> String {
    let table = |steps: Vec<&StepSummary>| {
        let rows: String = steps.into_iter().map(|step| step_row(step, summary)).collect();
        format!(
            "<div class=\"scroll\"><table class=\"steps\"><thead><tr><th>Step</th><th>Services</th><th>Time</th></tr></thead>\
             <tbody>{rows}</tbody></table></div>"
        )
    };
    let (cached, ran): (Vec<_>, Vec<_>) = summary.longest_first().into_iter().partition(|step| step.cached);
    let count = cached.len();
    let ran = if ran.is_empty() { "<p class=\"note\">No step ran.</p>".to_owned() } else { table(ran) };
    match count {
        0 => ran,
        _ => format!(
            "{ran}<details><summary>{} came from the cache</summary>{}</details>",
            counted(count, "step"),
            table(cached)
        ),
    }
}

fn step_row(step: &StepSummary, summary: &Summary) -> String {
    let note = match (summary.because(step), step.last_ms) {
        (Some(because), _) if step.status() == Status::Ran => format!("ran {because}"),
        (Some(because), _) => format!("{}; it ran {because}", step.status().word()),
        (None, Some(last)) => format!("took {} the last time", seconds(last)),
        (None, None) => step.status().word().to_owned(),
    };
    let time = if step.cached { "cached".to_owned() } else { seconds(step.duration_ms) };
    let downloaded = if step.bytes > 0 { format!("<br>{}", bytes(step.bytes)) } else { String::new() };
    format!(
        "<tr class=\"{}\"><td><code title=\"{}\">{}</code><small>{}</small></td><td>{}</td><td class=\"time\">{time}{downloaded}</td></tr>",
        step.status().word(),
        html(&step.name),
        html(&step.title()),
        html_with_code(&note),
        html(&step.services.join(", "))
    )
}

fn footer(summary: &Summary, writer: &str) -> String {
    let log = summary.log.as_ref().map_or(String::new(), |log| format!("Log: <code>{}</code><br>", html(log)));
    format!("<footer>{log}Written by <code>{}</code></footer>", html(writer))
}
