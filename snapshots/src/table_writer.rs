//! Writing one table: its rows pass through where they come in order, and are sorted where they don't.

use std::path::Path;

use arrow::array::RecordBatch;

use crate::SnapshotError;
use crate::journal::{Header, Journal, Past};
use crate::manifest::TableManifest;
use crate::memory::MemoryBudget;
use crate::sort::{Block, Order, Ordered, PULL_ROWS, Run, Sorter};
use crate::storage::Storage;
use crate::table_file::TableFile;
use crate::writer::NewTable;

/// So many bytes in order, and the rest probably is too: from there on rows are written as they come.
const HELD_IN_ORDER: usize = 32 << 20;

/// Where tables are written, and how.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) budget: &'a MemoryBudget,
    pub(crate) storage: Storage,
}

/// How the rows of a table came so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In order, and held in memory.
    InOrder,
    /// In order for long: they are written as they come.
    Streaming,
    /// Not in order: they are sorted.
    Unordered,
    /// All are sorted, by an earlier process.
    Sorted,
}

/// A table that is being written.
pub(crate) struct Writing {
    order: Order,
    sorter: Sorter,
    file: TableFile,
    journal: Journal,
    stage: Stage,
    /// The key of the last row that came.
    last: Vec<u8>,
    /// Rows that an earlier process finished.
    finished: u64,
}

impl Writing {
    /// Begins a table, or goes on with what is left of one.
    pub(crate) fn begin(
        place: &Place<'_>,
        table: &NewTable<'_>,
        journal: &Path,
        header: &Header,
        mut past: Past,
    ) -> Result<Self, SnapshotError> {
        let order = Order::new(&table.schema, table.key);
        let scratch = journal.with_file_name(format!("sort-{:04}", table.number));
        let mut sorter = Sorter::new(order.clone(), table.schema.clone(), &scratch, place.budget);
        let base = journal.parent().unwrap_or(journal);
        let runs: Option<Vec<Run>> = past.runs.iter().map(|run| Run::of(run, base)).collect();
        if runs.is_none() {
            past = Past::default();
        }
        let runs = runs.unwrap_or_default();
        let resumed = TableFile::resume(place.folder, table, place.storage, &past.chunks)?;
        past.chunks = resumed.chunks;
        let journal = Journal::begin(journal, header, &past)?;
        TableFile::forget(place.folder, table.number);
        let written: u64 = past.chunks.iter().map(|c| c.rows).sum();
        let (stage, finished) = match (past.sorted, runs.is_empty(), written) {
            (true, ..) => (Stage::Sorted, written),
            (false, false, _) => (Stage::Unordered, past.rows),
            (false, true, 0) => (Stage::InOrder, 0),
            (false, true, _) => (Stage::Streaming, written),
        };
        if !runs.is_empty() {
            sorter.restore(runs);
        }
        let last = resumed.last.map(|row| order.keys(&row));
        let last = last.and_then(|keys| keys.last().map(<[u8]>::to_vec)).unwrap_or_default();
        Ok(Self { order, sorter, file: resumed.file, journal, stage, last, finished })
    }

    /// The first row of the source that is still wanted; none where all are there.
    pub(crate) fn next_row(&self) -> Option<u64> {
        (self.stage != Stage::Sorted).then_some(self.finished)
    }

    /// Takes all rows that come. What is complete goes to disk while the next come.
    pub(crate) fn take_all<E: From<SnapshotError> + Send>(
        &mut self,
        table: &NewTable<'_>,
        mut rows: impl Iterator<Item = Result<RecordBatch, E>> + Send,
    ) -> Result<(), E> {
        loop {
            let Self { order, sorter, file, journal, .. } = self;
            let (next, written) = rayon::join(
                || pull(&mut rows, order),
                || file.write_complete(journal).and_then(|()| sorter.spill(journal)),
            );
            written?;
            if next.is_empty() {
                return Ok(());
            }
            for block in next {
                self.take(table, block?)?;
            }
        }
    }

