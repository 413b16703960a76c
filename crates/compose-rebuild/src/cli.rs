//! The command line as it is written; `settings` makes values of it.

use std::num::NonZeroUsize;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::release::version::Wanted;
use crate::ui::{self, Color, Format};
use crate::value::{Builder, CacheBust, GitRef, ImageRef, Service, measure};

/// Rebuild exactly what the remote changed.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done or fresh, 1 the answer is no, 2 bad input, 3 something is missing (engine, remote, \
disk, lock), 4 a build step failed, 101 a bug, 130 interrupted"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Compose file; several are merged as Compose does [default: compose.yml here or above]
    #[arg(short, long = "file", value_name = "FILE", global = true)]
    pub files: Vec<Utf8PathBuf>,
    /// File with variables for the compose files, in place of `.env`
    #[arg(long, value_name = "FILE", global = true)]
    pub env_file: Vec<Utf8PathBuf>,
    /// Profile to enable beside those of COMPOSE_PROFILES
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Vec<String>,
    /// Buildx builder to build with [default: BUILDX_BUILDER, or the current one]
    #[arg(long, value_name = "NAME", global = true)]
    pub builder: Option<Builder>,
    /// How data is written to the standard output
    #[arg(long, value_enum, default_value_t, global = true)]
    pub message_format: Format,
    /// Write nothing but warnings, errors and data
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Write every command before it runs
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Whether messages are coloured
    #[arg(long, value_enum, default_value_t, global = true)]
    pub color: Color,
}

impl Global {
    /// The program with the options that say which project it is, as one could paste it.
    pub(crate) fn called(&self, program: &str) -> String {
        let profiles = self.profile.iter().map(String::as_str);
        let named = self.files.iter().map(|file| ("-f", file.as_str()));
        let named = named.chain(self.env_file.iter().map(|file| ("--env-file", file.as_str())));
        let named = named.chain(profiles.map(|name| ("--profile", name)));
        let is_plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        named.fold(program.to_owned(), |line, (option, value)| match is_plain(value) {
            true => format!("{line} {option} {value}"),
            false => format!("{line} {option} '{}'", value.replace('\'', r"'\''")),
        })
    }

    /// What is said about output.
    pub(crate) fn ui(&self) -> ui::Options {
        ui::Options { format: self.message_format, quiet: self.quiet, verbose: self.verbose, color: self.color }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring images to the remote's tip; nothing happens when they are there
    Rebuild(Rebuild),
    /// Say what a rebuild would do, stage by stage, why, and how long it should take
    Plan(Plan),
    /// Build everything again without cache, the kept models too
    Full(Full),
    /// Compare the remote's tip with what the images hold and the containers run
    Verify(Verify),
    /// Say what the last build did, step by step, and why
    Report(Report),
    /// Free disk: old images of this project and build cache; prints the plan unless told to act
    Prune(Prune),
    /// Move the tags of all services back to a version that is still there; lists them when none is named
    Rollback(Rollback),
    /// Release a version: changelog, commit, images, tags; prints the plan unless told to act
    Release(Release),
    /// Find every problem of engine, machine, compose project and Dockerfiles at once, each with its cure
    Doctor(Doctor),
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print a patch that lets pushes be noticed, for `git apply` at the top of the repository
    #[arg(long)]
    pub patch: bool,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Write a page for the browser beside the report and print its path
    #[arg(long)]
    pub html: bool,
    /// Write a trace for Perfetto beside the report and print its path
    #[arg(long)]
    pub trace: bool,
}

/// Options of `prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Do what the plan says
    #[arg(long)]
    pub execute: bool,
    /// Versions of each service that stay
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    /// What is younger stays too, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    pub older_than: Option<Duration>,
    /// Remove kept images that no service uses any more
    #[arg(long)]
    pub models: bool,
    /// Remove build cache above this size, for example 20GB, the least recently used first
    #[arg(long, value_name = "SIZE", value_parser = measure::size)]
    pub cache_limit: Option<u64>,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The version, by its bust value
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
    /// major, minor, patch, rc (the next release candidate) or the version itself [default: what Cargo.toml says]
    #[arg(value_name = "LEVEL|VERSION")]
    pub wanted: Option<Wanted>,
    /// Do what the plan says
    #[arg(long)]
    pub execute: bool,
    /// Publish it too: images to their registry, then branch and tag to `origin`
    #[arg(long)]
    pub push: bool,
    /// The branch that releases are made on [default: that of `origin`, else main]
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
    /// The bust value: auto, version, commit, timestamp, build-number, or the value itself [default: auto]
    #[arg(long, value_name = "VALUE")]
    pub cache_bust: Option<String>,
    /// Look for newer base images
    #[arg(long)]
    pub pull: bool,
    /// Push to the images' registry, which also says what is fresh
    #[arg(long)]
    pub push: bool,
    /// Build at most so many services at once [default: COMPOSE_PARALLEL_LIMIT, or all]
    #[arg(long, value_name = "N")]
    pub parallel: Option<NonZeroUsize>,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// What to build and how.
    #[command(flatten)]
    pub build: Build,
    /// Build the files of this directory instead of the remote's
    #[arg(long, value_name = "PATH")]
    pub local: Option<Utf8PathBuf>,
}

/// What is started after a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Started {
    /// What runs from an image that changed.
    Changed,
    /// Every service.
    All,
}

/// Options of the commands that start services.
#[derive(Debug, Args)]
pub struct Up {
    /// Start the services that run from an image that changed, or all of them, wait until they are healthy, and go back to
    /// the images from before if they are not
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "changed", value_name = "WHAT")]
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
    /// Go to a version that was not healthy or that was rolled back, too
    #[arg(long)]
    pub forward: bool,
    /// Print what `plan` prints, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
    /// End the build when no step says anything for so long, for example 30m
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    pub step_timeout: Option<Duration>,
    /// Build the files of this directory instead of the remote's
    #[arg(long, value_name = "PATH", conflicts_with = "push")]
    pub local: Option<Utf8PathBuf>,
}

/// Options of `full`.
#[derive(Debug, Args)]
pub struct Full {
    /// What to build and how.
    #[command(flatten)]
    pub build: Build,
    /// Keep the kept images instead of making them again
    #[arg(long)]
    pub keep_models: bool,
    /// Fail instead of waiting for another run of the same project
    #[arg(long)]
    pub no_wait: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// End the build when no step says anything for so long, for example 30m
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    pub step_timeout: Option<Duration>,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Services to verify [default: all that have a build section]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<Service>,
    /// Compare every source file in the image with the commit's tree too
    #[arg(long)]
    pub deep: bool,
    /// Ask no remote: compare only what is on this machine
    #[arg(long)]
    pub offline: bool,
    /// Ask registries for newer base images, too
    #[arg(long, conflicts_with = "offline")]
    pub pull: bool,
    /// Look at the images in their registry, by their labels alone
    #[arg(long, conflicts_with = "deep")]
    pub registry: bool,
    /// Verify this image by its labels instead of the services' images
    #[arg(long, value_name = "REF", conflicts_with = "services")]
    pub image: Option<ImageRef>,
}
