//! A registry of images, behind a proxy that counts and breaks what passes. It starts with the first connection.

mod head;
mod proxy;

pub(crate) use proxy::Proxy;

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use serde_json::Value;

use crate::hub::{CONTROL, ask};
use crate::process::{Daemon, confined};

/// What goes wrong with the registry until the next [`Registry::set_fault`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegistryFault {
    /// Nothing.
    #[default]
    None,
    /// Every connection is closed before an answer.
    Down,
    /// Every answer comes so many milliseconds late.
    Slow(u64),
    /// Every request is answered with status 500.
    Error,
    /// Uploads of blobs are refused; everything else works.
    Refuse,
    /// Uploads break off after so many bytes of a request.
    Cut(u64),
    /// What is written as the first tag becomes the second one, and is confirmed: the first one does not move.
    Drop(String, String),
    /// What is read as the first tag is the second one: another image, or an old one.
    Lie(String, String),
}

impl FromStr for RegistryFault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.split_once('=').unwrap_or((text, "")) {
            ("none", "") => Self::None,
            ("down", "") => Self::Down,
            ("slow", milliseconds) => Self::Slow(milliseconds.parse().context("`slow=` needs milliseconds")?),
            ("error", "") => Self::Error,
            ("refuse", "") => Self::Refuse,
            ("cut", bytes) => Self::Cut(bytes.parse().context("`cut=` needs a number of bytes")?),
            (kind @ ("drop" | "lie"), tags) => {
                let (from, to) = tags.split_once(',').context("it needs two tags")?;
                let fault = if kind == "drop" { Self::Drop } else { Self::Lie };
                fault(from.to_owned(), to.to_owned())
            }
            _ => bail!(
                "`{text}` is none of none, down, slow=MILLISECONDS, error, refuse, cut=BYTES, drop=TAG,TAG, lie=TAG,TAG"
            ),
        })
    }
}

impl Display for RegistryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Down => f.write_str("down"),
            Self::Slow(milliseconds) => write!(f, "slow={milliseconds}"),
            Self::Error => f.write_str("error"),
            Self::Refuse => f.write_str("refuse"),
            Self::Cut(bytes) => write!(f, "cut={bytes}"),
            Self::Drop(from, to) => write!(f, "drop={from},{to}"),
            Self::Lie(from, to) => write!(f, "lie={from},{to}"),
        }
    }
}

/// A registry that runs, or starts when it is first used, in the process that started the sandbox.
pub struct Registry {
    address: SocketAddr,
}

impl Registry {
    /// The registry behind a value of `SANDBOX_REGISTRY`.
    pub fn at(address: &str) -> Result<Registry> {
        let parsed = address.parse();
        Ok(Registry { address: parsed.with_context(|| format!("SANDBOX_REGISTRY is `{address}`, which is none"))? })
    }

    /// What stands before the names of its images.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The bytes that clients sent to it so far, and those that it sent to them.
    pub fn bytes(&self) -> Result<(u64, u64)> {
        let counters = self.counters()?;
        let number =
            |name: &str| counters[name].as_u64().with_context(|| format!("the registry does not count {name}"));
        Ok((number("received")?, number("sent")?))
    }

    /// Makes requests go wrong from now on.
    pub fn set_fault(&self, fault: RegistryFault) -> Result<()> {
        ask(self.address, "POST", &format!("{CONTROL}/fault/{fault}")).context("the registry").map(drop)
    }

    /// Everything that it counts, as JSON.
    pub fn counters(&self) -> Result<Value> {
        let text = ask(self.address, "GET", &format!("{CONTROL}/counters")).context("the registry")?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// Starts Debian's registry on an address of this machine alone.
fn start_program(programs: &Utf8Path, dir: &Utf8Path) -> Result<(SocketAddr, Daemon)> {
    // Docker, BuildKit and buildx trust registries on this address without TLS.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let data = dir.join("registry");
    fs_err::create_dir_all(&data)?;
    let config = data.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: warn}}\nhttp: {{addr: \"{address}\"}}\n\
         storage: {{filesystem: {{rootdirectory: \"{data}\"}}}}\n"
    );
    fs_err::write(&config, text)?;
    let mut command = confined(programs.join("usr/bin/docker-registry"));
    command.arg("serve").arg(&config);
    let mut daemon = Daemon::start(command, &data.join("log"))?;
    daemon.wait_until("the registry", || TcpStream::connect(address).is_ok())?;
    Ok((address, daemon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_survive_their_text() {
        use RegistryFault::{Cut, Down, Drop, Error, Lie, None, Refuse, Slow};
        let tags = || ("a".to_owned(), "b".to_owned());
        let (drop, lie) = (Drop(tags().0, tags().1), Lie(tags().0, tags().1));
        for fault in [None, Down, Slow(20), Error, Refuse, Cut(0), drop, lie] {
            assert_eq!(fault.to_string().parse::<RegistryFault>().expect("a fault"), fault);
        }
        assert!("slow".parse::<RegistryFault>().is_err());
        assert!("down=3".parse::<RegistryFault>().is_err());
    }
}
