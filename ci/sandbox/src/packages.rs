//! Gets programs from Debian packages, through the mirror and the keys that the machine uses.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::cache;
use crate::process::{confined, run, run_to_end};
use crate::ui::status;

/// What a private engine needs from the machine's own release: programs, each with its package.
pub(crate) const PRIVATE_TOOLS: &[(&str, &str)] = &[
    ("git", "git"),
    ("ip", "iproute2"),
    ("iptables-save", "iptables"),
    ("mmdebstrap", "mmdebstrap"),
    ("runc", "runc"),
];

/// What is needed beside the machine's own engine.
pub(crate) const HOST_TOOLS: &[(&str, &str)] = &[("git", "git"), ("mmdebstrap", "mmdebstrap")];

/// Packages of the engine and of the registry, taken from Debian testing: they need nothing newer than glibc 2.34.
const ENGINE_PACKAGES: &[&str] =
    &["containerd", "docker-buildx", "docker-compose", "docker-registry", "docker.io", "tini-static"];

/// The client's, where the machine has none that is new enough.
const CLIENT_PACKAGE: &str = "docker-cli";
/// The first version of the client that goes with this engine.
const CLIENT_VERSION: u32 = 28;

/// Debian's keys, of all releases that are supported.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A place where apt gets packages of the machine's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AptSource {
    /// The address of the mirror.
    pub(crate) uri: String,
    /// The suite, such as `bookworm`.
    pub(crate) suite: String,
}

impl AptSource {
    /// The source as apt itself reports it, for the machine's release.
    pub(crate) fn of_machine() -> Result<AptSource> {
        let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
        let targets = run(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))
            .context("hint: the sandbox needs Debian's apt; elsewhere use SANDBOX_ENGINE=host")?;
        let release = fs_err::read_to_string("/etc/os-release")?;
        let codename = codename(&release).context("no VERSION_CODENAME in /etc/os-release")?;
        find_source(&targets, codename).with_context(|| {
            format!(
                "apt has no source for `{codename}`; hint: the sandbox needs Debian, elsewhere use SANDBOX_ENGINE=host"
            )
        })
    }

    /// The source in apt's deb822 format, for another suite of the same mirror.
    pub(crate) fn stanza(&self, suite: &str) -> String {
        // Without it apt trusts the keys in /etc/apt/trusted.gpg.d.
        let signed = if Utf8Path::new(KEYRING).exists() { format!("Signed-By: {KEYRING}\n") } else { String::new() };
        format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{signed}", self.uri)
    }
}

fn codename(os_release: &str) -> Option<&str> {
    Some(os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?.trim_matches('"'))
}

/// Finds the main part of a release in the output of `apt-get indextargets`.
fn find_source(targets: &str, codename: &str) -> Option<AptSource> {
    targets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (uri, suite, component) = (words.next()?, words.next()?, words.next()?);
        (suite == codename && component == "main").then(|| AptSource { uri: uri.to_owned(), suite: suite.to_owned() })
    })
}

/// Installs what the machine lacks, from its own release.
pub(crate) fn install_machine_tools(tools: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> =
        tools.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    status("Installing", missing.join(", "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "-o", "DPkg::Lock::Timeout=120"]);
        command
    };
    let install = || run_to_end(apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing));
    // The lists of packages may be missing or too old; asking for them each time would be slow.
    if install().is_err() {
        run_to_end(apt().arg("update"))?;
        install()?;
    }
    Ok(())
}

/// Whether the machine has a client of its own for the engine; one that a sandbox unpacked into `cache` is none.
fn has_client(cache: &Utf8Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|dir| dir.join("docker"));
    let Some(client) = programs.find(|program| program.is_file() && !program.starts_with(cache)) else { return false };
    run(Command::new(client).arg("--version")).is_ok_and(|version| is_new_enough(&version))
}

