//! Points in time as Docker, BuildKit and our own files write them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time between 1970 and 9999, written as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// The beginning of 1970.
    pub const UNIX_EPOCH: Self = Self(UNIX_EPOCH);

    /// The last second that RFC 3339 can write, after the beginning of 1970.
    const LAST: u64 = 253_402_300_799;

    /// How much later it is than `earlier`; nothing when clocks disagree about which came first.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or_default()
    }

    /// The time so much earlier, if that was after the beginning of 1970.
    pub fn before(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).filter(|time| *time >= UNIX_EPOCH).map(Self)
    }

    /// The day: `2026-01-31`.
    pub fn day(self) -> String {
        self.to_string().chars().take_while(|&c| c != 'T').collect()
    }

    /// Date and time to the second, as file names and tags take them: `20260131T235959`.
    pub fn compact(self) -> String {
        self.to_string().chars().take_while(|&c| c != '.').filter(|c| !matches!(c, '-' | ':')).collect()
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::UNIX_EPOCH
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time)
    }
}

impl FromStr for Timestamp {
    type Err = String;

    /// Reads RFC 3339 with any offset.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time");
        let (local, offset) = match text.char_indices().nth_back(5) {
            Some((at, sign @ ('+' | '-'))) => {
                let (hours, minutes) = text[at + 1..].split_once(':').ok_or_else(wrong)?;
                let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
                let offset = Duration::from_secs(number(hours)? * 3600 + number(minutes)? * 60);
                (format!("{}Z", &text[..at]), Some((sign, offset)))
            }
            _ => (text.to_owned(), None),
        };
        let time = humantime::parse_rfc3339(&local).map_err(|_| wrong())?;
        let time = match offset {
            None => Some(time),
            Some(('+', offset)) => time.checked_sub(offset),
            Some((_, offset)) => time.checked_add(offset),
        };
        let can_be_written =
            |time: &SystemTime| time.duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() <= Self::LAST);
        time.filter(can_be_written).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0.max(UNIX_EPOCH)).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_any_offset_and_written_in_utc() {
        let written = |text: &str| text.parse::<Timestamp>().map(|time| time.to_string());
        assert_eq!(written("2026-01-31T23:59:59Z").as_deref(), Ok("2026-01-31T23:59:59.000Z"));
        assert_eq!(written("2026-01-31T23:59:59.123456789Z").as_deref(), Ok("2026-01-31T23:59:59.123Z"));
        assert_eq!(written("2026-02-01T01:29:59.5+01:30").as_deref(), Ok("2026-01-31T23:59:59.500Z"));
        assert_eq!(written("2026-01-31T18:59:59-05:00").as_deref(), Ok("2026-01-31T23:59:59.000Z"));
        for bad in ["", "now", "2026-01-31", "2026-01-31T23:59:59", "2026-01-31T23:59:59+1:a0", "é+0:000"] {
            assert!(written(bad).is_err(), "{bad}");
        }
        for nobody_can_write in ["1970-01-01T00:30:00+01:00", "9999-12-31T23:30:00-01:00"] {
            assert!(written(nobody_can_write).is_err(), "{nobody_can_write}");
        }
    }

    #[test]
    fn days_and_file_names_are_parts_of_the_time() {
        let time: Timestamp = "2026-01-31T23:59:59.9Z".parse().expect("valid");
        assert_eq!(time.compact(), "20260131T235959");
        assert_eq!(time.day(), "2026-01-31");
        assert_eq!(Timestamp::UNIX_EPOCH.since(time), Duration::ZERO);
    }
}
