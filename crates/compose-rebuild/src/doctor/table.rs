//! The code that a project fetches, as a table for people.

use crate::facts::found::{Sighting, Watch};

/// Columns that lines have at most, as far as that can be.
const WIDTH: usize = 100;
/// Columns that no cell is cut below.
const NARROWEST: usize = 8;
/// What stands between two cells.
const GAP: &str = "  ";

/// The lines of the table, its head first; services with the same code in the same place share a line.
pub fn table(seen: &[Sighting]) -> Vec<String> {
    let mut rows: Vec<[String; 6]> = Vec::new();
    for one in seen {
        let (service, row) = (one.service.as_str(), cells(one));
        match rows.iter_mut().find(|other| other[1..] == row) {
            Some(other) if other[0].split(", ").any(|other| other == service) => {}
            Some(other) => other[0] = format!("{}, {service}", other[0]),
            None => {
                let [stage, place, repository, reference, watched] = row;
                rows.push([service.to_owned(), stage, place, repository, reference, watched]);
            }
        }
    }
    rows.insert(0, ["SERVICE", "STAGE", "LINE", "REPOSITORY", "REF", "WATCHED BY"].map(str::to_owned));
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let mut widths = [0, 1, 2, 3, 4].map(widest);
    // A long reason goes to a line of its own.
    let last = widest(5).min("no: it stays cached".len());
    while widths.iter().sum::<usize>() + 5 * GAP.len() + GAP.len() + last > WIDTH {
        let Some(widest) = widths.iter_mut().max().filter(|width| **width > NARROWEST) else { break };
        *widest -= 1;
    }
    rows.iter().flat_map(|row| line(row, &widths, last)).collect()
}

/// What a line says behind the service.
fn cells(seen: &Sighting) -> [String; 5] {
    let repository = seen.repository.replacen("https://", "", 1);
    let watched = match &seen.watch {
        Watch::Argument { by } => by.clone(),
        Watch::Builder => "BuildKit".to_owned(),
        Watch::Fixed => "it does not move".to_owned(),
        Watch::TakenForTag => "a tag by its name".to_owned(),
        Watch::NotConfigured => "not configured".to_owned(),
        Watch::No { .. } if seen.is_uncovered() => "no: it stays cached".to_owned(),
        Watch::No { why, .. } => format!("no: {why}"),
    };
    let (stage, place) = match seen.line {
        Some(line) => (seen.stage.clone(), format!("{}:{line}", seen.file)),
        None => ("-".to_owned(), seen.stage.clone()),
    };
    [stage, place, repository.trim_end_matches(".git").to_owned(), seen.r#ref.clone(), watched]
}

/// A row, in two lines where its last cell is a long reason.
fn line(row: &[String; 6], widths: &[usize; 5], last: usize) -> Vec<String> {
    let cell = |(column, width): (usize, &usize)| {
        let text: Vec<char> = row[column].chars().collect();
        let (length, kept) = (text.len(), width.saturating_sub(1));
        let cut = match column {
            _ if length <= *width => text.iter().collect(),
            // The end of a path says most.
            2 | 3 => format!("…{}", text[length - kept..].iter().collect::<String>()),
            _ => format!("{}…", text[..kept].iter().collect::<String>()),
        };
        format!("{GAP}{cut:width$}")
    };
    let start: String = widths.iter().enumerate().map(cell).collect();
    match row[5].chars().count() <= last {
        true => vec![format!("{start}{GAP}{}", row[5])],
        false => vec![start.trim_end().to_owned(), format!("{GAP}{GAP}{}", row[5])],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockerfile_reader::Reference;
    use dockerfile_reader::sources::{Cover, Fetch};

    fn sighting(service: &str, stage: &str, repository: &str, watch: Watch) -> Sighting {
        let (repository, reference) = (repository.to_owned(), Reference::Head);
        let fetch = Fetch {
            stage: 0,
            instruction: 0,
            runs_in: 0,
            line: 12,
            repository: repository.clone(),
            reference,
            cover: Cover::Nothing,
            commit_arg: None,
        };
        let (stage, r#ref, file) = (stage.to_owned(), "HEAD".to_owned(), "Dockerfile".to_owned());
        let service = service.parse().expect("name");
        Sighting { service, file, line: Some(12), stage, repository, r#ref, watch, fetch }
    }

    #[test]
    fn services_share_a_line_and_long_cells_are_cut() {
        let by = || Watch::Argument { by: "CACHE_BUST".to_owned() };
        let no = |why: &str| Watch::No { why: why.to_owned(), cure: String::new() };
        let short = "https://git.example/a.git";
        let seen = [
            sighting("api", "build", short, by()),
            sighting("web", "build", short, by()),
            sighting("web", "0", "https://git.example/b", no("no argument")),
            Sighting { line: None, ..sighting("api", "configuration", "https://git.example/c", by()) },
        ];
        assert_eq!(
            table(&seen),
            [
                "  SERVICE   STAGE  LINE           REPOSITORY     REF   WATCHED BY",
                "  api, web  build  Dockerfile:12  git.example/a  HEAD  CACHE_BUST",
                "  web       0      Dockerfile:12  git.example/b  HEAD  no: it stays cached",
                "  api       -      configuration  git.example/c  HEAD  CACHE_BUST",
            ]
        );
        let long = format!("https://git.example/{}/name.git", "group/".repeat(20));
        let mut unknown =
            sighting("a-service-with-a-long-name", "a-stage-with-a-long-name", &long, no(&"why ".repeat(20)));
        unknown.fetch.cover = Cover::Builder;
        let lines = table(&[unknown]);
        assert!(lines[1].contains("…") && lines[1].contains("group//name  HEAD"), "{lines:#?}");
        assert!(lines[..2].iter().all(|line| line.chars().count() <= WIDTH) && lines[2].starts_with("    no: why"));
    }
}
