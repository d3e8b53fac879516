//! Instants, dates and times of day as plain integers, years 1 to 9999, to the nanosecond.

use jiff::civil;
use jiff::tz::TimeZone;

/// Nanoseconds in a second.
pub const NANOS: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * NANOS;
/// 0001-01-01T00:00:00Z in nanoseconds since 1970.
pub const MIN_INSTANT: i128 = -62_135_596_800 * NANOS;
/// 9999-12-31T23:59:59.999999999Z in nanoseconds since 1970.
pub const MAX_INSTANT: i128 = 253_402_300_799 * NANOS + 999_999_999;

/// `2026-01-05T10:00:00.123Z`: only as many fraction digits as the value needs.
pub fn format_instant(nanos: i128) -> String {
    format!("{}Z", format_local(nanos))
}

/// `2026-01-05T10:00:00.123`, without a zone.
pub fn format_local(nanos: i128) -> String {
    let days = nanos.div_euclid(DAY);
    let day = i32::try_from(days).map_or_else(|_| format!("day {days}"), format_date);
    format!("{day}T{}", format_time(nanos.rem_euclid(DAY) as i64))
}

/// `2026-01-05` from days since 1970-01-01 (proleptic Gregorian).
pub fn format_date(days: i32) -> String {
    // Howard Hinnant's civil_from_days, https://howardhinnant.github.io/date_algorithms.html
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `10:00:00.123` from nanoseconds since midnight.
pub fn format_time(nanos: i64) -> String {
    let (seconds, fraction) = (nanos.div_euclid(NANOS as i64), nanos.rem_euclid(NANOS as i64));
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return text;
    }
    format!("{text}.{}", format!("{fraction:09}").trim_end_matches('0'))
}

/// Days since 1970-01-01.
pub fn days(date: civil::Date) -> i32 {
    let (y, m, d) = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe - 719_468) as i32
}

/// Nanoseconds since midnight.
pub fn nanos_of_day(time: civil::Time) -> i64 {
    (i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())) * NANOS as i64
        + i64::from(time.subsec_nanosecond())
}

/// Nanoseconds since 1970-01-01T00:00:00 of a date and time without zone.
pub fn local_nanos(datetime: civil::DateTime) -> i128 {
    i128::from(days(datetime.date())) * DAY + i128::from(nanos_of_day(datetime.time()))
}

/// The instant of a local time in a zone; `None` outside years 1 to 9999. A time that a clock change makes
/// ambiguous takes the earlier instant, one that it skips moves forward (RFC 5545).
pub fn local_to_instant(local: i128, zone: &TimeZone) -> Option<i128> {
    if !(MIN_INSTANT..=MAX_INSTANT).contains(&local) {
        return None;
    }
    if *zone == TimeZone::UTC {
        return Some(local);
    }
    let midnight = civil::Date::new(1970, 1, 1).ok()?.to_datetime(civil::Time::midnight());
    let span = jiff::SignedDuration::new(local.div_euclid(NANOS) as i64, local.rem_euclid(NANOS) as i32);
    let datetime = midnight.checked_add(span).ok()?;
    Some(zone.to_zoned(datetime).ok()?.timestamp().as_nanosecond())
}

/// What ISO 8601 text says: an instant (with `Z` or an offset) or a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsoTime {
    /// With a zone; the flag tells whether it was UTC (`Z`, `+00:00`).
    Instant {
        /// Nanoseconds since 1970-01-01T00:00:00Z.
        nanos: i128,
        /// Whether the text itself was in UTC.
        utc: bool,
    },
    /// Without a zone.
    Local(i128),
}

/// Reads ISO 8601 / RFC 3339 date-times: `2026-01-05T10:00:00.123Z`, `2026-01-05 10:00:00+05:30`,
/// `2026-01-05T10:00:00`, `2026-01-05` (midnight). `None` for anything else.
pub fn parse_iso(text: &str) -> Option<IsoTime> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !bytes.is_ascii() {
        return None;
    }
    let date: civil::Date = text.get(..10)?.parse().ok()?;
    if date.year() < 1 {
        return None;
    }
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(IsoTime::Local(i128::from(days(date)) * DAY));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let time = parse_time(rest[..zone_at].trim_end())?;
    let local = i128::from(days(date)) * DAY + i128::from(time);
    let zone = &rest[zone_at..];
    match zone {
        "" => Some(IsoTime::Local(local)),
        "Z" | "z" => Some(IsoTime::Instant { nanos: local, utc: true }),
        offset => {
            let seconds = parse_offset(offset)?;
            Some(IsoTime::Instant { nanos: local - i128::from(seconds) * NANOS, utc: seconds == 0 })
        }
    }
}

/// `10:00`, `10:00:00` or `10:00:00.123456789`, as nanoseconds since midnight.
pub fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) || (parts.len() == 2 && !fraction.is_empty()) {
        return None;
    }
    if text.contains('.') && fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let two =
        |p: &str| (p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit())).then(|| p.parse::<i64>().ok())?;
    let (hour, minute) = (two(parts[0])?, two(parts[1])?);
    let second = parts.get(2).map_or(Some(0), |p| two(p))?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((hour * 3600 + minute * 60 + second) * NANOS as i64 + nanos)
}

fn parse_offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_format_and_parse() {
        assert_eq!(format_instant(MIN_INSTANT), "0001-01-01T00:00:00Z");
        assert_eq!(format_instant(MAX_INSTANT), "9999-12-31T23:59:59.999999999Z");
        for nanos in [MIN_INSTANT, -1, 0, 1_700_000_000_123_456_789, MAX_INSTANT] {
            assert_eq!(parse_iso(&format_instant(nanos)), Some(IsoTime::Instant { nanos, utc: true }));
        }
    }

    #[test]
    fn offsets_are_applied() {
        let Some(IsoTime::Instant { nanos, utc }) = parse_iso("2026-01-05 10:00:00+05:30") else {
            panic!("unread")
        };
        assert_eq!(format_instant(nanos), "2026-01-05T04:30:00Z");
        assert!(!utc);
        assert_eq!(parse_iso("2026-01-05"), parse_iso("2026-01-05T00:00:00"));
    }

    #[test]
    fn nonsense_is_not_a_time() {
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2026-01-05T25:00:00",
            "2026-01-05T10:00:00.Z",
            "5/1/2026",
            "2026-01-05X",
        ] {
            assert_eq!(parse_iso(bad), None, "{bad}");
        }
    }

    #[test]
    fn zones_shift_local_times() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        let Some(IsoTime::Local(local)) = parse_iso("2026-01-05T10:00:00") else { panic!("unread") };
        assert_eq!(format_instant(local_to_instant(local, &zone).unwrap()), "2026-01-05T04:30:00Z");
    }
}
