//! Sizes and durations as people write and read them.

use std::time::Duration;

pub use buildkit_report::measure::{age, bytes, counted, milliseconds, seconds};

/// Bytes of a size such as `512B`, `20GB` or `1.5 kB`, in units of 1000 as Docker prints them, or `2GiB`
/// (docker/go-units `HumanSizeWithPrecision`). Only nothing needs no unit.
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
        (Ok(number), Some(power)) if number == 0.0 || !unit.is_empty() => {
            Ok((number * base.powi(power)).round() as u64)
        }
        _ => Err("a size is a number with a unit: 500MB, 20GB".to_owned()),
    }
}

/// A duration such as `30d`, `12h` or `2w`; a day has 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).ok();
    duration.filter(|duration| !duration.is_zero()).ok_or("a duration is a number with a unit: 30d, 12h, 2w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_prints_them() {
        assert_eq!(size("13.13kB"), Ok(13_130));
        assert_eq!(size("20 GB"), Ok(20_000_000_000));
        assert_eq!([size("0B"), size("0"), size("20B")], [Ok(0), Ok(0), Ok(20)]);
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        for bad in ["", "N/A", "GB", "20", "1.5", "-1GB", "1.2.3MB", "5 parsecs", "$(id)"] {
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
}
