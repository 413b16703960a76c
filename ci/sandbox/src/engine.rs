//! A Docker engine of its own: with its own data, socket, bridge, processes and mounts.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::network::{self, Subnet};
use crate::process::{Daemon, confined, run};

/// Where an engine keeps its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ImageStore {
    /// Docker's classic store, the default of Docker 28.
    #[default]
    Classic,
    /// containerd's store, which can export caches and attestations.
    Containerd,
}

/// What an engine is started from.
pub(crate) struct Launch<'a> {
    /// The directory of [`crate::packages::engine`].
    pub(crate) programs: &'a Utf8Path,
    /// An existing directory for everything that the engine writes.
    pub(crate) dir: &'a Utf8Path,
    /// The addresses of its containers; without it the engine only stores images.
    pub(crate) subnet: Option<Subnet>,
    /// The storage driver of the classic store.
    pub(crate) driver: &'a str,
    /// Where it keeps images.
    pub(crate) store: ImageStore,
}

/// A running engine; dropping it kills every process and container of it.
pub(crate) struct Engine {
    socket: Utf8PathBuf,
    programs: Utf8PathBuf,
    dir: Utf8PathBuf,
    /// Nothing between a crash and the next start.
    daemon: Option<Daemon>,
}

/// Hides the directories that engines share, then becomes the engine.
const HIDE_AND_START: &str = include_str!("engine.sh");

impl Engine {
    /// Starts an engine and waits until it answers.
    pub(crate) fn start(launch: &Launch<'_>) -> Result<Engine> {
        let dir = launch.dir;
        let config = dir.join("daemon.json");
        fs_err::write(&config, configuration(launch, network::mtu()?).to_string())?;
        let socket = dir.join("docker.sock");
        let mut engine = Engine { socket, programs: launch.programs.to_owned(), dir: dir.to_owned(), daemon: None };
        engine.run()?;
        Ok(engine)
    }

    fn run(&mut self) -> Result<()> {
        let _lock = network::lock_firewall()?;
        let Engine { socket, programs, dir, .. } = self;
        let mut command = confined("sh");
        command.args(["-c", HIDE_AND_START, "sh", dir.as_str(), "dockerd", "--config-file"]);
        command.arg(dir.join("daemon.json")).env("PATH", path(programs)?).env("TMPDIR", &dir);
        let mut daemon = Daemon::start(command, &dir.join("dockerd.log"))?;
        daemon.wait_until("the Docker engine", || answers(socket).unwrap_or(false))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Kills it with everything that runs in it, as a power cut does.
    pub(crate) fn crash(&mut self) {
        self.daemon = None;
    }

    /// Starts it again on the data that it had.
    pub(crate) fn restart(&mut self) -> Result<()> {
        for hidden in ["run", "opt"].map(|name| self.dir.join(name)) {
            if hidden.exists() {
                fs_err::remove_dir_all(hidden)?;
            }
        }
        self.run()
    }

    /// The value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket)
    }
}

/// Whether an engine behind this socket says that it is ready.
fn answers(socket: &Utf8Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.ends_with("OK"))
}

/// The environment's PATH with the engine's programs first.
pub(crate) fn path(programs: &Utf8Path) -> Result<String> {
    let inherited = std::env::var("PATH").context("PATH")?;
    Ok(format!("{programs}/usr/bin:{programs}/usr/sbin:{inherited}:/usr/sbin:/sbin"))
}

/// The engine's configuration file.
fn configuration(launch: &Launch<'_>, mtu: u64) -> serde_json::Value {
    let Launch { programs, dir, subnet, driver, store } = launch;
    let mut config = json!({
        "data-root": format!("{dir}/data"),
        // Private to the engine: paths of sockets are short, and nothing has to be removed.
        "exec-root": "/run/docker",
        "pidfile": "/run/docker/docker.pid",
        "hosts": [format!("unix://{dir}/docker.sock")],
        "features": { "containerd-snapshotter": *store == ImageStore::Containerd },
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "userland-proxy-path": format!("{programs}/usr/sbin/docker-proxy"),
        "ip6tables": false,
        // The machine's own rules for forwarding stay as they are.
        "ip-forward-no-drop": true,
    });
    if *store == ImageStore::Classic {
        config["storage-driver"] = json!(driver);
    }
    match subnet {
        Some(subnet) => {
            config["bridge"] = json!(subnet.bridge());
            config["default-address-pools"] = json!([{ "base": subnet.pool(), "size": 26 }]);
            config["mtu"] = json!(mtu);
            config["default-network-opts"] = json!({ "bridge": { "com.docker.network.driver.mtu": mtu.to_string() } });
            config["cgroup-parent"] = json!(format!("/{}", subnet.cgroup()));
        }
        None => {
            config["bridge"] = json!("none");
            config["iptables"] = json!(false);
        }
    }
    config
}

/// Makes a directory for `DOCKER_CONFIG` in which the CLI finds Compose and buildx.
pub(crate) fn client_config(programs: &Utf8Path, dir: &Utf8Path) -> Result<Utf8PathBuf> {
    let plugins = dir.join("cli-plugins");
    fs_err::create_dir_all(&plugins)?;
    for plugin in ["docker-buildx", "docker-compose"] {
        let program = programs.join("usr/libexec/docker/cli-plugins").join(plugin);
        fs_err::os::unix::fs::symlink(program, plugins.join(plugin))?;
    }
    fs_err::write(dir.join("config.json"), "{}\n")?;
    Ok(dir.to_owned())
}

/// The address at which containers of the machine's own engine reach the machine.
pub(crate) fn host_gateway() -> Result<Ipv4Addr> {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = run(Command::new("docker").args(["network", "inspect", "bridge", "--format", format]))
        .context("no Docker engine answers; hint: start it, or unset SANDBOX_ENGINE to get a private one")?;
    gateway.trim().parse().with_context(|| format!("the gateway of Docker's bridge is `{}`", gateway.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_without_addresses_touches_no_network() {
        let programs = Utf8Path::new("/programs");
        let launch =
            Launch { programs, dir: "/dir".into(), subnet: None, driver: "overlay2", store: ImageStore::Classic };
        let config = configuration(&launch, 1400);
        assert_eq!(config["bridge"], "none");
        assert_eq!(config["iptables"], false);
        assert_eq!(config["data-root"], "/dir/data");
    }

    #[test]
    fn an_engine_with_addresses_uses_no_others() {
        let launch = Launch {
            programs: "/programs".into(),
            dir: "/dir".into(),
            subnet: Subnet::from_id("213-16"),
            driver: "overlay2",
            store: ImageStore::Containerd,
        };
        let config = configuration(&launch, 1400);
        assert_eq!(config["bridge"], "sbx-213-16");
        assert_eq!(config["default-address-pools"][0]["base"], "10.213.24.0/21");
        assert_eq!(config["features"]["containerd-snapshotter"], true);
        assert_eq!(config["storage-driver"], serde_json::Value::Null);
    }
}
