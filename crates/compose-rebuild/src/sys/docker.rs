//! Every command line that is given to Docker, as values; running them is the caller's business.

#![expect(clippy::disallowed_methods, reason = "the environment says which engine and which plugins")]

mod answer;
mod call;
mod client;
mod kept;
mod socket;

use std::ffi::{OsStr, OsString};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use xshell::{Cmd, Shell, cmd};

use crate::sys::git;
use crate::value::{Builder, ImageRef, ProjectName, Service};
pub use answer::{ask, ask_existing, ask_lines, failure, json, registry_failure};
pub use call::{
    Call, cache_records, clock, copy_file, create, engine_id, image_inspect, info, leftover_containers, project_tags,
    remove_containers, tag, untag,
};
use client::plugin;
pub use client::{builder_was_chosen, client_directory, plugins};
pub use kept::{containers, image_sizes, logs, mark};
pub use socket::is_here;

/// The options of Compose that decide which project it resolves, as the user gave them; Compose finds the rest itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ComposeOptions {
    /// Compose file; several are merged as Compose does{n}[default: compose.yml here or above]
    #[arg(short, long = "file", value_name = "FILE", global = true)]
    pub files: Vec<Utf8PathBuf>,
    /// File with variables for the compose files, instead of `.env`
    #[arg(long, value_name = "FILE", global = true)]
    pub env_file: Vec<Utf8PathBuf>,
    /// Profile to enable in addition to those of COMPOSE_PROFILES
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Vec<String>,
}

impl ComposeOptions {
    fn words(&self) -> impl Iterator<Item = String> {
        let files = self.files.iter().map(|file| format!("--file={file}"));
        let env_files = self.env_file.iter().map(|file| format!("--env-file={file}"));
        files.chain(env_files).chain(self.profile.iter().map(|profile| format!("--profile={profile}")))
    }
}

/// The bake definition of the project: what Compose would build for these services, or for all that are active.
pub fn compose_definition<'a>(sh: &'a Shell, options: &ComposeOptions, services: &[Service]) -> Cmd<'a> {
    compose(sh).args(options.words()).args(["build", "--print", "--"]).args(services)
}

/// The project before variables are replaced, as JSON: the only form in which Compose passes on extension fields of services,
/// and one that needs no `env_file` and no profile.
pub fn compose_model<'a>(sh: &'a Shell, options: &ComposeOptions) -> Cmd<'a> {
    compose(sh).args(options.words()).args(["config", "--format", "json", "--no-interpolate"])
}

/// The resolved project as JSON.
pub fn compose_config<'a>(sh: &'a Shell, options: &ComposeOptions) -> Cmd<'a> {
    compose(sh).args(options.words()).args(["config", "--format", "json"])
}

/// Compose by itself, which takes 0.04 s to start; as a plugin it takes 0.12 s. A script in place of `docker` is there to
/// see every call, and does.
fn compose(sh: &Shell) -> Cmd<'_> {
    plugin("docker-compose").map_or_else(|| cmd!(sh, "docker compose"), |program| sh.cmd(program))
}

/// buildx by itself, which saves a third of the time that a question takes through `docker`.
fn buildx(sh: &Shell) -> Cmd<'_> {
    plugin("docker-buildx").map_or_else(|| cmd!(sh, "docker buildx"), |program| sh.cmd(program))
}

/// The version of Compose.
pub fn compose_version<'a>(sh: &'a Shell) -> Cmd<'a> {
    compose(sh).args(["version", "--short"])
}

/// The version of buildx.
pub fn buildx_version<'a>(sh: &'a Shell) -> Cmd<'a> {
    buildx(sh).arg("version")
}

/// A builder, its driver and its garbage collection, as text; the current one when none is named.
pub fn builder_inspect<'a>(sh: &'a Shell, builder: Option<&Builder>) -> Cmd<'a> {
    buildx(sh).arg("inspect").args(builder)
}

