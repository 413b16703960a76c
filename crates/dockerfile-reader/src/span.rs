//! Where an instruction begins and ends.

use std::ops::Range;

use parse_dockerfile::{Command, Instruction, Source};

/// Where an instruction stands in the text, here-documents included.
pub(super) fn span(instruction: &Instruction<'_>) -> Option<Range<usize>> {
    use Instruction as I;
    let command = |command: &Command<'_>| match command {
        Command::Exec(exec) => exec.span.end,
        Command::Shell(shell) => shell.span.end,
        _ => 0,
    };
    let sources = |sources: &[Source<'_>]| {
        let ends = sources.iter().map(|source| match source {
            Source::Path(path) => path.span.end,
            Source::HereDoc(document) => document.span.end,
            _ => 0,
        });
        ends.max().unwrap_or_default()
    };
    Some(match instruction {
        I::Add(i) => i.add.span.start..i.dest.span.end.max(sources(&i.src)),
        I::Arg(i) => i.arg.span.start..i.arguments.span.end,
        I::Cmd(i) => i.cmd.span.start..command(&i.arguments),
        I::Copy(i) => i.copy.span.start..i.dest.span.end.max(sources(&i.src)),
        I::Entrypoint(i) => i.entrypoint.span.start..command(&i.arguments),
        I::Env(i) => i.env.span.start..i.arguments.span.end,
        I::Expose(i) => i.expose.span.start..i.arguments.last()?.span.end,
        I::Healthcheck(i) => match &i.arguments {
            parse_dockerfile::HealthcheckArguments::Cmd { arguments, .. } => {
                i.healthcheck.span.start..command(arguments)
            }
            parse_dockerfile::HealthcheckArguments::None { none, .. } => i.healthcheck.span.start..none.span.end,
            _ => return None,
        },
        I::Label(i) => i.label.span.start..i.arguments.span.end,
        I::Run(i) => {
            let documents = i.here_docs.iter().map(|document| document.span.end).max().unwrap_or_default();
            i.run.span.start..command(&i.arguments).max(documents)
        }
        I::Shell(i) => i.shell.span.start..i.arguments.last()?.span.end,
        I::Stopsignal(i) => i.stopsignal.span.start..i.arguments.span.end,
        I::User(i) => i.user.span.start..i.arguments.span.end,
        I::Volume(i) => match &i.arguments {
            parse_dockerfile::JsonOrStringArray::Json(json) => i.volume.span.start..json.span.end,
            parse_dockerfile::JsonOrStringArray::String(words) => i.volume.span.start..words.last()?.span.end,
        },
        I::Workdir(i) => i.workdir.span.start..i.arguments.span.end,
        I::Onbuild(i) => i.onbuild.span.start..span(&i.instruction)?.end,
        _ => return None,
    })
}
