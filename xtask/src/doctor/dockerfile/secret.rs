//! Secrets where everybody who has the image can read them.

use super::{Finding, warning};
use crate::dockerfile::listing::{Instruction, Listing};
use crate::doctor::secrets::{has_credential, is_secret_name};

const CURE: &str = "pass it as a build secret: `RUN --mount=type=secret,id=NAME`, and `secrets` in the compose file";

pub(super) fn check(listing: &Listing) -> Vec<Finding> {
    let stages = listing.stages.iter().map(|stage| &stage.instructions);
    let mut findings = Vec::new();
    for instructions in [&listing.global].into_iter().chain(stages) {
        let mut args = Vec::new();
        for instruction in instructions {
            args.extend(instruction.declares().into_iter().map(|assignment| assignment.name));
            findings.extend(declared(instruction));
            findings.extend(used(instruction, &args));
        }
    }
    findings
}

/// `ARG` and `ENV` that are named like a secret, or whose value is an address with one.
fn declared(instruction: &Instruction) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assignment in instruction.declares() {
        let (keyword, name) = (&instruction.keyword, &assignment.name);
        let value = assignment.value.as_deref().unwrap_or_default();
        // An empty variable is a place for one that comes when the container starts.
        let what = if is_secret_name(name) && (keyword == "ARG" || !value.is_empty()) {
            format!("`{keyword} {name}` is named like a secret")
        } else if has_credential(value) {
            format!("the value of `{keyword} {name}` is an address with a credential")
        } else {
            continue;
        };
        findings.push(
            warning("secret-in-dockerfile", assignment.line, what)
                .why("Arguments and variables stay in the image's history and in its provenance, for everybody who has the image.")
                .cure(CURE),
        );
    }
    findings
}

/// An address with a credential in a command, or in what `ADD` fetches.
fn used(instruction: &Instruction, args: &[String]) -> Option<Finding> {
    let plain = |text: &str| !text.contains('$') && has_credential(text);
    let line = match instruction.keyword.as_str() {
        "RUN" => {
            let commands = instruction.commands();
            let mut words = commands.iter().flat_map(|command| &command.words);
            // What a command reads from a secret mount is no argument.
            let shows = |text: &str, expands: &[String]| {
                plain(text)
                    || (has_credential(text) && expands.iter().any(|name| args.contains(name) && is_secret_name(name)))
            };
            words.find(|word| shows(&word.text, &word.expands))?.line
        }
        "ADD" => {
            let text: String = instruction.text.iter().map(|(c, _)| c).collect();
            plain(&text).then_some(instruction.line)?
        }
        _ => return None,
    };
    let why = "It stays in the image's history, for everybody who has the image.";
    Some(warning("secret-in-dockerfile", line, "an address with a credential in it").why(why).cure(CURE))
}
