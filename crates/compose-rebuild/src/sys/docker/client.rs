//! The Docker client of this machine: where it has its plugins, and what its user chose.

#![expect(clippy::disallowed_methods, reason = "the environment says which plugins there are")]

use std::io::Read;

use camino::Utf8PathBuf;

use crate::sys::process::CommandLine;
use crate::value::Builder;

/// The Docker client with these words, separated by spaces.
pub(super) fn docker(words: &str) -> CommandLine {
    CommandLine::new("docker").args(words.split(' '))
}

/// Compose by itself, which takes 0.04 s to start; as a plugin it takes 0.12 s. A script in place of `docker` is there to
/// see every call, and does.
pub(super) fn compose() -> CommandLine {
    plugin("docker-compose").map_or_else(|| docker("compose"), |program| CommandLine::new(program.into_std_path_buf()))
}

/// buildx by itself, which saves a third of the time that a question takes through `docker`.
pub(super) fn buildx() -> CommandLine {
    plugin("docker-buildx").map_or_else(|| docker("buildx"), |program| CommandLine::new(program.into_std_path_buf()))
}

/// The option for a builder other than the current one.
pub(super) fn on(builder: Option<&Builder>) -> impl Iterator<Item = &str> {
    builder.into_iter().flat_map(|builder| ["--builder", builder.as_str()])
}

/// The programs that answer questions about a project; nothing where a script or `docker` itself finds them.
pub fn plugins() -> Option<[Utf8PathBuf; 2]> {
    Some([plugin("docker-compose")?, plugin("docker-buildx")?])
}

/// Where the Docker CLI finds a plugin, in its own order (docker/cli `cli-plugins/manager`).
fn plugin(name: &str) -> Option<Utf8PathBuf> {
    if is_wrapped() {
        return None;
    }
    let system =
        ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"].map(|dir| format!("{dir}/docker"));
    let own = client_directory().into_iter().chain(system.map(Utf8PathBuf::from)).map(|dir| dir.join("cli-plugins"));
    extra_directories().into_iter().chain(own).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The directories that the user has added for plugins.
fn extra_directories() -> Vec<Utf8PathBuf> {
    let config = client_directory().and_then(|own| fs_err::read(own.join("config.json")).ok()).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
    let listed = config["cliPluginsExtraDirs"].as_array().into_iter().flatten();
    listed.filter_map(serde_json::Value::as_str).map(Utf8PathBuf::from).collect()
}

/// Whether `docker` is a script.
pub(super) fn is_wrapped() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|directory| directory.join("docker")).find(|path| path.is_file());
    let mut start = [0; 2];
    let read = program.map(|program| std::fs::File::open(program)?.read_exact(&mut start));
    matches!(read, Some(Ok(()))) && start == *b"#!"
}

/// Where the Docker CLI keeps what belongs to this user.
pub fn client_directory() -> Option<Utf8PathBuf> {
    let own = std::env::var("DOCKER_CONFIG").map(Utf8PathBuf::from);
    own.or_else(|_| std::env::var("HOME").map(|home| Utf8PathBuf::from(home).join(".docker"))).ok()
}

/// Whether somebody chose a builder with `docker buildx use`: asking buildx takes 0.2 s, and most never do.
pub fn builder_was_chosen() -> bool {
    let current = client_directory().and_then(|own| fs_err::read_to_string(own.join("buildx/current")).ok());
    current.is_some_and(|text| !text.contains(r#""Name":"""#))
}
