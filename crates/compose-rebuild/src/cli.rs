//! The command line as it is written; `settings` makes values of it.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::plan::prune::Policy;
use crate::plan::release::version::Wanted;
use crate::sys::docker::ComposeOptions;
use crate::ui;
use crate::value::{Builder, CacheBust, GitRef, ImageRef, Service, measure};

/// Rebuild exactly what the remote changed.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done or up to date, 1 a check failed, 2 bad input or configuration,\n\
            3 something is missing (engine, remote, disk, lock), 4 a build step failed, 101 a bug, 130 interrupted")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Global options that mean nothing to a command, by their names in [`Global`].
const MEANINGLESS: [(&str, &[&str]); 3] =
    [("report", &["env_file", "profile", "builder"]), ("verify", &["builder"]), ("rollback", &["builder"])];

impl Cli {
    /// The command line as it is read and explained: a command shows only those global options that mean something to it.
    pub fn of(name: &'static str) -> clap::Command {
        let cli = Self::command().name(name).bin_name(name);
        let hidden = |id: &&str| cli.get_arguments().find(|arg| arg.get_id() == *id).map(|arg| arg.clone().hide(true));
        let hidden =
            |(command, options): (&'static str, &[&str])| (command, options.iter().filter_map(hidden).collect());
        let all: Vec<(&str, Vec<_>)> = MEANINGLESS.into_iter().map(hidden).collect();
        all.into_iter().fold(cli, |cli, (command, hidden)| cli.mut_subcommand(command, |one| one.args(hidden)))
    }

    /// Reads the words of a command line.
    ///
    /// # Errors
    /// Fails for a global option that means nothing to the command, and for what clap refuses.
    pub fn read(name: &'static str, words: &[OsString]) -> Result<Self, clap::Error> {
        let mut cli = Self::of(name);
        let matches = cli.try_get_matches_from_mut(words)?;
        let given = |(command, options): (&str, &'static [&'static str])| {
            let own = matches.subcommand_matches(command)?;
            options
                .iter()
                .find(|id| own.value_source(id) == Some(ValueSource::CommandLine))
                .map(|id| (command.to_owned(), id))
        };
        match MEANINGLESS.into_iter().find_map(given) {
            Some((command, id)) => {
                let said = format!("`{command}` has no use for `--{}`", id.replace('_', "-"));
                Err(cli.error(ErrorKind::ArgumentConflict, said))
            }
            None => Self::from_arg_matches(&matches),
        }
    }
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Which project it is.
    #[command(flatten)]
    pub compose: ComposeOptions,
    /// Buildx builder to use [default: BUILDX_BUILDER, or the current one]
    #[arg(long, value_name = "NAME", global = true)]
    pub builder: Option<Builder>,
    /// How output is written.
    #[command(flatten)]
    pub output: ui::Options,
}

