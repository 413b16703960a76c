//! What the engine holds: bytes on disk, and files in images.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result};
use sandbox::{ImageStore, Options, Sandbox};
use serde_json::Value;

use crate::run::read;

/// A sandbox beside the one around this program, with the image store that can write build cache to a registry.
pub(crate) fn containerd() -> Result<Sandbox> {
    Sandbox::start(Options { image_store: ImageStore::Containerd, ..Options::default() })
}

/// Bytes of all layers and of the build cache that is no layer too. `docker system df` rounds to four digits; the engine's
/// own answer does not.
pub(crate) fn disk_bytes(sandbox: &Sandbox) -> Result<i64> {
    let host = sandbox.env().get("DOCKER_HOST").context("the sandbox uses the engine of the machine")?;
    let mut stream = UnixStream::connect(host.trim_start_matches("unix://"))?;
    stream.write_all(b"GET /system/df HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer of the engine")?;
    let usage: Value = serde_json::from_str(body)?;
    let cache = usage["BuildCache"].as_array().into_iter().flatten().filter(|record| record["Shared"] == false);
    let cache: i64 = cache.filter_map(|record| record["Size"].as_i64()).sum();
    Ok(usage["LayersSize"].as_i64().unwrap_or(0) + cache)
}

/// A file of an image, read without running it; nothing when it has no such file.
pub(crate) fn file(sandbox: &Sandbox, image: &str, path: &str) -> Result<Option<Vec<u8>>> {
    let docker = || sandbox.command("docker");
    let id = String::from_utf8(read(docker().args(["create", "--network", "none", "--", image, "true"]))?)?;
    let copy = sandbox.dir().join("copied");
    let copied = docker().args(["cp", "--", &format!("{}:{path}", id.trim()), copy.as_str()]).output()?;
    read(docker().args(["rm", "--", id.trim()]))?;
    Ok(if copied.status.success() { Some(fs_err::read(copy)?) } else { None })
}
