//! A model hub that speaks what `hf download` asks, and counts what it sent.

mod http;
mod model;
mod server;

pub(crate) use server::{Server, json_answer};

use std::fmt::{self, Display};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The repository of the model.
pub const MODEL_REPO: &str = "zhaokun/vibevoice-large";
/// The file in it.
pub const MODEL_FILE: &str = "vibevoice7b_float8_e4m3fn.safetensors";
/// Where questions to a server itself, not to what it serves, are asked.
pub(crate) const CONTROL: &str = "/.sandbox";

/// What goes wrong with every download until the next [`Hub::set_fault`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The connection is closed after this many bytes of an answer; the client resumes.
    Close(u64),
    /// The connection is reset after this many bytes of an answer; the client gives up.
    Reset(u64),
    /// The file has one byte less than announced.
    Short,
    /// One byte in the middle has another value.
    Flip,
    /// The whole file is sent when a part was asked for.
    IgnoreRange,
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Fault> {
        Ok(match text.split_once('=').unwrap_or((text, "")) {
            ("none", "") => Fault::None,
            ("close", bytes) => Fault::Close(bytes.parse().context("`close=` needs a number of bytes")?),
            ("reset", bytes) => Fault::Reset(bytes.parse().context("`reset=` needs a number of bytes")?),
            ("short", "") => Fault::Short,
            ("flip", "") => Fault::Flip,
            ("ignore-range", "") => Fault::IgnoreRange,
            _ => bail!("`{text}` is none of none, close=BYTES, reset=BYTES, short, flip, ignore-range"),
        })
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::None => f.write_str("none"),
            Fault::Close(bytes) => write!(f, "close={bytes}"),
            Fault::Reset(bytes) => write!(f, "reset={bytes}"),
            Fault::Short => f.write_str("short"),
            Fault::Flip => f.write_str("flip"),
            Fault::IgnoreRange => f.write_str("ignore-range"),
        }
    }
}

/// A hub that runs, here or in the process that started the sandbox.
pub struct Hub {
    address: SocketAddr,
}

impl Hub {
    /// The hub behind a value of `HF_ENDPOINT`.
    pub fn at(endpoint: &str) -> Result<Hub> {
        let address = endpoint.strip_prefix("http://").and_then(|address| address.parse().ok());
        Ok(Hub { address: address.with_context(|| format!("HF_ENDPOINT is `{endpoint}`, which is no sandbox's hub"))? })
    }

    /// The value for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bytes of model files that were sent so far.
    pub fn bytes(&self) -> Result<u64> {
        self.number("bytes")
    }

    /// The requests that were answered so far.
    pub fn requests(&self) -> Result<u64> {
        self.number("requests")
    }

    /// The SHA-256 of the model file, in hexadecimal.
    pub fn sha256(&self) -> Result<String> {
        Ok(self.counters()?["sha256"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes downloads go wrong from now on.
    pub fn set_fault(&self, fault: Fault) -> Result<()> {
        self.ask("POST", &format!("{CONTROL}/fault/{fault}")).map(drop)
    }

    /// Everything that the hub counts, as JSON.
    pub fn counters(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask("GET", &format!("{CONTROL}/counters"))?)?)
    }

    fn number(&self, name: &str) -> Result<u64> {
        self.counters()?[name].as_u64().with_context(|| format!("the hub does not count {name}"))
    }

    fn ask(&self, method: &str, path: &str) -> Result<String> {
        ask(self.address, method, path).context("the model hub")
    }
}

/// Asks a server of a sandbox about itself.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str) -> Result<String> {
    let timeout = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&address, timeout).context("it does not answer")?;
    stream.set_read_timeout(Some(timeout))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    match head.starts_with("HTTP/1.1 200 ") {
        true => Ok(body.to_owned()),
        false => bail!("it answered: {body}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_survive_their_text() {
        for fault in [Fault::None, Fault::Reset(4096), Fault::Close(0), Fault::Short, Fault::Flip, Fault::IgnoreRange] {
            assert_eq!(fault.to_string().parse::<Fault>().expect("a fault"), fault);
        }
        assert!("reset".parse::<Fault>().is_err());
        assert!("flip=3".parse::<Fault>().is_err());
    }
}
