//! Repositories that a stage clones or fetches, and what is checked out of them.

use super::repositories::{Fetched, Repository};
use super::walk::Walk;
use crate::address::{Reference, absolute, remote};

use crate::shell::Word;
use crate::tools::{Git, Tool};

/// Through how many stages a directory is followed.
const DEPTH: usize = 64;

impl Walk {
    pub(super) fn git(&mut self, tool: &Tool<'_>) {
        let Some(git) = tool.git() else { return };
        let here = match git.directory {
            Some(path) => absolute(&self.place().directory, path),
            None => self.place().directory.clone(),
        };
        match git.verb {
            "clone" => self.clone_(&git, &here),
            "init" => {
                let path = git.positional().first().map_or(here.clone(), |word| absolute(&here, &word.text));
                self.place().repositories.insert(path, Repository::default());
            }
            "remote" => {
                if let [verb, name, url, ..] = git.positional()[..]
                    && matches!(verb.text.as_str(), "add" | "set-url")
                {
                    self.repository(&here).remotes.insert(name.text.clone(), url.text.clone());
                }
            }
            "fetch" | "pull" => self.fetch(&git, &here),
            "checkout" | "switch" | "reset" => self.checkout(&git, &here),
            "submodule" if moves_submodules(&git) => {
                let url = self.repository(&here).remotes.get("origin").cloned().unwrap_or_default();
                self.found(git.line, url, Reference::Untold("the submodules"), None);
            }
            _ => {}
        }
    }

    fn clone_(&mut self, git: &Git<'_>, here: &str) {
        let words = git.positional();
        let Some(address) = words.first() else { return };
        let own = address.text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let path = absolute(here, words.get(1).map_or(own.trim_end_matches(".git"), |word| &word.text));
        let mut repository = Repository::default();
        if let Some(url) = remote(&address.text) {
            let reference = Reference::of(git.branch().unwrap_or_default());
            repository.found = Some(self.found(git.line, url.clone(), reference, None));
            repository.remotes.insert("origin".to_owned(), url.clone());
            if git.args.iter().any(|word| word.text == "--remote-submodules") {
                self.found(git.line, url, Reference::Untold("the submodules"), None);
            }
        }
        self.place().repositories.insert(path, repository);
    }

    fn fetch(&mut self, git: &Git<'_>, here: &str) {
        let words = git.positional();
        let from = words.first().map_or("origin", |word| &word.text);
        let is_address = from.contains([':', '/', '$']);
        let known = self.repository(here).remotes.get(from).cloned();
        let known = known.or_else(|| is_address.then(|| from.to_owned()));
        // A repository that came from elsewhere has a remote, which nobody can know here.
        let url = match known {
            Some(url) => match remote(&url) {
                Some(url) => url,
                None => return,
            },
            None => from.to_owned(),
        };
        let spec = words.iter().skip(1).find(|word| word.text != "tag");
        let fetched = spec.map(|word| self.fetched(word));
        let stage = self.stages.len() - 1;
        let line = git.line;
        let before =
            self.repository(here).found.filter(|&at| self.found[at].repository == url && self.found[at].stage == stage);
        let found = match before {
            Some(at) => {
                let (instruction, cover) = (self.place().instruction, self.place().cover.clone());
                let one = &mut self.found[at];
                if one.instruction != instruction {
                    (one.line, one.instruction, one.cover) = (line, instruction, cover);
                }
                at
            }
            None => self.found(line, url, Reference::Head, None),
        };
        let is_first = self.repository(here).found.replace(found) != Some(found);
        let Some((fetched, name)) = fetched else { return };
        if is_first || git.verb == "pull" {
            self.take(found, fetched.clone());
        }
        let names = &mut self.repository(here).names;
        names.insert("FETCH_HEAD".to_owned(), fetched.clone());
        names.extend(name.map(|name| (name, fetched)));
    }

