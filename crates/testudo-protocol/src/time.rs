//! Seconds since the Unix epoch, as in a [RFC7519 §2] `NumericDate`, and their RFC 3339 form.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The name that serializers receive for this type. An answer for administrators writes values with this name as text.
    pub const NAME: &'static str = "Timestamp";
}

/// A time before 1970 becomes 0: a clock that shows one is not set.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Timestamp::NAME, &self.0)
    }
}

/// A length of time in whole seconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seconds(pub i64);

impl std::ops::Add<Seconds> for Timestamp {
    type Output = Timestamp;
    fn add(self, seconds: Seconds) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds.0))
    }
}

impl std::ops::Sub<Seconds> for Timestamp {
    type Output = Timestamp;
    fn sub(self, seconds: Seconds) -> Timestamp {
        Timestamp(self.0.saturating_sub(seconds.0))
    }
}

impl std::ops::Sub for Timestamp {
    type Output = Seconds;
    fn sub(self, earlier: Timestamp) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl Seconds {
    /// Parses `"30s"`, `"5m"`, `"2h"`, `"30d"`: a whole number and one unit.
    pub fn parse(text: &str) -> Result<Seconds, &'static str> {
        const EXPECTED: &str = "is not a duration such as \"30s\", \"5m\", \"2h\" or \"30d\"";
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(EXPECTED),
        };
        let digits = text.get(..text.len() - 1).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EXPECTED);
        }
        let number: i64 = digits.parse().map_err(|_| "is a duration that is too long")?;
        number
            .checked_mul(unit)
            .map(Seconds)
            .ok_or("is a duration that is too long")
    }
}

/// `2026-11-24T08:27:55Z`. Always UTC, always whole seconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second_of_day) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Gregorian date of a day number that is counted from 1970-01-01. The calculation uses years that begin in March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl Timestamp {
    /// Parses a date with its time and offset, as [RFC3339 §5.6] writes it, or a date alone, which means its first
    /// second in UTC. Fractions of a second are dropped.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let (date, rest) = match text.split_once(['T', 't', ' ']) {
            Some((date, rest)) => (date, rest),
            None => (text, "00:00:00Z"),
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let zone_at = rest.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = rest.split_at(zone_at);
        let time = match time.split_once('.') {
            Some((time, fraction)) if is_digits(fraction) => time,
            Some(_) => return None,
            None => time,
        };
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let offset_minutes = match zone.split_at_checked(1)? {
            ("Z" | "z", "") => 0,
            (sign, zone) => {
                let [hours, minutes] = numbers(zone, ':', [2, 2])?;
                (hours < 24 && minutes < 60).then_some(())?;
                (hours * 60 + minutes) * if sign == "-" { -1 } else { 1 }
            }
        };
        // Second 60 is a leap second, which the epoch does not count.
        (hour < 24 && minute < 60 && second <= 60).then_some(())?;
        let days = days_from_civil(year, month, day);
        (civil_from_days(days) == (year, month, day)).then_some(())?;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Timestamp(seconds - offset_minutes * 60))
    }
}

/// Reads numbers that have exactly these numbers of digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (slot, digits) in found.iter_mut().zip(digits) {
        let part = parts
            .next()
            .filter(|part| part.len() == digits && is_digits(part))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9).rem_euclid(12);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// [RFC7519 §2] Any JSON number is a `NumericDate`, fractions and exponents included; a string never is.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumericDate;
        impl Visitor<'_> for NumericDate {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds since the epoch")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Timestamp, E> {
                Ok(Timestamp(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Timestamp, E> {
                i64::try_from(value)
                    .map(Timestamp)
                    .map_err(|_| E::custom("date out of range"))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Timestamp, E> {
                // A double cannot represent every whole second beyond 2^53.
                if value.is_finite() && value.abs() < 9_007_199_254_740_992.0 {
                    Ok(Timestamp(value.floor() as i64))
                } else {
                    Err(E::custom("date out of range"))
                }
            }
        }
        deserializer.deserialize_any(NumericDate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_time_is_counted_in_whole_seconds_and_none_is_before_1970() {
        let second = std::time::Duration::from_millis(1_999);
        assert_eq!(Timestamp::from(UNIX_EPOCH + second), Timestamp(1));
        assert_eq!(Timestamp::from(UNIX_EPOCH - second), Timestamp(0));
    }

    #[test]
    fn prints_rfc3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Timestamp(1_795_000_300).to_string(), "2026-11-18T11:11:40Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn date_with_time_and_offset_is_the_moment_that_it_names() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2026-11-18T11:11:40Z", 1_795_000_300),
            ("2026-11-18t11:11:40.999z", 1_795_000_300),
            ("2026-11-18 12:11:40+01:00", 1_795_000_300),
            ("2026-11-18T05:41:40-05:30", 1_795_000_300),
            ("2026-11-18", 1_794_960_000),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(seconds)), "{text}");
        }
        for day in (-800_000..800_000).step_by(37) {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }

    #[test]
    fn text_that_names_no_moment_is_refused() {
        for text in [
            "",
            "Z",
            "yesterday",
            "2026-11-18T11:11:40",
            "2026-11-18T11:11Z",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-11-31",
            "26-11-18",
            "2026-11-18-01",
            "2026-11-18T24:00:00Z",
            "2026-11-18T11:60:00Z",
            "2026-11-18T11:11:61Z",
            "2026-11-18T11:11:40.Z",
            "2026-11-18T11:11:40+1:00",
            "2026-11-18T11:11:40+24:00",
            "2026-11-18T11:11:40Zx",
            "2026-11-18T11:11:40+é",
            "+026-11-18",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(Seconds::parse("5m"), Ok(Seconds(300)));
        assert_eq!(Seconds::parse("30d"), Ok(Seconds(2_592_000)));
        assert_eq!(Seconds::parse("0s"), Ok(Seconds(0)));
        for bad in [
            "",
            "5",
            "m",
            "-5m",
            "5 m",
            "5ms",
            "1.5h",
            "9223372036854775807d",
            "5\u{b5}",
        ] {
            assert!(Seconds::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rfc7519_2_numeric_date_forms() {
        let read = |text: &str| serde_json::from_str::<Timestamp>(text).ok();
        assert_eq!(read("1795000300"), Some(Timestamp(1_795_000_300)));
        assert_eq!(read("1795000300.9"), Some(Timestamp(1_795_000_300)));
        assert_eq!(read("1.7950003e9"), Some(Timestamp(1_795_000_300)));
        for refused in [
            "\"1795000300\"",
            "null",
            "1e400",
            "1e300",
            "18446744073709551615",
            "[]",
            "true",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
