//! What a process writes, read into memory of a bounded size.

use std::io::{BufRead, Read};

/// Longest line that is passed on, in bytes; what is longer is dropped, so that no output can exhaust the memory.
const LINE_LIMIT: usize = 4 << 20;
/// How much of the standard error is kept, from its end, in bytes.
const STDERR_LIMIT: usize = 64 << 10;

/// The end of a text that may be of any length.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * STDERR_LIMIT {
            self.0.drain(..self.0.len() - STDERR_LIMIT);
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// The end of a stream, as text.
pub(super) fn tail(mut from: impl Read) -> String {
    let mut kept = Tail::default();
    let mut chunk = [0; 8 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        kept.add(&chunk[..n]);
    }
    kept.text()
}

/// The next line without its line feed; the rest of a line beyond the limit is read and dropped, and the line with it.
pub(super) fn read_line(from: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut dropped = false;
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok((!line.is_empty() && !dropped).then_some(line));
        }
        let end = buffer.iter().position(|&b| b == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        if line.len() + part.len() > LINE_LIMIT {
            dropped = true;
            line.clear();
        }
        if !dropped {
            line.extend_from_slice(part);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            if !dropped {
                return Ok(Some(line));
            }
            dropped = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_are_bounded_and_an_unterminated_one_counts() {
        let long = vec![b'x'; LINE_LIMIT + 1];
        let bytes = [b"a\n\n", long.as_slice(), b"\nb\nlast"].concat();
        let mut reader = BufReader::with_capacity(7, bytes.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut reader).expect("memory") {
            lines.push(String::from_utf8(line).expect("text"));
        }
        assert_eq!(lines, ["a", "", "b", "last"]);
    }
}
