//! Reading a value as the type it should have (`as:` in a plan, or a declared type that a database doesn't
//! enforce).

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::decimal::Decimal;
use crate::time::{self, IsoTime};
use crate::value::Value;

/// The type in which both sides of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAs {
    /// Text as it is.
    Text,
    /// A whole number.
    Int,
    /// A double.
    Float,
    /// A decimal, `decimal(p,s)`; `decimal` alone takes any number of digits.
    Decimal(Option<(u8, i8)>),
    /// `true`/`false`, 1/0.
    Bool,
    /// An instant; numbers need to say what they count.
    Timestamp(Epoch),
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// A UUID in any of its notations.
    Uuid,
    /// JSON text, or a document's map or list.
    Json,
    /// Bytes written as base64.
    Base64,
    /// Bytes written as hexadecimal digits.
    Hex,
}

/// What a number that stands for an instant counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Numbers are not read as instants.
    None,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// Julian day numbers (SQLite's REAL convention).
    Julian,
}

/// Every form of `as:` with what it means, for the catalogue and for suggestions.
pub const FORMS: [&str; 17] = [
    "text",
    "int",
    "float",
    "decimal",
    "decimal(12,2)",
    "bool",
    "timestamp",
    "timestamp(unix)",
    "timestamp(unix_ms)",
    "timestamp(unix_us)",
    "timestamp(julian)",
    "date",
    "time",
    "uuid",
    "json",
    "base64",
    "hex",
];

impl FromStr for ReadAs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let folded: String =
            text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        Ok(match folded.as_str() {
            "text" => Self::Text,
            "int" => Self::Int,
            "float" => Self::Float,
            "decimal" => Self::Decimal(None),
            "bool" => Self::Bool,
            "timestamp" => Self::Timestamp(Epoch::None),
            "timestamp(unix)" => Self::Timestamp(Epoch::Seconds),
            "timestamp(unix_ms)" => Self::Timestamp(Epoch::Millis),
            "timestamp(unix_us)" => Self::Timestamp(Epoch::Micros),
            "timestamp(julian)" => Self::Timestamp(Epoch::Julian),
            "date" => Self::Date,
            "time" => Self::Time,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "base64" => Self::Base64,
            "hex" => Self::Hex,
            other => {
                let inner = other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
                let parsed = inner.and_then(|inner| {
                    let (p, s) = inner.split_once(',').unwrap_or((inner, "0"));
                    Some((p.parse::<u8>().ok()?, s.parse::<i8>().ok()?))
                });
                match parsed {
                    Some((p @ 1..=76, s)) if s >= 0 && s as u8 <= p => Self::Decimal(Some((p, s))),
                    _ => {
                        let hint = crate::names::suggestion(text, FORMS);
                        return Err(format!("unknown type '{text}'{hint}; known are {}", FORMS.join(", ")));
                    }
                }
            }
        })
    }
}

impl fmt::Display for ReadAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Decimal(None) => "decimal",
            Self::Decimal(Some((p, s))) => return write!(f, "decimal({p},{s})"),
            Self::Bool => "bool",
            Self::Timestamp(Epoch::None) => "timestamp",
            Self::Timestamp(Epoch::Seconds) => "timestamp(unix)",
            Self::Timestamp(Epoch::Millis) => "timestamp(unix_ms)",
            Self::Timestamp(Epoch::Micros) => "timestamp(unix_us)",
            Self::Timestamp(Epoch::Julian) => "timestamp(julian)",
            Self::Date => "date",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Base64 => "base64",
            Self::Hex => "hex",
        })
    }
}

