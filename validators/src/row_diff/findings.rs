//! What row_diff found, as findings and differences.

use std::ops::Range;

use arrow::array::Array;
use counterfoil_model::{Difference, Finding, FindingKind, KeySpec, Level, Rule, Value, key, value_at};

use super::cursor::Cursor;
use super::text::what_differs;
use super::{At, Diff};
use crate::{CheckError, Input};

impl Diff<'_> {
    pub(super) fn changed_cell(
        &mut self,
        (expected, e): At<'_, '_>,
        (actual, a): At<'_, '_>,
        column: usize,
        rule: Rule,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        let column = self.columns[column].column;
        let left = value_at(expected.column(column.expected), column.expected_type, expected.row() + e);
        let right = value_at(actual.column(column.actual), column.actual_type, actual.row() + a);
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

    pub(super) fn whole_row(
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
            self.null_keys(cursor, row..row + 1);
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
    pub(super) fn null_keys(&mut self, actual: &Cursor<'_>, rows: Range<usize>) {
        let Some(pair_key) = &self.pair.key else { return };
        let columns = &self.actual_key.columns;
        if columns.iter().all(|c| actual.column(*c).null_count() == 0) {
            return;
        }
        for row in rows {
            let null = |c: &usize| actual.column(*c).is_null(actual.row() + row);
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