/// The option for a builder other than the current one.
fn on(builder: Option<&Builder>) -> impl Iterator<Item = &str> {
    builder.into_iter().flat_map(|builder| ["--builder", builder.as_str()])
}

/// A line for each record of the cache of a builder, with tabs between its parts.
pub fn cache_of<'a>(sh: &'a Shell, builder: &Builder) -> Cmd<'a> {
    let parts = ["ID", "Parents", "Size", "LastUsedAt", "Reclaimable", "Shared", "Description"];
    let format = parts.map(|part| format!("{{{{json .{part}}}}}")).join("\t");
    buildx(sh).args(["du", "--format", &format]).args(on(Some(builder)))
}

/// One build of a bake definition, which is read from the standard input; events come as JSON lines on the standard error.
pub fn bake<'a>(sh: &'a Shell, bake: &Bake<'_>) -> Cmd<'a> {
    let options = ["bake", "--file", "-", "--progress", "rawjson", "--metadata-file", bake.metadata.as_str()];
    let allowed = bake.reads.iter().map(|path| format!("fs.read={path}"));
    let allowed = allowed.chain(bake.insecure.then(|| "security.insecure".to_owned()));
    let allowed = allowed.flat_map(|what| ["--allow".to_owned(), what]);
    // Attestations give the same build a new digest every time; without them nobody reads what buildx asks Git about the
    // directory of the compose file, a dozen processes for each build.
    let without = [("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"), ("BUILDX_GIT_INFO", "false")];
    let without = without.into_iter().filter(|_| !bake.attests);
    let tokens = std::env::vars_os().filter(|(name, _)| git::is_token(name));
    let secrets = bake.secrets.iter().map(|(name, value)| (name, value));
    buildx(sh).args(options).args(allowed).args(on(bake.builder)).envs(without).envs(secrets).envs(tokens)
}

/// Whether the environment has a variable.
pub fn has_variable(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// The time that buildx passes to every build as the argument of this name.
pub fn source_date_epoch() -> Option<String> {
    std::env::var("SOURCE_DATE_EPOCH").ok().filter(|epoch| !epoch.is_empty())
}

/// The variables that Compose replaces in its files, a line each: those of the environment and of `.env`.
pub fn compose_environment<'a>(sh: &'a Shell, options: &ComposeOptions) -> Cmd<'a> {
    compose(sh).args(options.words()).args(["config", "--environment"])
}

/// What a build is given beside its definition.
#[derive(Clone, Copy, Debug)]
pub struct Bake<'a> {
    /// The builder, the current one when none is named.
    pub builder: Option<&'a Builder>,
    /// Where the digests of what was built are written.
    pub metadata: &'a Utf8Path,
    /// Directories of this machine that it may read.
    pub reads: &'a [String],
    /// Whether steps may leave their sandbox.
    pub insecure: bool,
    /// Variables that its secrets are read from.
    pub secrets: &'a [(String, String)],
    /// Whether images say how they were built.
    pub attests: bool,
}

/// The digest and the configuration of what a registry has under a name, as JSON; nothing is pulled.
pub fn registry_inspect<'a>(sh: &'a Shell, image: &ImageRef) -> Cmd<'a> {
    let format = r#"{"manifest":{{json .Manifest}},"image":{{json .Image}}}"#;
    buildx(sh).args(["imagetools", "inspect", "--format", format, "--"]).arg(image.to_string())
}

/// Uploads an image under its name.
pub fn push<'a>(sh: &'a Shell, image: &ImageRef) -> Cmd<'a> {
    cmd!(sh, "docker image push --").arg(image.to_string())
}

/// Brings an image from its registry.
pub fn pull<'a>(sh: &'a Shell, image: &ImageRef) -> Cmd<'a> {
    cmd!(sh, "docker image pull --quiet --").arg(image.to_string())
}

/// Gives the manifest with this digest a tag in its registry, as it is.
pub fn registry_tag<'a>(sh: &'a Shell, tag: &ImageRef, digest: &str) -> Cmd<'a> {
    let (to, from) = (tag.to_string(), format!("{}@{digest}", tag.repository));
    buildx(sh).args(["imagetools", "create", "--prefer-index=false", "--tag", &to, "--", &from])
}

