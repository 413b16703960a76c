//! The base image: the machine's own Debian release with Python, Node.js and Git.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread::scope;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use crate::cache;
use crate::engine::{Engine, ImageStore, Launch, path};
use crate::packages::AptSource;
use crate::process::{confined, run};
use crate::ui::status;

/// The machine's certificates: some networks sign TLS connections again.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Variables that make clients in containers use [`CERTIFICATES`].
const CERTIFICATE_VARIABLES: &[&str] =
    &["CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];

/// Variables of the machine that name mirrors and proxies, which containers need too.
const MIRROR_VARIABLES: &[&str] = &[
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "NPM_CONFIG_REGISTRY",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

const PACKAGES: &str = "ca-certificates,curl,git,nodejs,npm,python3,python3-pip,python3-venv";

/// The file system of the image.
const ARCHIVE: &str = "base.tar";

/// What is left out of packages when they are unpacked.
const EXCLUDED: &[&str] =
    &["/usr/include/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "*.a"];

/// What the base image is made from.
pub(crate) struct BaseImage {
    source: AptSource,
    environment: BTreeMap<String, String>,
}

impl BaseImage {
    /// An image from this source, for containers with these variables.
    pub(crate) fn new(source: AptSource, environment: BTreeMap<String, String>) -> BaseImage {
        BaseImage { source, environment }
    }

    /// The local tag of the image.
    pub(crate) fn tag(&self) -> String {
        format!("sandbox/base:{}", self.source.suite)
    }

    /// Changes when the file system of the image would be another one.
    fn digest(&self) -> String {
        let certificates = std::fs::read(CERTIFICATES).unwrap_or_default();
        let AptSource { uri, suite } = &self.source;
        cache::digest((uri, suite, PACKAGES, EXCLUDED, certificates))
    }

    /// A cached data directory of an engine that holds this image, and nothing else.
    ///
    /// Loading an archive into a new engine costs some 20 seconds, copying this one second.
    pub(crate) fn data(
        &self,
        cache: &Utf8Path,
        driver: &str,
        store: ImageStore,
        programs: impl FnOnce() -> Result<Utf8PathBuf>,
    ) -> Result<Utf8PathBuf> {
        let name = format!("base-{}", cache::digest((self.digest(), &self.environment, driver, store)));
        cache::ensure(cache, &name, |new| {
            // The other image store needs it, too.
            let archive =
                cache::ensure(cache, &format!("archive-{}", self.digest()), |new| self.bootstrap(&new.join(ARCHIVE)))?;
            let archive = archive.join(ARCHIVE);
            status("Importing", format_args!("the base image {}", self.tag()));
            let programs = &programs()?;
            let engine = Engine::start(&Launch { programs, dir: new, subnet: None, driver, store })?;
            self.import(
                &archive,
                Command::new("docker").env("PATH", path(programs)?).env("DOCKER_HOST", engine.host()),
            )?;
            drop(engine);
            // Only the data is worth keeping.
            for entry in fs_err::read_dir(new)?.flatten().filter(|entry| entry.file_name() != "data") {
                run(Command::new("rm").arg("-rf").arg(entry.path()))?;
            }
            Ok(())
        })
    }

    /// Writes the image's file system as an archive.
    pub(crate) fn bootstrap(&self, archive: &Utf8Path) -> Result<()> {
        status("Preparing", format_args!("the base image with {} (about a minute)", PACKAGES.replace(',', ", ")));
        let dir = archive.parent().unwrap_or(archive);
        let sources = dir.join("base.sources");
        fs_err::write(&sources, self.source.stanza(&self.source.suite))?;
        let mut command = confined("mmdebstrap");
        command.env("TMPDIR", dir).args(["--mode=root", "--variant=minbase", "--format=tar"]);
        command.args(["--aptopt=APT::Install-Recommends \"false\"", &format!("--include={PACKAGES}")]);
        // Whatever is interrupted is thrown away, so nothing has to be on the disk before the end.
        command.arg("--dpkgopt=force-unsafe-io");
        command.args(EXCLUDED.iter().map(|pattern| format!("--dpkgopt=path-exclude={pattern}")));
        command.arg(format!("--customize-hook=copy-in {CERTIFICATES} /etc/ssl/certs"));
        command.args([self.source.suite.as_str(), archive.as_str(), sources.as_str()]);
        run(&mut command).map(drop)
    }

    /// Imports the archive through a prepared `docker` command.
    pub(crate) fn import(&self, archive: &Utf8Path, docker: &mut Command) -> Result<()> {
        docker.arg("import");
        docker.args(self.environment.iter().map(|(name, value)| format!("--change=ENV {name}={}", quoted(value))));
        run(docker.args([archive.as_str(), &self.tag()])).map(drop)
    }
}

/// The variables that let clients in containers use the mirrors and certificates of the machine.
pub(crate) fn machine_environment() -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok().filter(|value| !value.is_empty())?));
    let mut environment: BTreeMap<_, _> = MIRROR_VARIABLES.iter().filter_map(set).collect();
    let ask = |program: &str, words: &[&str]| {
        let answer = run(Command::new(program).args(words)).unwrap_or_default();
        Some(answer.trim().to_owned()).filter(|answer| answer.starts_with("http"))
    };
    let (pip, npm) = scope(|threads| {
        let pip = threads.spawn(|| ask("pip", &["config", "get", "global.index-url"]));
        let npm = ask("npm", &["config", "get", "registry"]);
        (pip.join().unwrap_or_default(), npm)
    });
    // What is set in the environment wins, and uv does not read what pip is told.
    for (name, value) in [("PIP_INDEX_URL", &pip), ("UV_DEFAULT_INDEX", &pip), ("NPM_CONFIG_REGISTRY", &npm)] {
        if let Some(value) = value {
            environment.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    environment.extend(CERTIFICATE_VARIABLES.iter().map(|name| ((*name).to_owned(), CERTIFICATES.to_owned())));
    environment
}

/// A value as the ENV instruction of a Dockerfile takes it.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

/// Makes the data directory of a new engine from a cached one, without copying the layer's content.
pub(crate) fn copy_data(cached: &Utf8Path, dir: &Utf8Path, store: ImageStore) -> Result<()> {
    let data = dir.join("data");
    fs_err::create_dir(&data)?;
    let copy = |option: &str, name: &str| -> Result<()> {
        let from = cached.join("data").join(name);
        if from.exists() {
            run(confined("cp").args([option, from.as_str(), data.as_str()]))?;
        }
        Ok(())
    };
    // Layers are never written to again, so links to their files are as good as copies.
    copy("-al", "overlay2")?;
    copy("-al", "vfs")?;
    copy("-a", "image")?;
    if store == ImageStore::Containerd {
        copy("-al", "containerd")?;
        // Databases are written to.
        let databases = run(Command::new("find").args([data.as_str(), "-name", "*.db"]))?;
        for database in databases.lines() {
            let copied = format!("{database}.new");
            fs_err::copy(database, &copied)?;
            fs_err::rename(copied, database)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_env_instruction() {
        assert_eq!(quoted("http://proxy.test:80"), "\"http://proxy.test:80\"");
        assert_eq!(quoted(r#"a"b$c\d"#), r#""a\"b\$c\\d""#);
    }

    #[test]
    fn another_mirror_is_another_image() {
        let image = |uri: &str| BaseImage {
            source: AptSource { uri: uri.to_owned(), suite: "bookworm".to_owned() },
            environment: BTreeMap::new(),
        };
        let digest = |uri| image(uri).digest();
        assert_ne!(digest("http://a.test/"), digest("http://b.test/"));
        assert_eq!(digest("http://a.test/"), digest("http://a.test/"));
        assert_eq!(image("http://a.test/").tag(), "sandbox/base:bookworm");
    }
}
