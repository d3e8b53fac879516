//! `timestamp`: UTC ISO 8601 as stored, plausible, unshifted.

use counterfoil_model::read::{Epoch, read_as};
use counterfoil_model::time::{self, IsoTime, NANOS};
use counterfoil_model::wording::count;
use counterfoil_model::{CheckOutcome, FindingKind, ReadAs, Rule, Type, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{Column, cell, cell_finding, chosen, each_chunk, expected_by_key, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `timestamp`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The columns; left out: every column declared or read as a timestamp.
    #[serde(default)]
    columns: Vec<String>,
    /// The earliest plausible instant, ISO 8601 (default 1970-01-01T00:00:00Z).
    #[serde(default)]
    min: Option<String>,
    /// The latest plausible instant, ISO 8601 (default 2100-01-01T00:00:00Z).
    #[serde(default)]
    max: Option<String>,
}

/// The page of `timestamp`.
pub const DOCS: Documentation = Documentation {
    proves: "Times are stored as UTC ISO 8601 (or as native instants), in a plausible range, unshifted and with full precision.",
    matters: "`2026-01-05 10:00` is three different instants in three offices. A zone that was not applied moves every row by \
        the same hours, and every count still agrees.",
    example: "```yaml\ntimestamp                                   # every column declared DATETIME or TIMESTAMP\n\
        timestamp: { columns: [created_at], min: 2015-01-01, max: 2030-01-01 }\n```",
    finding: "```text\nshifted  [\"f3\"]  created_at  actual '2026-01-05T15:30:00Z'\n05:30:00 later than in the source\n```\n\n\
        Kinds: `not_iso8601`, `not_utc` (no `Z` or `+00:00`), `out_of_range`, `shifted` (by a whole multiple of 15 minutes, \
        at most 26 hours), `precision_lost` (right as far as its digits go). Form and shift are told apart: one cell may have \
        a finding of each.",
    blind_spots: "A time that differs in any other way is `row_diff`'s. A shift in rows that are missing or extra.",
    mend: "Convert at the source's zone, write `Z`, keep all digits of the fraction.",
};

/// The most that a time zone can shift: from -12 to +14.
const MAX_SHIFT: i128 = 26 * 3_600 * NANOS;
const QUARTER: i128 = 15 * 60 * NANOS;

impl Check for Timestamp {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let min = self.bound(self.min.as_deref(), "1970-01-01", input)?;
        let max = self.bound(self.max.as_deref(), "2100-01-01", input)?;
        let is_time = |c: &Column| {
            matches!(c.kind, Type::Timestamp | Type::LocalTimestamp)
                || matches!(c.read, Some(ReadAs::Timestamp(_)))
        };
        let columns = chosen(pair, &self.columns, is_time)?;
        let mut outcome = CheckOutcome::default();
        if columns.is_empty() {
            outcome.undecided = Some("no column fits: none is declared or read as a timestamp".into());
            return Ok(outcome);
        }
        outcome.applied(Rule::Ts1);
        let expected_at: Vec<Option<usize>> =
            columns.iter().map(|c| pair.column(&c.name).map(|p| p.expected)).collect();
        let at: Vec<usize> = expected_at.iter().flatten().copied().collect();
        let expected = expected_by_key(pair, &at)?;
        each_chunk(pair.actual.as_ref(), |batch| {
            let keys = pair.key.as_ref().map(|k| k.actual.encode_batch(batch));
            outcome.coverage.rows += batch.num_rows() as u64;
            for row in 0..batch.num_rows() {
                let source = keys.as_ref().and_then(|k| expected.get(k.get(row)));
                let mut next = 0;
                for (column, at) in columns.iter().zip(&expected_at) {
                    let wanted = at.and_then(|_| source?.get(next));
                    next += usize::from(at.is_some());
                    let value = cell(batch, column, row);
                    if value.is_null() {
                        continue;
                    }
                    outcome.checked += 1;
                    let read = self.read(column);
                    let wanted = wanted.and_then(|w| read_as(w, read, &pair.zone).ok());
                    for (kind, message) in problems(&value, read, wanted.as_ref(), (min, max), &pair.zone) {
                        let mut finding =
                            cell_finding(kind, row_key(pair, batch, row), &column.name, &value, message);
                        finding.expected = wanted.as_ref().filter(|w| !w.is_null()).map(Value::to_string);
                        finding.rule = Some(Rule::Ts1);
                        outcome.push(finding);
                    }
                }
            }
            Ok(())
        })?;
        outcome.coverage.cells = outcome.checked;
        outcome.message = format!(
            "{} checked, {}",
            count(outcome.checked, "time", "times"),
            count(outcome.failed, "finding", "findings")
        );
        Ok(outcome)
    }
}

