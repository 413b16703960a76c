//! Commands as values.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Cmd, Shell};

/// A command before it runs.
#[derive(Clone, Debug)]
pub struct CommandLine {
    program: OsString,
    words: Vec<OsString>,
    /// Variables that are set, or without a value taken away.
    variables: Vec<(OsString, Option<OsString>)>,
    directory: Option<Utf8PathBuf>,
}

impl CommandLine {
    /// A program without words, in the environment and the directory of this process.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), words: Vec::new(), variables: Vec::new(), directory: None }
    }

    /// Adds words.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let set = |(name, value): (N, V)| (name.into(), Some(value.into()));
        self.variables.extend(variables.into_iter().map(set));
        self
    }

    /// Takes variables away.
    #[must_use]
    pub fn without_envs<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.variables.extend(names.into_iter().map(|name| (name.into(), None)));
        self
    }

    /// Starts it in a directory.
    #[must_use]
    pub fn inside(mut self, directory: &Utf8Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// As a person could paste it.
    pub fn shown(&self) -> String {
        Shell::new().map_or(String::new(), |sh| self.prepared(&sh).to_string())
    }

    pub(super) fn prepared<'a>(&self, sh: &'a Shell) -> Cmd<'a> {
        if let Some(directory) = &self.directory {
            sh.change_dir(directory);
        }
        let cmd = sh.cmd(&self.program).args(&self.words);
        self.variables.iter().fold(cmd, |cmd, (name, value)| match value {
            Some(value) => cmd.env(name, value),
            None => cmd.env_remove(name),
        })
    }
}
