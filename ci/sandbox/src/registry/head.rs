//! The first part of an HTTP request, as far as a proxy has to understand it.

use std::io::Read;

/// The most bytes that a head may have.
const LIMIT: usize = 64 << 10;

/// A request's head, and what came with it of the body.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    /// The head for the next server: one request for each connection.
    pub(super) passed_on: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Head {
    /// Reads a head; `None` when it is not one.
    pub(super) fn read(mut from: impl Read) -> Option<Head> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 8 << 10]);
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let count = from.read(&mut chunk).ok().filter(|count| *count > 0 && bytes.len() < LIMIT)?;
            bytes.extend_from_slice(&chunk[..count]);
            if !bytes[0].is_ascii_uppercase() {
                return None;
            }
        };
        let body = bytes.split_off(end + 4);
        let text = str::from_utf8(&bytes[..end]).ok()?;
        let mut words = text.lines().next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let kept = text.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let passed_on: String = kept.map(|line| format!("{line}\r\n")).collect();
        Some(Head { method, path, passed_on: format!("{passed_on}Connection: close\r\n\r\n").into_bytes(), body })
    }

    /// Asks for the manifest of another tag, if it is for that of `from`.
    pub(super) fn redirect(&mut self, from: &str, to: &str) {
        if self.path.ends_with(&format!("/manifests/{from}")) {
            let text = String::from_utf8_lossy(&self.passed_on);
            self.passed_on =
                text.replacen(&format!("/manifests/{from} "), &format!("/manifests/{to} "), 1).into_bytes();
        }
    }

    /// Whether it sends a part of a blob, or says that all of it was sent.
    pub(super) fn uploads(&self) -> bool {
        matches!(self.method.as_str(), "PATCH" | "PUT") && self.path.contains("/blobs/uploads/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_passed_on_for_one_request() {
        let text = "PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\nabc";
        let head = Head::read(text.as_bytes()).expect("a head");
        assert!(head.uploads());
        assert_eq!(head.body, b"abc");
        let passed_on = String::from_utf8(head.passed_on).expect("text");
        assert_eq!(passed_on, "PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let mut head = Head::read("GET /v2/a/manifests/b HTTP/1.1\r\n\r\n".as_bytes()).expect("a head");
        head.redirect("a", "c");
        head.redirect("b", "d");
        assert!(head.passed_on.starts_with(b"GET /v2/a/manifests/d HTTP/1.1\r\n"));
        assert!(Head::read("GET / HTTP/1.1\r\n".as_bytes()).is_none());
        assert!(Head::read([0x16, 3, 1, 13, 10, 13, 10].as_slice()).is_none());
    }
}
