//! A table in key order, chunk by chunk.

use arrow::array::RecordBatch;
use counterfoil_model::{KeySpec, Table};

use crate::CheckError;

/// Where a walk over an ordered table stands. One chunk is in memory at a time.
pub(super) struct Cursor<'a> {
    table: &'a dyn Table,
    spec: KeySpec,
    next_chunk: usize,
    batch: Option<RecordBatch>,
    keys: Vec<Box<[u8]>>,
    row: usize,
    last: Option<Box<[u8]>>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(table: &'a dyn Table, spec: KeySpec) -> Self {
        Self { table, spec, next_chunk: 0, batch: None, keys: Vec::new(), row: 0, last: None }
    }

    /// Makes sure that a row is at hand; `false` at the end.
    ///
    /// # Errors
    /// Where a chunk can't be read, or isn't in key order: then nothing that was concluded would hold.
    pub(super) fn load(&mut self) -> Result<bool, CheckError> {
        while self.row >= self.keys.len() {
            if self.next_chunk >= self.table.chunks() {
                return Ok(false);
            }
            let batch = self.table.read(self.next_chunk, None)?;
            self.next_chunk += 1;
            self.last = self.keys.pop().or(self.last.take());
            self.keys = self.spec.encode_batch(&batch);
            self.row = 0;
            let in_order =
                self.keys.is_sorted() && self.last.as_ref() <= self.keys.first().or(self.last.as_ref());
            if !in_order {
                return Err(CheckError::Other(format!("table '{}' is not in key order", self.table.name())));
            }
            self.batch = Some(batch);
        }
        Ok(true)
    }

    /// The chunk that begins here, if none is in the middle of being walked.
    pub(super) fn at_chunk_start(&self) -> Option<usize> {
        (self.row >= self.keys.len() && self.next_chunk < self.table.chunks()).then_some(self.next_chunk)
    }

    /// Passes over the chunk that begins here.
    pub(super) fn skip_chunk(&mut self) {
        self.next_chunk += 1;
    }

    /// Whether no key of a chunk stands twice; `columns` are those that were read.
    pub(super) fn keys_are_unique(&self, batch: &RecordBatch, columns: &[usize]) -> bool {
        let position = |c: &usize| columns.iter().position(|k| k == c).unwrap_or(0);
        let spec = KeySpec { columns: self.spec.columns.iter().map(position).collect(), ..self.spec.clone() };
        spec.encode_batch(batch).is_sorted_by(|a, b| a < b)
    }

    pub(super) fn spec(&self) -> &KeySpec {
        &self.spec
    }

    /// The chunk at hand; only after [`Cursor::load`] said that there is one.
    pub(super) fn batch(&self) -> &RecordBatch {
        static NONE: std::sync::OnceLock<RecordBatch> = std::sync::OnceLock::new();
        let empty = || RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
        self.batch.as_ref().unwrap_or_else(|| NONE.get_or_init(empty))
    }

    pub(super) fn row(&self) -> usize {
        self.row
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.keys[self.row]
    }

    /// How many rows from here have the same key. Equal keys never part, so they are all in this chunk.
    pub(super) fn group(&self) -> usize {
        let key = self.key();
        self.keys[self.row..].iter().take_while(|k| ***k == *key).count()
    }

    pub(super) fn advance(&mut self, rows: usize) {
        self.row += rows;
    }

    /// How many rows from here on have the same keys on both sides, each key once.
    pub(super) fn common_run(expected: &Self, actual: &Self) -> usize {
        let (left, right) = (&expected.keys[expected.row..], &actual.keys[actual.row..]);
        let mut run = 0;
        while run < left.len() && run < right.len() && left[run] == right[run] {
            if left.get(run + 1) == Some(&left[run]) || right.get(run + 1) == Some(&right[run]) {
                break;
            }
            run += 1;
        }
        run
    }
}
