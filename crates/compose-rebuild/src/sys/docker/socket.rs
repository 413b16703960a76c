//! The engine's own API on a socket of this machine: an answer takes a few milliseconds, a process of the Docker client forty.
//! An engine that is reached in any other way (SSH, TCP) is asked through the client.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::client::{client_directory, is_wrapped};
use crate::error::Failure;
use crate::sys::interrupt;
use crate::sys::process::OUTPUT_LIMIT;
use crate::value::digest::sha256;

/// The version of the API that is spoken: that of Docker 25, which Docker 29 still knows.
const VERSION: &str = "/v1.44";
/// Where an engine listens when nobody says otherwise.
const USUAL: &str = "/var/run/docker.sock";
/// How often a wait looks for signals and for the end of its time.
const TICK: Duration = Duration::from_millis(20);
/// How long a signal waits for the answer to a change that was already sent.
const GRACE: Duration = Duration::from_millis(500);

/// One request of the [Docker Engine API](https://docs.docker.com/reference/api/engine/).
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// GET, POST or DELETE.
    pub method: &'static str,
    /// The path with its query, see [`quoted`].
    pub path: String,
    /// What is sent with it.
    pub body: Option<Value>,
}

/// What the engine answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// What came with it, up to [`OUTPUT_LIMIT`].
    pub body: Vec<u8>,
}

impl Answer {
    /// Why the engine did not do it, if it did not.
    pub(super) fn error(&self) -> Option<String> {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let says = || json["message"].as_str().map_or_else(|| format!("HTTP status {}", self.status), str::to_owned);
        (self.status >= 400).then(says)
    }
}

/// The socket that the Docker client would use too; nothing where a script in place of `docker` shall see every call, and
/// nothing where the engine is elsewhere.
pub(super) fn path() -> Option<&'static Utf8Path> {
    static SOCKET: OnceLock<Option<Utf8PathBuf>> = OnceLock::new();
    SOCKET.get_or_init(|| if is_wrapped() { None } else { chosen() }).as_deref()
}

/// Whether the engine is on this machine, as far as its address says: else the disks here say nothing about it.
pub fn is_here() -> bool {
    address().is_none_or(|address| address.starts_with("unix://"))
}

fn chosen() -> Option<Utf8PathBuf> {
    match address() {
        Some(address) => address.strip_prefix("unix://").map(Utf8PathBuf::from),
        None => Some(USUAL.into()),
    }
}

/// The address of the engine, which the Docker client takes from DOCKER_HOST, or from the context that was chosen; nothing
/// when it is the usual one.
fn address() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let read = |path: &str| -> Option<Value> {
        serde_json::from_slice(&fs_err::read(client_directory()?.join(path)).ok()?).ok()
    };
    let kept = || read("config.json")?["currentContext"].as_str().map(str::to_owned);
    variable("DOCKER_HOST").or_else(|| {
        let context = variable("DOCKER_CONTEXT").or_else(kept).filter(|name| !name.is_empty() && name != "default")?;
        let meta = read(&format!("contexts/meta/{}/meta.json", sha256(&context)));
        let address = meta.as_ref().and_then(|meta| meta["Endpoints"]["docker"]["Host"].as_str());
        // Only the client knows the engine of a context that cannot be read.
        Some(address.unwrap_or(&context).to_owned())
    })
}

