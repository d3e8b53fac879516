//! Merging sorted runs.

use std::cmp::Ordering;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use counterfoil_model::Keys;

use super::run::Rows;
use super::{Block, OUT_ROWS, Order, Run, encoded_row};
use crate::SnapshotError;

/// Where a run stands.
struct Head {
    rows: Rows,
    batch: RecordBatch,
    keys: Keys,
    row: usize,
    /// Where its batch is among those held for the rows that are put out next.
    held: usize,
    /// Runs come in the order of their number where nothing else decides.
    number: usize,
}

impl Head {
    fn key(&self) -> &[u8] {
        self.keys.get(self.row)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.key()
            .cmp(other.key())
            .then_with(|| encoded_row(&self.batch, self.row).cmp(&encoded_row(&other.batch, other.row)))
            .then(self.number.cmp(&other.number))
    }
}

/// The rows of several runs in order: a binary heap of their heads.
pub(crate) struct Merge {
    order: Order,
    /// A heap: no head is less than its parent, at `(i - 1) / 2`.
    heads: Vec<Head>,
    held: Vec<RecordBatch>,
    failed: bool,
    /// They stay until all is merged: a process that is killed begins the merge anew.
    #[allow(dead_code, reason = "their files go when they are dropped")]
    runs: Vec<Run>,
}

impl Merge {
    pub(super) fn new(runs: Vec<Run>, order: Order) -> Result<Self, SnapshotError> {
        let mut merge = Self { order, heads: Vec::new(), held: Vec::new(), failed: false, runs: Vec::new() };
        for (number, run) in runs.iter().enumerate() {
            let mut rows = run.rows()?;
            if let Some((batch, keys)) = next_block(&mut rows, &merge.order)? {
                let held = merge.held.len();
                merge.held.push(batch.clone());
                merge.heads.push(Head { rows, batch, keys, row: 0, held, number });
            }
        }
        for at in (0..merge.heads.len() / 2).rev() {
            merge.sink(at);
        }
        merge.runs = runs;
        Ok(merge)
    }

    /// Lets a head that became greater sink to its place.
    fn sink(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heads.len() && self.heads[child].cmp(&self.heads[least]) == Ordering::Less {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heads.swap(at, least);
            at = least;
        }
    }

    /// Passes over the first row of the first head.
    fn advance(&mut self) -> Result<(), SnapshotError> {
        let head = &mut self.heads[0];
        head.row += 1;
        if head.row == head.keys.len() {
            match next_block(&mut head.rows, &self.order)? {
                Some((batch, keys)) => {
                    head.held = self.held.len();
                    self.held.push(batch.clone());
                    (head.batch, head.keys, head.row) = (batch, keys, 0);
                }
                None => {
                    self.heads.swap_remove(0);
                }
            }
        }
        self.sink(0);
        Ok(())
    }

    fn block(&mut self) -> Result<Option<Block>, SnapshotError> {
        let mut at: Vec<(usize, usize)> = Vec::with_capacity(OUT_ROWS);
        let mut keys = Keys::with_capacity(OUT_ROWS, OUT_ROWS * 16);
        while at.len() < OUT_ROWS {
            let Some(head) = self.heads.first() else { break };
            at.push((head.held, head.row));
            keys.push(head.key());
            self.advance()?;
        }
        if at.is_empty() {
            return Ok(None);
        }
        let held: Vec<&RecordBatch> = self.held.iter().collect();
        let batch = interleave_record_batch(&held, &at).map_err(SnapshotError::Sort)?;
        self.held.clear();
        for head in &mut self.heads {
            head.held = self.held.len();
            self.held.push(head.batch.clone());
        }
        Ok(Some((batch, keys)))
    }
}

impl Iterator for Merge {
    type Item = Result<Block, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let block = self.block();
        self.failed = block.is_err();
        block.transpose()
    }
}

fn next_block(rows: &mut Rows, order: &Order) -> Result<Option<Block>, SnapshotError> {
    for batch in rows {
        let batch = batch?;
        if batch.num_rows() > 0 {
            let keys = order.keys(&batch);
            return Ok(Some((batch, keys)));
        }
    }
    Ok(None)
}
