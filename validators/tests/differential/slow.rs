//! The rules and the comparison written down once more, with nothing of the engine's: no encodings, no kernels, no
//! digests, only values and loops.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_model::finding::RowOutcomes;
use counterfoil_model::{Difference, FindingKind, Value};

use crate::generate::Case;
use crate::shown;

pub struct Slow {
    pub rows: RowOutcomes,
    pub differences: Vec<Difference>,
    /// Rows of the target with null in their key.
    pub null_keys: usize,
    /// Keys of which the target has several rows, each with a partner.
    pub repeated_keys: usize,
}

/// A value written in one way only: two values are equal under the published rules where these are the same text. (The
/// cases have no column of both floats and decimals, for which equal isn't transitive: NUM-2.)
fn plain(value: &Value) -> String {
    match value {
        Value::Int(_) | Value::UInt(_) | Value::Decimal(_) => number(&value.to_string()),
        Value::Float(f) => float(*f),
        Value::Float32(f) => float(f64::from(*f)),
        Value::Geo(latitude, longitude) => format!("geo {} {}", float(*latitude), float(*longitude)),
        Value::List(items) => format!("list {:?}", items.iter().map(plain).collect::<Vec<_>>()),
        Value::Map(entries) => {
            let entries: Vec<(&String, String)> = entries.iter().map(|(k, v)| (k, plain(v))).collect();
            format!("map {entries:?}")
        }
        Value::Json(text) => format!("json {}", plain_json(&serde_json::from_str(text).unwrap())),
        other => format!("{other:?}"),
    }
}

/// A number as its sign, digits and power of ten.
fn number(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return "number 0".into();
    }
    let power = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
    format!("number {} {kept} {power}", whole.starts_with('-'))
}

/// All digits of the binary fraction.
fn float(value: f64) -> String {
    if value.is_finite() {
        return number(&format!("{value:.1074}"));
    }
    if value.is_nan() { "NaN".into() } else { value.to_string() }
}

fn plain_json(value: &serde_json::Value) -> String {
    use serde_json::Value::{Array, Number, Object};
    match value {
        // The numbers of these tests are small.
        Number(n) => format!("{:?}", n.as_f64()),
        Array(items) => format!("{:?}", items.iter().map(plain_json).collect::<Vec<_>>()),
        Object(entries) => {
            let sorted: BTreeMap<&String, String> = entries.iter().map(|(k, v)| (k, plain_json(v))).collect();
            format!("{sorted:?}")
        }
        other => other.to_string(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    plain(a) == plain(b)
}

/// Rows of one key, from both sides.
type Group = (Vec<usize>, Vec<usize>);

fn groups(case: &Case) -> Vec<Group> {
    let width = if case.keys == 0 { case.columns } else { case.keys };
    let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for (at, row) in case.expected.iter().enumerate() {
        groups.entry(row[..width].iter().map(plain).collect()).or_default().0.push(at);
    }
    for (at, row) in case.actual.iter().enumerate() {
        groups.entry(row[..width].iter().map(plain).collect()).or_default().1.push(at);
    }
    groups.into_values().collect()
}

fn key(row: &[Value], case: &Case) -> String {
    shown(if case.keys == 0 { row } else { &row[..case.keys] })
}

/// Keys of which several rows exist on one side, by each way in which they are written, with one way for all.
pub fn repeated(case: &Case) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (left, right) in groups(case) {
        // One key may be written in several ways (0.0 and -0.0): then findings may show any of them.
        let texts: BTreeSet<String> = left
            .iter()
            .map(|at| key(&case.expected[*at], case))
            .chain(right.iter().map(|at| key(&case.actual[*at], case)))
            .collect();
        if left.len() > 1 || right.len() > 1 || texts.len() > 1 {
            let one = texts.first().cloned().unwrap_or_default();
            all.extend(texts.into_iter().map(|text| (text, one.clone())));
        }
    }
    all
}

fn row_difference(row: &[Value], outcome: FindingKind, case: &Case) -> Difference {
    Difference { key: key(row, case), outcome, column: None, expected: None, actual: None, rule: None }
}

/// Compares the rows of each key, each with each.
pub fn compare(case: &Case) -> Slow {
    let same_row = |a: &[Value], b: &[Value]| a.iter().zip(b).all(|(a, b)| equal(a, b));
    let mut slow =
        Slow { rows: RowOutcomes::default(), differences: Vec::new(), null_keys: 0, repeated_keys: 0 };
    slow.null_keys = case.actual.iter().filter(|row| row[..case.keys].iter().any(Value::is_null)).count();
    for (mut left, mut right) in groups(case) {
        let several = case.keys > 0 && right.len() > 1;
        let (had_left, had_right) = (!left.is_empty(), !right.is_empty());
        left.retain(|e| {
            let twin = right.iter().position(|a| same_row(&case.expected[*e], &case.actual[*a]));
            if let Some(at) = twin {
                right.remove(at);
                slow.rows.matched += 1;
            }
            twin.is_none()
        });
        let pairs = if case.keys == 0 { 0 } else { left.len().min(right.len()) };
        for (e, a) in left.iter().zip(&right).take(pairs) {
            slow.rows.changed += 1;
            let (e, a) = (&case.expected[*e], &case.actual[*a]);
            for column in (0..case.columns).filter(|c| !equal(&e[*c], &a[*c])) {
                let shown = |v: &Value| (!v.is_null()).then(|| v.to_string());
                slow.differences.push(Difference {
                    key: key(a, case),
                    outcome: FindingKind::Changed,
                    column: Some(format!("c{column}")),
                    expected: shown(&e[column]),
                    actual: shown(&a[column]),
                    rule: None,
                });
            }
        }
        slow.repeated_keys += usize::from(several && right.len() == pairs);
        let rest = left[pairs..]
            .iter()
            .map(|at| (&case.expected[*at], FindingKind::MissingInTarget, had_right))
            .chain(right[pairs..].iter().map(|at| (&case.actual[*at], FindingKind::ExtraInTarget, had_left)));
        for (number, (row, lonely, other_side)) in rest.enumerate() {
            let outcome =
                if case.keys > 0 && (other_side || number > 0) { FindingKind::DuplicateKey } else { lonely };
            match outcome {
                FindingKind::MissingInTarget => slow.rows.missing_in_target += 1,
                FindingKind::ExtraInTarget => slow.rows.extra_in_target += 1,
                _ => slow.rows.duplicate_key += 1,
            }
            slow.differences.push(row_difference(row, outcome, case));
        }
    }
    slow
}
