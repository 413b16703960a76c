//! A Git server over HTTP that wants a token.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;

use super::{World, sandbox};

/// Serves the repositories of the sandbox to those who have the token, as long as the tests run; its address.
pub(crate) fn serve_private(world: &World, token: &str) -> String {
    let listener = TcpListener::bind((sandbox().env()["SANDBOX_ADDRESS"].as_str(), 0)).unwrap();
    let address = format!("http://{}/{}.git", listener.local_addr().unwrap(), world.name);
    let root = world.upstream.bare().parent().unwrap().to_string();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (root, login) = (root.clone(), format!("Basic {login}"));
            thread::spawn(move || answer(&stream, &root, &login));
        }
    });
    address
}

/// Answers one request, as `git http-backend` does it (CGI).
fn answer(mut stream: &TcpStream, root: &str, login: &str) -> Option<()> {
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
        lines.iter().find(of).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
    };
    if header("authorization") != login {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"private\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).ok();
    }
    let (method, target) = lines.first()?.split_once(' ')?;
    let target = target.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    backend.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", body.len().to_string());
    backend.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take()?.write_all(&body).ok()?;
    let output = child.wait_with_output().ok()?.stdout;
    let status = output.strip_prefix(b"Status: ").and_then(|rest| rest.split(|byte| *byte == b'\r').next());
    let status = status.map_or("200 OK".into(), String::from_utf8_lossy);
    stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes()).ok()?;
    stream.write_all(&output).ok()
}
