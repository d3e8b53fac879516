//! `row_diff`: key by key, column by column.

mod cursor;
mod text;

use std::collections::BTreeSet;

use counterfoil_model::finding::{NotCompared, RowOutcomes};
use counterfoil_model::pair::{ColumnPair, TablePair};
use counterfoil_model::wording::{count, number};
use counterfoil_model::{
    CheckOutcome, Difference, Finding, FindingKind, KeySpec, Level, Rule, Value, key, value_at,
};
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
        Kinds: `missing_in_target`, `extra_in_target`, `changed` (one for each cell), `duplicate_key` (a row beyond the \
        first of its key), `null_key` (a key with null in it).",
    blind_spots: "What the mapping doesn't mention and `ignore` covers; whatever source and target got wrong alike. \
        Columns without a common type are listed as not compared, and make the check inconclusive.",
    mend: "Migrate the missing rows, delete the extra ones, and mend the cause of changed cells: \
        `counterfoil show RUN --table T` lists every one.",
};

impl Check for RowDiff {
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair.clone();
        let mut diff = Diff::new(&pair);
        diff.merge(input)?;
        Ok(diff.finish())
    }
}

/// A pair of columns with its comparator.
struct Compared<'a> {
    column: &'a ColumnPair,
    comparator: Comparator,
}

struct Diff<'a> {
    pair: &'a TablePair,
    columns: Vec<Compared<'a>>,
    expected_key: KeySpec,
    actual_key: KeySpec,
    outcome: CheckOutcome,
    rows: RowOutcomes,
    unreadable: u64,
}

impl<'a> Diff<'a> {
    fn new(pair: &'a TablePair) -> Self {
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
        let (expected_key, actual_key) = match &pair.key {
            Some(key) => (key.expected.clone(), key.actual.clone()),
            None => (bag(pair, |c| c.expected), bag(pair, |c| c.actual)),
        };
        Self { pair, columns, expected_key, actual_key, outcome, rows: RowOutcomes::default(), unreadable: 0 }
    }

