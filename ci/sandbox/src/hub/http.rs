//! The little of HTTP/1.1 that the model hub speaks: one request for each connection.

use std::io::{BufRead, BufReader, Read, Write};

/// A request without a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) range: Option<Range>,
}

/// A range of bytes as the client asks for it; the end is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// From the first byte named to the second, or to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

impl Request {
    /// Reads a request with its headers; `None` when it is not one.
    pub(super) fn read(stream: impl Read) -> Option<Request> {
        let mut lines = BufReader::new(stream.take(64 * 1024)).lines();
        let first = lines.next()?.ok()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next()?.replace("%2F", "/");
        let mut range = None;
        for line in lines {
            let line = line.ok()?;
            if line.is_empty() {
                return Some(Request { method: method.to_owned(), path, range });
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                range = Range::parse(value.trim());
            }
        }
        None
    }
}

impl Range {
    /// Parses the value of a `Range` header; what is not one range of bytes counts as no range.
    fn parse(value: &str) -> Option<Range> {
        let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            return Some(Range::Last(last.parse().ok()?));
        }
        let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
        Some(Range::From(first.parse().ok()?, last))
    }

    /// The bytes from the first up to, not including, the second; `None` when there are no such bytes.
    pub(super) fn within(self, size: u64) -> Option<(u64, u64)> {
        let (start, end) = match self {
            Range::From(first, last) => (first, last.map_or(size, |last| last.saturating_add(1).min(size))),
            Range::Last(count) => (size.saturating_sub(count), size),
        };
        (start < end).then_some((start, end))
    }
}

/// Writes the head of an answer, after which the connection closes.
pub(super) fn write_head(
    stream: &mut impl Write,
    status: &str,
    length: u64,
    headers: &[(&str, String)],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Request> {
        Request::read(text.as_bytes())
    }

    #[test]
    fn a_request_is_its_method_path_and_range() {
        let request = read("GET /a%2Fb/c?d=e HTTP/1.1\r\nHost: x\r\nrange: bytes=5-\r\n\r\n").expect("a request");
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/a/b/c"));
        assert_eq!(request.range, Some(Range::From(5, None)));
    }

    #[test]
    fn half_a_request_is_none() {
        assert_eq!(read(""), None);
        assert_eq!(read("GET / HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(read("nonsense\r\n\r\n"), None);
    }

    #[test]
    fn ranges_are_cut_to_the_size() {
        let within = |value: &str| Range::parse(value).and_then(|range| range.within(100));
        assert_eq!(within("bytes=0-"), Some((0, 100)));
        assert_eq!(within("bytes=10-19"), Some((10, 20)));
        assert_eq!(within("bytes=90-500"), Some((90, 100)));
        assert_eq!(within("bytes=-5"), Some((95, 100)));
        assert_eq!(within("bytes=0-18446744073709551615"), Some((0, 100)));
    }

    #[test]
    fn ranges_outside_of_the_file_are_none() {
        let within = |value: &str| Range::parse(value).and_then(|range| range.within(100));
        assert_eq!(within("bytes=100-"), None);
        assert_eq!(within("bytes=9-3"), None);
        assert_eq!(within("bytes=-0"), None);
        assert_eq!(within("items=0-3"), None);
        assert_eq!(within("bytes=0-1,4-5"), None);
    }
}