/// A value that can't be read as the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Reads a value as a type, without ever bending it: what doesn't read exactly is [`Unreadable`]. Null stays
/// null. `Json` leaves the value as it is: JSON is compared by value, not rewritten.
///
/// # Errors
/// [`Unreadable`] where the value is of no type that could be meant, or its text has another form.
pub fn read_as(value: &Value, wanted: ReadAs, zone: &TimeZone) -> Result<Value, Unreadable> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    match wanted {
        ReadAs::Text => match value {
            Value::Text(_) => Ok(value.clone()),
            Value::Json(s) | Value::Ref(s) => Ok(Value::Text(s.clone())),
            Value::Bytes(_) | Value::List(_) | Value::Map(_) => Err(Unreadable),
            other => Ok(Value::Text(other.to_string())),
        },
        ReadAs::Int => number(value).and_then(|v| whole(&v)),
        ReadAs::Float => float(value),
        ReadAs::Decimal(_) => number(value),
        ReadAs::Bool => boolean(value),
        ReadAs::Timestamp(epoch) => timestamp(value, epoch, zone),
        ReadAs::Date => date(value),
        ReadAs::Time => match value {
            Value::Time(_) => Ok(value.clone()),
            Value::Text(s) => time::parse_time(s.trim()).map(Value::Time).ok_or(Unreadable),
            _ => Err(Unreadable),
        },
        ReadAs::Uuid => match value {
            Value::Uuid(_) => Ok(value.clone()),
            Value::Text(s) => parse_uuid(s).map(Value::Uuid).ok_or(Unreadable),
            Value::Bytes(b) => <[u8; 16]>::try_from(b.as_slice()).map(Value::Uuid).map_err(|_| Unreadable),
            _ => Err(Unreadable),
        },
        ReadAs::Json => match value {
            Value::Text(s) => Ok(Value::Json(s.clone())),
            other => Ok(other.clone()),
        },
        ReadAs::Base64 => match value {
            Value::Bytes(_) => Ok(value.clone()),
            Value::Text(s) => parse_base64(s).map(Value::Bytes).ok_or(Unreadable),
            _ => Err(Unreadable),
        },
        ReadAs::Hex => match value {
            Value::Bytes(_) => Ok(value.clone()),
            Value::Text(s) => parse_hex(s).map(Value::Bytes).ok_or(Unreadable),
            _ => Err(Unreadable),
        },
    }
}

/// Numbers as they are, text as the decimal it spells.
fn number(value: &Value) -> Result<Value, Unreadable> {
    match value {
        Value::Int(_) | Value::UInt(_) | Value::Decimal(_) | Value::Float(_) | Value::Float32(_) => {
            Ok(value.clone())
        }
        Value::Text(s) => Decimal::parse(s.trim()).map(Value::Decimal).ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}

fn whole(value: &Value) -> Result<Value, Unreadable> {
    let decimal = match value {
        Value::Int(_) | Value::UInt(_) => return Ok(value.clone()),
        Value::Decimal(d) => *d,
        Value::Float(f) => Decimal::shortest(*f).filter(|d| d.is_exactly(*f)).ok_or(Unreadable)?,
        Value::Float32(f) => Decimal::shortest(f64::from(*f)).ok_or(Unreadable)?,
        _ => return Err(Unreadable),
    };
    let whole = decimal.to_i128().ok_or(Unreadable)?;
    i64::try_from(whole)
        .map(Value::Int)
        .or_else(|_| u64::try_from(whole).map(Value::UInt))
        .map_err(|_| Unreadable)
}

fn float(value: &Value) -> Result<Value, Unreadable> {
    match value {
        Value::Float(_) | Value::Float32(_) | Value::Int(_) | Value::UInt(_) | Value::Decimal(_) => {
            Ok(value.clone())
        }
        Value::Text(s) => {
            let float: f64 = s.trim().parse().map_err(|_| Unreadable)?;
            // A number too great for a float isn't infinite.
            let overflow = float.is_infinite() && s.contains(|c: char| c.is_ascii_digit());
            if overflow { Err(Unreadable) } else { Ok(Value::Float(float)) }
        }
        _ => Err(Unreadable),
    }
}

fn boolean(value: &Value) -> Result<Value, Unreadable> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::Int(0) | Value::UInt(0) => Ok(Value::Bool(false)),
        Value::Int(1) | Value::UInt(1) => Ok(Value::Bool(true)),
        Value::Text(s) => match s.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "f" | "0" => Ok(Value::Bool(false)),
            _ => Err(Unreadable),
        },
        _ => Err(Unreadable),
    }
}