impl Global {
    /// The program with the options that say which project it is, as one could paste it.
    pub(crate) fn called(&self, program: &str) -> String {
        let ComposeOptions { files, env_file, profile } = &self.compose;
        let profiles = profile.iter().map(String::as_str);
        let named = files.iter().map(|file| ("-f", file.as_str()));
        let named = named.chain(env_file.iter().map(|file| ("--env-file", file.as_str())));
        let named = named.chain(profiles.map(|name| ("--profile", name)));
        let is_plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        named.fold(program.to_owned(), |line, (option, value)| match is_plain(value) {
            true => format!("{line} {option} {value}"),
            false => format!("{line} {option} '{}'", value.replace('\'', r"'\''")),
        })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rebuild images that are behind the branch; do nothing if they are up to date
    Rebuild(Rebuild),
    /// Say what `rebuild` would do, stage by stage, why, and how long it should take
    Plan(Plan),
    /// Rebuild everything without the cache, kept images too
    Full(Full),
    /// Compare the remote, the images and the running containers
    Verify(Verify),
    /// Show what the last build did, step by step, and why
    Report(Report),
    /// List old images of this project and build cache; `--execute` removes them
    Prune(Prune),
    /// Move the tags of all services back to an older version; without one, list the versions
    Rollback(Rollback),
    /// List the steps of a release (changelog, commit, images, tags); `--execute` carries them out
    Release(Release),
    /// List every source of code, and every problem of engine, machine and project with its fix
    Doctor(Doctor),
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print a patch that adds or moves cache-bust arguments, for{n}`git apply` at the top of the repository
    #[arg(long)]
    pub patch: bool,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Write an HTML page beside the report and print its path
    #[arg(long)]
    pub html: bool,
    /// Write a trace for Perfetto beside the report and print its path
    #[arg(long)]
    pub trace: bool,
}

/// Options of `prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove what would only be listed otherwise
    #[arg(long)]
    pub execute: bool,
    /// What to keep.
    #[command(flatten)]
    pub policy: Policy,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The version to go back to, as the list names it
    pub value: Option<CacheBust>,
    /// What to start.
    #[command(flatten)]
    pub up: Up,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// major, minor, patch, rc (the next release candidate) or the version{n}itself [default: what Cargo.toml says]
    #[arg(value_name = "LEVEL|VERSION")]
    pub wanted: Option<Wanted>,
    /// Carry out the steps
    #[arg(long)]
    pub execute: bool,
    /// Also publish: push the images to their registry, then the{n}branch and the tag to `origin`
    #[arg(long)]
    pub push: bool,
    /// The branch on which releases are made [default: that of `origin`, else main]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<GitRef>,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of the commands that build.
#[derive(Debug, Args)]
pub struct Build {
    /// Services to build [default: all that have a build section]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<Service>,
    /// The cache-bust value, or how it is made: auto, version, commit,{n}timestamp, build-number [default: CACHE_BUST, or
    /// the{n}configuration, or auto]
    #[arg(long, value_name = "VALUE")]
    pub cache_bust: Option<String>,
    /// Ask registries for newer base images
    #[arg(long)]
    pub pull: bool,
    /// Push images to their registry, and compare with that registry{n}instead of this engine
    #[arg(long)]
    pub push: bool,
}

/// Limits of a run that builds.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Limits {
    /// Build at most this many services at once{n}[default: COMPOSE_PARALLEL_LIMIT, or all]
    #[arg(long, value_name = "N")]
    pub parallel: Option<NonZeroUsize>,
    /// End the build if no step prints anything for this long, for example 30m
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    pub step_timeout: Option<Duration>,
    /// Exit with 1 if the build has warnings
    #[arg(long)]
    pub strict: bool,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// What to build and how.
    #[command(flatten)]
    pub build: Build,
    /// Build the files of this directory instead of those of the remote
    #[arg(long, value_name = "PATH")]
    pub local: Option<Utf8PathBuf>,
}

/// What is started after a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Started {
    /// Running services whose image changed.
    Changed,
    /// Every service.
    All,
}

/// Options of the commands that start services.
#[derive(Debug, Args)]
pub struct Up {
    /// Start the running services whose image changed (`--up=all`: every{n}service), wait until they are healthy, and
    /// go back to the{n}images of before if they are not
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "changed", value_name = "WHAT",
        hide_possible_values = true)]
    pub up: Option<Started>,
    /// How long a service may take to become healthy
    #[arg(long, value_name = "DURATION", value_parser = measure::duration, default_value = "120s", requires = "up")]
    pub wait_timeout: Duration,
}

/// Options of `rebuild`.
#[derive(Debug, Args)]
pub struct Rebuild {
    /// What to build and how.
    #[command(flatten)]
    pub build: Build,
    /// What to start.
    #[command(flatten)]
    pub up: Up,
    /// How far it may go.
    #[command(flatten)]
    pub limits: Limits,
    /// Go to the newest version even if it was not healthy or was rolled back
    #[arg(long)]
    pub forward: bool,
    /// Print what `plan` prints, and build nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Build the files of this directory instead of those of the remote
    #[arg(long, value_name = "PATH", conflicts_with = "push")]
    pub local: Option<Utf8PathBuf>,
}

/// Options of `full`.
#[derive(Debug, Args)]
pub struct Full {
    /// What to build and how.
    #[command(flatten)]
    pub build: Build,
    /// How far it may go.
    #[command(flatten)]
    pub limits: Limits,
    /// Reuse kept images instead of rebuilding them
    #[arg(long)]
    pub keep_models: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// Options of `verify`.
#[derive(Debug, Default, Args)]
pub struct Verify {
    /// Services to verify [default: all that have a build section]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<Service>,
    /// Also compare every source file in the image with the commit's tree
    #[arg(long)]
    pub deep: bool,
    /// Ask no remote; compare only what is on this machine
    #[arg(long)]
    pub offline: bool,
    /// Also ask registries whether base images have moved
    #[arg(long, conflicts_with = "offline")]
    pub pull: bool,
    /// Write an HTML page about all services and print its path
    #[arg(long)]
    pub html: bool,
    /// Verify the images in their registry, by their labels alone
    #[arg(long, conflicts_with = "deep")]
    pub registry: bool,
    /// Verify this image by its labels instead of the services' images
    #[arg(long, value_name = "REF", conflicts_with = "services")]
    pub image: Option<ImageRef>,
}
