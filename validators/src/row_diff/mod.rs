//! `row_diff`: key by key, column by column.

mod cursor;
mod findings;
mod group;
mod run;
mod text;

use counterfoil_model::finding::{NotCompared, RowOutcomes};
use counterfoil_model::pair::{ColumnPair, TablePair};
use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, FindingKind, KeySpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::Comparator;
use crate::{Check, CheckError, Documentation, Input};
use cursor::Cursor;
pub(crate) use text::what_differs;

/// Options of `row_diff`: none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowDiff {}

/// The page of `row_diff`.
pub const DOCS: Documentation = Documentation {
    proves: "Every row and every cell of the target is what the mapping of the source says, and nothing else is there.",
    matters: "Counts agree in a table where every value is wrong. Only comparing each cell, typed, shows that nothing was \
        lost, doubled or bent.",
    example: "No options. Column rules (`as:`, `trim`, `tolerance`, ...) stand in the table's `columns`.\n\n\
        ```yaml\ntables:\n  users:\n    from: friday.users\n    checks: [row_diff]\n```",
    finding: "```text\nchanged  [\"u17\"]  email  expected 'a@b.c'  actual 'a@b.c '  TXT-1\n```\n\n\
        Kinds: `missing_in_target`, `extra_in_target`, `changed` (one for each cell), `duplicate_key` (a row that \
        the other side has less often of its key, or a key that names several rows on both sides), `null_key` (a key \
        with null in it).",
    blind_spots: "What the mapping doesn't mention and `ignore` covers; whatever source and target got wrong alike. \
        Columns without a common type are listed as not compared, and make the check inconclusive.",
    mend: "Migrate the missing rows, delete the extra ones, and mend the cause of changed cells: \
        `counterfoil show RUN --table T` lists every one.",
};

impl Check for RowDiff {
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair.clone();
        let keys = match &pair.key {
            Some(key) => (key.expected.clone(), key.actual.clone()),
            None => (bag(&pair, |c| c.expected), bag(&pair, |c| c.actual)),
        };
        let mut diff = Diff::new(&pair, &keys);
        diff.merge(input)?;
        Ok(diff.finish())
    }
}

/// A pair of columns with its comparator.
struct Compared<'a> {
    column: &'a ColumnPair,
    comparator: Comparator,
}

/// Two rows at a walk's place: where each side stands, and how far from there the row is.
type At<'c, 't> = (&'c Cursor<'t>, usize);

struct Diff<'a> {
    pair: &'a TablePair,
    columns: Vec<Compared<'a>>,
    expected_key: &'a KeySpec,
    actual_key: &'a KeySpec,
    outcome: CheckOutcome,
    rows: RowOutcomes,
    unreadable: u64,
}

impl<'a> Diff<'a> {
    fn new(pair: &'a TablePair, (expected_key, actual_key): &'a (KeySpec, KeySpec)) -> Self {
        let mut outcome = CheckOutcome::default();
        let cells = pair.actual.rows();
        outcome.coverage.not_compared.extend(pair.unpaired.iter().map(|u| NotCompared {
            table: pair.name.clone(),
            column: Some(u.column.clone()),
            cells: u.cells,
            reason: u.reason.clone(),
            ignored: u.ignored,
        }));
        let mut columns = Vec::new();
        for column in &pair.columns {
            match Comparator::new(column, &pair.zone) {
                Ok(comparator) => columns.push(Compared { column, comparator }),
                Err(gap) => outcome.coverage.not_compared.push(NotCompared {
                    table: pair.name.clone(),
                    column: Some(column.name.clone()),
                    cells,
                    reason: gap.reason,
                    ignored: false,
                }),
            }
            if let (Some(read), false) = (column.read, column.read_by_plan) {
                outcome.coverage.notes.push(format!(
                    "{} is read as {read} on both sides, because a declared or source type says so",
                    column.name
                ));
            }
        }
        Self { pair, columns, expected_key, actual_key, outcome, rows: RowOutcomes::default(), unreadable: 0 }
    }

