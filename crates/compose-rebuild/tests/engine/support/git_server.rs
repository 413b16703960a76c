//! A Git server over HTTP that wants a token, or fails as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;

use super::{World, sandbox};

/// What the server does to an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Sends this status, with this header, to so many requests.
    Status(&'static str, &'static str, usize),
    /// Ends after so many bytes.
    Cut(usize),
    /// Sends nothing after so many bytes.
    Stall(usize),
    /// Changes the byte that comes so long before the end.
    Flip(usize),
    /// Speaks the first protocol only, in which no commit can be had that no ref points to.
    Old,
}

/// Which requests are answered badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Every one.
    Any,
    /// The one of the step that clones: the tool itself leaves something out of all that it fetches.
    Clone,
}

#[derive(Default)]
struct State {
    login: Option<String>,
    fault: Option<(On, Fault)>,
    fired: usize,
}

/// A server for the repositories of the sandbox, as long as the tests run.
#[derive(Clone)]
pub(crate) struct GitServer {
    /// The address of the world's repository.
    pub(crate) address: String,
    root: String,
    state: Arc<Mutex<State>>,
}

/// Serves the repositories of the sandbox to those who have the token; the address of the world's one.
pub(crate) fn serve_private(world: &World, token: &str) -> String {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
    GitServer::start(world, Some(format!("Basic {login}"))).address
}

impl GitServer {
    /// A server for everybody, which does not fail yet.
    pub(crate) fn of(world: &World) -> Self {
        Self::start(world, None)
    }

    fn start(world: &World, login: Option<String>) -> Self {
        let listener = TcpListener::bind((sandbox().env()["SANDBOX_ADDRESS"].as_str(), 0)).unwrap();
        let address = format!("http://{}/{}.git", listener.local_addr().unwrap(), world.name);
        let root = world.upstream.bare().parent().unwrap().to_string();
        let server = Self { address, root, state: Arc::new(Mutex::new(State { login, ..State::default() })) };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.answer(&stream));
            }
        });
        server
    }

    /// Fails from now on.
    pub(crate) fn fail(&self, on: On, fault: Fault) {
        *self.state.lock().unwrap() = State { login: None, fault: Some((on, fault)), fired: 0 };
    }

    /// Answers as it should again; how many answers were bad.
    pub(crate) fn heal(&self) -> usize {
        std::mem::take(&mut *self.state.lock().unwrap()).fired
    }

    /// How many answers were bad so far.
    pub(crate) fn fired(&self) -> usize {
        self.state.lock().unwrap().fired
    }

    /// The fault that this request meets.
    fn fault_for(&self, body: &[u8]) -> Option<Fault> {
        let has = |words: &[u8]| body.windows(words.len()).any(|part| part == words);
        let mut state = self.state.lock().unwrap();
        let (on, fault) = state.fault?;
        if on == On::Clone && (!has(b"command=fetch") || has(b"filter ")) {
            return None;
        }
        if matches!(fault, Fault::Status(_, _, most) if state.fired >= most) {
            return None;
        }
        state.fired += 1;
        Some(fault)
    }

    /// Answers one request, as `git http-backend` does it (CGI).
    fn answer(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        let header = |name: &str| {
            let of = |line: &&String| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
            let value = |line: &String| Some(line.split_once(':')?.1.trim().to_owned());
            lines.iter().find(of).and_then(value).unwrap_or_default()
        };
        let refuse = |status: &str, with: &str| {
            format!("HTTP/1.1 {status}\r\n{with}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        };
        let login = self.state.lock().unwrap().login.clone();
        if login.is_some_and(|login| header("authorization") != login) {
            let refusal = refuse("401 Unauthorized", "WWW-Authenticate: Basic realm=\"private\"");
            return stream.write_all(refusal.as_bytes()).ok();
        }
        let (method, target) = lines.first()?.split_once(' ')?;
        let target = target.split(' ').next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let fault = self.fault_for(&body);
        if let Some(Fault::Status(status, with, _)) = fault {
            return stream.write_all(refuse(status, with).as_bytes()).ok();
        }
        let mut backend = Command::new("git");
        backend.arg("http-backend").env("GIT_PROJECT_ROOT", &self.root).env("GIT_HTTP_EXPORT_ALL", "1");
        backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
        backend.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", body.len().to_string());
        backend.env("HTTP_CONTENT_ENCODING", header("content-encoding"));
        if matches!(fault, Some(Fault::Old)) {
            backend.env("GIT_CONFIG_COUNT", "1");
            backend.env("GIT_CONFIG_KEY_0", "uploadpack.allowAnySHA1InWant").env("GIT_CONFIG_VALUE_0", "false");
        } else {
            backend.env("GIT_PROTOCOL", header("git-protocol"));
        }
        let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        child.stdin.take()?.write_all(&body).ok()?;
        let output = child.wait_with_output().ok()?.stdout;
        let status = output.strip_prefix(b"Status: ").and_then(|rest| rest.split(|byte| *byte == b'\r').next());
        let status = status.map_or("200 OK".into(), String::from_utf8_lossy);
        let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
        let head = answer.len() + output.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
        answer.extend_from_slice(&output);
        match fault {
            Some(Fault::Cut(bytes) | Fault::Stall(bytes)) => answer.truncate(head + bytes),
            Some(Fault::Flip(back)) => {
                let at = answer.len().checked_sub(back)?;
                answer[at] ^= 1;
            }
            _ => {}
        }
        stream.write_all(&answer).ok()?;
        if matches!(fault, Some(Fault::Stall(_))) {
            // Until the client gives up.
            let _ = reader.read(&mut [0]);
        }
        stream.shutdown(Shutdown::Both).ok()
    }
}
