//! Which program a shell command really starts, and what it is asked to do.

use crate::shell::{Command, Word, is_assignment};

/// Programs that run the commands that they read.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];

/// A program behind `xargs`, `sudo` and the like, with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The name without its directory.
    pub name: &'a str,
    /// What follows it.
    pub args: &'a [Word],
    /// The command that it is part of.
    pub command: &'a Command,
}

/// A use of Git that reads a repository, or chooses what to check out.
#[derive(Clone, Copy, Debug)]
pub struct Git<'a> {
    /// `clone`, `fetch` and so on.
    pub verb: &'a str,
    /// What follows the verb.
    pub args: &'a [Word],
    /// The directory that `-C` names.
    pub directory: Option<&'a str>,
    /// The line of the command.
    pub line: usize,
}

/// The program that a command starts.
pub fn tool(command: &Command) -> Option<Tool<'_>> {
    let mut words = command.words.as_slice();
    while let [first, rest @ ..] = words {
        let name = base(&first.text);
        words = match name {
            "conda" | "mamba" | "micromamba" if rest.first().is_some_and(|word| word.text == "run") => {
                // `-n NAME`, which is a number or nothing elsewhere.
                let named = rest.get(1).is_some_and(|word| word.text == "-n");
                options(rest.get(if named { 3 } else { 1 }..).unwrap_or_default())
            }
            "runuser" if rest.iter().any(|word| word.text == "--") => options(rest),
            "sudo" | "doas" | "env" | "exec" | "command" | "time" | "nice" | "nohup" | "xargs" | "timeout"
            | "retry" | "setpriv" | "stdbuf" => options(rest),
            // `bash script arguments`.
            _ if is_shell(name) && rest.first().is_some_and(|word| !word.text.starts_with('-')) => rest,
            "gosu" | "su-exec" => rest.get(1..).unwrap_or_default(),
            _ if name.starts_with("python") && rest.len() > 1 && rest[0].text == "-m" => &rest[1..],
            _ => return Some(Tool { name, args: rest, command }),
        };
    }
    None
}

/// What follows the options of a program that starts another one, numbers and assignments among them.
fn options(words: &[Word]) -> &[Word] {
    let takes_value = |option: &str| match option.strip_prefix("--") {
        Some(long) => matches!(long, "user" | "name" | "prefix" | "signal"),
        // `-Hu name` is `-H -u name`; `sudo -n` takes nothing, and after `nice -n` stands a number.
        None => option.starts_with('-') && option.ends_with(['u', 'g', 'k', 's', 'I', 'p']),
    };
    let is_value = |at: usize| at > 0 && takes_value(&words[at - 1].text);
    let is_option = |(at, word): &(usize, &Word)| {
        word.text.starts_with('-')
            || word.text.starts_with(|c: char| c.is_ascii_digit())
            || is_assignment(&word.text)
            || is_value(*at)
    };
    &words[words.iter().enumerate().take_while(is_option).count()..]
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

/// Whether a program is a shell.
pub(crate) fn is_shell(program: &str) -> bool {
    SHELLS.contains(&base(program))
}

impl<'a> Tool<'a> {
    /// The script among the arguments of `sh -c` and the like.
    pub(crate) fn script(&self) -> Option<&'a Word> {
        if self.name == "eval" {
            return self.args.first();
        }
        if !is_shell(self.name) && !matches!(self.name, "su" | "runuser") {
            return None;
        }
        let is_option =
            |word: &Word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.ends_with('c');
        let at = self.args.iter().position(is_option)?;
        self.args[at + 1..].iter().find(|word| !word.text.starts_with('-'))
    }

    /// Whether this is a shell that reads its commands from its input.
    pub(crate) fn reads_script(&self) -> bool {
        let is_option = |word: &Word| word.text.starts_with('-') || word.text == "pipefail";
        is_shell(self.name) && (self.args.iter().all(is_option) || self.args.iter().any(|word| word.text == "-s"))
    }

    /// The arguments that are no options.
    fn verbs(&self) -> impl Iterator<Item = &'a str> {
        self.args.iter().map(|word| word.text.as_str()).filter(|word| !word.starts_with('-'))
    }

    /// The installation of packages that this is, in words.
    pub fn installs(&self) -> Option<String> {
        let name = self.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let mut verbs = self.verbs();
        let first = verbs.next();
        let verb = match (name, first) {
            ("apt-get" | "apt" | "dnf" | "yum" | "microdnf" | "zypper" | "cargo" | "gem" | "pip", Some("install")) => {
                first
            }
            ("apk", Some("add")) | ("uv", Some("sync" | "add")) | ("bundle", Some("install")) => first,
            ("uv", Some("pip")) if matches!(verbs.next(), Some("install" | "sync")) => Some("pip install"),
            ("npm" | "pnpm", Some("install" | "i" | "ci" | "add")) | ("yarn", Some("install" | "add")) => first,
            ("yarn", None) if self.args.iter().all(|word| word.text != "--version") => Some("install"),
            _ => None,
        };
        verb.map(|verb| format!("{name} {verb}"))
    }

    /// The download of a model with the command line of its hub, in words.
    pub fn downloads_model(&self) -> Option<String> {
        let is_download = matches!(self.name, "hf" | "huggingface-cli") && self.verbs().next() == Some("download");
        is_download.then(|| format!("{} download", self.name))
    }

    /// The use of Git that this is.
    pub fn git(&self) -> Option<Git<'a>> {
        if self.name != "git" {
            return None;
        }
        let mut args = self.args;
        let mut directory = None;
        while let [option, rest @ ..] = args {
            if option.text == "-C" {
                directory = rest.first().map(|word| word.text.as_str());
            }
            let takes_value = ["-C", "-c", "--git-dir", "--work-tree", "--namespace"].contains(&option.text.as_str());
            args = match option.text.starts_with('-') {
                true if takes_value => rest.get(1..).unwrap_or_default(),
                true => rest,
                false if option.text == "lfs" && rest.first().is_some_and(|word| word.text == "clone") => rest,
                false => return Some(Git { verb: &option.text, args: rest, directory, line: self.command.line }),
            };
        }
        None
    }
}

