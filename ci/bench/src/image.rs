//! The image that the tool builds.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use sandbox::{Kind, Sandbox};
use serde_json::Value;

use crate::contenders::{CONTENDERS, Entry, Project, XTASK};
use crate::results::{Image, Layer, rounded};
use crate::run::read;

/// Measures the image before and after a push to the backend.
pub(crate) fn measure(sandbox: &Sandbox, root: &Utf8Path) -> Result<Image> {
    let tool = CONTENDERS.iter().find(|contender| contender.name == XTASK).context("no tool")?;
    let tool = Entry::new(sandbox, root, tool, Project::Vibevoice, false)?;
    tool.run()?;
    let before: BTreeSet<String> = digests(sandbox, &tool.image())?.into_iter().collect();
    sandbox.push(Kind::Backend)?;
    tool.run()?;
    let digests = digests(sandbox, &tool.image())?;
    let layers = layers(sandbox, &tool.image())?;
    if digests.len() != layers.len() {
        bail!("{} layers, but {} steps made some", digests.len(), layers.len());
    }
    let new = digests.iter().zip(&layers).filter(|(digest, _)| !before.contains(*digest));
    let push_bytes = new.map(|(_, layer)| layer.bytes).sum();
    Ok(Image { layers, push_bytes, health_s: rounded(health(sandbox, &tool.image())?) })
}

/// The digests of the layers, from the lowest.
fn digests(sandbox: &Sandbox, image: &str) -> Result<Vec<String>> {
    let format = "{{json .RootFS.Layers}}";
    Ok(serde_json::from_slice(&read(sandbox.command("docker").args(["image", "inspect", "--format", format, image]))?)?)
}

/// The layers that a step made, from the lowest.
fn layers(sandbox: &Sandbox, image: &str) -> Result<Vec<Layer>> {
    let mut history = sandbox.command("docker");
    let text = read(history.args(["history", "--human=false", "--no-trunc", "--format", "{{json .}}", image]))?;
    let mut layers = Vec::new();
    for line in String::from_utf8(text)?.lines().rev() {
        let step: Value = serde_json::from_str(line)?;
        let (made_by, size) =
            (step["CreatedBy"].as_str().unwrap_or_default(), step["Size"].as_str().unwrap_or_default());
        // The base image was imported as one layer without a step.
        if made_by.is_empty() || ["COPY", "RUN", "WORKDIR", "ADD"].iter().any(|word| made_by.starts_with(word)) {
            layers.push(Layer {
                bytes: size.parse()?,
                made_by: made_by.trim_end_matches(" # buildkit").chars().take(100).collect(),
            });
        }
    }
    Ok(layers)
}

/// Seconds from `docker run` to the first good answer of `/health`.
fn health(sandbox: &Sandbox, image: &str) -> Result<f64> {
    let docker = || sandbox.command("docker");
    let started = Instant::now();
    let id = String::from_utf8(read(docker().args(["run", "--detach", "--rm", "--", image]))?)?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = String::from_utf8(read(docker().args(["inspect", "--format", format, id.trim()]))?)?;
    let healthy = || -> Result<bool> {
        let mut stream = TcpStream::connect((address.trim(), 9527))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains("200 OK"))
    };
    while !healthy().unwrap_or(false) {
        if started.elapsed() > Duration::from_secs(60) {
            bail!("`{image}` does not answer");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed = started.elapsed().as_secs_f64();
    read(docker().args(["rm", "--force", "--", id.trim()]))?;
    Ok(elapsed)
}