    /// What a refspec `+from:to` asks for, and the name that it gets here.
    fn fetched(&self, word: &Word) -> (Fetched, Option<String>) {
        let (from, to) =
            word.text.trim_start_matches('+').split_once(':').unwrap_or((word.text.trim_start_matches('+'), ""));
        let fetched = Fetched { reference: named(from), commit_arg: self.commit_arg(word) };
        let to = to.trim_start_matches("refs/heads/");
        (fetched, (!to.is_empty()).then(|| to.to_owned()))
    }

    fn checkout(&mut self, git: &Git<'_>, here: &str) {
        let is = |word: &Word, options: &[&str]| options.contains(&word.text.as_str());
        // `git checkout REF -- path` takes files, `git reset` without these only forgets.
        if git.args.iter().any(|word| word.text == "--")
            || (git.verb == "reset" && !git.args.iter().any(|word| is(word, &["--hard", "--merge", "--keep"])))
        {
            return;
        }
        let words = git.positional();
        let [chosen] = words[..] else { return };
        if chosen.text == "." || chosen.text.starts_with("./") {
            return;
        }
        let fetched = match self.repository(here).names.get(&chosen.text).cloned() {
            Some(fetched) => fetched,
            None => {
                let remotes = &self.repository(here).remotes;
                let text = chosen.text.trim_start_matches("refs/remotes/");
                let without_remote =
                    text.split_once('/').filter(|(name, _)| *name == "origin" || remotes.contains_key(*name));
                let name = without_remote.map_or(text, |(_, name)| name).to_owned();
                Fetched { reference: named(&name), commit_arg: self.commit_arg(chosen) }
            }
        };
        let stays =
            matches!(chosen.text.as_str(), "HEAD" | "FETCH_HEAD" | "-" | "@") && fetched.reference == Reference::Head;
        if let Some(found) = self.repository(here).found.filter(|_| !stays) {
            self.take(found, fetched);
        }
    }

    /// What is checked out in the end; an argument without a value changes nothing.
    fn take(&mut self, found: usize, fetched: Fetched) {
        let one = &mut self.found[found];
        if !(fetched.commit_arg.is_some() && fetched.reference == Reference::Head) {
            one.reference = fetched.reference;
        }
        one.commit_arg = fetched.commit_arg.or(one.commit_arg.take());
    }

    /// The repository at a path: of this stage, of one that it starts from, or the last that there is.
    fn repository(&mut self, path: &str) -> &mut Repository {
        let own = self.place().repositories.at(path);
        let inherited = if own.is_none() { self.inherited(path) } else { None };
        let repositories = &mut self.place().repositories;
        let at = match (own, inherited, repositories.all.len().checked_sub(1)) {
            (Some(at), _, _) | (None, None, Some(at)) => at,
            (None, inherited, last) => {
                repositories.insert(path.to_owned(), inherited.unwrap_or_default());
                last.map_or(0, |last| last + 1)
            }
        };
        &mut repositories.all[at]
    }

    fn inherited(&mut self, path: &str) -> Option<Repository> {
        let mut stage = self.place().parent;
        for _ in 0..DEPTH {
            let place = &self.stages[stage?];
            if let Some(at) = place.repositories.at(path) {
                return Some(place.repositories.all[at].clone());
            }
            stage = place.parent;
        }
        None
    }
}

/// Whether submodules are not left at the commits that their repository names.
fn moves_submodules(git: &Git<'_>) -> bool {
    let mut words = git.args.iter().map(|word| word.text.as_str());
    match words.find(|word| !word.starts_with('-')) {
        Some("update") => words.any(|word| word == "--remote"),
        Some("foreach") => words.flat_map(str::split_whitespace).any(|word| matches!(word, "pull" | "fetch")),
        _ => false,
    }
}

/// A name without what only says where it stands.
fn named(name: &str) -> Reference {
    match name {
        _ if name.starts_with("tags/") => Reference::of(&format!("refs/{name}")),
        _ if name.starts_with("pull/") => Reference::of(&format!("refs/{name}")),
        "-" | "@" | "FETCH_HEAD" => Reference::Head,
        _ => Reference::of(name.trim_start_matches("heads/")),
    }
}
