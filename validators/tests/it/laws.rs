//! `row_diff` against a comparer that is slow and obviously right.

use std::collections::BTreeMap;

use counterfoil_model::finding::RowOutcomes;
use counterfoil_model::{FindingKind, Value, Verdict};
use proptest::prelude::*;

use crate::support::{Rows, pair, run, run_until};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-2_i64..3).prop_map(Value::Int),
        Just(Value::Text(String::new())),
        "[ab]{1,2}".prop_map(Value::Text),
        Just(Value::Float(0.5)),
    ]
}

fn rows(keys: std::ops::Range<i64>) -> impl Strategy<Value = Rows> {
    prop::collection::vec((keys, value(), value()), 0..25)
        .prop_map(|rows| rows.into_iter().map(|(k, a, b)| vec![Value::Int(k), a, b]).collect())
}

fn text(row: &[Value]) -> String {
    format!("{row:?}")
}

/// For each key: equal rows cancel, then rows pair off as changed, and what is left on one side is missing, extra,
/// or a duplicate of a key that the other side has too.
fn slow(expected: &Rows, actual: &Rows) -> RowOutcomes {
    let group = |rows: &Rows| {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        rows.iter().for_each(|r| groups.entry(text(&r[..1])).or_default().push(text(r)));
        groups
    };
    let (left, right) = (group(expected), group(actual));
    let mut out = RowOutcomes::default();
    let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (mut e, mut a) =
            (left.get(key).cloned().unwrap_or_default(), right.get(key).cloned().unwrap_or_default());
        if e.is_empty() || a.is_empty() {
            let surplus = (e.len().max(a.len()) - 1) as u64;
            out.duplicate_key += surplus;
            if e.is_empty() {
                out.extra_in_target += 1
            } else {
                out.missing_in_target += 1
            }
            continue;
        }
        e.retain(|row| match a.iter().position(|other| other == row) {
            Some(at) => {
                a.remove(at);
                out.matched += 1;
                false
            }
            None => true,
        });
        out.changed += e.len().min(a.len()) as u64;
        out.duplicate_key += e.len().abs_diff(a.len()) as u64;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_table_equals_itself_in_any_chunks(rows in rows(0..40), one in 1_usize..9, keyed in any::<bool>()) {
        let mut rows = rows;
        rows.sort_by_key(|r| text(r));
        rows.dedup_by_key(|r| text(&r[..1]));
        let (outcome, differences) = run("row_diff", pair(rows.clone(), rows.clone(), 3, one, keyed));
        prop_assert_eq!(outcome.total, 0);
        prop_assert!(differences.is_empty());
        let wanted = if rows.is_empty() { Verdict::Inconclusive } else { Verdict::Pass };
        prop_assert_eq!(outcome.verdict(false), wanted);
    }

    #[test]
    fn it_agrees_with_the_slow_comparer(e in rows(0..12), a in rows(0..12), chunk in 1_usize..6) {
        let (outcome, differences) = run("row_diff", pair(e.clone(), a.clone(), 3, chunk, true));
        // Columns without a common type are a gap, and a gap is never a pass.
        if !outcome.coverage.not_compared.is_empty() {
            prop_assert_ne!(outcome.verdict(false), Verdict::Pass);
            return Ok(());
        }
        prop_assert_eq!(outcome.rows, Some(slow(&e, &a)));
        let of_keys = outcome.findings.iter().filter(|f| f.message.starts_with("this key names")).count();
        prop_assert_eq!(outcome.total, (differences.len() + of_keys) as u64);
    }

    #[test]
    fn one_injured_cell_is_exactly_one_finding(rows in rows(0..60), at in any::<prop::sample::Index>(), column in 1_usize..3) {
        let mut rows = rows;
        rows.sort_by_key(|r| text(r));
        rows.dedup_by_key(|r| text(&r[..1]));
        prop_assume!(!rows.is_empty());
        let mut injured = rows.clone();
        let row = at.index(rows.len());
        injured[row][column] = Value::Text("injured".into());
        let key = format!("[{}]", injured[row][0]);
        let (outcome, _) = run("row_diff", pair(rows, injured, 3, 4, true));
        // A text in a column of numbers alone leaves the two columns without a common type: a gap, never a pass.
        if !outcome.coverage.not_compared.is_empty() {
            prop_assert_eq!(outcome.verdict(false), Verdict::Inconclusive);
            return Ok(());
        }
        prop_assert_eq!(outcome.findings.len(), 1);
        let finding = &outcome.findings[0];
        prop_assert_eq!(finding.kind, FindingKind::Changed);
        prop_assert_eq!(finding.key.as_ref(), Some(&key));
        prop_assert_eq!(finding.column.clone(), Some(format!("c{column}")));
        prop_assert_eq!(outcome.verdict(false), Verdict::Fail);
    }

    #[test]
    fn bags_count_every_instance(e in rows(0..3), a in rows(0..3), chunk in 1_usize..6) {
        let (outcome, _) = run("row_diff", pair(e.clone(), a.clone(), 3, chunk, false));
        let mut left: BTreeMap<String, i64> = BTreeMap::new();
        e.iter().for_each(|r| *left.entry(text(r)).or_default() += 1);
        a.iter().for_each(|r| *left.entry(text(r)).or_default() -= 1);
        let rows = outcome.rows.unwrap();
        prop_assert_eq!(rows.missing_in_target as i64, left.values().filter(|n| **n > 0).sum::<i64>());
        prop_assert_eq!(rows.extra_in_target as i64, -left.values().filter(|n| **n < 0).sum::<i64>());
        prop_assert_eq!(rows.matched + rows.missing_in_target, e.len() as u64);
    }
}