/// A tar stream of what `directory/Dockerfile` copies from an image of a registry, which it knows as `image`.
pub fn export<'a>(
    sh: &'a Shell,
    builder: Option<&Builder>,
    directory: &Utf8Path,
    image: &ImageRef,
    digest: &str,
) -> Cmd<'a> {
    let context = format!("image=docker-image://{}@{digest}", image.repository);
    let output = ["build", "--quiet", "--output", "type=tar,dest=-", "--build-context", &context];
    buildx(sh).args(output).args(on(builder)).args(["--", directory.as_str()])
}

/// A file or a directory out of a container as a tar stream; links are copied, never followed.
pub fn copy_out<'a>(sh: &'a Shell, container: &str, path: impl AsRef<OsStr>) -> Cmd<'a> {
    let mut from = OsString::from(format!("{container}:"));
    from.push(path);
    cmd!(sh, "docker cp --").arg(from).arg("-")
}

/// The IDs of a project's containers that run now.
pub fn running_containers<'a>(sh: &'a Shell, project: &ProjectName) -> Cmd<'a> {
    let label = format!("label=com.docker.compose.project={project}");
    cmd!(sh, "docker ps --quiet --no-trunc --filter {label}")
}

/// Everything about containers, as a JSON array.
pub fn container_inspect<'a>(sh: &'a Shell, containers: &[String]) -> Cmd<'a> {
    cmd!(sh, "docker container inspect --").args(containers)
}

/// The IDs of the images with these labels, each as `name=value`.
pub fn images_with<'a>(sh: &'a Shell, labels: &[String]) -> Cmd<'a> {
    let filters = labels.iter().flat_map(|label| ["--filter".to_owned(), format!("label={label}")]);
    cmd!(sh, "docker image ls --quiet --no-trunc").args(filters)
}

/// The IDs of all images, intermediate ones too; one with several names comes several times.
pub fn image_ids<'a>(sh: &'a Shell) -> Cmd<'a> {
    cmd!(sh, "docker image ls --all --quiet --no-trunc")
}

/// The IDs of all containers, running or not.
pub fn container_ids<'a>(sh: &'a Shell) -> Cmd<'a> {
    cmd!(sh, "docker ps --all --quiet --no-trunc")
}

/// A line `IMAGE-ID /NAME` for each container.
pub fn container_images<'a>(sh: &'a Shell, containers: &[String]) -> Cmd<'a> {
    cmd!(sh, "docker container inspect --format").arg("{{.Image}} {{.Name}}").arg("--").args(containers)
}

/// What takes disk space, as one JSON object.
pub fn disk_usage<'a>(sh: &'a Shell) -> Cmd<'a> {
    cmd!(sh, "docker system df --verbose --format").arg("{{json .}}")
}

/// Removes images by ID or name; never forced, so that one in use stays.
pub fn remove_images<'a>(sh: &'a Shell, images: &[String]) -> Cmd<'a> {
    cmd!(sh, "docker image rm --").args(images)
}

/// Removes exactly these records of the build cache, as far as nothing uses them.
pub fn remove_cache<'a>(sh: &'a Shell, builder: Option<&Builder>, records: &[String]) -> Cmd<'a> {
    let filter = format!("id~=^({})$", records.join("|"));
    buildx(sh).args(["prune", "--force", "--filter", &filter]).args(on(builder))
}

/// Starts services from the images that are here; without any named, all of the project with what they depend on.
pub fn up<'a>(sh: &'a Shell, options: &ComposeOptions, services: impl IntoIterator<Item = &'a Service>) -> Cmd<'a> {
    let mut services = services.into_iter().peekable();
    let alone = services.peek().map(|_| "--no-deps");
    let start = ["up", "--detach", "--no-build", "--pull", "missing"];
    compose(sh).args(options.words()).args(start).args(alone).arg("--").args(services)
}