fn timestamp(value: &Value, epoch: Epoch, zone: &TimeZone) -> Result<Value, Unreadable> {
    let nanos = match value {
        Value::Timestamp(n) => *n,
        Value::LocalTimestamp(n) => time::local_to_instant(*n, zone).ok_or(Unreadable)?,
        Value::Date(d) => {
            time::local_to_instant(i128::from(*d) * 86_400 * time::NANOS, zone).ok_or(Unreadable)?
        }
        Value::Text(s) => match time::parse_iso(s.trim()).ok_or(Unreadable)? {
            IsoTime::Instant { nanos, .. } => nanos,
            IsoTime::Local(local) => time::local_to_instant(local, zone).ok_or(Unreadable)?,
        },
        number => epoch_nanos(number, epoch)?,
    };
    if (time::MIN_INSTANT..=time::MAX_INSTANT).contains(&nanos) {
        Ok(Value::Timestamp(nanos))
    } else {
        Err(Unreadable)
    }
}

fn epoch_nanos(value: &Value, epoch: Epoch) -> Result<i128, Unreadable> {
    let decimal = match value {
        Value::Int(i) => Decimal::from(i128::from(*i)),
        Value::UInt(u) => Decimal::from(i128::from(*u)),
        Value::Decimal(d) => *d,
        Value::Float(f) => Decimal::shortest(*f).ok_or(Unreadable)?,
        Value::Float32(f) => Decimal::shortest(f64::from(*f)).ok_or(Unreadable)?,
        _ => return Err(Unreadable),
    };
    let scaled = |places: i32| decimal.at_scale(places).and_then(|v| v.to_i128()).ok_or(Unreadable);
    match epoch {
        Epoch::None => Err(Unreadable),
        Epoch::Seconds => scaled(9),
        Epoch::Millis => scaled(6),
        Epoch::Micros => scaled(3),
        Epoch::Julian => {
            // SQLite itself keeps a Julian day as whole milliseconds: a double has no more to give.
            let days = decimal.to_f64();
            let millis = (days * 86_400_000.0 + 0.5).floor();
            if !(0.0..=1e18).contains(&millis) {
                return Err(Unreadable);
            }
            Ok((millis as i128 - 210_866_760_000_000) * 1_000_000)
        }
    }
}

fn date(value: &Value) -> Result<Value, Unreadable> {
    match value {
        Value::Date(_) => Ok(value.clone()),
        Value::LocalTimestamp(n) | Value::Timestamp(n) if n.rem_euclid(86_400 * time::NANOS) == 0 => {
            i32::try_from(n.div_euclid(86_400 * time::NANOS)).map(Value::Date).map_err(|_| Unreadable)
        }
        Value::Text(s) => match time::parse_iso(s.trim()) {
            Some(IsoTime::Local(n)) if n.rem_euclid(86_400 * time::NANOS) == 0 => {
                i32::try_from(n.div_euclid(86_400 * time::NANOS)).map(Value::Date).map_err(|_| Unreadable)
            }
            _ => Err(Unreadable),
        },
        _ => Err(Unreadable),
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let bare = match text.len() {
        32 => text.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-') => {
            text.char_indices().filter(|(i, _)| ![8, 13, 18, 23].contains(i)).map(|(_, c)| c).collect()
        }
        _ => return None,
    };
    parse_hex(&bare)?.try_into().ok()
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("\\x")).unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |b: u8| (b as char).to_digit(16);
    digits.chunks(2).map(|pair| Some((nibble(pair[0])? * 16 + nibble(pair[1])?) as u8)).collect()
}

