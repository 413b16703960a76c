//! Sizes and durations as people read them.

use std::time::Duration;

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds as seconds for people.
pub fn seconds(milliseconds: u64) -> String {
    match milliseconds {
        0..60_000 => format!("{:.2}s", milliseconds as f64 / 1000.0),
        _ => format!("{}m {:02}s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// Seconds for people, in their largest unit.
pub fn age(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number of things, whose name has a regular plural.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Bytes for people, in units of 1000 as Docker shows them.
pub fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(seconds(1234), "1.23s");
        assert_eq!(seconds(61_500), "1m 01s");
        assert_eq!([59, 3599, 86_399, 86_400].map(age), ["59s", "59m", "23h", "1d"]);
        assert_eq!(bytes(0), "0.0 kB");
        assert_eq!(bytes(3_210_000_000), "3.2 GB");
    }
}
