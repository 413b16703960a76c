//! Code that package tools fetch from Git remotes.

use super::repositories::Repository;
use super::walk::Walk;
use super::{archives, scripts};
use crate::address::{self, Reference, remote};
use crate::shell::Word;
use crate::text::plain;
use crate::tools::{Tool, option};

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

/// Words that say of a program that nobody knows here that it takes code from the page of a repository.
const TAKES: [&str; 13] = [
    "install",
    "add",
    "clone",
    "get",
    "import",
    "create",
    "new",
    "init",
    "pin",
    "plugin",
    "plugins",
    "plugin-add",
    "tap",
];

/// Programs that print, compare and change texts, and fetch nothing.
const TEXTS: [&str; 22] = [
    "echo", "printf", ":", "true", "test", "[", "[[", "case", "for", "select", "export", "set", "local", "read", "cat",
    "tee", "sed", "awk", "grep", "perl", "ls", "expr",
];

impl Walk {
    pub(super) fn packages(&mut self, tool: &Tool<'_>) {
        let name = tool.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let verbs: Vec<&str> =
            tool.args.iter().map(|word| word.text.as_str()).filter(|text| !text.starts_with(['-', '+'])).collect();
        let verb = |at: usize| verbs.get(at).copied().unwrap_or_default();
        let before = self.found.len();
        match (name, verb(0)) {
            ("pip" | "pipx" | "uvx" | "poetry" | "pdm" | "pipenv" | "ansible-galaxy", _)
            | ("uv" | "rye" | "pixi" | "cargo", _) => {
                self.words(tool.args, |text| address::pip(text).or_else(|| archives::archive(text)));
                self.with_option(tool.args);
            }
            ("npm" | "pnpm" | "bun", "install" | "i" | "add" | "exec" | "x" | "dlx")
            | ("yarn", "add" | "global" | "dlx") => {
                let mut rest = tool.args.iter();
                rest.find(|word| word.text == verb(0));
                while let Some(word) = rest.next() {
                    if WITH_VALUE.contains(&word.text.as_str()) {
                        rest.next();
                    } else {
                        self.words(std::slice::from_ref(word), address::npm);
                    }
                }
            }
            ("npx" | "pnpx" | "bunx", first) => {
                let named = if matches!(first, "degit" | "tiged") { verb(1) } else { first };
                let named = tool.args.iter().find(|word| word.text == named);
                self.words(named.map_or(&[], std::slice::from_ref), address::npm);
            }
            ("degit" | "tiged", _) | ("gem", "specific_install") => self.words(tool.args, address::npm),
            // Without a version it takes the newest one.
            ("go", "get") => {
                self.words(tool.args, |text| address::go(text).or_else(|| address::go(&newest(text)?)));
                // Its directory is a repository, of which another ref may be checked out.
                for found in before..self.found.len() {
                    let url = self.found[found].repository.clone();
                    let path = format!("/go/src/{}", url.trim_start_matches("https://"));
                    let remotes = [("origin".to_owned(), url)].into();
                    let repository = Repository { remotes, found: Some(found), ..Repository::default() };
                    self.place().repositories.insert(path, repository);
                }
            }
            ("go", "install" | "run") => self.words(tool.args, address::go),
            ("gh" | "glab", "repo") if verb(1) == "clone" => {
                let host = if name == "gh" { "github.com" } else { "gitlab.com" };
                let reference = option(tool.args, &["-b", "--branch"]).map_or("", |(_, name)| name);
                if let Some((repository, _)) = address::r(verb(2), host) {
                    self.found(tool.command.line, repository, Reference::of(reference), None);
                }
            }
            ("R" | "Rscript" | "r" | "littler", _) => self.scripts(tool, scripts::r),
            ("julia", _) => self.scripts(tool, scripts::julia),
            ("installGithub.r", _) => self.words(tool.args, |text| address::r(text, "github.com")),
            ("hg" | "svn" | "bzr", "clone" | "checkout" | "co" | "export" | "branch") => {
                let is_pinned = option(tool.args, &["-r", "--revision", "--rev", "-u", "--updaterev"]).is_some();
                if let Some(url) = tool.args.iter().find(|word| word.text.contains("://")).filter(|_| !is_pinned) {
                    self.found(url.line, address::whole(url), Reference::Untold("code"), None);
                }
            }
            ("bench" | "west" | "repo" | "vcs" | "wstool" | "rosinstall" | "gclient" | "kas", _) => {
                self.manifests(tool, verb(0))
            }
            ("composer", "require" | "create-project" | "global") => {
                let is_branch = |word: &&Word| word.text.contains(":dev-") || word.text.contains(":@dev");
                for word in tool.args.iter().filter(is_branch) {
                    let package = word.text.split(':').next().unwrap_or_default().to_owned();
                    self.found(word.line, package, Reference::Untold("a branch"), None);
                }
            }
            // `$PYTHON -m pip install`: what is installed says enough.
            (program, _) if program.starts_with('$') && tool.args.iter().any(|word| word.text == "install") => {
                self.words(tool.args, address::pip);
            }
            _ => {}
        }
        let is_address = |word: &Word| word.text.contains("://") || word.text.starts_with("git@");
        if self.found.len() == before && tool.args.iter().any(is_address) && !TEXTS.contains(&name) {
            let verbs = [verb(0), verb(1)];
            let mut others = tool.args.iter().map(|word| Reference::of(&word.text));
            let commit = others.find(|one| matches!(one, Reference::Commit(_)));
            let is_script = name.ends_with(".sh") || name == "cpanm";
            let takes = is_script || name.contains("clone") || verbs.iter().any(|verb| TAKES.contains(verb));
            self.words(tool.args, |text| {
                let pip = || address::pip(text).filter(|_| text.contains("git+"));
                archives::archive(text).or_else(pip).or_else(|| unknown(text, &commit).filter(|_| takes))
            });
        }
    }

