//! Where chunks end.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use counterfoil_model::Keys;

/// The most rows of a chunk; then the next row with another key begins a new one.
pub const CAP_ROWS: usize = 1 << 18;
/// A key whose BLAKE3 ends in this many zero bits closes its chunk: 65,536 rows on average.
const ZERO_BITS: u32 = 16;

/// Rows that belong together, and what is known of their keys.
pub(crate) struct Chunk {
    pub batch: RecordBatch,
    pub unique: bool,
}

/// Cuts rows that come in key order into chunks, by their encoded keys alone, so that equal keys give equal chunks
/// whatever else a row holds. Equal keys never part. Without a key (a bag) the rows themselves are the key.
pub(crate) struct Cutter {
    schema: SchemaRef,
    /// Rows of the chunk that is open.
    parts: Vec<RecordBatch>,
    rows: usize,
    unique: bool,
    last: Vec<u8>,
    /// Whether the chunk is full, and ends before the next row with another key.
    full: bool,
}

impl Cutter {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, parts: Vec::new(), rows: 0, unique: true, last: Vec::new(), full: false }
    }

    /// Takes rows, and gives the chunks that are complete.
    pub(crate) fn push(&mut self, batch: &RecordBatch, keys: &Keys) -> Result<Vec<Chunk>, ArrowError> {
        let mut chunks = Vec::new();
        let mut start = 0;
        for row in 0..keys.len() {
            let key = keys.get(row);
            let same = match row {
                0 => self.rows > 0 && self.last == key,
                _ => keys.get(row - 1) == key,
            };
            if same {
                self.unique = false;
            } else if self.full {
                self.hold(batch, start, row);
                start = row;
                chunks.extend(self.finish()?);
            }
            self.rows += 1;
            self.full = self.full || self.rows >= CAP_ROWS || (!same && closes(key));
        }
        self.hold(batch, start, keys.len());
        if let Some(key) = keys.last() {
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        Ok(chunks)
    }

    fn hold(&mut self, batch: &RecordBatch, start: usize, end: usize) {
        if end > start {
            self.parts.push(batch.slice(start, end - start));
        }
    }

    /// The chunk that is still open, if there is one.
    pub(crate) fn finish(&mut self) -> Result<Option<Chunk>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let parts = std::mem::take(&mut self.parts);
        let batch = match parts.as_slice() {
            [one] => one.clone(),
            many => concat_batches(&self.schema, many)?,
        };
        let chunk = Chunk { batch, unique: self.unique };
        (self.rows, self.unique, self.full) = (0, true, false);
        Ok(Some(chunk))
    }
}

fn closes(key: &[u8]) -> bool {
    let hash = blake3::hash(key);
    let bytes = hash.as_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).trailing_zeros() >= ZERO_BITS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use counterfoil_model::{KeySpec, Type};

    use super::*;

    /// The sizes of the chunks of a column of keys that comes in batches of `step` rows, and whether keys are unique.
    fn chunks(keys: &[i64], step: usize) -> Vec<(usize, bool)> {
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![Type::Int.field("id")]));
        let mut cutter = Cutter::new(schema.clone());
        let mut all = Vec::new();
        for part in keys.chunks(step) {
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(part.to_vec()))])
                .unwrap();
            all.extend(cutter.push(&batch, &KeySpec::plain(vec![0]).encode_batch(&batch)).unwrap());
        }
        all.extend(cutter.finish().unwrap());
        all.iter().map(|c| (c.batch.num_rows(), c.unique)).collect()
    }

    #[test]
    fn a_local_change_moves_no_other_boundary() {
        let all: Vec<i64> = (0..400_000).collect();
        let mut without = all.clone();
        without.remove(1_000);
        let (a, b) = (chunks(&all, 8_192), chunks(&without, 8_192));
        assert!(a.len() > 2, "{a:?}");
        assert_eq!(a[0].0, b[0].0 + 1);
        assert_eq!(a[1..], b[1..]);
        assert_eq!(a.iter().map(|c| c.0).sum::<usize>(), all.len());
        assert_eq!(a, chunks(&all, 777), "batches cut nothing");
    }

    #[test]
    fn equal_keys_stay_together_beyond_the_cap() {
        let keys: Vec<i64> = std::iter::repeat_n(7, CAP_ROWS + 10).chain([8]).collect();
        assert_eq!(chunks(&keys, 8_192), vec![(CAP_ROWS + 10, false), (1, true)]);
        assert!(chunks(&[], 1).is_empty());
    }
}
