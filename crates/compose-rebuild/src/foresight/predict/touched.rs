//! Which paths the commands of a `RUN` may change, where they are simple enough to tell.

use dockerfile_reader::shell::Command;
use dockerfile_reader::{Instruction, absolute};

/// Programs that write to their output alone.
const READS: &str = ": [ basename cat cut dirname echo egrep exit false grep head ls md5sum printf pwd set sha256sum sleep \
    stat tail test tr true uname wc";
/// Programs that change what they are told, and nothing else.
const WRITES: &[&str] = &["chmod", "chown", "cp", "mkdir", "mv", "rm", "rmdir", "touch"];

/// Whether a program writes to its output alone.
pub(super) fn only_reads(program: &str) -> bool {
    READS.split(' ').any(|one| one == program)
}

/// Paths of which every change is at, below or directly above one; nothing when commands may change anything.
pub(super) fn touched(run: &Instruction, commands: &[Command], directory: &str) -> Option<Vec<String>> {
    let script: String = run.characters().map(|(c, _)| c).collect();
    let is_opaque =
        ["`", "$(", "<(", ">(", "()", "--"].iter().any(|sign| script.contains(sign)) || !run.flags.is_empty();
    // Output may go to a file without any command.
    let arrows = script.replace(">>", ">").matches('>').count();
    let writes: usize = commands.iter().map(|command| command.writes.len()).sum();
    if is_opaque || commands.is_empty() || arrows != writes {
        return None;
    }
    let mut paths = Vec::new();
    for command in commands {
        let words: Vec<&str> = command.words.iter().skip(1).map(|word| word.text.as_str()).collect();
        // By its whole name: `./test` is anything.
        let told = match command.words[0].text.as_str() {
            "find" if is_harmless_find(&words) => &[][..],
            "sort" if !words.iter().any(|word| word.starts_with('-') && word.contains('o')) => &[],
            program if only_reads(program) => &[],
            program if WRITES.contains(&program) => &words,
            _ => return None,
        };
        let told = told.iter().copied().filter(|word| !word.starts_with('-'));
        for path in told.chain(command.writes.iter().map(|word| word.text.as_str())) {
            if path.contains(['$', '*', '?', '[', '{', '~']) {
                return None;
            }
            paths.push(absolute(directory, path));
        }
    }
    Some(paths)
}

/// Whether `find` starts only what reads.
fn is_harmless_find(words: &[&str]) -> bool {
    words.iter().enumerate().all(|(at, word)| match *word {
        "-exec" => words.get(at + 1).is_some_and(|program| only_reads(program)),
        word => !["-delete", "-exec", "-ok", "-fprint", "-fls"].iter().any(|start| word.starts_with(start)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockerfile_reader::Dockerfile;

    #[test]
    fn only_what_is_understood_leaves_other_paths_alone() {
        let of = |script: &str| {
            let dockerfile = Dockerfile::read(&format!("FROM a\nRUN {script}\n"));
            let run = &dockerfile.stages[0].instructions[0];
            touched(run, &run.commands(None), "/in").map(|paths| paths.join(" "))
        };
        for (script, paths) in [
            ("mkdir -p /out && find /in -type f -exec sha256sum {} + | sort > /out/sum", "/out /out/sum"),
            ("cp a /b; rm -f c", "/in/a /b /in/c"),
            ("cat x >> y", "/in/y"),
            ("true", ""),
        ] {
            assert_eq!(of(script).as_deref(), Some(paths), "{script}");
        }
        for script in [
            "make",
            "rm -rf *",
            "cp $A b",
            "cd /x && touch y",
            "echo $(make)",
            "find . -delete",
            "find . -exec rm {} +",
            "sort -o a a",
            "eval x",
            "--mount=target=/x ls",
            "xargs rm",
            "tee a",
            "f() { make; }; f",
            "ls --x",
            "echo > $X",
            "<<E\n#!/usr/bin/env python3\nopen\nE",
            "trap make EXIT",
            "./test",
            "true; > x",
            "sed -i x y",
            ". ./x",
            "cat {a,b}; touch {a,b}",
        ] {
            assert_eq!(of(script), None, "{script}");
        }
    }
}
