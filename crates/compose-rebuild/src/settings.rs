//! What command line and environment mean together; precedence is decided here and nowhere else.

#![expect(clippy::disallowed_methods, reason = "the environment is read here")]

use std::num::NonZeroUsize;

use crate::cli::Global;
use crate::error::Failure;
use crate::plan::cache_bust::Rule;
use crate::sys::compose_files::{self, Selection};
use crate::sys::docker::ComposeOptions;
use crate::value::time::Timestamp;
use crate::value::{Builder, Service, show};
use camino::{Utf8Path, Utf8PathBuf};

/// The environment as far as this tool reads it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// CACHE_BUST.
    pub cache_bust: Option<String>,
    /// What the CI system counts: GITHUB_RUN_NUMBER, CI_PIPELINE_IID or BUILD_NUMBER.
    pub build_number: Option<String>,
    /// GITHUB_STEP_SUMMARY: the file whose Markdown GitHub Actions shows beside the run.
    pub step_summary: Option<String>,
    /// BUILDX_BUILDER.
    pub builder: Option<String>,
    /// COMPOSE_PARALLEL_LIMIT.
    pub parallel: Option<String>,
    /// DOCKER_BUILDKIT and COMPOSE_BAKE where they turn off what every build here uses.
    pub without_effect: Vec<(&'static str, String)>,
    /// DOCKER_HOST and DOCKER_CONTEXT, which tell engines apart.
    pub engine: String,
}

impl Environment {
    /// Reads the environment of this process; an empty variable is none.
    pub fn read() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            cache_bust: var("CACHE_BUST"),
            build_number: ["GITHUB_RUN_NUMBER", "CI_PIPELINE_IID", "BUILD_NUMBER"].into_iter().find_map(var),
            step_summary: var("GITHUB_STEP_SUMMARY"),
            builder: var("BUILDX_BUILDER"),
            parallel: var("COMPOSE_PARALLEL_LIMIT"),
            without_effect: ["DOCKER_BUILDKIT", "COMPOSE_BAKE"]
                .into_iter()
                .filter_map(|name| Some((name, var(name).filter(|value| is_off(value))?)))
                .collect(),
            engine: ["DOCKER_HOST", "DOCKER_CONTEXT"].map(|name| var(name).unwrap_or_default()).join("|"),
        }
    }
}

/// Whether a value means no to Docker and Compose.
fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "f" | "false")
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What Compose is told about the project.
    pub compose: ComposeOptions,
    /// The compose files that Compose reads first, absolute: for messages, and to know the directory of the project.
    pub files: Vec<Utf8PathBuf>,
    /// Where the command was started.
    pub here: Utf8PathBuf,
    /// A builder other than the current one.
    pub builder: Option<Builder>,
    /// When the run started.
    pub now: Timestamp,
    pub environment: Environment,
}

impl Settings {
    /// Makes settings of a command line.
    pub fn new(
        global: &Global,
        environment: Environment,
        directory: &Utf8PathBuf,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let compose = global.compose.clone();
        let files = compose_files::find(directory, &compose)?;
        let builder = match (&global.builder, &environment.builder) {
            (Some(builder), _) => Some(builder.clone()),
            (None, name) => name.as_deref().map(str::parse).transpose()?,
        };
        Ok(Self { compose, files, here: directory.clone(), builder, now, environment })
    }

    /// The directory of the project: that of its first compose file.
    pub fn directory(&self) -> &Utf8Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."))
    }

    /// The project that Compose is asked for, when these services are named.
    pub fn selection<'a>(&'a self, services: &'a [Service]) -> Selection<'a> {
        Selection { options: &self.compose, files: &self.files, services }
    }

    /// How many services are built at once; none means all. As in Compose, a limit below 1 is none.
    pub fn parallel(&self, flag: Option<NonZeroUsize>) -> Result<Option<NonZeroUsize>, Failure> {
        let Some(text) = self.environment.parallel.as_deref().filter(|_| flag.is_none()) else { return Ok(flag) };
        let limit: i64 = text.parse().map_err(|_| {
            Failure::usage(format!("COMPOSE_PARALLEL_LIMIT is {}, which is not a number", show(text)))
                .hint("set it to the number of services to build at once, or to -1 for no limit")
        })?;
        Ok(usize::try_from(limit).ok().and_then(NonZeroUsize::new))
    }

    /// How the bust value is made according to the flag, or to CACHE_BUST of the environment.
    pub fn chosen_rule(&self, flag: Option<&str>) -> Result<Option<Rule>, Failure> {
        flag.or(self.environment.cache_bust.as_deref()).map(|text| self.rule(text)).transpose()
    }

    /// How the bust value is made, according to that or else to the configuration.
    pub fn rule_or(&self, chosen: Option<Rule>, configured: Option<&str>) -> Result<Rule, Failure> {
        chosen.map_or_else(|| self.rule(configured.unwrap_or("auto")), Ok)
    }

    /// How the bust value is made in this run.
    pub fn rule(&self, text: &str) -> Result<Rule, Failure> {
        Rule::parse(text, self.now, self.environment.build_number.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: Environment) -> Settings {
        let (compose, files, here) = (ComposeOptions::default(), Vec::new(), Utf8PathBuf::new());
        Settings { compose, files, here, builder: None, now: Timestamp::UNIX_EPOCH, environment }
    }

    #[test]
    fn a_limit_of_services_is_read_as_compose_reads_it() {
        let limit = |flag: usize, environment: Option<&str>| {
            let settings = settings(Environment { parallel: environment.map(str::to_owned), ..Environment::default() });
            let found = settings.parallel(NonZeroUsize::new(flag)).map_err(|failure| failure.code);
            found.map(|limit| limit.map_or(0, NonZeroUsize::get))
        };
        for (flag, environment, expected) in [
            (0, None, Ok(0)),
            (2, Some("1"), Ok(2)),
            (0, Some("1"), Ok(1)),
            (0, Some("-1"), Ok(0)),
            (0, Some("0"), Ok(0)),
            (0, Some("many"), Err(2)),
            (3, Some("many"), Ok(3)),
        ] {
            assert_eq!(limit(flag, environment), expected, "{flag} {environment:?}");
        }
    }

    #[test]
    fn the_flag_comes_before_the_environment() {
        let in_environment = |text: Option<&str>| {
            settings(Environment { cache_bust: text.map(str::to_owned), ..Environment::default() })
        };
        let chosen = |environment, flag| in_environment(environment).chosen_rule(flag).map_err(|failure| failure.code);
        assert_eq!(chosen(Some("commit"), Some("version")), Ok(Some(Rule::Version)));
        assert_eq!(chosen(Some("commit"), None), Ok(Some(Rule::Commit)));
        assert_eq!(chosen(None, None), Ok(None));
        assert_eq!(chosen(Some("$(id)"), None), Err(2));
    }
}
