//! Ordering a table by its key.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::error::ArrowError;
use counterfoil_model::{KeySpec, Type, key, value_at};
use rayon::slice::ParallelSliceMut;

/// A batch in key order, with the encoded key of each row.
pub type Ordered = (RecordBatch, Vec<Box<[u8]>>);

/// All rows ordered by their encoded key (`None`: by the whole row, as a bag), with the keys. Rows of equal
/// keys stand in the key order of all their columns, so a row's number or id decides before anything else.
///
/// # Errors
/// Where Arrow can't build the ordered batch.
pub fn sort_by_key(
    schema: &arrow::datatypes::SchemaRef,
    batches: &[RecordBatch],
    spec: Option<&KeySpec>,
) -> Result<Ordered, ArrowError> {
    let batch = concat_batches(schema, batches)?;
    let keys = match spec {
        Some(spec) => spec.encode_batch(&batch),
        None => row_keys(&batch),
    };
    if keys.is_sorted_by(|a, b| a < b) {
        return Ok((batch, keys));
    }
    let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
    order.par_sort_by(|a, b| {
        let (a, b) = (*a as usize, *b as usize);
        keys[a].cmp(&keys[b]).then_with(|| encoded_row(&batch, a).cmp(&encoded_row(&batch, b)))
    });
    let sorted = take_record_batch(&batch, &UInt32Array::from(order.clone()))?;
    let mut keys: Vec<Option<Box<[u8]>>> = keys.into_iter().map(Some).collect();
    let ordered = order.iter().filter_map(|i| keys[*i as usize].take()).collect();
    Ok((sorted, ordered))
}

/// The ordered encoding of a whole row.
fn encoded_row(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        key::encode_ordered(&value_at(column, Type::of(field).unwrap_or(Type::Null), row), &mut out);
    }
    out
}

fn row_keys(batch: &RecordBatch) -> Vec<Box<[u8]>> {
    let all = KeySpec::plain((0..batch.num_columns()).collect());
    all.encode_batch(batch)
}