impl Timestamp {
    fn bound(&self, text: Option<&str>, default: &str, input: &Input<'_>) -> Result<i128, CheckError> {
        let text = text.unwrap_or(default);
        match read_as(&Value::Text(text.into()), ReadAs::Timestamp(Epoch::None), &input.pair.zone) {
            Ok(Value::Timestamp(nanos)) => Ok(nanos),
            _ => Err(CheckError::Options(format!("'{text}' is no ISO 8601 time"))),
        }
    }

    fn read(&self, column: &Column) -> ReadAs {
        match column.read {
            Some(read @ ReadAs::Timestamp(_)) => read,
            _ => ReadAs::Timestamp(Epoch::None),
        }
    }
}

type Problem = (FindingKind, String);

fn problems(
    value: &Value,
    read: ReadAs,
    wanted: Option<&Value>,
    (min, max): (i128, i128),
    zone: &jiff::tz::TimeZone,
) -> Vec<Problem> {
    let instant = match read_as(value, read, zone) {
        Ok(Value::Timestamp(nanos)) => nanos,
        _ => return vec![(FindingKind::NotIso8601, "this can't be read as an ISO 8601 time".into())],
    };
    let mut found = Vec::new();
    if let Value::Text(text) = value {
        match time::parse_iso(text.trim()) {
            Some(IsoTime::Instant { utc: true, .. }) => {}
            Some(IsoTime::Instant { .. }) => {
                found.push((FindingKind::NotUtc, "an offset other than UTC".into()))
            }
            _ => found.push((FindingKind::NotUtc, "no zone: it could mean any".into())),
        }
    }
    if !(min..max).contains(&instant) {
        let range = format!("not between {} and {}", time::format_instant(min), time::format_instant(max));
        found.push((FindingKind::OutOfRange, range));
    }
    let Some(Value::Timestamp(wanted)) = wanted else { return found };
    let shift = instant - wanted;
    if shift != 0 && shift % QUARTER == 0 && shift.abs() <= MAX_SHIFT {
        let clock = time::format_time(shift.unsigned_abs().min(i64::MAX as u128) as i64);
        let sign = if shift > 0 { "later" } else { "earlier" };
        found.push((FindingKind::Shifted, format!("{clock} {sign} than in the source")));
    } else if shift != 0 {
        let unit = 10_i128.pow(9 - u32::try_from(fraction_digits(value)).unwrap_or(9).min(9));
        if wanted.div_euclid(unit) * unit == instant {
            found.push((
                FindingKind::PrecisionLost,
                format!("the source has {}", time::format_instant(*wanted)),
            ));
        }
    }
    found
}

/// How many digits of a second's fraction a stored value shows.
fn fraction_digits(value: &Value) -> usize {
    match value {
        Value::Text(text) => {
            let fraction = text.split_once(['.', ',']).map_or("", |(_, rest)| rest);
            fraction.bytes().take_while(u8::is_ascii_digit).count()
        }
        // A native instant shows as many digits as it needs.
        Value::Timestamp(nanos) | Value::LocalTimestamp(nanos) => {
            let digits = format!("{:09}", nanos.rem_euclid(NANOS));
            digits.trim_end_matches('0').len()
        }
        _ => 0,
    }
}
