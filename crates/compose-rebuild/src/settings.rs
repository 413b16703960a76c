//! What command line and environment mean together; precedence is decided here and nowhere else.

use crate::value::time::Timestamp;
use camino::{Utf8Path, Utf8PathBuf};

use crate::cli::Global;
use crate::error::Failure;
use crate::plan::cache_bust::Rule;
use crate::value::{Builder, show};

/// The environment as far as this tool reads it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// CACHE_BUST.
    pub cache_bust: Option<String>,
    /// COMPOSE_FILE.
    pub compose_file: Option<String>,
    /// What the CI system counts: GITHUB_RUN_NUMBER, CI_PIPELINE_IID or BUILD_NUMBER.
    pub build_number: Option<String>,
    /// GITHUB_STEP_SUMMARY: the file whose Markdown GitHub Actions shows beside the run.
    pub step_summary: Option<String>,
    /// BUILDX_BUILDER.
    pub builder: Option<String>,
    /// DOCKER_HOST and DOCKER_CONTEXT, which tell engines apart.
    pub engine: String,
}

impl Environment {
    /// Reads the environment of this process; an empty variable is none.
    pub fn read() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            cache_bust: var("CACHE_BUST"),
            compose_file: var("COMPOSE_FILE"),
            build_number: ["GITHUB_RUN_NUMBER", "CI_PIPELINE_IID", "BUILD_NUMBER"].into_iter().find_map(var),
            step_summary: var("GITHUB_STEP_SUMMARY"),
            builder: var("BUILDX_BUILDER"),
            engine: ["DOCKER_HOST", "DOCKER_CONTEXT"].map(|name| var(name).unwrap_or_default()).join("|"),
        }
    }
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Compose files, absolute.
    pub files: Vec<Utf8PathBuf>,
    /// A builder other than the current one.
    pub builder: Option<Builder>,
    /// When the run started.
    pub now: Timestamp,
    /// The environment.
    pub environment: Environment,
}

impl Settings {
    /// Makes settings of a command line.
    ///
    /// # Errors
    /// Exit code 2 when there is no compose file.
    pub fn new(
        global: &Global,
        environment: Environment,
        directory: &Utf8PathBuf,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let files = compose_files(directory, &global.files, environment.compose_file.as_deref())?;
        let builder = match (&global.builder, &environment.builder) {
            (Some(builder), _) => Some(builder.clone()),
            (None, name) => name.as_deref().map(str::parse).transpose()?,
        };
        Ok(Self { files, builder, now, environment })
    }

    /// The directory of the project: that of its first compose file.
    pub fn directory(&self) -> &Utf8Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."))
    }

    /// How the bust value is made according to the flag, or to CACHE_BUST of the environment.
    ///
    /// # Errors
    /// As [`Settings::rule`].
    pub fn chosen_rule(&self, flag: Option<&str>) -> Result<Option<Rule>, Failure> {
        flag.or(self.environment.cache_bust.as_deref()).map(|text| self.rule(text)).transpose()
    }

    /// How the bust value is made in this run.
    ///
    /// # Errors
    /// Exit code 2 for a value that does not fit the grammar.
    pub fn rule(&self, text: &str) -> Result<Rule, Failure> {
        Rule::parse(text, self.now, self.environment.build_number.as_deref())
    }
}

/// The compose files as Compose itself finds them: given ones, COMPOSE_FILE, or the first default name at or above
/// `directory`, with its override file.
///
/// # Errors
/// Exit code 2 when there is none.
fn compose_files(
    directory: &Utf8Path,
    given: &[Utf8PathBuf],
    environment: Option<&str>,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let listed = environment.unwrap_or_default().split(':').filter(|name| !name.is_empty()).map(Utf8PathBuf::from);
    let named: Vec<_> = if given.is_empty() { listed.collect() } else { given.to_vec() };
    if let Some(missing) = named.iter().find(|file| !directory.join(file).is_file()) {
        return Err(Failure::usage(format!("there is no compose file {}", show(missing.as_str())))
            .hint("name a file with `-f FILE`"));
    }
    if !named.is_empty() {
        return Ok(named.iter().map(|file| directory.join(file)).collect());
    }
    let base = directory.ancestors().find_map(|above| {
        let names = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
        names.iter().map(|name| above.join(name)).find(|path| path.is_file())
    });
    let base = base.ok_or_else(|| {
        Failure::usage(format!("no compose.yml in `{directory}` or above")).hint("name one with `-f FILE`")
    })?;
    let stem = base.as_str().trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
    let overrides = ["yml", "yaml"].map(|ending| Utf8PathBuf::from(format!("{stem}.override.{ending}")));
    Ok([base].into_iter().chain(overrides.into_iter().find(|path| path.is_file())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_environment() {
        let settings = |environment: Option<&str>| Settings {
            files: Vec::new(),
            builder: None,
            now: Timestamp::UNIX_EPOCH,
            environment: Environment { cache_bust: environment.map(str::to_owned), ..Environment::default() },
        };
        let chosen = |environment, flag| settings(environment).chosen_rule(flag).map_err(|failure| failure.code);
        assert_eq!(chosen(Some("commit"), Some("version")), Ok(Some(Rule::Version)));
        assert_eq!(chosen(Some("commit"), None), Ok(Some(Rule::Commit)));
        assert_eq!(chosen(None, None), Ok(None));
        assert_eq!(chosen(Some("$(id)"), None), Err(2));
    }
}
