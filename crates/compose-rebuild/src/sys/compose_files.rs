//! Where Compose begins to read a project. What it makes of the files is its own business: these paths are for messages, for
//! the directory of the project, and to see whether anything changed.

#![expect(clippy::disallowed_methods, reason = "the environment names the compose files")]

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Failure;
use crate::sys::docker::{self, ComposeOptions};
use crate::value::digest::sha256;
use crate::value::secrets::is_secret_name;
use crate::value::{Service, show};

/// Which project Compose is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// The options of the client itself.
    pub options: &'a ComposeOptions,
    /// The compose files that it reads first.
    pub files: &'a [Utf8PathBuf],
    /// Services that are active because they were named.
    pub services: &'a [Service],
}

impl Selection<'_> {
    /// The directory of the project: that of its first compose file.
    pub fn directory(&self) -> &Utf8Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Utf8Path::new("."))
    }

    /// The files that Compose takes variables from, whether they exist or not.
    fn env_files(&self) -> Option<Vec<Utf8PathBuf>> {
        let here = Utf8PathBuf::try_from(std::env::current_dir().ok()?).ok()?;
        Some(env_files(&here, self.options).into_iter().chain([self.directory().join(".env")]).collect())
    }

    /// Whether Compose may know a variable that the environment does not have.
    pub fn may_know(&self, variable: &str) -> bool {
        let mentions = |file: &Utf8PathBuf| fs_err::read_to_string(file).is_ok_and(|text| text.contains(variable));
        self.env_files().is_none_or(|files| files.iter().any(mentions))
    }
}

/// The compose files, absolute: given ones, those of COMPOSE_FILE in the environment or in `.env`, or the first default name
/// at or above `directory`, with its override file.
pub fn find(directory: &Utf8Path, options: &ComposeOptions) -> Result<Vec<Utf8PathBuf>, Failure> {
    let variable = |name: &str| {
        let set = std::env::var(name).ok().filter(|value| !value.is_empty());
        set.or_else(|| env_files(directory, options).iter().rev().find_map(|file| value_in(file, name)))
    };
    let named = match options.files.is_empty() {
        false => options.files.clone(),
        true => {
            let separator = variable("COMPOSE_PATH_SEPARATOR").unwrap_or(":".to_owned());
            let listed = variable("COMPOSE_FILE").unwrap_or_default();
            listed.split(&separator).filter(|name| !name.is_empty()).map(Utf8PathBuf::from).collect()
        }
    };
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
    // Compose takes the first of these, whatever the other file is called.
    let names = [
        "compose.override.yml",
        "compose.override.yaml",
        "docker-compose.override.yml",
        "docker-compose.override.yaml",
    ];
    let above = names.map(|name| base.with_file_name(name)).into_iter().find(|path| path.is_file());
    Ok([base].into_iter().chain(above).collect())
}

/// The files with variables that Compose reads before anything else.
pub fn env_files(directory: &Utf8Path, options: &ComposeOptions) -> Vec<Utf8PathBuf> {
    let listed = std::env::var("COMPOSE_ENV_FILES").unwrap_or_default();
    let is_disabled = std::env::var("COMPOSE_DISABLE_ENV_FILE")
        .is_ok_and(|value| ["1", "t", "true"].contains(&value.to_lowercase().as_str()));
    let files = match (options.env_file.is_empty(), listed.is_empty()) {
        (false, _) => options.env_file.clone(),
        (true, false) => listed.split(',').map(Utf8PathBuf::from).collect(),
        (true, true) if is_disabled => Vec::new(),
        (true, true) => vec![Utf8PathBuf::from(".env")],
    };
    files.iter().map(|file| directory.join(file)).collect()
}

/// What Compose's answers about a project depend on.
pub struct Inputs {
    /// The SHA-256 of all that.
    pub digest: String,
    /// Values of the environment whose names say that they are secrets.
    pub secrets: Vec<String>,
}

/// Everything that Compose's answers about a project depend on; nothing where that cannot be known: other files may be brought
/// in, or a script stands in place of a program.
pub fn inputs(selection: Selection<'_>) -> Option<Inputs> {
    let Selection { options, files, .. } = selection;
    let mut parts = vec![format!("{options:?}"), std::env::current_dir().ok()?.display().to_string()];
    let mut words = BTreeSet::new();
    let client = docker::client_directory()?.join("config.json");
    for file in files.iter().cloned().chain(selection.env_files()?).chain([client]) {
        let bytes = fs_err::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // Both words may be written with escapes.
        let brings_in = ["include", "extends", "\\x", "\\u", "\\U"].iter().any(|word| text.contains(word));
        if brings_in && files.contains(&file) {
            return None;
        }
        words.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        parts.extend([file.into_string(), sha256(&bytes)]);
    }
    for program in docker::plugins()? {
        let about = fs_err::metadata(&program).ok()?;
        parts.push(format!("{program} {} {:?}", about.len(), about.modified().ok()?));
    }
    // Shells change these for every command, and hardly a compose file names one.
    let volatile = ["_", "SHLVL", "OLDPWD"].into_iter().filter(|name| !words.contains(*name));
    let mut environment: Vec<_> =
        std::env::vars_os().filter(|(name, _)| !volatile.clone().any(|one| name == one)).collect();
    environment.sort();
    // Bytes that are no text are told apart by their escapes.
    parts.extend(environment.iter().map(|(name, value)| format!("{name:?}={value:?}")));
    let texts =
        environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let secrets =
        texts.filter(|(name, value)| is_secret_name(name) && value.len() > 3).map(|(_, value)| value).collect();
    Some(Inputs { digest: sha256(parts.join("\0")), secrets })
}

/// The value of a variable in a file of lines `NAME=value` or `NAME: value`.
fn value_in(file: &Utf8Path, name: &str) -> Option<String> {
    let bytes = fs_err::read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let value = text.trim_start_matches('\u{feff}').lines().rev().find_map(|line| {
        let (key, value) = line.trim().trim_start_matches("export ").split_once(['=', ':'])?;
        let value = value.trim();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        let value = value.trim_start_matches(['"', '\'']).split(quote.unwrap_or('#')).next().unwrap_or_default();
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.filter(|value| !value.is_empty())
}
