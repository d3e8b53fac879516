//! Ordering a table by its key, within a memory budget: what comes ordered passes through, what doesn't is sorted in
//! memory as far as the budget goes and in runs on disk beyond it.

mod merge;
mod run;

use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use counterfoil_model::{KeySpec, Keys, Type, key, value_at};
use rayon::prelude::*;

use crate::SnapshotError;
use crate::journal::Journal;
use crate::memory::{MemoryBudget, Share};
use merge::Merge;
pub(crate) use run::{Run, compact};

/// Rows with their encoded keys.
pub(crate) type Block = (RecordBatch, Keys);

/// Rows that are put out at once.
const OUT_ROWS: usize = 8_192;
/// Rows that are taken in at once: about a chunk.
pub(crate) const PULL_ROWS: usize = 1 << 16;
/// Runs that are sorted and written at once.
const MAX_PARTS: usize = 8;
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
    /// Blocks that go to disk with the next [`Sorter::spill`].
    full: Vec<Block>,
    runs: Vec<Run>,
    made: usize,
    /// Whether the scratch folder holds runs of an earlier process.
    kept: bool,
}

impl Sorter {
    /// A sorter that spills into a folder of its own, which it makes when it has to.
    pub(crate) fn new(order: Order, schema: SchemaRef, scratch: &Path, budget: &MemoryBudget) -> Self {
        let share = budget.share();
        let scratch = scratch.into();
        Self {
            order,
            schema,
            scratch,
            share,
            blocks: Vec::new(),
            full: Vec::new(),
            runs: Vec::new(),
            made: 0,
            kept: false,
        }
    }

    /// Whether there is room for a block, which is then taken.
    pub(crate) fn has_room(&mut self, block: &Block) -> bool {
        self.share.take(memory_of(block))
    }

    /// How many bytes are held.
    pub(crate) fn held(&self) -> usize {
        self.share.held()
    }

    pub(crate) fn hold(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Takes a block that is to be sorted. Where there is no room for it, what is held goes to disk with the next
    /// [`Sorter::spill`].
    pub(crate) fn sort(&mut self, block: Block) -> Result<(), SnapshotError> {
        if !self.full.is_empty() || self.has_room(&block) {
            self.hold(block);
            return Ok(());
        }
        self.full = std::mem::replace(&mut self.blocks, vec![block]);
        Ok(())
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

    /// Takes the runs that an earlier process made.
    pub(crate) fn restore(&mut self, runs: Vec<Run>) {
        self.kept = true;
        self.runs = runs;
    }

    /// Writes down which runs there are: they hold the first rows that came.
    pub(crate) fn note(&self, journal: &mut Journal) -> Result<(), SnapshotError> {
        let rows = self.runs.iter().map(Run::len).sum();
        journal.runs(rows, self.runs.iter().map(|run| run.entry(journal.folder())).collect())
    }

    /// Sorts what there was no more room beside, and writes it to disk: as several runs at once.
    pub(crate) fn spill(&mut self, journal: &mut Journal) -> Result<(), SnapshotError> {
        if self.full.is_empty() {
            return Ok(());
        }
        let mut blocks = std::mem::take(&mut self.full);
        self.make_scratch()?;
        let size = blocks.len().div_ceil(rayon::current_num_threads().min(MAX_PARTS));
        let mut parts = Vec::new();
        while !blocks.is_empty() {
            let rest = blocks.split_off(size.min(blocks.len()));
            parts.push((self.next_path(), std::mem::replace(&mut blocks, rest)));
        }
        let schema = &self.schema;
        let write = |(path, blocks): (PathBuf, Vec<Block>)| Run::write(path, schema, Sorted::new(blocks));
        let runs: Vec<Run> = parts.into_par_iter().map(write).collect::<Result<_, _>>()?;
        self.runs.extend(runs);
        self.note(journal)?;
        self.share.clear();
        // A little was taken in the meantime.
        for block in &self.blocks {
            self.share.take(memory_of(block));
        }
        Ok(())
    }

    fn make_scratch(&self) -> Result<(), SnapshotError> {
        if self.made > 0 || (self.kept && self.scratch.is_dir()) {
            return Ok(());
        }
        // An attempt that was given up may have left some.
        let _ = std::fs::remove_dir_all(&self.scratch);
        std::fs::create_dir(&self.scratch).map_err(|source| SnapshotError::Io {
            action: "create",
            path: self.scratch.clone(),
            source,
        })
    }

    fn next_path(&mut self) -> PathBuf {
        loop {
            self.made += 1;
            let path = self.scratch.join(format!("run-{:06}.arrow", self.made));
            if !path.exists() {
                return path;
            }
        }
    }

    /// All rows in order.
    pub(crate) fn finish(mut self, journal: &mut Journal) -> Result<Ordered, SnapshotError> {
        self.spill(journal)?;
        if self.runs.is_empty() {
            journal.in_memory()?;
            return Ok(Ordered::Memory(Sorted::new(std::mem::take(&mut self.blocks)), self.share));
        }
        self.full = std::mem::take(&mut self.blocks);
        self.spill(journal)?;
        journal.sorted()?;
        self.merge(journal)
    }

    /// All rows in order, where all are in runs.
    pub(crate) fn merge(mut self, journal: &mut Journal) -> Result<Ordered, SnapshotError> {
        while self.runs.len() > FAN_IN {
            let first: Vec<Run> = self.runs.drain(..FAN_IN).collect();
            let merged = Merge::new(first, self.order.clone())?;
            self.make_scratch()?;
            let mut merged = merged;
            let run = Run::write(self.next_path(), &self.schema, &mut merged)?;
            self.runs.push(run);
            // Only then may the runs go that were merged.
            self.note(journal)?;
            drop(merged);
        }
        Ok(Ordered::Disk(Box::new(Merge::new(self.runs, self.order)?)))
    }
}

/// What a block takes of memory. Views may point into buffers that other blocks share: only what they point at counts.
/// Sorting adds sixteen bytes a row for the order.
fn memory_of((batch, keys): &Block) -> usize {
    let long = |lengths: &mut dyn Iterator<Item = u32>| -> usize {
        lengths.filter(|l| *l > 12).map(|l| l as usize).sum::<usize>() + 16 * batch.num_rows()
    };
    let column = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8View => long(&mut column.as_string_view().lengths()),
        DataType::BinaryView => long(&mut column.as_binary_view().lengths()),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    };
    batch.columns().iter().map(column).sum::<usize>() + keys.memory() + 16 * batch.num_rows()
}

/// Rows in order, from memory or from disk.
pub(crate) enum Ordered {
    Memory(Sorted, #[allow(dead_code, reason = "gives the memory back when the rows are gone")] Share),
    Disk(Box<Merge>),
}

impl Ordered {
    /// The next rows, about as many as a chunk has; none at the end.
    pub(crate) fn pull(&mut self) -> Result<Vec<Block>, SnapshotError> {
        match self {
            Self::Memory(sorted, _) => sorted.pull(),
            Self::Disk(merge) => merge.take(PULL_ROWS / OUT_ROWS).collect(),
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

impl Sorted {
    /// The next rows, gathered at once.
    fn pull(&mut self) -> Result<Vec<Block>, SnapshotError> {
        let end = (self.next + PULL_ROWS).min(self.places.len());
        let start = std::mem::replace(&mut self.next, end);
        let blocks = self.places[start..end].par_chunks(OUT_ROWS).map(|places| self.block(places));
        blocks.collect::<Result<_, _>>().map_err(SnapshotError::Sort)
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
