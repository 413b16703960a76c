//! Sizes and durations as people write and read them.

use std::time::Duration;

/// Bytes of a size such as `512`, `20GB` or `1.5 kB`, in units of 1000 as Docker prints them, or `2GiB`
/// (docker/go-units `HumanSizeWithPrecision`).
///
/// # Errors
/// What a size looks like.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    // `GiB` is what BuildKit says of its limits.
    let base: f64 = if unit.ends_with("ib") { 1024.0 } else { 1000.0 };
    let power = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => Some(0),
        "k" => Some(1),
        "m" => Some(2),
        "g" => Some(3),
        "t" => Some(4),
        _ => None,
    };
    match (number.parse::<f64>(), power) {
        (Ok(number), Some(power)) => Ok((number * base.powi(power)).round() as u64),
        _ => Err("a size is a number with a unit: 500MB, 20GB".to_owned()),
    }
}

/// A duration such as `30d`, `12h` or `2w`; a day has 24 hours.
///
/// # Errors
/// What a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).ok();
    duration.filter(|duration| !duration.is_zero()).ok_or("a duration is a number with a unit: 30d, 12h, 2w".to_owned())
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
    fn sizes_are_read_as_docker_prints_them() {
        assert_eq!(size("13.13kB"), Ok(13_130));
        assert_eq!(size("20 GB"), Ok(20_000_000_000));
        assert_eq!(size("0B"), Ok(0));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        for bad in ["", "N/A", "GB", "-1GB", "1.2.3MB", "5 parsecs", "$(id)"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_positive() {
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for bad in ["", "30", "-5d", "0d", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(seconds(1234), "1.23s");
        assert_eq!(seconds(61_500), "1m 01s");
        assert_eq!([59, 3599, 86_399, 86_400].map(age), ["59s", "59m", "23h", "1d"]);
        assert_eq!(bytes(0), "0.0 kB");
        assert_eq!(bytes(3_210_000_000), "3.2 GB");
    }
}
