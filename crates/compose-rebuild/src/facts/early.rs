//! Asking early: what the last run of a project had to know, the next one most likely has to know too. It is asked for
//! while Compose still resolves the project, and an answer counts only for exactly the question that turns out to be one.

use std::thread::{Scope, ScopedJoinHandle};

use serde::{Deserialize, Serialize};

use crate::facts::found::Meanings;
use crate::facts::image::{Images, Store};
use crate::facts::remotes;
use crate::sys::compose_files::Selection;
use crate::sys::git::Access;
use crate::sys::process::Finished;
use crate::sys::threads::join;
use crate::sys::{files, git};
use crate::ui::Ui;
use crate::value::{Commit, GitRef, GitUrl, ImageRef, Service};

/// What one run had to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// Repositories, each with a ref to resolve there.
    pub remotes: Vec<(String, String)>,
    /// What names meant to their repositories.
    #[serde(default)]
    pub meanings: Vec<(String, String, String)>,
    /// Names of images.
    pub images: Vec<String>,
    /// The services that were built from that.
    #[serde(default)]
    pub services: Vec<String>,
    /// Where the images were looked up.
    #[serde(default)]
    pub store: Store,
}

impl Questions {
    /// The questions of the last run on these compose files, if there was one and it asked the same store; none for a service
    /// that it did not know, since there may be no such service.
    pub fn of_last_run(selection: Selection<'_>, store: Store) -> Option<Self> {
        let last: Self = files::recall("questions", selection.files)?;
        let is_known = |service: &Service| last.services.iter().any(|known| known == service.as_str());
        (last.store == store && selection.services.iter().all(is_known)).then_some(last)
    }

    /// What the names meant of which `is_such` is true.
    pub fn meant(&self, is_such: impl Fn(&str) -> bool) -> Meanings {
        let such = self.meanings.iter().filter(|(_, _, full)| is_such(full));
        such.map(|(repository, name, full)| ((repository.clone(), name.clone()), full.clone())).collect()
    }
}

type Pending<'s, T> = ScopedJoinHandle<'s, anyhow::Result<T>>;
type Early<'s> = ScopedJoinHandle<'s, Option<Finished>>;

/// Answers on their way.
pub struct Asked<'s, 'e> {
    scope: &'s Scope<'s, 'e>,
    ui: &'e Ui,
    store: Store,
    commits: Vec<(GitUrl, GitRef, Early<'s>)>,
    images: Option<(Vec<ImageRef>, Pending<'s, Images>)>,
}

impl<'s, 'e> Asked<'s, 'e> {
    /// Asks everything; what is not valid is not asked.
    pub fn new(scope: &'s Scope<'s, 'e>, ui: &'e Ui, questions: &Questions) -> Self {
        let mut asked = Self { scope, ui, store: questions.store, commits: Vec::new(), images: None };
        for (url, git_ref) in &questions.remotes {
            // Without the configuration only the usual transports are known to be allowed.
            if let (Ok(url), Ok(git_ref)) = (GitUrl::parse(url, &[]), git_ref.parse::<GitRef>()) {
                let (to, of) = (url.clone(), git_ref.clone());
                let answer = scope.spawn(move || remotes::ask_early(ui, &to, &of));
                asked.commits.push((url, git_ref, answer));
            }
        }
        let names: Option<Vec<ImageRef>> = questions.images.iter().map(|name| name.parse().ok()).collect();
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            asked.images = Some((names.clone(), asked.images(&names)));
        }
        asked
    }

    /// What a remote answers that was asked before.
    pub fn early(&mut self, url: &GitUrl, git_ref: &GitRef, access: &Access) -> Option<Finished> {
        self.pending(url, git_ref).and_then(join).filter(|answer| counts(answer, url, access))
    }

    fn pending(&mut self, url: &GitUrl, git_ref: &GitRef) -> Option<Early<'s>> {
        let index = self.commits.iter().position(|(asked, of, _)| asked == url && of == git_ref);
        index.map(|index| self.commits.swap_remove(index).2)
    }

    /// What a ref points to; asked for now, unless it was before.
    pub fn commit(&mut self, url: &GitUrl, git_ref: &GitRef, access: &Access) -> Pending<'s, Commit> {
        let early = self.pending(url, git_ref);
        let (ui, url, git_ref, access) = (self.ui, url.clone(), git_ref.clone(), access.clone());
        self.scope.spawn(move || match early.and_then(join).filter(|answer| counts(answer, &url, &access)) {
            Some(answer) => remotes::conclude(ui, answer, &url, &git_ref, &access),
            None => remotes::resolve(ui, &url, &git_ref, &access),
        })
    }

    /// Which of these images exist; asked for now, unless exactly these were before.
    pub fn images(&mut self, wanted: &[ImageRef]) -> Pending<'s, Images> {
        let (ui, store, names) = (self.ui, self.store, wanted.to_vec());
        let answer = self.images.take_if(|(asked, _)| asked == wanted).map(|(_, answer)| answer);
        answer.unwrap_or_else(|| self.scope.spawn(move || store.inspect(ui, &names)))
    }
}

/// Whether an early answer counts: one that failed does not where there is a token, which was not given before.
fn counts(answer: &Finished, url: &GitUrl, access: &Access) -> bool {
    answer.status.success() || !git::has_token(url, access)
}