fn parse_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    let data = &symbols[..symbols.len() - padding];
    if padding > 2 || data.len() % 4 == 1 || (padding > 0 && !symbols.len().is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(data.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0);
    for symbol in data {
        let six = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
        }
    }
    Some(out)
}

/// The type that a declared SQL type names, where databases like SQLite don't enforce it: decimal, boolean,
/// date, time, timestamp, uuid, json. `None` for types that need no reading (text, integer, blob, real).
pub fn declared(sql_type: &str) -> Option<ReadAs> {
    let upper = sql_type.trim().to_ascii_uppercase();
    let (base, arguments) = match upper.split_once('(') {
        Some((base, rest)) => (base.trim(), rest.split_once(')').map(|(inner, _)| inner)),
        None => (upper.as_str(), None),
    };
    Some(match base {
        "DECIMAL" | "NUMERIC" | "DEC" => {
            let digits = arguments.and_then(|a| {
                let (p, s) = a.split_once(',').unwrap_or((a, "0"));
                Some((p.trim().parse().ok()?, s.trim().parse().ok()?))
            });
            ReadAs::Decimal(digits)
        }
        "BOOLEAN" | "BOOL" => ReadAs::Bool,
        "DATE" => ReadAs::Date,
        "TIME" => ReadAs::Time,
        "UUID" | "GUID" => ReadAs::Uuid,
        "JSON" | "JSONB" => ReadAs::Json,
        _ if base.starts_with("DATETIME") || base.starts_with("TIMESTAMP") => ReadAs::Timestamp(Epoch::None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(value: Value, wanted: &str) -> Result<String, Unreadable> {
        read_as(&value, wanted.parse().unwrap(), &TimeZone::UTC).map(|v| format!("{} {v}", v.type_name()))
    }

    #[test]
    fn sqlites_three_conventions_name_the_same_instant() {
        let wanted = "timestamp 2009-01-01T12:30:00Z";
        assert_eq!(utc(Value::Text("2009-01-01 12:30:00".into()), "timestamp").unwrap(), wanted);
        assert_eq!(utc(Value::Int(1_230_813_000), "timestamp(unix)").unwrap(), wanted);
        assert_eq!(utc(Value::Int(1_230_813_000_000), "timestamp(unix_ms)").unwrap(), wanted);
        assert_eq!(utc(Value::Float(2_454_833.020_833_333_5), "timestamp(julian)").unwrap(), wanted);
        // A bare number counts nothing until the plan says what.
        assert_eq!(utc(Value::Int(1_230_813_000), "timestamp"), Err(Unreadable));
    }

    #[test]
    fn texts_of_bytes_and_uuids_decode() {
        assert_eq!(utc(Value::Text("aGk=".into()), "base64").unwrap(), "bytes 0x6869");
        assert_eq!(utc(Value::Text("6869".into()), "hex").unwrap(), "bytes 0x6869");
        let uuid = "uuid 00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(utc(Value::Text("{00112233-4455-6677-8899-AABBCCDDEEFF}".into()), "uuid").unwrap(), uuid);
        assert_eq!(utc(Value::Text("00112233445566778899aabbccddeeff".into()), "uuid").unwrap(), uuid);
    }

    #[test]
    fn what_does_not_read_exactly_is_unreadable() {
        for (value, wanted) in [
            (Value::Text("12x".into()), "int"),
            (Value::Float(1.5), "int"),
            (Value::Int(2), "bool"),
            (Value::Text("tomorrow".into()), "timestamp"),
            (Value::Text("zz".into()), "hex"),
            (Value::Bool(true), "decimal(5,2)"),
        ] {
            assert_eq!(utc(value, wanted), Err(Unreadable));
        }
    }

    #[test]
    fn forms_parse_and_print_back() {
        for form in FORMS {
            assert_eq!(form.parse::<ReadAs>().unwrap().to_string(), form);
        }
        assert!("timestmap".parse::<ReadAs>().unwrap_err().contains("did you mean 'timestamp'"));
    }
}
