//! `data_type`: stored values fit the declared type.

use counterfoil_model::decimal::Decimal;
use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, FindingKind, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{cell, cell_finding, chosen, each_chunk, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `data_type`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataType {
    /// The columns; left out: every column with a declared type.
    #[serde(default)]
    columns: Vec<String>,
}

/// The page of `data_type`.
pub const DOCS: Documentation = Documentation {
    proves: "Stored values fit the type that their column declares.",
    matters: "SQLite stores anything anywhere: a text in an INTEGER column sorts, sums and joins differently, and breaks the \
        next migration to a database that minds.",
    example: "```yaml\ndata_type                        # every column with a declared type\n\
        data_type: { columns: [score] }\n```",
    finding: "```text\nwrong_storage_type  [\"r4\"]  score  expected INTEGER  actual 'twelve'\ntext in a column declared INTEGER\n```",
    blind_spots: "Whether a text in a DATETIME column is a time (`timestamp`), or in a JSON column is JSON (`json_field`). \
        Columns without a declared type.",
    mend: "Write the value in its type. Where SQLite is to mind, declare the table STRICT.",
};

impl Check for DataType {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let columns = chosen(pair, &self.columns, |c| c.declared.is_some())?;
        let mut outcome = CheckOutcome::default();
        if columns.is_empty() {
            outcome.undecided = Some("no column fits: none has a declared type".into());
        }
        let rules: Vec<Declared> =
            columns.iter().map(|c| Declared::of(c.declared.as_deref().unwrap_or(""))).collect();
        each_chunk(pair.actual.as_ref(), |batch| {
            outcome.coverage.rows += batch.num_rows() as u64;
            for row in 0..batch.num_rows() {
                for (column, rule) in columns.iter().zip(&rules) {
                    let value = cell(batch, column, row);
                    if value.is_null() {
                        continue;
                    }
                    outcome.checked += 1;
                    if let Some(problem) = rule.problem(&value) {
                        let declared = column.declared.clone().unwrap_or_default();
                        let message = format!("{problem} in a column declared {declared}");
                        let mut finding = cell_finding(
                            FindingKind::WrongStorageType,
                            row_key(pair, batch, row),
                            &column.name,
                            &value,
                            message,
                        );
                        finding.expected = Some(declared);
                        outcome.push(finding);
                    }
                }
            }
            Ok(())
        })?;
        outcome.coverage.cells = outcome.checked;
        outcome.message = format!(
            "{} checked, {} of another type",
            count(outcome.checked, "value", "values"),
            number(outcome.failed)
        );
        Ok(outcome)
    }
}

/// What a declared type holds.
enum Declared {
    Anything,
    Integer,
    Real,
    Text(Option<usize>),
    Blob,
    Boolean,
    Decimal(Option<(i32, i32)>),
    Time,
    Uuid,
    Json,
}

impl Declared {
    fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let (base, arguments) = upper.split_once('(').unwrap_or((upper.as_str(), ""));
        let numbers: Vec<i32> =
            arguments.trim_end_matches(')').split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let has = |parts: &[&str]| parts.iter().any(|p| base.contains(p));
        if has(&["BOOL"]) {
            Self::Boolean
        } else if has(&["UUID", "GUID"]) {
            Self::Uuid
        } else if has(&["JSON"]) {
            Self::Json
        } else if has(&["DATE", "TIME"]) {
            Self::Time
        } else if has(&["INT", "SERIAL"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text(numbers.first().and_then(|n| usize::try_from(*n).ok()))
        } else if has(&["BLOB", "BYTEA", "BINARY"]) {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else if has(&["DEC", "NUMERIC"]) {
            Self::Decimal(numbers.first().map(|p| (*p, numbers.get(1).copied().unwrap_or(0))))
        } else {
            Self::Anything
        }
    }

    /// What is wrong with a value, in a few words; `None` where it fits.
    fn problem(&self, value: &Value) -> Option<String> {
        let fits = match (self, value) {
            (Self::Anything, _) => true,
            (Self::Integer, Value::Int(_) | Value::UInt(_)) => true,
            (Self::Integer, Value::Bool(_)) => true,
            (Self::Real, Value::Float(_) | Value::Float32(_) | Value::Int(_)) => true,
            (Self::Text(limit), Value::Text(text)) => {
                let length = text.chars().count();
                if limit.is_some_and(|limit| length > limit) {
                    return Some(format!("{length} characters"));
                }
                true
            }
            (Self::Blob, Value::Bytes(_)) => true,
            (Self::Boolean, Value::Bool(_) | Value::Int(0 | 1)) => true,
            (Self::Decimal(limits), number) => return decimal(*limits, number),
            // SQLite's three conventions: text, Julian days, seconds.
            (
                Self::Time,
                Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Time(_),
            ) => true,
            (Self::Time, Value::Timestamp(_) | Value::LocalTimestamp(_)) => true,
            (Self::Uuid, Value::Uuid(_) | Value::Text(_)) => true,
            (Self::Uuid, Value::Bytes(bytes)) => bytes.len() == 16,
            (Self::Json, Value::Text(_) | Value::Json(_) | Value::List(_) | Value::Map(_)) => true,
            _ => false,
        };
        (!fits).then(|| value.type_name().to_owned())
    }
}

fn decimal(limits: Option<(i32, i32)>, value: &Value) -> Option<String> {
    let number = match value {
        Value::Decimal(d) => *d,
        Value::Int(i) => Decimal::from(i128::from(*i)),
        Value::UInt(u) => Decimal::from(i128::from(*u)),
        Value::Float(x) => match Decimal::shortest(*x) {
            Some(decimal) => decimal,
            None => return Some("a float that is no number".into()),
        },
        other => return Some(other.type_name().to_owned()),
    };
    let (precision, scale) = limits?;
    if number.scale() > scale {
        return Some(format!("{} decimal places", number.scale()));
    }
    let whole = number.digits() as i32 - number.scale();
    (whole > precision - scale && number.digits() > 0 && number != Decimal::from(0))
        .then(|| format!("{whole} digits before the point"))
}
