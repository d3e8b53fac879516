//! `coordinate`: bit-exact numbers.

use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, Finding, FindingKind, Level, Rule, Type, Value, value_at};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::Comparator;
use crate::row_diff::what_differs;
use crate::support::{each_chunk, expected_by_key, one, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `coordinate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coordinate {
    /// The columns; left out: every compared column of floats or geopoints.
    #[serde(default)]
    columns: Vec<String>,
}

/// The page of `coordinate`.
pub const DOCS: Documentation = Documentation {
    proves: "Coordinates are the same to the last bit: +-0.",
    matters: "A PDF highlight that moved by a rounding marks the wrong words. Tools that print 'equal within 0.01' hide it.",
    example: "```yaml\ncoordinate: { columns: [x, y, width, height] }   # default: all float and geopoint columns\n```",
    finding: "```text\nchanged  [\"h17\"]  x  expected 72.15384615384616  actual 72.15384615384617  FLT-1\noff by 1 unit in the last place\n```",
    blind_spots: "Rows that are missing or extra: `row_diff` sees them. Whether the coordinate was right in the source. \
        Tolerances of the plan don't apply here.",
    mend: "Store doubles as doubles (SQLite REAL, PostgreSQL double precision), never through text with few digits or float32.",
};

impl Check for Coordinate {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        self.columns.iter().try_for_each(|c| one(pair, c).map(drop))?;
        let mut outcome = CheckOutcome::default();
        let Some(pair_key) = &pair.key else {
            outcome.undecided = Some("rows without a key can't be held against each other".into());
            return Ok(outcome);
        };
        let fits = |t: Type| matches!(t, Type::Float | Type::Float32 | Type::Geo);
        let mut columns: Vec<_> = pair.columns.clone();
        columns.retain(|c| {
            if self.columns.is_empty() {
                fits(c.expected_type) || fits(c.actual_type)
            } else {
                self.columns.contains(&c.name)
            }
        });
        if columns.len() < self.columns.len().max(1) {
            outcome.undecided = Some("not every column has something to be held against".into());
        }
        for column in &mut columns {
            column.settings = Default::default();
        }
        let comparators: Vec<Comparator> = columns
            .iter()
            .map(|c| {
                Comparator::new(c, &pair.zone)
                    .map_err(|gap| CheckError::Options(format!("column '{}': {}", c.name, gap.reason)))
            })
            .collect::<Result<_, _>>()?;
        let at: Vec<usize> = columns.iter().map(|c| c.expected).collect();
        let expected = expected_by_key(pair, &at)?;
        each_chunk(pair.actual.as_ref(), |batch| {
            for (row, key) in pair_key.actual.encode_batch(batch).iter().enumerate() {
                let Some(wanted) = expected.get(key) else { continue };
                outcome.coverage.rows += 1;
                for ((column, comparator), wanted) in columns.iter().zip(&comparators).zip(wanted) {
                    let value = value_at(batch.column(column.actual), column.actual_type, row);
                    let cell = comparator.compare(wanted, &value);
                    outcome.checked += 1;
                    outcome.coverage.cells += 1;
                    outcome.applied(if wanted.is_null() && value.is_null() {
                        Rule::Null1
                    } else {
                        cell.rule
                    });
                    if !cell.equal {
                        let shown = |v: &Value| (!v.is_null()).then(|| v.to_string());
                        outcome.push(Finding {
                            kind: FindingKind::Changed,
                            level: Level::Error,
                            key: Some(row_key(pair, batch, row)),
                            column: Some(column.name.clone()),
                            expected: shown(wanted),
                            actual: shown(&value),
                            rule: Some(cell.rule),
                            message: what_differs(wanted, &value, column, &pair.zone),
                        });
                    }
                }
            }
            Ok(())
        })?;
        outcome.message = format!(
            "{} compared, {} differ",
            count(outcome.checked, "coordinate", "coordinates"),
            number(outcome.failed)
        );
        Ok(outcome)
    }
}