/// A value for the path or the query of a request (RFC 3986, section 2.1).
pub(super) fn quoted(value: &[u8]) -> String {
    let quote = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
            char::from(*byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.iter().map(quote).collect()
}

/// Sends a request and waits for its answer; nothing when nobody listens there, or not for us, or in another version.
///
/// # Errors
/// Exit code 3 when the answer is cut or takes longer than `limit`, 130 at a signal beyond the first `signals`.
pub(super) fn send(
    socket: &Utf8Path,
    request: &Request,
    limit: Duration,
    signals: usize,
) -> anyhow::Result<Option<Answer>> {
    let Ok(mut stream) = UnixStream::connect(socket) else { return Ok(None) };
    stream.set_read_timeout(Some(TICK))?;
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    // In version 1.0 an answer is neither cut into chunks nor followed by another one: it ends where the connection does.
    let head = format!(
        "{} {VERSION}{} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        request.method,
        request.path,
        body.len()
    );
    let garbled = || Failure::precondition("the engine's answer is cut or garbled").hint("run it again");
    stream.write_all(format!("{head}{body}").as_bytes()).map_err(|_| garbled())?;
    let started = Instant::now();
    let (mut answer, mut some) = (Vec::new(), [0; 16 << 10]);
    let mut interrupted = None;
    while (answer.len() as u64) < OUTPUT_LIMIT {
        if let Err(failure) = interrupt::check_since(signals) {
            // The engine goes on with what was sent: a change that nobody waits for would come after the clean-up.
            let since = interrupted.get_or_insert_with(Instant::now);
            if request.method == "GET" || since.elapsed() > GRACE {
                return Err(failure.into());
            }
        }
        if started.elapsed() > limit {
            let late = format!("the Docker engine did not answer within {} s", limit.as_secs());
            return Err(Failure::precondition(late).hint("check the engine, then run it again").into());
        }
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&some[..read]),
            Err(error)
                if [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&error.kind()) => {}
            Err(_) => return Err(garbled().into()),
        }
    }
    let answer = parse(answer).ok_or_else(garbled)?;
    // The client speaks the version of an older engine.
    Ok(Some(answer).filter(|answer| !answer.error().is_some_and(|error| error.contains("client version"))))
}

/// Reads an answer that is complete, or as long as it may be.
fn parse(mut answer: Vec<u8>) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let fields = || lines.clone().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()));
    let field = |wanted: &str| fields().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    let announced = field("Content-Length").map(str::parse).transpose().ok()?.unwrap_or(body.len());
    let is_whole = body.len() >= announced || (end + 4 + body.len()) as u64 >= OUTPUT_LIMIT;
    (is_whole && field("Transfer-Encoding").is_none()).then_some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn get(path: &str) -> Request {
        Request { method: "GET", path: path.to_owned(), body: None }
    }

    /// What comes back when an engine answers with these bytes, and what it was sent.
    fn exchange(request: &Request, answer: &'static [u8]) -> (anyhow::Result<Option<Answer>>, String) {
        let directory = tempfile::tempdir().expect("directory");
        let socket = Utf8PathBuf::try_from(directory.path().join("engine.sock")).expect("UTF-8");
        let listener = UnixListener::bind(&socket).expect("socket");
        let engine = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut asked = [0; 4096];
            let read = stream.read(&mut asked).expect("a request");
            stream.write_all(answer).expect("an answer");
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let answer = send(&socket, request, LIMIT, 0);
        (answer, engine.join().expect("no panic"))
    }

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let body = Some(serde_json::json!({"Image": "a"}));
        let request = Request { method: "POST", path: "/containers/create?name=x".to_owned(), body };
        let (answer, asked) = exchange(&request, b"HTTP/1.0 201 Created\r\ncontent-length: 2\r\n\r\n{}");
        let answer = answer.expect("an answer").expect("a listener");
        assert_eq!(answer, Answer { status: 201, body: b"{}".to_vec() });
        assert_eq!(answer.error(), None);
        assert!(asked.starts_with("POST /v1.44/containers/create?name=x HTTP/1.0\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"Image\":\"a\"}"), "{asked}");
        let (answer, _) = exchange(&get("/"), b"HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such image: a\"}");
        assert_eq!(answer.expect("an answer").expect("a listener").error().as_deref(), Some("No such image: a"));
    }

    #[test]
    fn half_an_answer_is_none() {
        let answers: [&[u8]; 5] = [
            b"",
            b"HTTP/1.0 200 OK\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n[1,2",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ];
        for answer in answers {
            let (answer, _) = exchange(&get("/images/a/json"), answer);
            assert_eq!(Failure::of(&answer.expect_err("cut")).code, 3);
        }
    }

    #[test]
    fn where_nobody_listens_the_client_is_asked() {
        let answer = send("/nowhere/docker.sock".into(), &get("/"), LIMIT, 0).expect("no failure");
        assert_eq!(answer, None);
    }

    #[test]
    fn values_are_quoted_in_a_path() {
        assert_eq!(quoted(b"host:5000/a/b"), "host:5000/a/b");
        assert_eq!(
            quoted(b"{\"label\":[\"a=b&c?d#e%\xff\"]}"),
            "%7B%22label%22:%5B%22a%3Db%26c%3Fd%23e%25%FF%22%5D%7D"
        );
    }
}
