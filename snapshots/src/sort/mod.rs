//! Ordering a table by its key, within a memory budget: what comes ordered passes through, what doesn't is sorted in
//! memory as far as the budget goes and in runs on disk beyond it.

mod merge;
mod run;

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use counterfoil_model::{KeySpec, Keys, Type, key, value_at};
use rayon::slice::ParallelSliceMut;

use crate::SnapshotError;
use crate::memory::{MemoryBudget, Share};
use merge::Merge;
pub(crate) use run::Run;

/// Rows with their encoded keys.
pub(crate) type Block = (RecordBatch, Keys);

/// Rows that are put out at once.
const OUT_ROWS: usize = 8_192;
/// Runs that are merged at once; each has a batch in memory.
const FAN_IN: usize = 64;

/// How a table is ordered: by a key, or as a bag by its whole rows. Rows of equal keys stand in the order of all
/// their columns.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    spec: KeySpec,
}

impl Order {
    pub(crate) fn new(schema: &SchemaRef, key: Option<&KeySpec>) -> Self {
        let whole = || KeySpec::plain((0..schema.fields().len()).collect());
        Self { spec: key.cloned().unwrap_or_else(whole) }
    }

    pub(crate) fn keys(&self, batch: &RecordBatch) -> Keys {
        self.spec.encode_batch(batch)
    }
}

/// The ordered encoding of a whole row, which decides between rows of equal keys.
fn encoded_row(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        key::encode_ordered(&value_at(column, Type::of(field).unwrap_or(Type::Null), row), &mut out);
    }
    out
}

/// Collects rows in any order, and gives them back in the order of their keys.
pub(crate) struct Sorter {
    order: Order,
    schema: SchemaRef,
    scratch: PathBuf,
    share: Share,
    blocks: Vec<Block>,
    runs: Vec<Run>,
    made: usize,
}

impl Sorter {
    /// A sorter that spills into a folder of its own, which it makes when it has to.
    pub(crate) fn new(order: Order, schema: SchemaRef, scratch: &Path, budget: &MemoryBudget) -> Self {
        let share = budget.share();
        Self { order, schema, scratch: scratch.into(), share, blocks: Vec::new(), runs: Vec::new(), made: 0 }
    }

    /// Whether there is room for a block; a block for which there is none is taken after [`Sorter::spill`].
    pub(crate) fn has_room(&mut self, (batch, keys): &Block) -> bool {
        // Sorting adds sixteen bytes a row for the order.
        self.share.take(batch.get_array_memory_size() + keys.memory() + 16 * batch.num_rows())
    }

    pub(crate) fn hold(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// What is held, where it was held in order.
    pub(crate) fn take_held(&mut self) -> Vec<Block> {
        self.share.clear();
        std::mem::take(&mut self.blocks)
    }

    /// Takes rows that stand ordered in a file already.
    pub(crate) fn add_run(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Sorts what is held and writes it to disk.
    pub(crate) fn spill(&mut self) -> Result<(), SnapshotError> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let sorted = Sorted::new(std::mem::take(&mut self.blocks));
        let run = self.write_run(sorted)?;
        self.share.clear();
        self.runs.push(run);
        Ok(())
    }

    fn write_run(
        &mut self,
        rows: impl Iterator<Item = Result<Block, SnapshotError>>,
    ) -> Result<Run, SnapshotError> {
        if self.made == 0 {
            // An attempt that was given up may have left some.
            let _ = std::fs::remove_dir_all(&self.scratch);
            std::fs::create_dir(&self.scratch).map_err(|source| SnapshotError::Io {
                action: "create",
                path: self.scratch.clone(),
                source,
            })?;
        }
        let path = self.scratch.join(format!("run-{:06}.arrow", self.made));
        self.made += 1;
        Run::write(path, &self.schema, rows)
    }

    /// All rows in order.
    pub(crate) fn finish(mut self) -> Result<Ordered, SnapshotError> {
        if self.runs.is_empty() {
            return Ok(Ordered::Memory(Sorted::new(std::mem::take(&mut self.blocks)), self.share));
        }
        self.spill()?;
        while self.runs.len() > FAN_IN {
            let first: Vec<Run> = self.runs.drain(..FAN_IN).collect();
            let merged = Merge::new(first, self.order.clone())?;
            let run = self.write_run(merged)?;
            self.runs.push(run);
        }
        Ok(Ordered::Disk(Box::new(Merge::new(self.runs, self.order)?)))
    }
}

/// Rows in order, from memory or from disk.
pub(crate) enum Ordered {
    Memory(Sorted, #[allow(dead_code, reason = "gives the memory back when the rows are gone")] Share),
    Disk(Box<Merge>),
}

impl Iterator for Ordered {
    type Item = Result<Block, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(sorted, _) => sorted.next(),
            Self::Disk(merge) => merge.next(),
        }
    }
}

/// Where a row is, with the first bytes of its key that aren't the same for all.
#[derive(Clone, Copy)]
struct Place {
    prefix: u64,
    block: u32,
    row: u32,
}

/// Blocks in memory, sorted.
pub(crate) struct Sorted {
    batches: Vec<RecordBatch>,
    keys: Vec<Keys>,
    places: Vec<Place>,
    next: usize,
}

impl Sorted {
    fn new(blocks: Vec<Block>) -> Self {
        let (batches, keys): (Vec<RecordBatch>, Vec<Keys>) = blocks.into_iter().unzip();
        let shared = shared_prefix(&keys);
        let mut places: Vec<Place> = Vec::with_capacity(keys.iter().map(Keys::len).sum());
        for (block, keys) in keys.iter().enumerate() {
            let place = |(row, key): (usize, &[u8])| Place {
                prefix: prefix(&key[shared.min(key.len())..]),
                block: block as u32,
                row: row as u32,
            };
            places.extend(keys.iter().enumerate().map(place));
        }
        places.par_sort_unstable_by(|a, b| {
            let key = |p: &Place| keys[p.block as usize].get(p.row as usize);
            let row = |p: &Place| encoded_row(&batches[p.block as usize], p.row as usize);
            a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(key(b))).then_with(|| row(a).cmp(&row(b)))
        });
        Self { batches, keys, places, next: 0 }
    }

    fn block(&self, places: &[Place]) -> Result<Block, ArrowError> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let at: Vec<(usize, usize)> = places.iter().map(|p| (p.block as usize, p.row as usize)).collect();
        let keys = at.iter().map(|(block, row)| self.keys[*block].get(*row)).collect();
        Ok((interleave_record_batch(&batches, &at)?, keys))
    }
}

impl Iterator for Sorted {
    type Item = Result<Block, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.places.len() {
            return None;
        }
        let end = (self.next + OUT_ROWS).min(self.places.len());
        let block = self.block(&self.places[self.next..end]);
        self.next = end;
        Some(block.map_err(SnapshotError::Sort))
    }
}

/// How many leading bytes all keys share: a type's tag, or the prefix of ids.
fn shared_prefix(keys: &[Keys]) -> usize {
    let mut all = keys.iter().flat_map(|k| k.iter());
    let Some(first) = all.next() else { return 0 };
    all.fold(first.len(), |shared, key| {
        if key.get(..shared) == Some(&first[..shared]) {
            shared
        } else {
            first.iter().zip(key).take(shared).take_while(|(a, b)| a == b).count()
        }
    })
}

/// The first eight bytes as a number that orders like them. A shorter key is filled with zeros, and an equal prefix
/// decides nothing.
fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = key.len().min(8);
    bytes[..count].copy_from_slice(&key[..count]);
    u64::from_be_bytes(bytes)
}