#[test]
fn in_a_bag_only_the_plan_tells_zeros_apart() {
    let rows =
        |zero: f64| vec![vec![Value::Int(1), Value::Float(zero)], vec![Value::Int(1), Value::Float(zero)]];
    let zeros = || pair(rows(0.0), rows(-0.0), 2, 4, false);
    assert_eq!(run("row_diff", zeros()).0.verdict(false), Verdict::Pass);
    let mut zeros = zeros();
    zeros.columns[1].settings.exact_bits = true;
    let (outcome, differences) = run("row_diff", zeros);
    let counted = outcome.rows.unwrap();
    assert_eq!((counted.matched, counted.missing_in_target, counted.extra_in_target), (0, 2, 2));
    assert_eq!(differences.len(), 4);
}

#[test]
fn many_rows_of_one_key_are_paired_at_once() {
    // 40,000 rows of one key, in two orders: each with each would be 1.6 billion comparisons.
    let rows = |order: fn(i64) -> i64| -> Rows {
        (0..40_000).map(|i| vec![Value::Int(1), Value::Int(order(i))]).collect()
    };
    let (outcome, _) = run("row_diff", pair(rows(|i| i), rows(|i| 39_999 - i), 2, 9, true));
    assert_eq!((outcome.rows.unwrap().matched, outcome.total), (40_000, 1), "only that it is no key");
}

#[test]
fn what_is_stopped_says_so_and_never_passes() {
    let rows = |add: i64| -> Rows { (0..100).map(|i| vec![Value::Int(i), Value::Int(i + add)]).collect() };
    for chunk in [7, 100] {
        let (outcome, differences) = run_until("row_diff", pair(rows(0), rows(1), 2, chunk, true), Some(10));
        let counted = outcome.rows.unwrap();
        assert_eq!((counted.matched, counted.changed, differences.len()), (0, 10, 10));
        assert_eq!(outcome.verdict(false), Verdict::Fail);
        let gap = &outcome.coverage.not_compared[0];
        assert_eq!((gap.cells, gap.ignored), (90, false));
        assert!(gap.reason.contains("stopped after 10 findings"), "{}", gap.reason);
    }
    // Where the last finding is the last row, everything was compared.
    let (outcome, _) = run_until("row_diff", pair(rows(0), rows(1), 2, 7, true), Some(100));
    assert!(outcome.coverage.not_compared.is_empty());
    let (outcome, _) = run_until("row_diff", pair(rows(0), Rows::new(), 2, 7, true), Some(3));
    assert_eq!(outcome.rows.unwrap().missing_in_target, 3);
    assert_eq!(outcome.coverage.not_compared.len(), 1);
}
