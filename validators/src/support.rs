//! What most validators need: columns by name, rows with their keys, one column's values.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;
use counterfoil_model::names::suggestion;
use counterfoil_model::pair::TablePair;
use counterfoil_model::read::{self, ReadAs};
use counterfoil_model::{Finding, FindingKind, KeySpec, Level, Table, Type, Value, key, value_at};

use crate::CheckError;

/// A column of the actual table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    pub at: usize,
    pub kind: Type,
    /// The declared SQL type as written.
    pub declared: Option<String>,
    /// The type it is read as, from the plan or the declaration.
    pub read: Option<ReadAs>,
}

/// Every column of the actual table.
pub(crate) fn columns(pair: &TablePair) -> Vec<Column> {
    let schema = pair.actual.schema();
    let column = |(at, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
        let name = field.name().clone();
        let declared = pair.facts.column(&name).and_then(|c| c.declared.clone());
        let by_pair = pair.column(&name).and_then(|c| c.read);
        let read = by_pair.or_else(|| declared.as_deref().and_then(read::declared));
        Column { at, kind: Type::of(field).unwrap_or(Type::Null), declared, read, name }
    };
    schema.fields().iter().enumerate().map(column).collect()
}

/// The columns that the options name, or else those that fit.
pub(crate) fn chosen(
    pair: &TablePair,
    wanted: &[String],
    fits: impl Fn(&Column) -> bool,
) -> Result<Vec<Column>, CheckError> {
    let all = columns(pair);
    if wanted.is_empty() {
        return Ok(all.into_iter().filter(fits).collect());
    }
    wanted.iter().map(|name| named(&all, pair, name)).collect()
}

/// One column by name.
pub(crate) fn one(pair: &TablePair, name: &str) -> Result<Column, CheckError> {
    named(&columns(pair), pair, name)
}

fn named(all: &[Column], pair: &TablePair, name: &str) -> Result<Column, CheckError> {
    all.iter().find(|c| c.name == name).cloned().ok_or_else(|| {
        let hint = suggestion(name, all.iter().map(|c| c.name.as_str()));
        CheckError::Options(format!("table '{}' has no column '{name}'{hint}", pair.name))
    })
}

/// The name of a row of the actual table in findings.
pub(crate) fn row_key(pair: &TablePair, batch: &RecordBatch, row: usize) -> String {
    let values = match &pair.key {
        Some(key) => match &key.shown {
            Some(columns) => KeySpec::plain(columns.clone()).values(batch, row),
            None => key.actual.values(batch, row),
        },
        None => KeySpec::plain((0..batch.num_columns()).collect()).values(batch, row),
    };
    key::to_json(&values)
}

/// A cell of the actual table.
pub(crate) fn cell(batch: &RecordBatch, column: &Column, row: usize) -> Value {
    value_at(batch.column(column.at), column.kind, row)
}

/// Reads all chunks of a table, one after another.
pub(crate) fn each_chunk(
    table: &dyn Table,
    mut look: impl FnMut(&RecordBatch) -> Result<(), CheckError>,
) -> Result<(), CheckError> {
    for chunk in 0..table.chunks() {
        look(&table.read(chunk, None)?)?;
    }
    Ok(())
}

/// A finding about one cell.
pub(crate) fn cell_finding(
    kind: FindingKind,
    key: String,
    column: &str,
    actual: &Value,
    message: impl Into<String>,
) -> Finding {
    Finding {
        kind,
        level: Level::Error,
        key: Some(key),
        column: Some(column.to_owned()),
        expected: None,
        actual: (!actual.is_null()).then(|| actual.to_string()),
        rule: None,
        message: message.into(),
    }
}

/// The ordered encoding of several values together; 1 and 1.0 are one.
pub(crate) fn encoded(values: &[Value]) -> Box<[u8]> {
    let mut out = Vec::new();
    values.iter().for_each(|v| key::encode_ordered(v, &mut out));
    out.into()
}

/// The value as a key holds it: a reference names what its path says.
pub(crate) fn comparable(value: Value) -> Value {
    match value {
        Value::Ref(path) => Value::Text(path),
        other => other,
    }
}

/// All non-null tuples of some columns of a table, encoded.
pub(crate) fn tuples(table: &dyn Table, at: &[usize]) -> Result<HashSet<Box<[u8]>>, CheckError> {
    let mut all = HashSet::new();
    let schema = table.schema();
    let kinds: Vec<Type> = at.iter().map(|c| Type::of(schema.field(*c)).unwrap_or(Type::Null)).collect();
    each_chunk(table, |batch| {
        for row in 0..batch.num_rows() {
            let values: Vec<Value> = at
                .iter()
                .zip(&kinds)
                .map(|(c, kind)| comparable(value_at(batch.column(*c), *kind, row)))
                .collect();
            if !values.iter().any(Value::is_null) {
                all.insert(encoded(&values));
            }
        }
        Ok(())
    })?;
    Ok(all)
}

/// Some expected values by encoded pairing key; the first row of a key counts.
pub(crate) fn expected_by_key(
    pair: &TablePair,
    at: &[usize],
) -> Result<BTreeMap<Box<[u8]>, Vec<Value>>, CheckError> {
    let mut all = BTreeMap::new();
    let Some(pair_key) = &pair.key else { return Ok(all) };
    let schema = pair.expected.schema();
    let kinds: Vec<Type> = at.iter().map(|c| Type::of(schema.field(*c)).unwrap_or(Type::Null)).collect();
    each_chunk(pair.expected.as_ref(), |batch| {
        for (row, key) in pair_key.expected.encode_batch(batch).iter().enumerate() {
            let value = |(c, kind): (&usize, &Type)| value_at(batch.column(*c), *kind, row);
            all.entry(key.into()).or_insert_with(|| at.iter().zip(&kinds).map(value).collect());
        }
        Ok(())
    })?;
    Ok(all)
}
