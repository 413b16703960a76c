//! Labels of every image that this tool builds (the OCI ones: opencontainers/image-spec `annotations.md`).

/// Label with the Compose project: the proof of ownership.
pub const PROJECT: &str = "io.xtask.project";
/// Label with the service.
pub const SERVICE: &str = "io.xtask.service";
/// Label with the key.
pub const KEY: &str = "io.xtask.key";
/// Label with the bust value.
pub const CACHE_BUST: &str = "io.xtask.cache-bust";
/// Label with the versions that no run goes to by itself, on an image that has nothing else.
pub const BAD: &str = "io.xtask.bad";
/// Label with what the image was made from, separated by spaces when there are several sources.
pub const REVISION: &str = "org.opencontainers.image.revision";
/// Label with the repositories, in the order of the revisions.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// Label with the version of the deployment.
pub const VERSION: &str = "org.opencontainers.image.version";
/// Label with the base images, separated by spaces when there are several.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// Label with the digests of the base images, in the order of their names, when all of them are known.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// Label with the time of the build (RFC 3339).
pub const CREATED: &str = "org.opencontainers.image.created";
