//! The page of a verification: one glance at all services.

use std::time::Duration;

use buildkit_report::html::{document, section, tile};
use buildkit_report::text::{html, html_with_code};

use crate::facts::containers::{Condition, Container};
use crate::facts::history::Relation;
use crate::value::measure;
use crate::value::time::Timestamp;
use crate::verify::verdict::{Row, Verdict};

/// The page of these rows, `now`.
pub fn page(project: &str, rows: &[Row], now: Timestamp) -> String {
    let head = format!("<header><h1>{}</h1><p>verified on {} UTC</p></header>", html(project), when(now));
    let count = |is: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count().to_string();
    let containers = || rows.iter().flat_map(|row| &row.evidence.containers);
    let ill = containers().filter(|one| matches!(health(one), Condition::Failed(_))).count();
    let tiles = [
        tile("Services", &rows.len().to_string(), ""),
        tile("Up to date", &count(&|row| row.verdict.is_good()), ""),
        tile("Behind", &count(&|row| behind(row).is_some()), "their branch"),
        tile(
            "Unhealthy",
            &ill.to_string(),
            &format!("of {}", measure::counted(containers().count(), "running container")),
        ),
    ];
    let table = format!(
        "<div class=\"scroll\"><table class=\"fleet\"><thead><tr><th>Service</th><th>Deployed</th><th>Behind</th>\
         <th>Running</th><th>Verdict</th></tr></thead><tbody>{}</tbody></table></div>",
        rows.iter().map(|row| line(row, now)).collect::<String>()
    );
    let tiles = format!("<dl class=\"tiles\">{}</dl>", tiles.concat());
    let foot = "<footer>Written by <code>cargo xtask verify --html</code></footer>".to_owned();
    document(&format!("{project} verify"), &[head, tiles, section("Services", &table), foot])
}

fn line(row: &Row, now: Timestamp) -> String {
    let evidence = &row.evidence;
    let deployed = match &evidence.label {
        Some(label) if row.verdict != Verdict::NeverBuilt => code(label),
        _ => "-".to_owned(),
    };
    let built = evidence.created.map_or(String::new(), |at| format!("<small>built {}</small>", ago(at, now)));
    let class = if row.verdict.is_good() { "ran" } else { "failed" };
    let words = row.held().into_iter().chain(row.cure.as_deref());
    let cure: String = words.map(|words| format!("<small>{}</small>", html_with_code(words))).collect();
    format!(
        "<tr><th scope=\"row\">{}<small>{}</small></th><td data-label=\"Deployed\">{deployed}{built}</td>\
         <td data-label=\"Behind\">{}</td><td data-label=\"Running\">{}</td>\
         <td><span class=\"chip {class}\">{}</span>{cure}</td></tr>",
        html(&row.name()),
        html(&row.image.to_string()),
        behind(row).unwrap_or_else(|| "-".to_owned()),
        running(row, now),
        html(&row.words())
    )
}

/// How far a service is behind its branch, since when, and by which commits.
fn behind(row: &Row) -> Option<String> {
    let Some(Relation::Behind { by, missed }) = &row.evidence.relation else {
        let is_behind = matches!(row.verdict, Verdict::Behind | Verdict::RolledBack | Verdict::Held);
        return is_behind.then(|| "nobody can tell how far".to_owned());
    };
    let all = u64::try_from(missed.len()).is_ok_and(|listed| listed == *by);
    let since = missed.last().filter(|_| all).and_then(|oldest| oldest.date.split('T').next());
    let since = since.map_or(String::new(), |day| format!(" since {}", html(day)));
    let commits = if *by == 1 { "commit" } else { "commits" };
    let newest = missed.iter().take(3).map(|one| format!("<small>{}</small>", html(&one.to_string())));
    Some(format!("{by} {commits}{since}{}", newest.collect::<String>()))
}

/// The containers of a service: how each is, since when, and whether it runs another image.
fn running(row: &Row, now: Timestamp) -> String {
    let outdated: Vec<_> = row.evidence.outdated().map(|one| one.name.as_str()).collect();
    let one = |container: &Container| {
        let (class, word) = match health(container) {
            Condition::Healthy => ("yes", "healthy".to_owned()),
            Condition::Starting => ("note", "starting".to_owned()),
            Condition::Failed(why) => ("no", why),
        };
        let since = container.since().map_or(String::new(), |at| format!(", started {}", ago(at, now)));
        let other = match outdated.contains(&container.name.as_str()) {
            true => format!(", from {}", container.revision.as_deref().map_or("another image".to_owned(), code)),
            false => String::new(),
        };
        format!("<span class=\"{class}\">{}</span><small>{}{since}{other}</small>", html(&word), html(&container.name))
    };
    let all: String = row.evidence.containers.iter().map(one).collect();
    if all.is_empty() { "not running".to_owned() } else { all }
}

/// How a container is that has run for a while.
fn health(container: &Container) -> Condition {
    container.condition(Duration::MAX, container.restarts)
}

/// The first digits of every commit of a label.
fn code(revision: &str) -> String {
    let short: Vec<_> =
        revision.split_whitespace().map(|one| format!("<code>{}</code>", html(crate::value::short(one)))).collect();
    short.join(" ")
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", measure::age(now.since(at).as_secs()))
}

fn when(at: Timestamp) -> String {
    at.to_string().split('.').next().unwrap_or_default().replace('T', " ")
}