    fn words(&mut self, words: &[Word], read: impl Fn(&str) -> Option<(String, Reference)>) {
        for word in words {
            let text = address::whole(word);
            // `--option=address`.
            let value = text.strip_prefix("--").and_then(|text| text.split_once('=')).map(|(_, value)| value);
            let Some((repository, reference)) = read(&text).or_else(|| read(value?)) else { continue };
            let commit_arg = self.commit_arg(word);
            let lost = self.empty(word).filter(|_| text.ends_with('@') && commit_arg.is_none());
            let reference = lost.map_or(reference, |name| Reference::Named(format!("${name}")));
            self.found(word.line, repository, reference, commit_arg);
        }
    }

    /// `--git ADDRESS --branch NAME`.
    fn with_option(&mut self, args: &[Word]) {
        let Some((line, url)) = option(args, &["--git"]) else { return };
        let Some(repository) = address::remote(url) else { return };
        let reference = option(args, &["--branch", "--tag", "--rev"]);
        self.found(line, repository, Reference::of(reference.map_or("", |(_, name)| name)), None);
    }

    /// Scripts among the arguments of their interpreter, or in the here-documents that it reads.
    fn scripts(&mut self, tool: &Tool<'_>, read: fn(&str) -> Vec<(String, Reference)>) {
        let documents = tool.command.documents.iter();
        let documents = documents.map(|text| (text.first().map_or(tool.command.line, |(_, line)| *line), plain(text)));
        let words = tool.args.iter().map(|word| (word.line, word.text.clone()));
        for (line, script) in words.chain(documents).collect::<Vec<_>>() {
            for (repository, reference) in read(&script) {
                self.found(line, repository, reference, None);
            }
        }
    }

    /// Programs that clone what a list in another repository names.
    fn manifests(&mut self, tool: &Tool<'_>, verb: &str) {
        let (args, line) = (tool.args, tool.command.line);
        let value = |names: &[&str]| option(args, names).map(|(_, value)| value.to_owned());
        let cloned = |url: Option<String>, reference: Option<String>| {
            Some((remote(&url?)?, Reference::of(&reference.unwrap_or_default())))
        };
        let found = match (tool.name, verb) {
            ("bench", "init") => {
                let url = value(&["--frappe-path"]).unwrap_or("https://github.com/frappe/frappe".to_owned());
                let apps = value(&["--apps_path", "--apps-path"]);
                // `bench init $ARGUMENTS`, where these may name a list of apps.
                let unknown = args.iter().find(|word| word.text.starts_with('$')).map(|word| word.text.clone());
                if let Some(apps) = apps.or(unknown) {
                    self.found(line, apps, Reference::Untold("the apps"), None);
                }
                cloned(Some(url), value(&["--frappe-branch", "--version"]))
            }
            ("bench", "get-app") => {
                let branch = value(&["--branch"]);
                let words = args.iter().map(|word| word.text.as_str()).filter(|text| !text.starts_with('-'));
                let words: Vec<_> = words.skip(1).filter(|text| Some(*text) != branch.as_deref()).collect();
                let url = match words.iter().find(|text| text.contains(['/', ':'])).or(words.first()) {
                    Some(app) if remote(app).is_some() => Some((*app).to_owned()),
                    Some(app) if app.contains('/') => Some(format!("https://github.com/{app}")),
                    Some(app) => Some(format!("https://github.com/frappe/{app}")),
                    None => None,
                };
                cloned(url, branch)
            }
            ("west", "init") if !args.iter().any(|word| matches!(word.text.as_str(), "-l" | "--local")) => {
                let url = value(&["-m", "--manifest-url"]);
                let url = url.unwrap_or("https://github.com/zephyrproject-rtos/zephyr".to_owned());
                cloned(Some(url), value(&["--mr", "--manifest-rev"]))
            }
            ("repo", "init") => cloned(value(&["-u", "--manifest-url"]), value(&["-b", "--manifest-branch"])),
            ("west", "update") | ("repo", "sync") | ("gclient", "sync") | ("kas", "checkout" | "build" | "shell") => {
                Some((format!("the {} manifest", tool.name), Reference::Untold("the projects")))
            }
            ("vcs", "import" | "pull") | ("wstool", "init" | "update" | "up" | "merge") | ("rosinstall", _) => {
                let is_list = |word: &&Word| {
                    [".repos", ".rosinstall", ".yaml", ".yml"].iter().any(|end| word.text.ends_with(end))
                };
                let list = value(&["--input"]).or_else(|| {
                    let words = args.iter().chain(&tool.command.reads);
                    words.filter(is_list).map(|word| word.text.clone()).next_back()
                });
                let list = list.or(tool.command.reads.first().map(|word| word.text.clone()));
                Some((list.unwrap_or("a list".to_owned()), Reference::Untold("the repositories")))
            }
            _ => None,
        };
        if let Some((repository, reference)) = found {
            self.found(line, repository, reference, None);
        }
    }
}

/// A path that `go get` is given without a version, with one; nothing for options and directories.
fn newest(path: &str) -> Option<String> {
    let is_path = path.contains('/') && !path.starts_with(['-', '.', '/']) && !path.contains('@');
    is_path.then(|| format!("{}@latest", path.trim_end_matches("/...")))
}

/// A repository among the arguments of a program that nobody knows here, and a commit that may stand beside it.
fn unknown(text: &str, commit: &Option<Reference>) -> Option<(String, Reference)> {
    archives::whole(text).map(|(url, reference)| match reference {
        Reference::Head => (url, commit.clone().unwrap_or(Reference::Untold("code"))),
        reference => (url, reference),
    })
}
