//! Every command line that is given to Docker, as values; running them is the caller's business.

#![expect(clippy::disallowed_methods, reason = "the environment says which engine and which plugins")]

mod answer;
mod call;
mod client;
mod socket;

use std::ffi::{OsStr, OsString};

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::sys::process::CommandLine;
use crate::value::secrets::is_token;
use crate::value::{Builder, ImageRef, ProjectName, Service};
pub use answer::{failure, json, registry_failure};
pub use call::{
    Call, cache_records, clock, copy_file, create, engine_id, image_inspect, info, leftover_containers, project_tags,
    remove_containers, tag, untag,
};
pub use client::{builder_was_chosen, client_directory, plugins};
use client::{buildx, compose, docker, on};
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
pub fn compose_definition(options: &ComposeOptions, services: &[Service]) -> CommandLine {
    compose().args(options.words()).args(["build", "--print", "--"]).args(services)
}

/// The project before variables are replaced, as JSON: the only form in which Compose passes on extension fields of services,
/// and one that needs no `env_file` and no profile.
pub fn compose_model(options: &ComposeOptions) -> CommandLine {
    compose().args(options.words()).args(["config", "--format", "json", "--no-interpolate"])
}

/// The resolved project as JSON.
pub fn compose_config(options: &ComposeOptions) -> CommandLine {
    compose().args(options.words()).args(["config", "--format", "json"])
}

/// The version of Compose.
pub fn compose_version() -> CommandLine {
    compose().args(["version", "--short"])
}

/// The version of buildx.
pub fn buildx_version() -> CommandLine {
    buildx().args(["version"])
}

/// A builder, its driver and its garbage collection, as text; the current one when none is named.
pub fn builder_inspect(builder: Option<&Builder>) -> CommandLine {
    buildx().args(["inspect"]).args(builder)
}

/// A line for each record of the cache of a builder, with tabs between its parts.
pub fn cache_of(builder: &Builder) -> CommandLine {
    let parts = ["ID", "Parents", "Size", "LastUsedAt", "Reclaimable", "Shared", "Description"];
    let format = parts.map(|part| format!("{{{{json .{part}}}}}")).join("\t");
    buildx().args(["du", "--format", &format]).args(on(Some(builder)))
}

