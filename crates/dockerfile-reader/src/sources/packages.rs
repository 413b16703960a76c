//! Code that package tools fetch from Git remotes.

use super::walk::Walk;
use crate::address::{self, Reference};
use crate::shell::Word;
use crate::tools::Tool;

/// Options of npm, yarn and pnpm that take the next word, which may look like a repository.
const WITH_VALUE: [&str; 14] = [
    "--prefix",
    "--cache",
    "--userconfig",
    "--globalconfig",
    "-C",
    "--dir",
    "--cwd",
    "--modules-folder",
    "--store-dir",
    "--global-dir",
    "--filter",
    "-w",
    "--workspace",
    "--cache-folder",
];

impl Walk {
    pub(super) fn packages(&mut self, tool: &Tool<'_>) {
        let name = tool.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let verb =
            tool.args.iter().find(|word| !word.text.starts_with(['-', '+'])).map_or("", |word| word.text.as_str());
        match (name, verb) {
            ("pip" | "pipx" | "uv" | "uvx" | "poetry" | "pdm" | "pipenv", _) => self.words(tool.args, address::pip),
            ("npm" | "pnpm" | "bun", "install" | "i" | "add") | ("yarn", "add" | "global") => {
                let mut rest = tool.args.iter();
                rest.find(|word| word.text == verb);
                while let Some(word) = rest.next() {
                    if WITH_VALUE.contains(&word.text.as_str()) {
                        rest.next();
                    } else {
                        self.words(std::slice::from_ref(word), address::npm);
                    }
                }
            }
            ("go", "install" | "get" | "run") => self.words(tool.args, address::go),
            ("cargo", "install") => self.cargo(tool.args),
            ("R" | "Rscript" | "r" | "littler", _) => {
                for word in tool.args {
                    for (repository, reference) in installs_from_github(&word.text) {
                        self.found(word.line, repository, reference, None);
                    }
                }
            }
            ("installGithub.r", _) => self.words(tool.args, address::r),
            // `$PYTHON -m pip install`: what is installed says enough.
            (program, _) if program.starts_with('$') && tool.args.iter().any(|word| word.text == "install") => {
                self.words(tool.args, address::pip);
            }
            _ => {}
        }
    }

    fn words(&mut self, words: &[Word], read: fn(&str) -> Option<(String, Reference)>) {
        for word in words {
            if let Some((repository, reference)) = read(&word.text) {
                let commit_arg = self.commit_arg(word);
                self.found(word.line, repository, reference, commit_arg);
            }
        }
    }

    fn cargo(&mut self, args: &[Word]) {
        let Some((line, url)) = option(args, "--git") else { return };
        let Some(repository) = address::remote(url) else { return };
        let reference = ["--branch", "--tag", "--rev"].iter().find_map(|name| option(args, name));
        self.found(line, repository, Reference::of(reference.map_or("", |(_, name)| name)), None);
    }
}

/// The value of an option, `--name value` or `--name=value`, with its line.
fn option<'a>(args: &'a [Word], name: &str) -> Option<(usize, &'a str)> {
    let joined = |word: &'a Word| Some((word.line, word.text.strip_prefix(name)?.strip_prefix('=')?));
    args.iter().find_map(joined).or_else(|| {
        let at = args.iter().position(|word| word.text == name)?;
        args.get(at + 1).map(|value| (args[at].line, value.text.as_str()))
    })
}

/// The repositories in the calls of `install_github("owner/name@ref", ref = "...")` in R.
fn installs_from_github(script: &str) -> Vec<(String, Reference)> {
    let mut found = Vec::new();
    let script: String = script.lines().map(|line| line.split(" #").next().unwrap_or_default()).collect();
    for call in script.split("install_github(").skip(1) {
        let (mut repositories, mut reference) = (Vec::new(), None);
        // Every other part is a string; what stands before it says which argument it is.
        let parts: Vec<&str> = call.split(['"', '\'']).collect();
        for pair in parts.chunks_exact(2) {
            let before = pair[0].trim_end();
            let argument = before.rsplit([',', '(']).next().unwrap_or_default().trim();
            match argument.strip_suffix('=').map(str::trim_end) {
                None | Some("repo") => repositories.extend(address::r(pair[1])),
                Some("ref") => reference = Some(Reference::of(pair[1])),
                Some(_) => {}
            }
            if before.matches(')').count() > before.matches('(').count() {
                break;
            }
        }
        found.extend(repositories.into_iter().map(|(url, own)| (url, reference.clone().unwrap_or(own))));
    }
    found
}
