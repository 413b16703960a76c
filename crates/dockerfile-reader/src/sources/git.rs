//! Repositories that a stage clones or fetches, and what is checked out of them.

use super::fetch::Cover;
use super::repositories::{Fetched, Refresh, Repository};
use super::walk::{Place, Walk};
use crate::address::{Reference, absolute, remote, whole};
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
                if git.positional().first().is_some_and(|verb| verb.text == "update") {
                    self.refetched(git.line, &here);
                }
            }
            "fetch" | "pull" => self.fetch(&git, &here),
            "checkout" | "switch" | "reset" => self.checkout(&git, &here),
            "merge" | "rebase" if git.positional().iter().any(|word| self.is_fetched(&here, &word.text)) => {
                self.refresh(&here);
            }
            "submodule" if moves_submodules(&git) => {
                let url = self.repository(&here).remotes.get("origin").cloned().unwrap_or_default();
                self.found(git.line, url, Reference::Untold("the submodules"), None);
            }
            "submodule" | "subtree" | "archive" => self.part(&git),
            _ => {}
        }
    }

    /// `git submodule add`, `git subtree add` and `git archive --remote`, which take a ref of an address.
    fn part(&mut self, git: &Git<'_>) {
        let mut words = git.positional();
        let option = git.args.iter().find_map(|word| word.text.strip_prefix("--remote=").and_then(remote));
        let reference = match git.verb {
            "archive" => words.first(),
            _ if words.first().is_some_and(|word| matches!(word.text.as_str(), "add" | "pull")) => words.get(2),
            _ => return,
        };
        let reference = git.branch().or(reference.filter(|_| git.verb != "submodule").map(|word| word.text.as_str()));
        let reference = named(reference.unwrap_or_default());
        let url = option.or_else(|| words.drain(..).find_map(|word| remote(&word.text)));
        if let Some(url) = url {
            self.found(git.line, url, reference, None);
        }
    }

    fn clone_(&mut self, git: &Git<'_>, here: &str) {
        let mut words = git.positional();
        // A word too many in front of the address, which Git refuses.
        if let Some(at) = words.iter().position(|word| word.text.contains("://")).filter(|at| *at > 0) {
            words.drain(..at);
        }
        let has_address = words.iter().any(|word| remote(&word.text).is_some());
        // An unquoted variable without a value is no word, and yet the address.
        let is_lost = |word: &&Word| !has_address && word.text.is_empty() && !word.gaps.is_empty();
        let lost = git.operands().into_iter().find(is_lost);
        let Some(word) = lost.or(words.first().copied()) else { return };
        let directory = words.get(usize::from(lost.is_none()));
        let text = whole(word);
        let own = word.text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let path = absolute(here, directory.map_or(own.trim_end_matches(".git"), |word| &word.text));
        let mut repository = Repository::default();
        if let Some(url) = remote(&text) {
            let without_value = |word: &&Word| word.text.is_empty() || word.text.ends_with('=');
            let reference = match git.branch() {
                Some("") => git.args.iter().filter(without_value).find_map(|word| self.empty(word)),
                _ => None,
            };
            let reference = match reference {
                Some(name) => Reference::Named(format!("${name}")),
                None => branch(git.branch().unwrap_or_default()),
            };
            let mut found = self.found(git.line, url.clone(), reference, None);
            // A pull in the same directory, for the case that a clone is there already.
            let pulled = self.place().repositories.at(&path).and_then(|at| self.place().repositories.all[at].found);
            if let Some(pulled) = pulled.filter(|&at| self.found[at].repository == path) {
                self.found.swap_remove(pulled);
                self.told.swap_remove(pulled);
                found = pulled;
            }
            if self.place().kept.iter().any(|kept| is_below(&path, kept)) {
                self.found[found].cover = Cover::Kept;
            }
            repository.found = Some(found);
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
            None if self.is_foreign(here) => {
                let found = self.found(git.line, here.to_owned(), Reference::Untold("a remote"), None);
                self.repository(here).found = Some(found);
                return;
            }
            None => from.to_owned(),
        };
        let spec = words.iter().skip(1).find(|word| word.text != "tag");
        let fetched = spec.map(|word| self.fetched(word));
        let stage = self.stages.len() - 1;
        let before = self
            .repository(here)
            .found
            .filter(|&at| self.found[at].repository == url && self.found[at].runs_in == stage);
        let found = match before {
            Some(at) => {
                self.refetched(git.line, here);
                at
            }
            None => self.found(git.line, url, Reference::Head, None),
        };
        if git.verb == "pull" {
            self.refresh(here);
        }
        let is_first = self.repository(here).found.replace(found) != Some(found);
        let Some((fetched, name)) = fetched else { return };
        if is_first || git.verb == "pull" {
            self.take(found, fetched.clone());
        }
        let names = &mut self.repository(here).names;
        names.insert("FETCH_HEAD".to_owned(), fetched.clone());
        names.extend(name.map(|name| (name, fetched)));
    }

    /// Whether nothing here says where a repository came from.
    fn is_foreign(&mut self, here: &str) -> bool {
        let found = self.repository(here).found;
        found.is_none_or(|at| matches!(self.found[at].reference, Reference::Untold(_)))
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
        // A branch that is there already stays where it is, whatever was fetched.
        let is_other = |walk: &mut Self| {
            let found = walk.repository(here).found.map(|found| walk.found[found].reference.clone());
            matches!(found, Some(Reference::Named(name)) if name != chosen.text)
        };
        if self.is_fetched(here, &chosen.text) || is_other(self) {
            self.refresh(here);
        }
        let fetched = match self.repository(here).names.get(&chosen.text).cloned() {
            Some(fetched) => fetched,
            None => {
                let remotes = &self.repository(here).remotes;
                let text = chosen.text.trim_start_matches("refs/remotes/");
                let without_remote =
                    text.split_once('/').filter(|(name, _)| *name == "origin" || remotes.contains_key(*name));
                let name = without_remote.map_or(text, |(_, name)| name).to_owned();
                let reference = if name.is_empty() { Reference::Head } else { named(&name) };
                Fetched { reference, commit_arg: self.commit_arg(chosen) }
            }
        };
        let stays =
            matches!(chosen.text.as_str(), "HEAD" | "FETCH_HEAD" | "-" | "@") && fetched.reference == Reference::Head;
        if let Some(found) = self.repository(here).found.filter(|_| !stays) {
            self.take(found, fetched);
        }
    }

    /// Remembers that new commits came into a repository, which nobody has checked out yet.
    fn refetched(&mut self, line: usize, here: &str) {
        let Place { written, live, told, .. } = self.place();
        let refresh = Refresh { line, written: *written, cover: live.cover(), told: told.len() };
        self.repository(here).fetched = Some(refresh);
    }

    /// Takes the commits that were fetched last.
    fn refresh(&mut self, here: &str) {
        let repository = self.repository(here);
        let (Some(found), Some(refresh)) = (repository.found, repository.fetched.take()) else { return };
        let one = &mut self.found[found];
        if (one.stage, one.instruction) != refresh.written {
            (one.line, one.stage, one.instruction) = (refresh.line, refresh.written.0, refresh.written.1);
            one.cover = refresh.cover;
            self.told[found] = refresh.told;
        } else if one.cover == Cover::Kept {
            one.cover = refresh.cover;
        }
    }

    /// Whether a name means what was fetched, and no branch of the repository itself.
    fn is_fetched(&mut self, here: &str, name: &str) -> bool {
        let repository = self.repository(here);
        let name = name.trim_start_matches("refs/remotes/");
        let is_remote = |remote: &str| remote == "origin" || repository.remotes.contains_key(remote);
        name.starts_with("@{u")
            || name == "FETCH_HEAD"
            || repository.names.contains_key(name)
            || name.split_once('/').is_some_and(|(remote, _)| is_remote(remote))
    }

    /// Follows repositories that get another directory; a copy is one of its own.
    pub(super) fn copy(&mut self, tool: &Tool<'_>) {
        let here = self.place().directory.clone();
        let words: Vec<_> = tool.args.iter().filter(|word| !word.text.starts_with('-')).collect();
        let [from, to] = words[..] else { return };
        let (from, to) = (absolute(&here, &from.text), absolute(&here, &to.text));
        let repositories = &mut self.place().repositories;
        match repositories.at(&from) {
            Some(at) if tool.name != "cp" => repositories.alias(to, at),
            _ => repositories.insert(to, Repository::default()),
        }
    }

    /// What is checked out in the end; an argument without a value changes nothing.
    fn take(&mut self, found: usize, fetched: Fetched) {
        let one = &mut self.found[found];
        let is_untold = matches!(one.reference, Reference::Untold(_)) && !one.repository.contains("://");
        if is_untold && fetched.reference.moves() != Some(false) {
            return;
        }
        if !(fetched.commit_arg.is_some() && fetched.reference == Reference::Head) {
            one.reference = fetched.reference;
        }
        one.commit_arg = fetched.commit_arg.or(one.commit_arg.take());
    }

    /// The repository at a path: of this stage, of one that it starts from, or the last that there is where nobody knows
    /// the path.
    fn repository(&mut self, path: &str) -> &mut Repository {
        let own = self.place().repositories.at(path);
        let inherited = if own.is_none() { self.inherited(path) } else { None };
        let repositories = &mut self.place().repositories;
        let last = repositories.all.len().checked_sub(1);
        let at = match (own, inherited, last.filter(|_| path.contains(['$', '`', '~']))) {
            (Some(at), _, _) | (None, None, Some(at)) => at,
            (None, inherited, _) => {
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

/// Whether a path is a directory or in it.
fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What `git clone -b` takes, which is never a part of a commit's name.
fn branch(name: &str) -> Reference {
    match Reference::of(name) {
        Reference::Fixed(name) => Reference::Named(name),
        reference => reference,
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