/// One build of a bake definition, which is read from the standard input; events come as JSON lines on the standard error.
pub fn bake(bake: &Bake<'_>) -> CommandLine {
    let options = ["bake", "--file", "-", "--progress", "rawjson", "--metadata-file", bake.metadata.as_str()];
    let allowed = bake.reads.iter().map(|path| format!("fs.read={path}"));
    let allowed = allowed.chain(bake.insecure.then(|| "security.insecure".to_owned()));
    let allowed = allowed.flat_map(|what| ["--allow".to_owned(), what]);
    // Attestations give the same build a new digest every time; without them nobody reads what buildx asks Git about the
    // directory of the compose file, a dozen processes for each build.
    let without = [("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"), ("BUILDX_GIT_INFO", "false")];
    let without = without.into_iter().filter(|_| !bake.attests);
    let tokens = std::env::vars_os().filter(|(name, _)| is_token(name));
    let secrets = bake.secrets.iter().map(|(name, value)| (name, value));
    buildx().args(options).args(allowed).args(on(bake.builder)).envs(without).envs(secrets).envs(tokens)
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
pub fn compose_environment(options: &ComposeOptions) -> CommandLine {
    compose().args(options.words()).args(["config", "--environment"])
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
pub fn registry_inspect(image: &ImageRef) -> CommandLine {
    let format = r#"{"manifest":{{json .Manifest}},"image":{{json .Image}}}"#;
    buildx().args(["imagetools", "inspect", "--format", format, "--"]).args([image.to_string()])
}

/// Uploads an image under its name.
pub fn push(image: &ImageRef) -> CommandLine {
    docker("image push --").args([image.to_string()])
}

/// Brings an image from its registry.
pub fn pull(image: &ImageRef) -> CommandLine {
    docker("image pull --quiet --").args([image.to_string()])
}

/// Gives the manifest with this digest a tag in its registry, as it is.
pub fn registry_tag(tag: &ImageRef, digest: &str) -> CommandLine {
    let (to, from) = (tag.to_string(), format!("{}@{digest}", tag.repository));
    buildx().args(["imagetools", "create", "--prefer-index=false", "--tag", &to, "--", &from])
}

/// A tar stream of what `directory/Dockerfile` copies from an image of a registry, which it knows as `image`.
pub fn export(builder: Option<&Builder>, directory: &Utf8Path, image: &ImageRef, digest: &str) -> CommandLine {
    let context = format!("image=docker-image://{}@{digest}", image.repository);
    let output = ["build", "--quiet", "--output", "type=tar,dest=-", "--build-context", &context];
    buildx().args(output).args(on(builder)).args(["--", directory.as_str()])
}

/// A file or a directory out of a container as a tar stream; links are copied, never followed.
pub fn copy_out(container: &str, path: impl AsRef<OsStr>) -> CommandLine {
    let mut from = OsString::from(format!("{container}:"));
    from.push(path);
    docker("cp --").args([from, "-".into()])
}

/// Everything about containers, as a JSON array.
pub fn container_inspect(containers: &[String]) -> CommandLine {
    docker("container inspect --").args(containers)
}

/// The IDs of all images with these labels, each as `name=value`; intermediate ones too, and one with several names several
/// times.
pub fn image_ids(labels: &[String]) -> CommandLine {
    let filters = labels.iter().flat_map(|label| ["--filter".to_owned(), format!("label={label}")]);
    docker("image ls --all --quiet --no-trunc").args(filters)
}

/// What is said when a registry loses one of two uploads of the same layer at the same time.
pub const LOST_UPLOAD: &str = "blob unknown to registry";

/// The IDs of all containers, running or not.
pub fn container_ids() -> CommandLine {
    docker("ps --all --quiet --no-trunc")
}

/// A line `IMAGE-ID /NAME` for each container.
pub fn container_images(containers: &[String]) -> CommandLine {
    docker("container inspect --format").args(["{{.Image}} {{.Name}}", "--"]).args(containers)
}

/// What takes disk space, as one JSON object.
pub fn disk_usage() -> CommandLine {
    docker("system df --verbose --format").args(["{{json .}}"])
}

/// How many bytes all images take together, to four digits, in a line `Images=SIZE` among others.
pub fn disk_summary() -> CommandLine {
    docker("system df --format").args(["{{.Type}}={{.Size}}"])
}

/// Removes images by ID or name; never forced, so that one in use stays.
pub fn remove_images(images: &[String]) -> CommandLine {
    docker("image rm --").args(images)
}

/// Removes exactly these records of the build cache, as far as nothing uses them.
pub fn remove_cache(builder: Option<&Builder>, records: &[String]) -> CommandLine {
    let filter = format!("id~=^({})$", records.join("|"));
    buildx().args(["prune", "--force", "--filter", &filter]).args(on(builder))
}

/// Starts services from the images that are here; without any named, all of the project with what they depend on.
pub fn up<'a>(options: &ComposeOptions, services: impl IntoIterator<Item = &'a Service>) -> CommandLine {
    let mut services = services.into_iter().peekable();
    let alone = services.peek().map(|_| "--no-deps");
    let start = ["up", "--detach", "--no-build", "--pull", "missing"];
    compose().args(options.words()).args(start).args(alone).args(["--"]).args(services)
}

/// The IDs of a project's containers that Compose keeps, running or not: those of `docker compose run` are none.
pub fn containers(project: &ProjectName) -> CommandLine {
    let project = format!("label=com.docker.compose.project={project}");
    let kept = "label=com.docker.compose.oneoff=False";
    docker("ps --all --quiet --no-trunc --filter").args([&project, "--filter", kept])
}

/// Makes an image without content that has these labels, whose values need no quotes.
pub fn mark(name: &ImageRef, labels: &[(&str, String)]) -> CommandLine {
    let changes = labels.iter().flat_map(|(name, value)| ["--change".to_owned(), format!("LABEL {name}={value}")]);
    docker("image import").args(changes).args(["--", "/dev/null", &name.to_string()])
}

/// A line for each image: its ID and what it takes on disk.
pub fn image_sizes() -> CommandLine {
    docker("image ls --no-trunc --format").args(["{{.ID}} {{.Size}}"])
}

/// The last lines that a container wrote, each to the stream where it was written.
pub fn logs(container: &str) -> CommandLine {
    docker("logs --tail 20 --").args([container])
}
