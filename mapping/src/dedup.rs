//! Rows that are one: who stays, and who was merged into whom.

use std::collections::HashMap;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute;
use counterfoil_model::key::encode_ordered;
use counterfoil_model::lineage::{Merge, RowOrigin};
use counterfoil_model::plan::{ColumnPlan, Dedup, Defaults, Spanned};
use counterfoil_model::read::read_as;
use counterfoil_model::{Type, Value, names, value_at};
use jiff::tz::TimeZone;

use crate::Identities;
use crate::error::{MappingError, Problem};
use crate::expression::evaluate;

/// What deduplication left.
pub(crate) struct Deduplicated {
    pub batch: RecordBatch,
    pub origins: Vec<RowOrigin>,
    pub merges: Vec<Merge>,
    pub identities: Identities,
}

/// Merges rows that share an identity. `origins` has one entry per row of `batch`.
pub(crate) fn deduplicate(
    dedup: &Dedup,
    batch: &RecordBatch,
    origins: Vec<RowOrigin>,
    columns: &[ColumnPlan],
    defaults: &Defaults,
) -> Result<Deduplicated, MappingError> {
    refuse_surrogates(dedup, columns)?;
    let identities = evaluate(&dedup.by, batch)?;
    let ranks = ranks(dedup, batch, &origins, columns, defaults)?;
    let into = survivors(&identities, &ranks);
    let kept: Vec<u32> =
        (0_u32..).zip(&into).filter(|(row, into)| *row as usize == **into).map(|(r, _)| r).collect();
    let merge = |row: usize| Merge {
        from: origins[row].clone(),
        into: origins[into[row]].clone(),
        identity: identities[row].clone(),
    };
    let merges = (0..origins.len()).filter(|row| into[*row] != *row).map(merge).collect();
    let sources = origins.iter().map(|o| o.source + 1).max().unwrap_or(0);
    let mut per_source = vec![Vec::new(); sources];
    for (origin, identity) in origins.iter().zip(&identities) {
        per_source[origin.source].push(identity.clone());
    }
    let rows = UInt32Array::from(kept.clone());
    let taken = compute::take_record_batch(batch, &rows).map_err(|e| Problem::from(e).at(&dedup.by))?;
    let pick = |row: &u32| *row as usize;
    Ok(Deduplicated {
        batch: taken,
        origins: kept.iter().map(|row| origins[pick(row)].clone()).collect(),
        merges,
        identities: Identities {
            expected: kept.iter().map(|row| identities[pick(row)].clone()).collect(),
            sources: per_source,
        },
    })
}

/// A column that the target minted has no expected values to be deduplicated by.
fn refuse_surrogates(dedup: &Dedup, columns: &[ColumnPlan]) -> Result<(), MappingError> {
    let surrogate =
        |text: &Spanned<String>| columns.iter().any(|c| c.surrogate && c.name.value == text.value);
    let texts = [Some(&dedup.by), dedup.keep_column.as_ref()];
    match texts.into_iter().flatten().find(|text| surrogate(text)) {
        Some(text) => Err(MappingError::at(text, format!("'{}' is minted by the target", text.value))
            .with_help("deduplicate by a column whose values come from the source")),
        None => Ok(()),
    }
}

/// For each row, the row it ends in: itself, or the one of its identity that ranks first.
fn survivors(identities: &[Value], ranks: &[Vec<u8>]) -> Vec<usize> {
    let keys: Vec<Option<Vec<u8>>> = identities.iter().map(identity_key).collect();
    let mut best: HashMap<&[u8], usize> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        let Some(key) = key else { continue };
        let place = best.entry(key).or_insert(row);
        if (&ranks[row], row) < (&ranks[*place], *place) {
            *place = row;
        }
    }
    let into = |(row, key): (usize, &Option<Vec<u8>>)| key.as_ref().map_or(row, |key| best[key.as_slice()]);
    keys.iter().enumerate().map(into).collect()
}

/// Null and '' are nobody's identity.
fn identity_key(identity: &Value) -> Option<Vec<u8>> {
    match identity {
        Value::Null => None,
        Value::Text(text) if text.is_empty() => None,
        value => {
            let mut key = Vec::new();
            encode_ordered(value, &mut key);
            Some(key)
        }
    }
}

/// Bytes whose order says who stays: the kept column (nulls last), the order of the sources, the source key.
fn ranks(
    dedup: &Dedup,
    batch: &RecordBatch,
    origins: &[RowOrigin],
    columns: &[ColumnPlan],
    defaults: &Defaults,
) -> Result<Vec<Vec<u8>>, MappingError> {
    let keep =
        dedup.keep_column.as_ref().map(|name| keep_values(name, batch, columns, defaults)).transpose()?;
    let rank = |(row, origin): (usize, &RowOrigin)| {
        let mut rank = Vec::new();
        match keep.as_ref().map(|values| &values[row]) {
            Some(Value::Null) => rank.push(1),
            Some(value) => {
                rank.push(0);
                let start = rank.len();
                encode_ordered(value, &mut rank);
                if dedup.keep_last {
                    rank[start..].iter_mut().for_each(|byte| *byte = !*byte);
                }
            }
            None => {}
        }
        rank.extend((origin.source as u64).to_be_bytes());
        encode_ordered(&origin.key, &mut rank);
        rank
    };
    Ok(origins.iter().enumerate().map(rank).collect())
}

/// The values of the column that decides, read as the plan says.
fn keep_values(
    name: &Spanned<String>,
    batch: &RecordBatch,
    columns: &[ColumnPlan],
    defaults: &Defaults,
) -> Result<Vec<Value>, MappingError> {
    let schema = batch.schema();
    let Ok(position) = schema.index_of(&name.value) else {
        let known = schema.fields().iter().map(|f| f.name().as_str());
        let hint = names::suggestion(&name.value, known);
        return Err(MappingError::at(name, format!("no mapped column '{}'{hint}", name.value))
            .with_help("'keep' takes a column of the target, as mapped"));
    };
    let kind = Type::of(schema.field(position)).unwrap_or(Type::Null);
    let read = columns.iter().find(|c| c.name.value == name.value).and_then(|c| c.read.as_ref());
    let zone = zone(defaults)?;
    let value = |row: usize| {
        let value = value_at(batch.column(position).as_ref(), kind, row);
        match read {
            Some(read) if !value.is_null() => read_as(&value, read.value, &zone).unwrap_or(value),
            _ => value,
        }
    };
    Ok((0..batch.num_rows()).map(value).collect())
}

fn zone(defaults: &Defaults) -> Result<TimeZone, MappingError> {
    match &defaults.timezone {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(&name.value)
            .map_err(|_| MappingError::at(name, format!("unknown time zone '{}'", name.value))),
    }
}