    /// Walks both tables in key order, side by side.
    fn merge(&mut self, input: &mut Input<'_>) -> Result<(), CheckError> {
        let pair = self.pair;
        let compared = |at: fn(&ColumnPair) -> usize| -> Vec<usize> {
            self.columns.iter().map(|c| at(c.column)).collect()
        };
        let shown = pair.key.iter().filter_map(|k| k.shown.as_ref()).flatten().copied();
        let mut expected = Cursor::new(pair.expected.as_ref(), self.expected_key, compared(|c| c.expected));
        let mut actual = Cursor::new(
            pair.actual.as_ref(),
            self.actual_key,
            compared(|c| c.actual).into_iter().chain(shown),
        );
        while !self.stopped(input, &expected, &actual) {
            if self.compare_by_digest(&mut expected, &mut actual, input)? {
                continue;
            }
            match Cursor::load_both(&mut expected, &mut actual)? {
                (false, false) => return Ok(()),
                (true, true) if expected.key() == actual.key() => {
                    let run = Cursor::common_run(&expected, &actual);
                    if run > 0 {
                        let all: Vec<usize> = (0..self.columns.len()).collect();
                        let run = self.compare_run(&expected, &actual, run, &all, input)?;
                        expected.advance(run);
                        actual.advance(run);
                    } else {
                        let (here, there) = (expected.group(), actual.group());
                        self.compare_group((&expected, here), (&actual, there), input)?;
                        expected.advance(here);
                        actual.advance(there);
                    }
                }
                (has_expected, has_actual) => {
                    let missing = has_expected && (!has_actual || expected.key() < actual.key());
                    let side = if missing { &mut expected } else { &mut actual };
                    let count = side.group();
                    let left = self.left(input).unwrap_or(u64::MAX);
                    let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
                    for row in 0..count {
                        let kind = match (missing, row) {
                            (true, 0) => FindingKind::MissingInTarget,
                            (false, 0) => FindingKind::ExtraInTarget,
                            // In a bag every instance counts for itself.
                            (true, _) if pair.key.is_none() => FindingKind::MissingInTarget,
                            (false, _) if pair.key.is_none() => FindingKind::ExtraInTarget,
                            _ => FindingKind::DuplicateKey,
                        };
                        self.whole_row(kind, side, row, !missing, input)?;
                    }
                    side.advance(count);
                }
            }
        }
        Ok(())
    }

    /// How many findings there may still be; `None`: any number.
    fn left(&self, input: &Input<'_>) -> Option<u64> {
        input.stop_after.map(|most| most.saturating_sub(self.outcome.failed))
    }

    /// Whether there were as many findings as were asked for; then what is left is a gap.
    fn stopped(&mut self, input: &Input<'_>, expected: &Cursor<'_>, actual: &Cursor<'_>) -> bool {
        if self.left(input) != Some(0) {
            return false;
        }
        let rest = expected.rest().max(actual.rest());
        if rest > 0 {
            self.outcome.coverage.not_compared.push(NotCompared {
                table: self.pair.name.clone(),
                column: None,
                cells: rest,
                reason: format!(
                    "inconclusive: stopped after {}",
                    count(self.outcome.failed, "finding", "findings")
                ),
                ignored: false,
            });
            self.outcome.undecided =
                Some(format!("inconclusive: stopped, {} not compared", count(rest, "row was", "rows were")));
        }
        true
    }

    fn finish(mut self) -> CheckOutcome {
        let rows = self.rows;
        self.outcome.checked =
            rows.matched + rows.changed + rows.missing_in_target + rows.extra_in_target + rows.duplicate_key;
        self.outcome.coverage.rows = self.outcome.checked;
        self.outcome.rows = Some(rows);
        if self.unreadable > 0 {
            self.outcome.coverage.notes.push(format!(
                "{} not be read as the type they should have",
                count(self.unreadable, "cell could", "cells could")
            ));
        }
        self.outcome.message = format!(
            "{} matched, {} changed, {} missing, {} extra, {} with a key of another row",
            number(rows.matched),
            number(rows.changed),
            number(rows.missing_in_target),
            number(rows.extra_in_target),
            number(rows.duplicate_key)
        );
        self.outcome
    }
}

fn bag(pair: &TablePair, at: fn(&ColumnPair) -> usize) -> KeySpec {
    KeySpec {
        columns: pair.columns.iter().map(at).collect(),
        read: pair.columns.iter().map(|c| c.read).collect(),
        zone: pair.zone.clone(),
    }
}
