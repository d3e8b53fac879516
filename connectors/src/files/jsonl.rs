//! JSON Lines: each line an object. Numbers are exact: integers, else decimals; types may be mixed.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::column::{build, unify};
use counterfoil_model::decimal::Decimal;
use counterfoil_model::json::Entries;
use counterfoil_model::{Type, Value};
use serde_json::value::RawValue;

use super::{corrupt, io};
use crate::{BATCH_ROWS, ConnectorError, Scan};

/// What a first look at all lines tells: which columns there are, and the type that holds all values of each.
/// Columns come in the byte order of their names.
#[derive(Debug, Default)]
pub(super) struct Profile {
    columns: BTreeMap<String, (Type, u64)>,
    rows: u64,
}

impl Profile {
    pub(super) fn of(parts: &[PathBuf]) -> Result<Self, ConnectorError> {
        let mut profile = Self::default();
        for path in parts {
            let mut lines = Lines::open(path)?;
            while let Some(entries) = lines.next_object()? {
                for (name, value) in entries {
                    let (kind, present) = profile.columns.entry(name).or_insert((Type::Null, 0));
                    *kind = unify(*kind, value.column_type());
                    *present += 1;
                }
                profile.rows += 1;
            }
        }
        Ok(profile)
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let fields: Vec<_> = self.columns.iter().map(|(name, (kind, _))| kind.field(name)).collect();
        Arc::new(Schema::new(fields))
    }

    /// In how many rows a column is missing.
    pub(super) fn missing(&self, column: &str) -> u64 {
        self.columns.get(column).map_or(0, |(_, present)| self.rows - present)
    }
}

/// The objects of a file.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: String,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, ConnectorError> {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        let reader = BufReader::with_capacity(1 << 18, file);
        Ok(Self { path: path.into(), reader, line: String::new(), number: 0 })
    }

    fn next_object(&mut self) -> Result<Option<Vec<(String, Value)>>, ConnectorError> {
        loop {
            self.line.clear();
            if self.reader.read_line(&mut self.line).map_err(|e| io(&self.path, &e))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.trim().is_empty() {
                continue;
            }
            let failed = |problem: String| corrupt(&self.path, format!("line {}: {problem}", self.number));
            return match parse(self.line.trim_end_matches(['\n', '\r'])).map_err(failed)? {
                Value::Map(entries) => Ok(Some(entries)),
                _ => Err(failed("not a JSON object".into())),
            };
        }
    }
}

/// A running read of JSON Lines files, one after the other.
pub(super) struct JsonScan {
    profile: Arc<Profile>,
    parts: VecDeque<PathBuf>,
    open: Option<Lines>,
}

impl JsonScan {
    pub(super) fn new(parts: &[PathBuf], profile: Arc<Profile>) -> Self {
        Self { profile, parts: parts.iter().cloned().collect(), open: None }
    }

    fn batch(&self, rows: Vec<Vec<(String, Value)>>) -> Result<RecordBatch, ConnectorError> {
        let (count, mut columns) = (rows.len(), BTreeMap::<&str, Vec<Value>>::new());
        for name in self.profile.columns.keys() {
            columns.insert(name, vec![Value::Null; count]);
        }
        let changed = || corrupt(Path::new(""), "a file changed while it was read");
        for (row, entries) in rows.into_iter().enumerate() {
            for (name, value) in entries {
                *columns.get_mut(name.as_str()).and_then(|c| c.get_mut(row)).ok_or_else(changed)? = value;
            }
        }
        let kinds = self.profile.columns.values().map(|(kind, _)| *kind);
        for (kind, values) in kinds.clone().zip(columns.values()) {
            if values.iter().any(|v| unify(kind, v.column_type()) != kind) {
                return Err(changed());
            }
        }
        let arrays: Vec<ArrayRef> =
            kinds.zip(columns.values()).map(|(kind, values)| build(kind, values)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.profile.schema(), arrays, &options)
            .map_err(|e| corrupt(Path::new(""), e))
    }
}

impl Scan for JsonScan {
    fn schema(&self) -> SchemaRef {
        self.profile.schema()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        loop {
            let Some(lines) = &mut self.open else {
                let Some(path) = self.parts.pop_front() else { return Ok(None) };
                self.open = Some(Lines::open(&path)?);
                continue;
            };
            let mut rows = Vec::new();
            while rows.len() < BATCH_ROWS {
                match lines.next_object()? {
                    Some(entries) => rows.push(entries),
                    None => break,
                }
            }
            if rows.is_empty() {
                self.open = None;
                continue;
            }
            return self.batch(rows).map(Some);
        }
    }
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
            let mut converted: BTreeMap<String, Value> = BTreeMap::new();
            for (key, raw) in entries {
                if converted.contains_key(&key) {
                    return Err(format!("the key '{key}' stands twice in one object"));
                }
                converted.insert(key, convert(raw, depth + 1)?);
            }
            Value::map(converted.into_iter().collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(failed)?;
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
    if let Some(decimal) = Decimal::parse(text) {
        return Ok(Value::Decimal(decimal));
    }
    if let Some(float) = counterfoil_model::decimal::float_of_that_value(text) {
        return Ok(Value::Float(float));
    }
    let shown: String = text.chars().take(40).collect();
    Err(format!("the number {shown} has more digits than any type holds"))
}