/// Options of `git clone`, `fetch`, `pull`, `checkout` and `remote` that take the next word.
const WITH_VALUE: [&str; 27] = [
    "-b",
    "-B",
    "-c",
    "-C",
    "-j",
    "-m",
    "-o",
    "-t",
    "-u",
    "--branch",
    "--bundle-uri",
    "--config",
    "--create",
    "--depth",
    "--filter",
    "--jobs",
    "--origin",
    "--orphan",
    "--refmap",
    "--reference",
    "--revision",
    "--separate-git-dir",
    "--server-option",
    "--shallow-exclude",
    "--shallow-since",
    "--template",
    "--upload-pack",
];

impl<'a> Git<'a> {
    /// The words that are no options and no values of options, those too that the shell makes nothing of.
    pub(crate) fn operands(&self) -> Vec<&'a Word> {
        let mut found = Vec::new();
        let mut args = self.args.iter();
        while let Some(word) = args.next() {
            // `git checkout -t origin/x` and `git fetch -t` say something else than `git remote add -t x`.
            let takes_value = WITH_VALUE.contains(&word.text.as_str())
                && (self.verb == "remote" || !["-t", "-m"].contains(&word.text.as_str()));
            if takes_value {
                args.next();
            } else if !word.text.starts_with('-') {
                found.push(word);
            }
        }
        found
    }

    /// The words that are no options and no values of options.
    pub fn positional(&self) -> Vec<&'a Word> {
        let mut found = self.operands();
        found.retain(|word| !word.text.is_empty() || word.splits.is_empty());
        // `git clone $OPTIONS address`, where nobody knows the options.
        if let [options, address, ..] = found[..]
            && !options.splits.is_empty()
            && !options.text.contains(['/', ':'])
            && address.text.contains("://")
        {
            found.remove(0);
        }
        found
    }

    /// The branch, tag or revision that a clone is told.
    pub fn branch(&self) -> Option<&'a str> {
        let joined = || self.args.iter().find_map(|word| word.text.strip_prefix("-b").filter(|name| !name.is_empty()));
        option(self.args, &["-b", "--branch", "--revision"]).map(|(_, name)| name).or_else(joined)
    }

    /// Whether it reads a repository that is not a directory of the build.
    pub fn reads_remote(&self) -> bool {
        let local = |address: &&str| address.starts_with(['/', '.']) || address.starts_with("file:");
        match self.verb {
            "clone" => self.positional().first().is_some_and(|address| !local(&address.text.as_str())),
            "fetch" | "pull" => !self.positional().first().is_some_and(|from| local(&from.text.as_str())),
            _ => false,
        }
    }
}

/// The value of an option, `--name value` or `--name=value`, with its line.
pub(crate) fn option<'a>(args: &'a [Word], names: &[&str]) -> Option<(usize, &'a str)> {
    let is_such = |text: &str| names.contains(&text);
    args.iter().enumerate().find_map(|(at, word)| match word.text.split_once('=') {
        Some((name, value)) if is_such(name) => Some((word.line, value)),
        _ if is_such(&word.text) => args.get(at + 1).map(|value| (word.line, value.text.as_str())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::commands;

    fn first(script: &str) -> Command {
        let text: Vec<_> = script.chars().map(|c| (c, 1)).collect();
        commands(&text, None).remove(0)
    }

    #[test]
    fn installations_are_known_behind_wrappers() {
        for (script, installs) in [
            ("apt-get -y install x", Some("apt-get install")),
            ("xargs -n 1 apt-get install -y", Some("apt-get install")),
            ("/opt/uv/bin/uv pip install -r x", Some("uv pip install")),
            ("python3 -m pip install x", Some("pip install")),
            ("sudo pip3.11 install x", Some("pip install")),
            ("npm ci --no-audit", Some("npm ci")),
            ("yarn", Some("yarn install")),
            ("npm run build", None),
            ("apt-get update", None),
            ("cargo build", None),
        ] {
            let command = first(script);
            assert_eq!(tool(&command).and_then(|tool| tool.installs()).as_deref(), installs, "{script}");
        }
    }

    #[test]
    fn git_is_understood() {
        let command = first("git -C /x -c a=b clone --depth 1 -b \"$B\" -- https://h/n d");
        let git = tool(&command).and_then(|tool| tool.git()).expect("git");
        assert_eq!((git.verb, git.branch(), git.reads_remote()), ("clone", Some("$B"), true));
        let words: Vec<_> = git.positional().into_iter().map(|word| word.text.as_str()).collect();
        assert_eq!((words, git.directory), (vec!["https://h/n", "d"], Some("/x")));
        for (script, remote) in
            [("git fetch", true), ("git clone /src x", false), ("git pull", true), ("git init", false)]
        {
            let command = first(script);
            assert_eq!(tool(&command).and_then(|tool| tool.git()).expect("git").reads_remote(), remote, "{script}");
        }
        assert!(tool(&first("git")).and_then(|tool| tool.git()).is_none());
    }
}