/// Reads `Docker version 28.2.2, build e6534b4`.
fn is_new_enough(version: &str) -> bool {
    let major = version.strip_prefix("Docker version ").and_then(|version| version.split('.').next()?.parse().ok());
    major.is_some_and(|major: u32| major >= CLIENT_VERSION)
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|dir| dir.join(program).is_file())
}

/// The directory with the unpacked programs of the engine.
pub(crate) fn engine(cache: &Utf8Path, source: &AptSource) -> Result<Utf8PathBuf> {
    let mut packages = ENGINE_PACKAGES.to_vec();
    if !has_client(cache) {
        packages.push(CLIENT_PACKAGE);
    }
    let name = format!("engine-{}", cache::digest(&packages));
    cache::ensure(cache, &name, |new| {
        status("Downloading", "Docker, Compose and buildx from Debian testing");
        let apt = new.join("apt");
        download(&apt, source, &packages)?;
        for entry in fs_err::read_dir(apt.join("debs"))?.flatten() {
            run(confined("dpkg").arg("--extract").arg(entry.path()).arg(new))?;
        }
        fs_err::remove_dir_all(apt)?;
        let dockerd = new.join("usr/sbin/dockerd");
        let hint = "hint: Debian testing may need a newer system than this one; use SANDBOX_ENGINE=host";
        run(Command::new(dockerd).arg("--version")).context(hint)?;
        Ok(())
    })
}

/// Downloads the engine's packages with an apt whose configuration, lists and cache are in `dir`.
fn download(dir: &Utf8Path, source: &AptSource, packages: &[&str]) -> Result<()> {
    for name in ["state/lists/partial", "cache/archives/partial", "debs"] {
        fs_err::create_dir_all(dir.join(name))?;
    }
    fs_err::write(dir.join("testing.sources"), source.stanza("testing"))?;
    fs_err::write(dir.join("state/status"), "")?;
    // The machine's own files below apt.conf.d stay in force, they may name a proxy.
    let options = format!(
        "Dir::State \"{dir}/state\";\nDir::State::status \"{dir}/state/status\";\nDir::Cache \"{dir}/cache\";\n\
         Dir::Etc::sourcelist \"{dir}/testing.sources\";\nDir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
    );
    let file = dir.join("apt.conf");
    fs_err::write(&file, options)?;
    let apt =
        |words: &[&str]| run(confined("apt-get").current_dir(dir.join("debs")).env("APT_CONFIG", &file).args(words));
    apt(&["update"])?;
    apt(&[&["download"], packages].concat())?;
    let count = fs_err::read_dir(dir.join("debs"))?.count();
    if count != packages.len() {
        bail!("apt downloaded {count} packages instead of {}", packages.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "http://mirror.test/debian-security/ bookworm-security main\n\
        http://mirror.test/debian/ bookworm-updates main\n\
        http://mirror.test/debian/ bookworm contrib\n\
        http://mirror.test/debian/ bookworm main\n";

    #[test]
    fn the_main_part_of_the_release_is_the_source() {
        let source = find_source(TARGETS, "bookworm").expect("a source");
        assert_eq!(source, AptSource { uri: "http://mirror.test/debian/".to_owned(), suite: "bookworm".to_owned() });
        assert!(
            source.stanza("testing").starts_with("Types: deb\nURIs: http://mirror.test/debian/\nSuites: testing\n")
        );
        assert_eq!(find_source(TARGETS, "sid"), None);
    }

    #[test]
    fn only_a_client_of_docker_that_is_new_enough_is_taken() {
        assert!(is_new_enough("Docker version 28.2.2, build e6534b4\n"));
        assert!(!is_new_enough("Docker version 20.10.24+dfsg1, build 297e128\n"));
        assert!(!is_new_enough("podman version 5.0.0\n"));
    }

    #[test]
    fn the_codename_may_be_quoted() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=\"trixie\"\n"), Some("trixie"));
        assert_eq!(codename("ID=debian\n"), None);
    }
}
