//! The server side of the model hub.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use camino::Utf8Path;
use serde_json::{Value, json};

use super::http::{Request, write_head};
use super::model::Model;
use super::{CONTROL, Fault, Hub, MODEL_FILE, MODEL_REPO};
use crate::listener::Listener;

/// A hub in this process; dropping it closes its port.
pub(crate) struct Server {
    hub: Hub,
    _listener: Listener,
}

struct Shared {
    model: Model,
    fault: Mutex<Fault>,
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Server {
    /// Starts a hub at an address of this machine, with a model of `size` bytes.
    pub(crate) fn start(address: Ipv4Addr, size: u64, cache: &Utf8Path) -> Result<Server> {
        let model = Model::new(size, cache)?;
        let shared =
            Shared { model, fault: Mutex::default(), bytes: AtomicU64::default(), requests: AtomicU64::default() };
        let listener = Listener::start(address, move |stream| shared.answer(stream))?;
        Ok(Server { hub: Hub { address: listener.address() }, _listener: listener })
    }

    /// The handle that others use too.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let Some(request) = Request::read(&stream) else { return Ok(()) };
        if let Some(control) = request.path.strip_prefix(CONTROL) {
            return self.answer_control(&mut stream, control);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let commit = self.model.commit();
        let is_revision = |text: &str| text == "main" || text == commit;
        if let Some(rest) = request.path.strip_prefix(&format!("/api/models/{MODEL_REPO}")) {
            let answer = match rest.split('/').collect::<Vec<_>>().as_slice() {
                [""] => self.information(),
                ["", "revision", revision] if is_revision(revision) => self.information(),
                ["", "tree", revision] if is_revision(revision) => self.tree(),
                _ => return not_found(&mut stream, "RevisionNotFound"),
            };
            return json_answer(&mut stream, "200 OK", &[], &answer);
        }
        let resolve = format!("/{MODEL_REPO}/resolve/");
        match request.path.strip_prefix(&resolve).and_then(|rest| rest.split_once('/')) {
            Some((revision, _)) if !is_revision(revision) => not_found(&mut stream, "RevisionNotFound"),
            Some((_, MODEL_FILE)) => self.send_file(stream, &request),
            Some(_) => not_found(&mut stream, "EntryNotFound"),
            None => not_found(&mut stream, "RepoNotFound"),
        }
    }

    fn answer_control(&self, stream: &mut TcpStream, path: &str) -> Result<()> {
        if let Some(fault) = path.strip_prefix("/fault/") {
            match fault.parse() {
                Ok(fault) => *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault,
                Err(error) => return json_answer(stream, "400 Bad Request", &[], &json!(format!("{error:#}"))),
            }
        }
        let counters = json!({
            "bytes": self.bytes.load(Ordering::Relaxed),
            "requests": self.requests.load(Ordering::Relaxed),
            "fault": self.fault().to_string(),
            "size": self.model.size,
            "sha256": self.model.sha256,
            "commit": self.model.commit(),
        });
        json_answer(stream, "200 OK", &[], &counters)
    }

    /// What the hub tells about the repository.
    fn information(&self) -> Value {
        json!({
            "id": MODEL_REPO,
            "sha": self.model.commit(),
            "private": false,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [{ "rfilename": MODEL_FILE }],
        })
    }

    /// The list of the files in the repository.
    fn tree(&self) -> Value {
        let Model { size, sha256, .. } = &self.model;
        let lfs = json!({ "oid": sha256, "size": size, "pointerSize": 135 });
        json!([{ "type": "file", "path": MODEL_FILE, "size": size, "oid": self.model.commit(), "lfs": lfs }])
    }

    fn send_file(&self, mut stream: TcpStream, request: &Request) -> Result<()> {
        let (fault, size) = (self.fault(), self.model.size);
        let headers = vec![
            ("X-Repo-Commit", self.model.commit().to_owned()),
            ("ETag", format!("\"{}\"", self.model.sha256)),
            ("X-Linked-Etag", format!("\"{}\"", self.model.sha256)),
            ("X-Linked-Size", size.to_string()),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Content-Type", "application/octet-stream".to_owned()),
        ];
        if request.method == "HEAD" {
            return Ok(write_head(&mut stream, "200 OK", size, &headers)?);
        }
        let served = size - u64::from(fault == Fault::Short && size > 0);
        let (start, end) = match request.range.filter(|_| fault != Fault::IgnoreRange) {
            None => {
                write_head(&mut stream, "200 OK", served, &headers)?;
                (0, served)
            }
            Some(range) => match range.within(served) {
                Some((start, end)) => {
                    let content_range = ("Content-Range", format!("bytes {start}-{}/{served}", end - 1));
                    let headers = [headers.as_slice(), &[content_range]].concat();
                    write_head(&mut stream, "206 Partial Content", end - start, &headers)?;
                    (start, end)
                }
                None => {
                    let headers = [headers.as_slice(), &[("Content-Range", format!("bytes */{served}"))]].concat();
                    return Ok(write_head(&mut stream, "416 Range Not Satisfiable", 0, &headers)?);
                }
            },
        };
        let stop = match fault {
            Fault::Close(bytes) | Fault::Reset(bytes) => end.min(start.saturating_add(bytes)),
            _ => end,
        };
        let flipped = (fault == Fault::Flip).then_some(size / 2);
        self.model.write(&mut stream, start, stop, flipped, |bytes| {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        })?;
        if stop < end && matches!(fault, Fault::Reset(_)) {
            // A reset discards what the client has not read yet, so give it some time.
            std::thread::sleep(Duration::from_millis(100));
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

fn not_found(stream: &mut TcpStream, code: &str) -> Result<()> {
    json_answer(stream, "404 Not Found", &[("X-Error-Code", code.to_owned())], &json!({ "error": code }))
}

/// Answers with JSON, after which the connection closes.
pub(crate) fn json_answer(
    stream: &mut TcpStream,
    status: &str,
    headers: &[(&str, String)],
    body: &Value,
) -> Result<()> {
    let body = body.to_string();
    let headers = [headers, &[("Content-Type", "application/json".to_owned())]].concat();
    write_head(stream, status, body.len() as u64, &headers)?;
    Ok(stream.write_all(body.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_hub_counts_what_it_sent() {
        let cache = tempfile::tempdir().expect("a directory");
        let cache = Utf8Path::from_path(cache.path()).expect("UTF-8");
        let server = Server::start(Ipv4Addr::LOCALHOST, 1000, cache).expect("a hub");
        let hub = Hub::at(&server.hub().endpoint()).expect("its address");
        let get = |range: &str| {
            let mut stream = TcpStream::connect(hub.address).expect("a connection");
            write!(stream, "GET /{MODEL_REPO}/resolve/main/{MODEL_FILE} HTTP/1.1\r\n{range}\r\n").expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("an answer");
            answer
        };
        assert!(get("").starts_with(b"HTTP/1.1 200 OK"));
        assert!(get("Range: bytes=900-\r\n").starts_with(b"HTTP/1.1 206 "));
        assert!(get("Range: bytes=1000-\r\n").starts_with(b"HTTP/1.1 416 "));
        assert_eq!((hub.bytes().expect("bytes"), hub.requests().expect("requests")), (1100, 3));
        hub.set_fault(Fault::IgnoreRange).expect("a fault");
        assert!(get("Range: bytes=900-\r\n").starts_with(b"HTTP/1.1 200 OK"));
        assert_eq!(hub.bytes().expect("bytes"), 2100);
    }
}
