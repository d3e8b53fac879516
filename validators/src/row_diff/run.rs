//! Runs of rows whose keys agree one to one: whole columns at once, and none where their digests are equal.

use counterfoil_model::Rule;
use rayon::prelude::*;

use super::Diff;
use super::cursor::Cursor;
use super::findings::Changed;
use crate::{CheckError, Input};

impl Diff<'_> {
    /// Where both sides begin a chunk whose keys have equal digests, the rows stand side by side: only the columns whose
    /// digests differ are read. `false` where that can't be told.
    pub(super) fn compare_by_digest(
        &mut self,
        expected: &mut Cursor<'_>,
        actual: &mut Cursor<'_>,
        input: &mut Input<'_>,
    ) -> Result<bool, CheckError> {
        let (Some(e), Some(a)) = (expected.at_chunk_start(), actual.at_chunk_start()) else {
            return Ok(false);
        };
        let pair = self.pair;
        let (key_e, key_a) = (self.expected_key, self.actual_key);
        let equal = |ec: usize, ac: usize| {
            let digest = pair.expected.digest(e, ec);
            digest.is_some() && digest == pair.actual.digest(a, ac)
        };
        // What is known of keys is known of those by which the table is ordered, as they are.
        let plain = key_e.read.iter().chain(&key_a.read).all(Option::is_none);
        let facts = match plain && pair.actual.ordered_by() == key_a.columns {
            true => pair.actual.keys_of(a),
            false => None,
        };
        let keys_agree = key_e.columns.iter().zip(&key_a.columns).all(|(ec, ac)| equal(*ec, *ac));
        let (Some(facts), Some(mut rows), true) = (facts, pair.actual.rows_of(a), keys_agree) else {
            return Ok(false);
        };
        let differs = |at: &usize| {
            let column = self.columns[*at].column;
            column.expected_type != column.actual_type || !equal(column.expected, column.actual)
        };
        let differing: Vec<usize> = (0..self.columns.len()).filter(differs).collect();
        // A key that stands twice or has null in it is a finding, whatever equals what.
        if pair.key.is_some() && (facts.nulls > 0 || !facts.unique) {
            return Ok(false);
        }
        if differing.is_empty() {
            self.rows.matched += rows;
            expected.skip_chunk();
            actual.skip_chunk();
        } else {
            let of = |at: &usize| self.columns[*at].column;
            let shown = pair.key.iter().filter_map(|k| k.shown.as_ref()).flatten();
            let key = key_a.columns.iter().chain(shown).copied();
            let left = differing.iter().map(|at| of(at).expected);
            let right = differing.iter().map(|at| of(at).actual).chain(key);
            let (left, right) = rayon::join(|| expected.read_part(left), || actual.read_part(right));
            left?;
            right?;
            if expected.remaining() != actual.remaining() {
                let problem = format!("the chunks of '{}' don't hold what their digests say", pair.name);
                return Err(CheckError::Other(problem));
            }
            rows = self.compare_run(expected, actual, actual.remaining(), &differing, input)? as u64;
            // Only the end comes after a part: the rest of the chunk has no keys to go on with.
            expected.advance(rows as usize);
            actual.advance(rows as usize);
        }
        let same = (0..self.columns.len()).filter(|at| !differing.contains(at));
        for at in same {
            self.outcome.coverage.cells += rows;
            self.outcome.applied(self.columns[at].comparator.usual_rule());
        }
        Ok(true)
    }

    /// A run of rows whose keys agree one to one: whole columns at once. Gives the number of rows that were compared:
    /// fewer than the run has, where the findings that were asked for are found.
    pub(super) fn compare_run(
        &mut self,
        expected: &Cursor<'_>,
        actual: &Cursor<'_>,
        run: usize,
        columns: &[usize],
        input: &mut Input<'_>,
    ) -> Result<usize, CheckError> {
        let all = &self.columns;
        let compared: Vec<Column> = columns
            .par_iter()
            .map(|at| {
                let compared = &all[*at];
                let e = expected.column(compared.column.expected).slice(expected.row(), run);
                let a = actual.column(compared.column.actual).slice(actual.row(), run);
                let suspects = compared.comparator.suspects(&e, &a);
                let mut column = Column { usual: suspects.len() < run, at: *at, ..Column::default() };
                for row in suspects {
                    let cell = compared.comparator.compare_at(&e, row, &a, row);
                    column.unreadable += u64::from(cell.unreadable);
                    if !cell.equal {
                        column.changed.push((row, cell.rule));
                    }
                    if column.rules.last() != Some(&cell.rule) && !column.rules.contains(&cell.rule) {
                        column.rules.push(cell.rule);
                    }
                }
                column
            })
            .collect();
        let mut changed: Vec<Changed> = Vec::new();
        for column in compared {
            if column.usual {
                self.outcome.applied(self.columns[column.at].comparator.usual_rule());
            }
            column.rules.into_iter().for_each(|rule| self.outcome.applied(rule));
            self.unreadable += column.unreadable;
            let cell = |(row, rule)| Changed { expected: row, actual: row, column: column.at, rule };
            changed.extend(column.changed.into_iter().map(cell));
        }
        changed.sort_unstable_by_key(|c| (c.actual, c.column));
        let mut run = run;
        let most = self.left(input).and_then(|left| usize::try_from(left).ok());
        if let Some(last) = most.and_then(|most| changed.get(most.saturating_sub(1))) {
            run = last.actual + 1;
            changed.retain(|c| c.actual < run);
        }
        self.outcome.coverage.cells += (run * columns.len()) as u64;
        let rows = changed.chunk_by(|a, b| a.actual == b.actual).count();
        self.rows.changed += rows as u64;
        self.rows.matched += (run - rows) as u64;
        self.null_keys(actual, 0..run);
        self.changed_cells(expected, actual, &changed, input)?;
        Ok(run)
    }
}

/// What comparing one column of a run gave.
#[derive(Default)]
struct Column {
    at: usize,
    changed: Vec<(usize, Rule)>,
    rules: Vec<Rule>,
    unreadable: u64,
    /// Whether some rows needed no closer look.
    usual: bool,
}
