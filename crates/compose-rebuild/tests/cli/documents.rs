//! The documents: every command is the one that the program has, every link leads somewhere, and lines can be read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use compose_rebuild::cli::Cli;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// README and the pages of the site, by their paths in the repository.
fn pages() -> BTreeMap<String, String> {
    let docs = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let name = |path: PathBuf| path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned();
    let pages = docs.map(name).chain(["README.md".to_owned()]);
    pages.map(|name| (name.clone(), fs::read_to_string(repository().join(name)).unwrap())).collect()
}

/// The lines of a page outside of code, or the first lines of its blocks of code.
fn lines(page: &str, of_blocks: bool) -> Vec<&str> {
    let mut open = false;
    let mut found = Vec::new();
    for line in page.lines() {
        let fence = line.trim_start().starts_with("```");
        if of_blocks {
            found.extend((fence && !open).then_some(line));
        } else {
            found.extend((!fence && !open).then_some(line));
        }
        open ^= fence;
    }
    found
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

/// The page with every command and every option, as `--help` prints them.
fn reference() -> String {
    let mut page = "# Commands\n\nEach section is what `--help` prints. In a workspace that has an `xtask`, \
                    `compose-rebuild` is `cargo xtask`.\n"
        .to_owned();
    let mut cli = Cli::of("compose-rebuild");
    cli.build();
    let names: Vec<_> = cli.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut section = |title: &str, help: String| {
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!("\n## {title}\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    };
    section("compose-rebuild", cli.render_help().to_string());
    for name in names.iter().filter(|name| *name != "help") {
        section(name, cli.find_subcommand_mut(name).unwrap().render_help().to_string());
    }
    page
}

#[test]
fn the_page_of_commands_is_what_help_prints() {
    let path = repository().join("docs/commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == reference(), "docs/commands.md is out of date: run this test with UPDATE_DOCS=1");
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    for (name, page) in &pages {
        for link in lines(page, false).join("\n").split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (file, place) = link.split_once('#').map_or((link, None), |(file, place)| (file, Some(place)));
            let path = match file {
                "" => repository().join(name),
                file => repository().join(name).parent().unwrap().join(file),
            };
            assert!(path.exists(), "{name} links to `{link}`");
            let Some(place) = place else { continue };
            let target = path.canonicalize().unwrap();
            let target = &pages[target.strip_prefix(repository()).unwrap().to_str().unwrap()];
            let headings = lines(target, false).into_iter().filter(|line| line.starts_with('#'));
            assert!(headings.map(anchor).any(|anchor| anchor == place), "{name} links to `{link}`");
        }
    }
}

#[test]
fn lines_can_be_read_and_code_says_its_language() {
    let pages = pages();
    assert!(pages["README.md"].lines().count() <= 150, "{}", pages["README.md"].lines().count());
    for (name, page) in &pages {
        for line in lines(page, false) {
            let is_table = line.starts_with('|') || line.starts_with("![");
            assert!(is_table || line.chars().count() <= 120, "{name}: {line}");
        }
        for fence in lines(page, true) {
            assert!(fence.trim() != "```", "{name} has code without a language");
        }
    }
}

#[test]
fn every_page_is_in_the_navigation_of_the_site() {
    let site = fs::read_to_string(repository().join("mkdocs.yml")).unwrap();
    for name in pages().keys().filter_map(|name| name.strip_prefix("docs/")) {
        assert!(site.contains(&format!("- {name}\n")) || site.contains(&format!(": {name}\n")), "{name}");
    }
}
