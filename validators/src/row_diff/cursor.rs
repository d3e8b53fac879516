//! A table in key order, chunk by chunk.

use std::sync::OnceLock;

use arrow::array::{ArrayRef, NullArray, RecordBatch};
use counterfoil_model::{KeySpec, Keys, Table, TableError, Value};

use crate::CheckError;

/// A chunk that was read, with its keys.
struct Fetched {
    number: usize,
    batch: RecordBatch,
    keys: Keys,
    /// Whether no key stands twice in it.
    unique: bool,
}

/// Where a walk over an ordered table stands. One chunk is in memory at a time, and of it only the columns that are
/// looked at.
pub(super) struct Cursor<'a> {
    table: &'a dyn Table,
    /// The key, by positions in the table's schema.
    key: &'a KeySpec,
    /// The columns that a walk looks at, ascending.
    wanted: Vec<usize>,
    next_chunk: usize,
    /// A chunk that was read ahead: what one side alone comes to the end of, two threads read.
    ahead: Option<Fetched>,
    /// The chunk at hand, and the columns that were read of it.
    batch: Option<RecordBatch>,
    read: Vec<usize>,
    keys: Keys,
    /// Whether no key stands twice in the chunk.
    unique: bool,
    row: usize,
    rows: usize,
    last: Vec<u8>,
    /// Rows of the chunks up to the one at hand.
    before: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        table: &'a dyn Table,
        key: &'a KeySpec,
        columns: impl IntoIterator<Item = usize>,
    ) -> Self {
        let wanted = ascending(columns.into_iter().chain(key.columns.iter().copied()));
        Self {
            table,
            key,
            wanted,
            next_chunk: 0,
            ahead: None,
            batch: None,
            read: Vec::new(),
            keys: Keys::default(),
            unique: true,
            row: 0,
            rows: 0,
            last: Vec::new(),
            before: 0,
        }
    }

    /// Makes sure that a row is at hand on both sides, and says on which there is one; both read at the same time.
    ///
    /// # Errors
    /// Where a chunk can't be read, or isn't in key order: then nothing that was concluded would hold.
    pub(super) fn load_both(left: &mut Self, right: &mut Self) -> Result<(bool, bool), CheckError> {
        if left.row < left.rows && right.row < right.rows {
            return Ok((true, true));
        }
        let (left, right) = rayon::join(|| left.load(), || right.load());
        Ok((left?, right?))
    }

    fn load(&mut self) -> Result<bool, CheckError> {
        while self.row >= self.rows {
            if self.next_chunk >= self.table.chunks() {
                return Ok(false);
            }
            let fetched = self.next()?;
            self.next_chunk += 1;
            self.read.clone_from(&self.wanted);
            if let Some(last) = self.keys.last() {
                self.last = last.to_vec();
            }
            // Equal keys never part, so the next chunk begins with a greater one.
            let first = fetched.keys.first();
            let follows = self.last.is_empty() || first.is_none_or(|first| self.last.as_slice() < first);
            if !follows {
                return Err(self.not_in_order());
            }
            (self.row, self.rows) = (0, fetched.batch.num_rows());
            self.before += fetched.batch.num_rows() as u64;
            (self.keys, self.unique, self.batch) = (fetched.keys, fetched.unique, Some(fetched.batch));
        }
        Ok(true)
    }

    /// The next chunk. Where no digests may make it needless, the one after it is read at the same time.
    fn next(&mut self) -> Result<Fetched, CheckError> {
        let number = self.next_chunk;
        if let Some(ahead) = self.ahead.take().filter(|ahead| ahead.number == number) {
            return Ok(ahead);
        }
        if number + 1 >= self.table.chunks() || self.table.digest(number + 1, 0).is_some() {
            return self.fetch(number);
        }
        let (fetched, ahead) = rayon::join(|| self.fetch(number), || self.fetch(number + 1));
        self.ahead = Some(ahead?);
        fetched
    }

    fn fetch(&self, number: usize) -> Result<Fetched, CheckError> {
        let batch = self.table.read(number, Some(&self.wanted))?;
        let place = |c: &usize| self.wanted.binary_search(c).unwrap_or(0);
        let spec = KeySpec { columns: self.key.columns.iter().map(place).collect(), ..self.key.clone() };
        let keys = spec.encode_batch(&batch);
        let unique = keys.ascend_strictly();
        if !(unique || keys.ascend()) {
            return Err(self.not_in_order());
        }
        Ok(Fetched { number, batch, keys, unique })
    }

    fn not_in_order(&self) -> CheckError {
        CheckError::Other(format!("table '{}' is not in key order", self.table.name()))
    }

    /// The chunk that begins here, if none is in the middle of being walked.
    pub(super) fn at_chunk_start(&self) -> Option<usize> {
        (self.row >= self.rows && self.next_chunk < self.table.chunks()).then_some(self.next_chunk)
    }

    /// Passes over the chunk that begins here.
    pub(super) fn skip_chunk(&mut self) {
        self.next_chunk += 1;
    }

    /// Reads some columns of the chunk that begins here, without its keys. Until [`Cursor::advance`] has passed it,
    /// only [`Cursor::column`] and [`Cursor::values`] may be used, and only with these columns.
    pub(super) fn read_part(&mut self, columns: impl IntoIterator<Item = usize>) -> Result<(), TableError> {
        self.read = ascending(columns);
        let batch = self.table.read(self.next_chunk, Some(&self.read))?;
        self.next_chunk += 1;
        self.keys.clear();
        (self.row, self.rows) = (0, batch.num_rows());
        self.batch = Some(batch);
        Ok(())
    }

    /// A column of the chunk at hand, by its position in the table's schema.
    pub(super) fn column(&self, column: usize) -> &ArrayRef {
        static NONE: OnceLock<ArrayRef> = OnceLock::new();
        let place = self.read.binary_search(&column).ok();
        match (&self.batch, place) {
            (Some(batch), Some(place)) => batch.column(place),
            _ => NONE.get_or_init(|| std::sync::Arc::new(NullArray::new(0))),
        }
    }

    /// The values of some columns in a row at or after the one at hand.
    pub(super) fn values(&self, key: &KeySpec, row: usize) -> Vec<Value> {
        let Some(batch) = &self.batch else { return Vec::new() };
        let placed = KeySpec { read: key.read.clone(), zone: key.zone.clone(), ..self.placed(&key.columns) };
        placed.values(batch, self.row + row)
    }

    /// The key, or another set of columns, by positions in what was read.
    fn placed(&self, columns: &[usize]) -> KeySpec {
        let place = |c: &usize| self.read.binary_search(c).unwrap_or(0);
        KeySpec { columns: columns.iter().map(place).collect(), ..self.key.clone() }
    }

    pub(super) fn spec(&self) -> &KeySpec {
        self.key
    }

    /// How many rows the chunk at hand still has.
    pub(super) fn remaining(&self) -> usize {
        self.rows - self.row
    }

    /// How many rows the table still has.
    pub(super) fn rest(&self) -> u64 {
        let chunks = self.next_chunk..self.table.chunks();
        let known: Option<u64> = chunks.map(|chunk| self.table.rows_of(chunk)).sum();
        known.unwrap_or_else(|| self.table.rows().saturating_sub(self.before)) + self.remaining() as u64
    }

    pub(super) fn row(&self) -> usize {
        self.row
    }

    pub(super) fn key(&self) -> &[u8] {
        self.keys.get(self.row)
    }

    /// How many rows from here have the same key. Equal keys never part, so they are all in this chunk.
    pub(super) fn group(&self) -> usize {
        if self.unique {
            return 1;
        }
        let key = self.key();
        (self.row..self.rows).take_while(|row| self.keys.get(*row) == key).count()
    }

    pub(super) fn advance(&mut self, rows: usize) {
        self.row += rows;
    }

    /// How many rows from here on have the same keys on both sides, each key once.
    pub(super) fn common_run(expected: &Self, actual: &Self) -> usize {
        let same = expected.keys.common(expected.row, &actual.keys, actual.row);
        expected.each_once(same).min(actual.each_once(same))
    }

    /// How many of the next rows come before the first key that stands twice.
    fn each_once(&self, rows: usize) -> usize {
        if self.unique {
            return rows;
        }
        let twice = |row: &usize| *row + 1 < self.rows && self.keys.get(*row) == self.keys.get(row + 1);
        (self.row..self.row + rows).position(|row| twice(&row)).unwrap_or(rows)
    }
}

fn ascending(columns: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut columns: Vec<usize> = columns.into_iter().collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
