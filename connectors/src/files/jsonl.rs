//! JSON Lines: each line an object. Numbers are exact: integers, else decimals; types may be mixed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use counterfoil_model::decimal::Decimal;
use counterfoil_model::{ColumnBuilder, Value};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Read, corrupt, io};
use crate::ConnectorError;

/// Reads JSON Lines files as one table. Columns come in the byte order of their names.
pub(super) fn read(parts: &[PathBuf]) -> Result<Read, ConnectorError> {
    let mut rows = 0_u64;
    let mut columns: BTreeMap<String, (ColumnBuilder, u64)> = BTreeMap::new();
    for path in parts {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|e| io(path, &e))?;
            if line.trim().is_empty() {
                continue;
            }
            let failed = |problem: String| corrupt(path, format!("line {}: {problem}", number + 1));
            let Value::Map(entries) = parse(&line).map_err(failed)? else {
                return Err(failed("not a JSON object".into()));
            };
            for (name, value) in entries {
                let (builder, present) = columns.entry(name).or_default();
                while (builder.len() as u64) < rows {
                    builder.push(Value::Null);
                }
                builder.push(value);
                *present += 1;
            }
            rows += 1;
        }
    }
    let (mut fields, mut arrays, mut missing) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (name, (mut builder, present)) in columns {
        while (builder.len() as u64) < rows {
            builder.push(Value::Null);
        }
        missing.insert(name.clone(), rows - present);
        let (field, array) = builder.finish(&name);
        fields.push(field);
        arrays.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(usize::try_from(rows).ok());
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    let batch = batch.map_err(|e| corrupt(parts.first().map(PathBuf::as_path).unwrap_or("".as_ref()), e))?;
    Ok(Read { batch, missing })
}

fn parse(line: &str) -> Result<Value, String> {
    let raw: &RawValue = serde_json::from_str(line).map_err(|e| e.to_string())?;
    convert(raw, 0)
}

fn convert(raw: &RawValue, depth: usize) -> Result<Value, String> {
    if depth > 100 {
        return Err("nested too deep".into());
    }
    let text = raw.get().trim();
    let failed = |e: serde_json::Error| e.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(text).map_err(failed)?;
            let mut converted: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            for (key, raw) in entries {
                if converted.iter().any(|(k, _)| *k == key) {
                    return Err(format!("the key '{key}' stands twice in one object"));
                }
                converted.push((key, convert(raw, depth + 1)?));
            }
            Value::map(converted)
        }
        Some(b'[') => {
            let Items(items) = serde_json::from_str(text).map_err(failed)?;
            Value::List(items.into_iter().map(|raw| convert(raw, depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(text).map_err(failed)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => number(text)?,
    })
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Value::Int(whole));
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Ok(Value::UInt(whole));
    }
    match Decimal::parse(text) {
        Some(decimal) => Ok(Value::Decimal(decimal)),
        None => text.parse().map(Value::Float).map_err(|_| format!("'{text}' is no number")),
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Collect).map(Items)
    }
}
