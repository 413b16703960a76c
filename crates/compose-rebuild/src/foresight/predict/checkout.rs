//! What the commands that check code out do to its files. Where code lies in an image follows from names alone: what is
//! copied from `/source/frontend/package.json` is `frontend/package.json` of the tree.

use std::collections::BTreeSet;

use crate::foresight::predict::mark::Mark;
use crate::foresight::predict::touched::only_reads;
use crate::foresight::predict::tree::fits;
use dockerfile_reader::shell::Command;
use dockerfile_reader::{Instruction, absolute};

/// What commands did to the files that were checked out.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// Names of directories that the tree may be in, whole.
    pub(super) roots: BTreeSet<String>,
    /// Paths that commands wrote to.
    pub(super) written: BTreeSet<String>,
    /// Names that something was given which has another one in the tree.
    pub(super) renamed: BTreeSet<String>,
    /// Whether commands ran that may have changed anything.
    pub(super) opaque: bool,
    /// How many directories `.git` were made and not removed again; each is another one after every clone.
    repositories: i32,
    /// Whether the working directory moved, so that relative paths may be anywhere.
    moved: bool,
    /// What these commands are.
    pub(super) mark: Option<Mark>,
}

/// Words of the shell, and programs beside those that only read, that leave no trace in files.
const PURE: &[&str] = &[
    "[[", "case", "date", "esac", "fi", "for", "id", "in", "local", "read", "return", "shift", "sort", "umask", "uniq",
    "which",
];
/// Programs that move, remove or describe files, or change others than those that were checked out.
const TAME: &[&str] = &[
    "apk", "apt", "apt-get", "cd", "chmod", "chown", "cp", "declare", "dnf", "export", "git", "ln", "microdnf",
    "mkdir", "mv", "pushd", "popd", "readonly", "rm", "rmdir", "touch", "unset", "yum",
];
/// What Git does to the files of a work tree beyond checking them out.
const WILD: &[&str] =
    &["am", "apply", "archive", "bundle", "cherry-pick", "lfs", "merge", "rebase", "revert", "submodule"];

/// The commands of a `RUN` that uses Git.
pub(super) fn uses_git(commands: &[Command]) -> bool {
    commands.iter().any(|command| command.program() == "git" && command.words.len() > 1)
}

impl Effects {
    /// Adds what a `RUN` does that starts in `directory`.
    pub(super) fn add(&mut self, run: &Instruction, commands: &[Command], directory: &str) {
        let script: String = run.characters().map(|(c, _)| c).collect();
        let is_function =
            |program: &str| script.contains(&format!("{program}()")) || script.contains(&format!("{program} ()"));
        self.roots.extend(directory.rsplit('/').next().map(str::to_owned));
        self.moved |= commands.iter().any(|command| matches!(command.program(), "cd" | "pushd"));
        for command in commands {
            let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
            // A program with a path may be one of the code.
            let is_system =
                !words[0].contains('/') || ["/bin/", "/usr/"].iter().any(|start| words[0].starts_with(start));
            let program = if is_system { command.program() } else { words[0] };
            for file in command.writes.iter().map(|word| word.text.as_str()) {
                self.opaque |= file.contains(['$', '`', '*']);
                if !["/dev/", "/tmp/"].iter().any(|start| file.starts_with(start)) {
                    self.written.insert(self.path(directory, file));
                }
            }
            if !only_reads(program) && !PURE.contains(&program) {
                let written = words.join(" ");
                self.mark = Some(self.mark.unwrap_or(Mark::of(&[])).and(Mark::of(&[&written])));
                self.opaque |= !TAME.contains(&program) && !is_function(program);
            }
            match program {
                "git" => self.git(&words),
                "mv" | "cp" | "ln" => self.moves(&words),
                "rm" => {
                    let names = words.iter().filter_map(|word| word.rsplit('/').next());
                    let is_git = |name: &&str| !name.contains(['[', '\\']) && fits(name, ".git");
                    self.repositories -= names.filter(is_git).count() as i32;
                }
                program if is_function(program) => self.git(&words),
                _ => {}
            }
        }
    }

    fn path(&self, directory: &str, file: &str) -> String {
        if self.moved && !file.starts_with('/') { file.to_owned() } else { absolute(directory, file) }
    }

    fn git(&mut self, words: &[&str]) {
        let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
        self.opaque |= has(WILD);
        self.repositories += i32::from(has(&["clone", "init"]) && !has(&["--bare", "--mirror"]));
        for word in words.iter().skip(1) {
            let word = word.split_once('=').map_or(*word, |(_, value)| value).trim_end_matches('/');
            let name = word.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
            self.roots.insert(name.to_owned());
        }
    }

    /// `mv A B`: B is A under another name, unless B is the directory that A goes to.
    fn moves(&mut self, words: &[&str]) {
        let paths: Vec<&str> = words[1..].iter().copied().filter(|word| !word.starts_with('-')).collect();
        let [sources @ .., to] = paths.as_slice() else { return };
        self.opaque |= paths.iter().any(|path| path.contains(['$', '`']));
        let name = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        for source in sources {
            match name(source).as_str() {
                // What is in a directory goes into another one.
                "." | "*" => drop(self.roots.insert(name(to))),
                same if same == name(to) => {}
                _ if to.ends_with('/') || name(to) == "." => drop(self.roots.insert(name(to))),
                _ => drop(self.renamed.insert(name(to))),
            }
        }
    }

