//! One value, canonical: what a cell of any database holds, without loss.

use std::fmt;

use crate::decimal::Decimal;
use crate::time;

/// A canonical value. Columns are Arrow arrays; single cells become values where types are mixed, where a
/// rule has to look closer, and where a finding shows them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL null, or a missing document field.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// An exact decimal.
    Decimal(Decimal),
    /// A single-precision float.
    Float32(f32),
    /// A double-precision float.
    Float(f64),
    /// Unicode text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An instant: nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i128),
    /// A date and time of day without a zone: nanoseconds since 1970-01-01T00:00:00.
    LocalTimestamp(i128),
    /// A calendar date: days since 1970-01-01.
    Date(i32),
    /// A time of day: nanoseconds since midnight.
    Time(i64),
    /// 128 bits of UUID.
    Uuid([u8; 16]),
    /// JSON text as it was stored.
    Json(String),
    /// Latitude and longitude, in degrees.
    Geo(f64, f64),
    /// A document path, `collection/id`.
    Ref(String),
    /// Elements in order.
    List(Vec<Value>),
    /// Keys with values, sorted by key; [`Value::map`] sorts.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A map with its entries in canonical (byte) order of keys.
    pub fn map(mut entries: Vec<(String, Value)>) -> Self {
        entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        Self::Map(entries)
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value at a path of map keys (`rect`, `x`) or list positions (`0`); `None` where it is missing.
    pub fn at_path<'a>(&'a self, path: &[&str]) -> Option<&'a Value> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let next = match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == first).map(|(_, v)| v)?,
            Self::List(items) => items.get(first.parse::<usize>().ok()?)?,
            _ => return None,
        };
        next.at_path(rest)
    }

    /// The name of the value's type, as reports show it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::UInt(_) => "unsigned integer",
            Self::Decimal(_) => "decimal",
            Self::Float32(_) => "float32",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "timestamp",
            Self::LocalTimestamp(_) => "timestamp without zone",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Uuid(_) => "uuid",
            Self::Json(_) => "json",
            Self::Geo(..) => "geopoint",
            Self::Ref(_) => "reference",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// The value as JSON, for keys and for nested values in reports. Numbers keep every digit as JSON numbers;
    /// what JSON has no form for (times, bytes, uuid) becomes text.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Int(_) | Self::UInt(_) | Self::Decimal(_) => out.push_str(&self.to_string()),
            Self::Float(f) if f.is_finite() => out.push_str(&self.to_string()),
            Self::Float32(f) if f.is_finite() => out.push_str(&self.to_string()),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    push_json_string(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
            other => push_json_string(&other.to_string(), out),
        }
    }
}

fn push_json_string(text: &str, out: &mut String) {
    // Serialising a str to JSON can't fail.
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// The text of a value in findings and differences: unambiguous within its type, never used to compare.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::UInt(u) => write!(f, "{u}"),
            Self::Decimal(d) => write!(f, "{d}"),
            // Debug prints the shortest text that reads back to the same bits, and keeps `-0.0` and `1e300`.
            Self::Float32(x) => write!(f, "{x:?}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Text(s) | Self::Json(s) | Self::Ref(s) => f.write_str(s),
            Self::Bytes(b) => {
                f.write_str("0x")?;
                b.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Timestamp(n) => f.write_str(&time::format_instant(*n)),
            Self::LocalTimestamp(n) => f.write_str(&time::format_local(*n)),
            Self::Date(d) => f.write_str(&time::format_date(*d)),
            Self::Time(t) => f.write_str(&time::format_time(*t)),
            Self::Uuid(u) => {
                for (i, byte) in u.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
            Self::Geo(lat, lon) => write!(f, "({lat:?}, {lon:?})"),
            Self::List(_) | Self::Map(_) => f.write_str(&self.to_json_text()),
        }
    }
}
