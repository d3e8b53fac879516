//! Ids that changed on the way: surrogate keys that the target minted, and rows merged into others. Columns
//! that refer to such rows are translated before they are compared.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use counterfoil_mapping::{Expected, ExpectedRows};
use counterfoil_model::lineage::{Lineage, RowOrigin};
use counterfoil_model::plan::TablePlan;
use counterfoil_model::{ColumnBuilder, KeySpec, Table, TableError, Type, Value, key, value_at};

/// From the source rows of a table to the ids that the target gave them.
#[derive(Debug)]
pub struct Relation {
    table: String,
    /// Whether an id that isn't found is a row that the target lost (surrogates), or stays as it is.
    surrogate: bool,
    /// By `connection.table`, then by the source id's encoding.
    ids: HashMap<String, HashMap<Box<[u8]>, Value>>,
}

impl Relation {
    /// Learns which target id each source row of a table has: through `match` where the target minted ids, else
    /// from the mapped key. Rows merged into another have the other's id.
    ///
    /// # Errors
    /// Where the actual table can't be read.
    pub fn learn(
        plan: &TablePlan,
        expected: &Expected,
        actual: &dyn Table,
        id: &str,
    ) -> Result<Self, TableError> {
        let batch = expected.rows.batch()?;
        let surrogate = plan.columns.iter().any(|c| c.surrogate && c.name.value == id);
        let of_row: Vec<Value> = if surrogate {
            let matches: Vec<&str> = plan.match_columns.iter().map(|m| m.value.as_str()).collect();
            minted(&matches, &batch, actual, id)?
        } else {
            column(&batch, id)
        };
        let mut by_origin: HashMap<(usize, Box<[u8]>), Value> = HashMap::new();
        for (origin, value) in expected.lineage.origins.iter().zip(of_row) {
            by_origin.insert((origin.source, encoded(&origin.key)), value);
        }
        for merge in &expected.lineage.merges {
            if let Some(value) = by_origin.get(&(merge.into.source, encoded(&merge.into.key))).cloned() {
                by_origin.insert((merge.from.source, encoded(&merge.from.key)), value);
            }
        }
        let mut ids: HashMap<String, HashMap<Box<[u8]>, Value>> = HashMap::new();
        for ((source, key), value) in by_origin {
            if let Some(account) = expected.lineage.sources.get(source) {
                ids.entry(account.source.clone()).or_default().insert(key, value);
            }
        }
        Ok(Self { table: plan.name.value.clone(), surrogate, ids })
    }

    /// The target's id for a source id, as a row from `connection` refers to it: first among the sources of the
    /// same connection, then among all.
    fn resolve(&self, value: &Value, connection: Option<&str>) -> Value {
        let id = match value {
            Value::Null => return Value::Null,
            // A reference names a document by its path; its last part is the id.
            Value::Ref(path) => Value::Text(path.rsplit('/').next().unwrap_or(path).to_owned()),
            other => other.clone(),
        };
        let wanted = encoded(&id);
        let own = |source: &str| connection.is_some_and(|c| source.split('.').next() == Some(c));
        let has_own = self.ids.keys().any(|s| own(s));
        let mut found: Vec<&Value> = self
            .ids
            .iter()
            .filter(|(source, _)| !has_own || own(source))
            .filter_map(|(_, ids)| ids.get(&wanted))
            .filter(|v| !v.is_null())
            .collect();
        found.dedup();
        match found.as_slice() {
            [one] => (*one).clone(),
            [] if self.surrogate => Value::Text(format!("{id} (no such row in '{}')", self.table)),
            [] => id,
            _ => Value::Text(format!("{id} (several rows in '{}')", self.table)),
        }
    }
}

/// Replaces the source ids in a column by the ids that the target gave those rows.
///
/// # Errors
/// Where the expected rows can't be read.
pub fn translate(expected: &mut Expected, name: &str, relation: &Relation) -> Result<(), TableError> {
    let all = expected.rows.batch()?;
    let schema = all.schema();
    let Some(position) = schema.fields().iter().position(|f| f.name() == name) else { return Ok(()) };
    let mut builder = ColumnBuilder::new();
    for (row, value) in column(&all, name).into_iter().enumerate() {
        builder.push(relation.resolve(&value, connection_of(&expected.lineage, row)));
    }
    let (field, array) = builder.finish(name);
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields[position] = Arc::new(field);
    let mut columns = all.columns().to_vec();
    columns[position] = array;
    // The column has as many rows as before, so this can't fail.
    if let Ok(batch) = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns) {
        expected.rows = ExpectedRows::Derived(batch);
    }
    Ok(())
}

fn connection_of(lineage: &Lineage, row: usize) -> Option<&str> {
    let origin: &RowOrigin = lineage.origins.get(row)?;
    lineage.sources.get(origin.source)?.source.split('.').next()
}

/// For each expected row, the id of the actual row with the same match values.
fn minted(
    matches: &[&str],
    expected: &RecordBatch,
    actual: &dyn Table,
    id: &str,
) -> Result<Vec<Value>, TableError> {
    let schema = actual.schema();
    let positions = |fields: &arrow::datatypes::Fields| -> Vec<usize> {
        matches.iter().filter_map(|m| fields.iter().position(|f| f.name() == m)).collect()
    };
    let batch = actual.read_all(None)?;
    let ids = column(&batch, id);
    let mut by_match: HashMap<Box<[u8]>, Value> = HashMap::new();
    let keys = KeySpec::plain(positions(schema.fields())).encode_batch(&batch);
    for (key, id) in keys.iter().zip(ids) {
        by_match.entry(key.into()).or_insert(id);
    }
    let keys = KeySpec::plain(positions(expected.schema().fields())).encode_batch(expected);
    Ok(keys.iter().map(|k| by_match.get(k).cloned().unwrap_or(Value::Null)).collect())
}

fn column(batch: &RecordBatch, name: &str) -> Vec<Value> {
    let Some((position, field)) = batch.schema().column_with_name(name).map(|(i, f)| (i, f.clone())) else {
        return vec![Value::Null; batch.num_rows()];
    };
    let kind = Type::of(&field).unwrap_or(Type::Null);
    (0..batch.num_rows()).map(|row| value_at(batch.column(position), kind, row)).collect()
}

fn encoded(value: &Value) -> Box<[u8]> {
    let mut out = Vec::new();
    key::encode_ordered(value, &mut out);
    out.into()
}
