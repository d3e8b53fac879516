//! What row_diff found, as findings and differences.

use std::ops::Range;

use counterfoil_model::column::{has_nulls, is_null_at};
use counterfoil_model::pair::ColumnPair;
use counterfoil_model::{Difference, Finding, FindingKind, KeySpec, Level, Rule, Value, key, value_at};
use rayon::prelude::*;

use super::Diff;
use super::cursor::Cursor;
use super::text::what_differs;
use crate::{CheckError, Input};

/// Differences that are rendered at once.
const SLICE: usize = 8_192;

/// A cell whose values differ: the rows from where both sides stand, the column, and the rule that says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    pub expected: usize,
    pub actual: usize,
    pub column: usize,
    pub rule: Rule,
}

impl Diff<'_> {
    /// Changed cells, in order: rendered in parallel, one slice while the slice before is written.
    pub(super) fn changed_cells(
        &mut self,
        expected: &Cursor<'_>,
        actual: &Cursor<'_>,
        changed: &[Changed],
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let mut ready: Vec<Difference> = Vec::new();
        for slice in changed.chunks(SLICE) {
            let this = &*self;
            let write = || ready.drain(..).try_for_each(|difference| input.differences.push(difference));
            let render = || -> Vec<Difference> {
                slice.par_iter().with_min_len(256).map(|c| this.difference(expected, actual, *c)).collect()
            };
            let (rendered, written) = rayon::join(render, write);
            written.map_err(CheckError::Sink)?;
            ready = rendered;
            for (cell, difference) in slice.iter().zip(&ready) {
                self.changed_cell(expected, actual, *cell, difference);
            }
        }
        ready.into_iter().try_for_each(|d| input.differences.push(d)).map_err(CheckError::Sink)
    }

    fn difference(&self, expected: &Cursor<'_>, actual: &Cursor<'_>, cell: Changed) -> Difference {
        let column = self.columns[cell.column].column;
        let (left, right) = values(expected, actual, cell, column);
        let shown = |v: &Value| (!v.is_null()).then(|| v.to_string());
        Difference {
            key: self.key_text(actual, cell.actual, true),
            outcome: FindingKind::Changed,
            column: Some(column.name.clone()),
            expected: shown(&left),
            actual: shown(&right),
            rule: Some(cell.rule),
        }
    }

    fn changed_cell(
        &mut self,
        expected: &Cursor<'_>,
        actual: &Cursor<'_>,
        cell: Changed,
        difference: &Difference,
    ) {
        let column = self.columns[cell.column].column;
        if !self.outcome.has_room() {
            return self.outcome.count(FindingKind::Changed, Level::Error, Some(&column.name));
        }
        let (left, right) = values(expected, actual, cell, column);
        self.outcome.push(Finding {
            kind: FindingKind::Changed,
            level: Level::Error,
            key: Some(difference.key.clone()),
            column: difference.column.clone(),
            expected: difference.expected.clone(),
            actual: difference.actual.clone(),
            rule: Some(cell.rule),
            message: what_differs(&left, &right, column, &self.pair.zone),
        });
    }

    pub(super) fn whole_row(
        &mut self,
        kind: FindingKind,
        cursor: &Cursor<'_>,
        row: usize,
        is_actual: bool,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let key = self.key_text(cursor, row, is_actual);
        let (counter, message) = match kind {
            FindingKind::MissingInTarget => (&mut self.rows.missing_in_target, "the target has no such row"),
            FindingKind::ExtraInTarget => {
                (&mut self.rows.extra_in_target, "nothing in the source leads to this row")
            }
            _ if is_actual => (&mut self.rows.duplicate_key, "the target has this key more than once"),
            _ => (&mut self.rows.duplicate_key, "the source has this key more than once"),
        };
        *counter += 1;
        if is_actual && kind == FindingKind::ExtraInTarget {
            self.null_keys(cursor, row..row + 1);
        }
        if self.outcome.has_room() {
            self.outcome.push(Finding {
                kind,
                level: Level::Error,
                key: Some(key.clone()),
                column: None,
                expected: None,
                actual: None,
                rule: None,
                message: message.to_owned(),
            });
        } else {
            self.outcome.count(kind, Level::Error, None);
        }
        let difference =
            Difference { key, outcome: kind, column: None, expected: None, actual: None, rule: None };
        input.differences.push(difference).map_err(CheckError::Sink)
    }

    /// Null equals null, also in keys; but a key with null in it names no row.
    /// A key that several rows of the target have, each with a partner in the source: no row is wrong, the key is.
    pub(super) fn repeated_key(&mut self, actual: &Cursor<'_>, here: usize, there: usize) {
        let key = self.key_text(actual, 0, true);
        self.outcome.push(Finding {
            kind: FindingKind::DuplicateKey,
            level: Level::Error,
            key: Some(key),
            column: None,
            expected: None,
            actual: None,
            rule: None,
            message: format!("this key names {there} rows of the target, and {here} are expected of it"),
        });
    }

    pub(super) fn null_keys(&mut self, actual: &Cursor<'_>, rows: Range<usize>) {
        let Some(pair_key) = &self.pair.key else { return };
        let columns = &self.actual_key.columns;
        if !columns.iter().any(|c| has_nulls(actual.column(*c))) {
            return;
        }
        for row in rows {
            let null = |c: &usize| is_null_at(actual.column(*c), actual.row() + row);
            let Some(at) = columns.iter().position(null) else { continue };
            let key = self.key_text(actual, row, true);
            self.outcome.push(Finding {
                kind: FindingKind::NullKey,
                level: Level::Error,
                key: Some(key),
                column: pair_key.names.get(at).cloned(),
                expected: None,
                actual: None,
                rule: Some(Rule::Null1),
                message: "a key with null in it names no row".into(),
            });
        }
    }

    fn key_text(&self, cursor: &Cursor<'_>, row: usize, is_actual: bool) -> String {
        let shown = self.pair.key.as_ref().and_then(|k| k.shown.as_ref()).filter(|_| is_actual);
        match shown {
            Some(columns) => key::to_json(&cursor.values(&KeySpec::plain(columns.clone()), row)),
            None => key::to_json(&cursor.values(cursor.spec(), row)),
        }
    }
}

fn values(expected: &Cursor<'_>, actual: &Cursor<'_>, cell: Changed, column: &ColumnPair) -> (Value, Value) {
    (
        value_at(expected.column(column.expected), column.expected_type, expected.row() + cell.expected),
        value_at(actual.column(column.actual), column.actual_type, actual.row() + cell.actual),
    )
}
