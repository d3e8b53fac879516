//! Several rows of one key.

use std::collections::BTreeMap;

use counterfoil_model::pair::ColumnPair;
use counterfoil_model::{FindingKind, KeySpec, Rule, encoding};

use super::findings::Changed;
use super::{At, Diff};
use crate::{CheckError, Input};

/// Up to so many comparisons, rows of one key are paired with any equal row; beyond, in their order.
const COMPARISONS: usize = 10_000_000;

impl Diff<'_> {
    /// Several rows of one key: equal rows pair first, then the rest in order; the surplus is reported.
    pub(super) fn compare_group(
        &mut self,
        (expected, here): At<'_, '_>,
        (actual, there): At<'_, '_>,
        input: &mut Input<'_>,
    ) -> Result<(), CheckError> {
        self.null_keys(actual, 0..there);
        if self.pair.key.is_none() {
            // In a bag the key is the whole row: rows of one key are equal, and only their number counts. But zeros that
            // differ in sign are one key.
            let (left, right) = if self.columns.iter().any(|c| c.column.settings.exact_bits) {
                self.pair_equal((expected, here), (actual, there))
            } else {
                let both = here.min(there);
                self.matched(both);
                ((both..here).collect(), (both..there).collect())
            };
            for row in left {
                self.whole_row(FindingKind::MissingInTarget, expected, row, false, input)?;
            }
            for row in right {
                self.whole_row(FindingKind::ExtraInTarget, actual, row, true, input)?;
            }
            return Ok(());
        }
        let (left, right) = self.pair_equal((expected, here), (actual, there));
        let both = left.len().min(right.len());
        for (e, a) in left.iter().zip(&right) {
            let differing = self.differing((expected, *e), (actual, *a));
            if differing.is_empty() {
                self.matched(1);
                continue;
            }
            self.rows.changed += 1;
            self.outcome.coverage.cells += self.columns.len() as u64;
            let cell = |(column, rule)| Changed { expected: *e, actual: *a, column, rule };
            let changed: Vec<Changed> = differing.into_iter().map(cell).collect();
            self.changed_cells(expected, actual, &changed, input)?;
        }
        if there > 1 && right.len() == both {
            self.repeated_key(actual, here, there);
        }
        for row in left.into_iter().skip(both) {
            self.whole_row(FindingKind::DuplicateKey, expected, row, false, input)?;
        }
        for row in right.into_iter().skip(both) {
            self.whole_row(FindingKind::DuplicateKey, actual, row, true, input)?;
        }
        Ok(())
    }

    /// Pairs equal rows, and gives the others: first those of the same values, then those that the rules call equal.
    fn pair_equal(
        &mut self,
        (expected, here): At<'_, '_>,
        (actual, there): At<'_, '_>,
    ) -> (Vec<usize>, Vec<usize>) {
        let row_of = |(cursor, row): At<'_, '_>, columns: &KeySpec| {
            let mut encoded = Vec::new();
            cursor.values(columns, row).iter().for_each(|v| encoding::encode(v, &mut encoded));
            encoded
        };
        let spec = |at: fn(&ColumnPair) -> usize| {
            KeySpec::plain(self.columns.iter().map(|c| at(c.column)).collect())
        };
        let (of_expected, of_actual) = (spec(|c| c.expected), spec(|c| c.actual));
        // The last of equal rows is taken first, so they are put in backwards.
        let mut rows: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for row in (0..there).rev() {
            rows.entry(row_of((actual, row), &of_actual)).or_default().push(row);
        }
        let mut left = Vec::new();
        for row in 0..here {
            match rows.get_mut(&row_of((expected, row), &of_expected)).and_then(Vec::pop) {
                Some(_) => self.matched(1),
                None => left.push(row),
            }
        }
        let mut right: Vec<usize> = rows.into_values().flatten().collect();
        right.sort_unstable();
        if left.len().saturating_mul(right.len()) <= COMPARISONS {
            left.retain(|e| {
                let equal =
                    right.iter().position(|a| self.differing((expected, *e), (actual, *a)).is_empty());
                if let Some(at) = equal {
                    right.remove(at);
                    self.matched(1);
                }
                equal.is_none()
            });
        }
        (left, right)
    }

    fn matched(&mut self, rows: usize) {
        self.rows.matched += rows as u64;
        self.outcome.coverage.cells += (rows * self.columns.len()) as u64;
    }

    fn differing(&self, (expected, e): At<'_, '_>, (actual, a): At<'_, '_>) -> Vec<(usize, Rule)> {
        let cell = |(number, c): (usize, &super::Compared<'_>)| {
            let (left, right) = (expected.column(c.column.expected), actual.column(c.column.actual));
            let cell = c.comparator.compare_at(left, expected.row() + e, right, actual.row() + a);
            (!cell.equal).then_some((number, cell.rule))
        };
        self.columns.iter().enumerate().filter_map(cell).collect()
    }
}