    /// Whether a path may be, or be in, something that has another name in the tree.
    pub(super) fn is_renamed(&self, path: &str) -> bool {
        path.split('/').any(|part| self.renamed.contains(part))
    }

    /// Whether all of the tree may be at a path.
    pub(super) fn is_root(&self, path: &str) -> bool {
        path == "/" || path.rsplit('/').next().is_some_and(|name| self.roots.contains(name))
    }

    /// Whether a directory `.git` may be at a path, or in it.
    pub(super) fn has_repository(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let is_in_root = |at: usize| fits(names[at], ".git") && self.is_root(&format!("/{}", names[..at].join("/")));
        self.repositories > 0 && (self.is_root(path) || (0..names.len()).any(is_in_root))
    }

    /// What commands wrote that may be at or below a path, wherever directories were moved in between.
    pub(super) fn written_in<'a>(&'a self, path: &'a str, is_file: bool) -> impl Iterator<Item = &'a str> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let inside = move |file: &&str| {
            name.is_empty() || file.split('/').any(|part| fits(name, part)) || (!is_file && !file.starts_with('/'))
        };
        self.written.iter().map(String::as_str).filter(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockerfile_reader::Dockerfile;

    fn effects(script: &str) -> Effects {
        let dockerfile = Dockerfile::read(&format!("FROM a\nRUN <<E\n{script}\nE\n"));
        let run = &dockerfile.stages[0].instructions[0];
        let mut effects = Effects::default();
        effects.add(run, &run.commands(None), "/source");
        effects
    }

    #[test]
    fn the_stage_of_this_repository_is_understood() {
        let dockerfile = Dockerfile::read(include_str!("../../../../../Dockerfile"));
        let stage = dockerfile.stages.iter().find(|stage| stage.name.as_deref() == Some("source")).expect("stage");
        let run = stage.instructions.iter().find(|instruction| instruction.keyword == "RUN").expect("run");
        let mut effects = Effects::default();
        assert!(uses_git(&run.commands(None)));
        effects.add(run, &run.commands(None), "/source");
        assert!(!effects.opaque);
        assert!(effects.is_root("/source/app") && !effects.is_root("/source/frontend"));
        assert_eq!(effects.written_in("/source/app", false).collect::<Vec<_>>(), ["/source/app/backend/version.txt"]);
        assert_eq!(effects.written_in("/source/frontend", false).count(), 0);
        assert!(!effects.is_renamed("/source/app/pyproject.toml") && !effects.has_repository("/source/app"));
    }

    #[test]
    fn what_may_change_files_is_not_trusted() {
        for opaque in [
            "make",
            "git apply x",
            "echo > $X",
            "mv a $B",
            "sed -i s/a/b/ x",
            "git archive HEAD",
            "xargs rm",
            "./a/test",
        ] {
            assert!(effects(&format!("git clone u a\n{opaque}")).opaque, "{opaque}");
        }
        for tame in ["rm -rf a/.git", "mv a/b .", "mkdir -p x", "cp -r a/b c/", "chmod +x a/b", "echo x > /dev/null"] {
            assert!(!effects(&format!("git clone u a\n{tame}")).opaque, "{tame}");
        }
        assert!(effects("git clone u a; mv a/b c").is_renamed("/source/c/d"));
        assert_eq!(effects("git clone u a; cd a; echo > x").written_in("/source/b", false).count(), 1);
        assert_eq!(effects("git clone u a; echo > x").written_in("/source/b", false).count(), 0);
    }

    #[test]
    fn a_repository_is_where_its_clone_is_until_it_is_removed() {
        for (script, has) in [
            ("git clone u a", true),
            ("git clone u a && rm -rf a/.git", false),
            ("git clone u a && git clone v b && rm -rf a/.git", true),
            ("git clone u a && git clone v b && rm -rf a/.git b/.git*", false),
            ("git init -q a; git -C a fetch u; git -C a checkout FETCH_HEAD", true),
            ("git clone --bare u r.git && git --git-dir=r.git --work-tree=a checkout -f", false),
            ("git clone u a && rm -rf a/.github", true),
        ] {
            assert_eq!(effects(script).has_repository("/source/a"), has, "{script}");
        }
        let effects = effects("git clone u a");
        for path in ["/", "/source", "/source/a", "/source/a/*", "/source/a/.git", "/source/a/.g?t/config"] {
            assert!(effects.has_repository(path), "{path}");
        }
        for path in ["/source/a/web", "/source/a/*.md", "/source/a/web/.git", "/source/a/.gitignore"] {
            assert!(!effects.has_repository(path), "{path}");
        }
    }

    #[test]
    fn only_what_leaves_a_trace_makes_another_checkout() {
        let mark = |script: &str| effects(script).mark;
        assert_eq!(mark("git clone u a\necho one"), mark("# note\ngit clone u a\necho two"));
        assert_ne!(mark("git clone u a"), mark("git clone u a; git -C a checkout v1"));
    }
}