    fn take(&mut self, table: &NewTable<'_>, block: Block) -> Result<(), SnapshotError> {
        let (_, keys) = &block;
        let follows = self.last.is_empty() || keys.first().is_some_and(|first| self.last.as_slice() < first);
        let in_order = follows && keys.ascend_strictly();
        self.last.clear();
        self.last.extend_from_slice(keys.last().unwrap_or_default());
        self.stage = match self.stage {
            Stage::InOrder
                if in_order && self.sorter.held() < HELD_IN_ORDER && self.sorter.has_room(&block) =>
            {
                self.sorter.hold(block);
                Stage::InOrder
            }
            Stage::InOrder if in_order => {
                self.sorter.take_held().iter().try_for_each(|held| self.file.push(held))?;
                self.file.push(&block)?;
                Stage::Streaming
            }
            Stage::Streaming if in_order => {
                self.file.push(&block)?;
                Stage::Streaming
            }
            Stage::Streaming => {
                // What was written so far is in order: it becomes a run among others.
                self.sorter.add_run(self.file.take_run(table)?);
                self.sorter.note(&mut self.journal)?;
                self.sorter.sort(block)?;
                Stage::Unordered
            }
            Stage::InOrder | Stage::Unordered | Stage::Sorted => {
                self.sorter.sort(block)?;
                Stage::Unordered
            }
        };
        Ok(())
    }

    /// Writes what was held back, and closes the table.
    pub(crate) fn finish(self, table: NewTable<'_>) -> Result<TableManifest, SnapshotError> {
        let Self { order, mut sorter, mut file, mut journal, stage, finished, .. } = self;
        match stage {
            Stage::Streaming => {}
            Stage::InOrder => sorter.take_held().iter().try_for_each(|held| file.push(held))?,
            Stage::Unordered => {
                write_sorted(sorter.finish(&mut journal)?, &order, 0, &mut file, &mut journal)?
            }
            Stage::Sorted => {
                write_sorted(sorter.merge(&mut journal)?, &order, finished, &mut file, &mut journal)?;
            }
        }
        let manifest = file.finish(table)?;
        journal.done(&manifest)?;
        Ok(manifest)
    }
}

/// Writes all rows but the first.
fn write_sorted(
    mut ordered: Ordered,
    order: &Order,
    mut passed: u64,
    file: &mut TableFile,
    journal: &mut Journal,
) -> Result<(), SnapshotError> {
    loop {
        let (next, written) = rayon::join(|| ordered.pull(), || file.write_complete(journal));
        written?;
        let next = next?;
        if next.is_empty() {
            return Ok(());
        }
        for (batch, keys) in next {
            let rows = batch.num_rows() as u64;
            if passed >= rows {
                passed -= rows;
            } else if passed > 0 {
                let rest = batch.slice(passed as usize, (rows - passed) as usize);
                let keys = order.keys(&rest);
                file.push(&(rest, keys))?;
                passed = 0;
            } else {
                file.push(&(batch, keys))?;
            }
        }
    }
}

/// The next rows with their keys, about as many as a chunk has; none at the end.
fn pull<E>(rows: &mut impl Iterator<Item = Result<RecordBatch, E>>, order: &Order) -> Vec<Result<Block, E>> {
    let mut blocks = Vec::new();
    let mut count = 0;
    while count < PULL_ROWS {
        match rows.next() {
            None => break,
            Some(Ok(batch)) if batch.num_rows() == 0 => {}
            Some(Ok(batch)) => {
                count += batch.num_rows();
                let keys = order.keys(&batch);
                blocks.push(Ok((batch, keys)));
            }
            Some(Err(error)) => {
                blocks.push(Err(error));
                break;
            }
        }
    }
    blocks
}

/// Rows without the first of them.
pub fn from_row<E>(
    rows: impl Iterator<Item = Result<RecordBatch, E>>,
    mut passed: u64,
) -> impl Iterator<Item = Result<RecordBatch, E>> {
    rows.filter_map(move |batch| match batch {
        Ok(batch) if passed > 0 => {
            let rows = batch.num_rows();
            let drop = usize::try_from(passed).unwrap_or(usize::MAX).min(rows);
            passed -= drop as u64;
            (drop < rows).then(|| Ok(batch.slice(drop, rows - drop)))
        }
        other => Some(other),
    })
}
