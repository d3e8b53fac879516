//! JSON text into canonical values, exactly: numbers keep every digit, duplicate keys are told.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::decimal::{Decimal, float_of_that_value};
use crate::value::Value;

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 120;

/// JSON text that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The value; numbers are decimals, or floats where only those hold them exactly.
    pub value: Value,
    /// Paths of keys that stand twice in one object, such as `$.a.b`.
    pub duplicate_keys: Vec<String>,
}

/// Reads a whole JSON text (RFC 8259).
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut duplicate_keys = Vec::new();
    let value = convert(raw, "$", 0, &mut duplicate_keys)?;
    Ok(Parsed { value, duplicate_keys })
}

fn convert(raw: &RawValue, path: &str, depth: usize, duplicates: &mut Vec<String>) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    let text = raw.get().trim();
    let problem = |e: serde_json::Error| format!("{path}: {e}");
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(text).map_err(problem)?;
            let mut converted: BTreeMap<String, Value> = BTreeMap::new();
            for (key, raw) in entries {
                let inner = format!("{path}.{key}");
                let value = convert(raw, &inner, depth + 1, duplicates)?;
                // The last one wins, as in most readers; that it stands twice is told.
                if converted.insert(key, value).is_some() {
                    duplicates.push(inner);
                }
            }
            Value::map(converted.into_iter().collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(problem)?;
            let convert = |(at, raw)| convert(raw, &format!("{path}[{at}]"), depth + 1, duplicates);
            Value::List(items.into_iter().enumerate().map(convert).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(text).map_err(problem)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => match Decimal::parse(text) {
            Some(decimal) => Value::Decimal(decimal),
            // Rounded, two numbers that differ would be one.
            None => float_of_that_value(text).map(Value::Float).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                format!("{path}: the number {shown} has more digits than any type holds")
            })?,
        },
    })
}

/// The members of an object in the order in which they stand, also those that stand twice.
#[derive(Debug)]
pub struct Entries<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Collect).map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_duplicates_are_told() {
        let parsed =
            parse(r#" {"a": 12345678901234567890.123456789, "b": {"c": 1, "c": 2}, "d": [null, "x"]} "#)
                .unwrap();
        assert_eq!(parsed.value.at_path(&["a"]).unwrap().to_string(), "12345678901234567890.123456789");
        assert_eq!(parsed.duplicate_keys, ["$.b.c"]);
        assert_eq!(parsed.value.at_path(&["d", "1"]), Some(&Value::Text("x".into())));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in ["", "{", "{'a':1}", "[1,]", "1 2", "nul", "{\"a\":1}x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("{}1{}", "[".repeat(200), "]".repeat(200))).is_err());
    }
}