    /// Walks both tables in key order, side by side.
    fn merge(&mut self, input: &mut Input<'_>) -> Result<(), CheckError> {
        let pair = self.pair;
        let mut expected = Cursor::new(pair.expected.as_ref(), self.expected_key.clone());
        let mut actual = Cursor::new(pair.actual.as_ref(), self.actual_key.clone());
        loop {
            if self.skip_equal_chunks(&mut expected, &mut actual)? {
                continue;
            }
            match (expected.load()?, actual.load()?) {
                (false, false) => return Ok(()),
                (true, true) if expected.key() == actual.key() => {
                    let run = Cursor::common_run(&expected, &actual);
                    if run > 0 {
                        self.compare_run(&expected, &actual, run, input)?;
                        expected.advance(run);
                        actual.advance(run);
                    } else {
                        let (here, there) = (expected.group(), actual.group());
                        self.compare_group(&expected, &actual, here, there, input)?;
                        expected.advance(here);
                        actual.advance(there);
                    }
                }
                (has_expected, has_actual) => {
                    let missing = has_expected && (!has_actual || expected.key() < actual.key());
                    let side = if missing { &mut expected } else { &mut actual };
                    let count = side.group();
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
    }

    /// Where both sides begin a chunk whose keys and columns have equal digests, nothing needs to be read but the
    /// keys (for nulls among them).
    fn skip_equal_chunks(
        &mut self,
        expected: &mut Cursor<'_>,
        actual: &mut Cursor<'_>,
    ) -> Result<bool, CheckError> {
        let (Some(e), Some(a)) = (expected.at_chunk_start(), actual.at_chunk_start()) else {
            return Ok(false);
        };
        if self.pair.key.is_none() || self.expected_key.read.iter().any(Option::is_some) {
            return Ok(false);
        }
        let key_columns =
            self.expected_key.columns.iter().zip(&self.actual_key.columns).map(|(e, a)| (*e, *a));
        let columns = self.columns.iter().map(|c| (c.column.expected, c.column.actual));
        let same_types = self.columns.iter().all(|c| c.column.expected_type == c.column.actual_type);
        let equal = |(ec, ac): (usize, usize)| {
            let digest = self.pair.expected.digest(e, ec);
            digest.is_some() && digest == self.pair.actual.digest(a, ac)
        };
        if !same_types || !key_columns.chain(columns).all(equal) {
            return Ok(false);
        }
        let mut key_columns = self.actual_key.columns.clone();
        key_columns.sort_unstable();
        let keys = self.pair.actual.read(a, Some(&key_columns))?;
        if keys.columns().iter().any(|c| c.null_count() > 0) || !actual.keys_are_unique(&keys, &key_columns) {
            return Ok(false);
        }
        let rows = keys.num_rows() as u64;
        self.rows.matched += rows;
        self.outcome.coverage.cells += rows * self.columns.len() as u64;
        for column in &self.columns {
            self.outcome.applied(column.comparator.usual_rule());
        }
        expected.skip_chunk();
        actual.skip_chunk();
        Ok(true)
    }

    /// A run of rows whose keys agree one to one: whole columns at once.
    fn compare_run(
        &mut self,
        expected: &Cursor<'_>,
        actual: &Cursor<'_>,
        run: usize,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let mut changed: Vec<(usize, usize, Rule)> = Vec::new();
        for (number, compared) in self.columns.iter().enumerate() {
            let e = expected.batch().column(compared.column.expected).slice(expected.row(), run);
            let a = actual.batch().column(compared.column.actual).slice(actual.row(), run);
            let suspects = compared.comparator.suspects(&e, &a);
            if suspects.len() < run {
                self.outcome.applied(compared.comparator.usual_rule());
            }
            for row in suspects {
                let cell = compared.comparator.compare_at(&e, row, &a, row);
                self.outcome.applied(cell.rule);
                self.unreadable += u64::from(cell.unreadable);
                if !cell.equal {
                    changed.push((row, number, cell.rule));
                }
            }
        }
        self.outcome.coverage.cells += (run * self.columns.len()) as u64;
        changed.sort_unstable_by_key(|(row, column, _)| (*row, *column));
        let rows: BTreeSet<usize> = changed.iter().map(|(row, ..)| *row).collect();
        self.rows.changed += rows.len() as u64;
        self.rows.matched += (run - rows.len()) as u64;
        if self.pair.key.is_some() {
            for row in 0..run {
                self.null_key(actual, row);
            }
        }
        for (row, column, rule) in changed {
            self.changed_cell((expected, row), (actual, row), column, rule, input)?;
        }
        Ok(())
    }

    /// Several rows of one key: equal rows pair first, then the rest in order; the surplus is reported.
    fn compare_group(
        &mut self,
        expected: &Cursor<'_>,
        actual: &Cursor<'_>,
        here: usize,
        there: usize,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        for row in 0..there {
            self.null_key(actual, row);
        }
        let mut left: Vec<usize> = (0..here).collect();
        let mut right: Vec<usize> = (0..there).collect();
        left.retain(|e| {
            match right.iter().position(|a| self.differing((expected, *e), (actual, *a)).is_empty()) {
                Some(at) => {
                    right.remove(at);
                    self.rows.matched += 1;
                    self.outcome.coverage.cells += self.columns.len() as u64;
                    false
                }
                None => true,
            }
        });
        let bag = self.pair.key.is_none();
        let both = if bag { 0 } else { left.len().min(right.len()) };
        for (e, a) in left.iter().zip(&right).take(both) {
            self.rows.changed += 1;
            self.outcome.coverage.cells += self.columns.len() as u64;
            for (column, rule) in self.differing((expected, *e), (actual, *a)) {
                self.changed_cell((expected, *e), (actual, *a), column, rule, input)?;
            }
        }
        for row in left.into_iter().skip(both) {
            let kind = if bag { FindingKind::MissingInTarget } else { FindingKind::DuplicateKey };
            self.whole_row(kind, expected, row, false, input)?;
        }
        for row in right.into_iter().skip(both) {
            let kind = if bag { FindingKind::ExtraInTarget } else { FindingKind::DuplicateKey };
            self.whole_row(kind, actual, row, true, input)?;
        }
        Ok(())
    }

    fn differing(
        &self,
        (expected, e): (&Cursor<'_>, usize),
        (actual, a): (&Cursor<'_>, usize),
    ) -> Vec<(usize, Rule)> {
        let cell = |(number, c): (usize, &Compared<'_>)| {
            let (left, right) =
                (expected.batch().column(c.column.expected), actual.batch().column(c.column.actual));
            let cell = c.comparator.compare_at(left, expected.row() + e, right, actual.row() + a);
            (!cell.equal).then_some((number, cell.rule))
        };
        self.columns.iter().enumerate().filter_map(cell).collect()
    }

    fn changed_cell(
        &mut self,
        (expected, e): (&Cursor<'_>, usize),
        (actual, a): (&Cursor<'_>, usize),
        column: usize,
        rule: Rule,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let column = self.columns[column].column;
        let left =
            value_at(expected.batch().column(column.expected), column.expected_type, expected.row() + e);
        let right = value_at(actual.batch().column(column.actual), column.actual_type, actual.row() + a);
        let shown = |v: &Value| (!v.is_null()).then(|| v.to_string());
        let key = self.key_text(actual, a, true);
        let finding = Finding {
            kind: FindingKind::Changed,
            level: Level::Error,
            key: Some(key.clone()),
            column: Some(column.name.clone()),
            expected: shown(&left),
            actual: shown(&right),
            rule: Some(rule),
            message: what_differs(&left, &right, column, &self.pair.zone),
        };
        let difference = Difference {
            key,
            outcome: FindingKind::Changed,
            column: finding.column.clone(),
            expected: finding.expected.clone(),
            actual: finding.actual.clone(),
            rule: Some(rule),
        };
        self.outcome.push(finding);
        input.differences.push(difference).map_err(CheckError::Sink)
    }

    fn whole_row(
        &mut self,
        kind: FindingKind,
        cursor: &Cursor<'_>,
        row: usize,
        is_actual: bool,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let key = self.key_text(cursor, row, is_actual);
        let side = if is_actual { "target" } else { "source" };
        let (counter, message) = match kind {
            FindingKind::MissingInTarget => {
                (&mut self.rows.missing_in_target, "the target has no such row".to_owned())
            }
            FindingKind::ExtraInTarget => {
                (&mut self.rows.extra_in_target, "nothing in the source leads to this row".to_owned())
            }
            _ => (&mut self.rows.duplicate_key, format!("the {side} has this key more than once")),
        };
        *counter += 1;
        if is_actual && kind == FindingKind::ExtraInTarget {
            self.null_key(cursor, row);
        }
        let finding = Finding {
            kind,
            level: Level::Error,
            key: Some(key.clone()),
            column: None,
            expected: None,
            actual: None,
            rule: None,
            message,
        };
        self.outcome.push(finding);
        let difference =
            Difference { key, outcome: kind, column: None, expected: None, actual: None, rule: None };
        input.differences.push(difference).map_err(CheckError::Sink)
    }

    /// Null equals null, also in keys; but a key with null in it names no row.
    fn null_key(&mut self, actual: &Cursor<'_>, row: usize) {
        let Some(pair_key) = &self.pair.key else { return };
        let at = actual.row() + row;
        let batch = actual.batch();
        let nulls = self.actual_key.columns.iter().map(|c| batch.column(*c).is_null(at));
        let Some(column) = nulls.zip(&pair_key.names).find_map(|(null, name)| null.then(|| name.clone()))
        else {
            return;
        };
        let key = self.key_text(actual, row, true);
        self.outcome.push(Finding {
            kind: FindingKind::NullKey,
            level: Level::Error,
            key: Some(key),
            column: Some(column),
            expected: None,
            actual: None,
            rule: Some(Rule::Null1),
            message: "a key with null in it names no row".into(),
        });
    }

    fn key_text(&self, cursor: &Cursor<'_>, row: usize, is_actual: bool) -> String {
        let shown = self.pair.key.as_ref().and_then(|k| k.shown.as_ref()).filter(|_| is_actual);
        match shown {
            Some(columns) => {
                key::to_json(&KeySpec::plain(columns.clone()).values(cursor.batch(), cursor.row() + row))
            }
            None => key::to_json(&cursor.spec().values(cursor.batch(), cursor.row() + row)),
        }
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
