//! Removes one protection after another from a copy of the sources: a test must fail each time.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::lists::{self, Protection};
use crate::results::{self, Ended};
use crate::{ROOT, run};

/// Tries the protections whose names or files have one of these words; those without which no test failed.
pub(crate) fn try_all(words: &[String]) -> Result<Vec<String>> {
    let commit = results::commit()?;
    ensure!(!commit.ends_with('+'), "protections are removed from what is committed: commit first");
    let copy = format!("{ROOT}/target/faults");
    let _ = fs_err::remove_dir_all(&copy);
    fs_err::create_dir_all(&copy)?;
    let mut archive = Command::new("git").args(["-C", ROOT, "archive", "HEAD"]).stdout(Stdio::piped()).spawn()?;
    let stdout = archive.stdout.take().context("a pipe")?;
    let unpacked = Command::new("tar").args(["-x", "-C", &copy]).stdin(stdout).status()?;
    ensure!(archive.wait()?.success() && unpacked.success(), "the sources were not copied");
    let mut failed = Vec::new();
    for protection in lists::protections()? {
        let is_meant = |word: &String| protection.name.contains(word) || protection.file.contains(word);
        if words.is_empty() || words.iter().any(is_meant) {
            // Beside the removal there must be nothing that lets the test fail.
            let control = run::alone(&copy, protection.test)?;
            ensure!(control == Some(true), "{} does not pass as it is", protection.test);
            let red = without(&copy, &protection).with_context(|| protection.name.to_owned())?;
            let ended = Ended { right: red, commit: commit.clone(), inputs: 0 };
            results::change(|results| {
                let run = results.runs.entry("protections".to_owned()).or_default();
                run.tests.insert(protection.name.to_owned(), ended);
                Ok(())
            })?;
            if !red {
                failed.push(format!("without {}: {} passed", protection.name, protection.test));
            }
        }
    }
    Ok(failed)
}

fn without(copy: &str, protection: &Protection) -> Result<bool> {
    let Protection { file, old, new, test, .. } = protection;
    let path = format!("{copy}/{file}");
    let text = fs_err::read_to_string(&path)?;
    ensure!(text.matches(old.as_str()).count() == 1, "{file} does not have this exactly once:\n{old}");
    fs_err::write(&path, text.replacen(old.as_str(), new, 1))?;
    let passed = run::alone(copy, test);
    fs_err::write(&path, text)?;
    // What does not compile proves nothing.
    Ok(!passed?.with_context(|| format!("`{test}` did not run"))?)
}
