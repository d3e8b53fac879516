//! `counterfoil show`: differences as a table, JSON or CSV.

use serde::Serialize;

use crate::terminal::{TerminalOptions, new_table};
use crate::text::{self, SHOWN, Side, cells, visible};

/// One line of `differences.parquet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferenceRow {
    /// The table.
    pub table: String,
    /// The key as a JSON array.
    pub key: String,
    /// What happened to the row.
    pub outcome: String,
    /// The changed column.
    pub column: Option<String>,
    /// The expected value; `None` is null (or no row).
    pub expected: Option<String>,
    /// The actual value; `None` is null (or no row).
    pub actual: Option<String>,
    /// The rule that told them apart.
    pub rule: Option<String>,
    /// What explains the difference, if anything does.
    pub cause: Option<String>,
}

/// As a table for people.
pub fn differences_table(rows: &[DifferenceRow], options: &TerminalOptions) -> String {
    let mut table = new_table(options);
    table.set_header(["table", "key", "outcome", "column", "expected", "actual", "rule"]);
    for row in rows {
        let (expected, actual) = match &row.column {
            Some(_) => cells(row.expected.as_deref(), row.actual.as_deref(), SHOWN),
            None => (Side::Nothing, Side::Nothing),
        };
        table.add_row([
            visible(&row.table),
            text::key(&row.key),
            row.outcome.clone(),
            visible(row.column.as_deref().unwrap_or("")),
            expected.plain(),
            actual.plain(),
            row.rule.clone().unwrap_or_default(),
        ]);
    }
    table.trim_fmt() + "\n"
}

/// As a JSON array; null is null.
pub fn differences_json(rows: &[DifferenceRow]) -> String {
    // Texts and nulls always serialise.
    serde_json::to_string_pretty(rows).unwrap_or_default() + "\n"
}

/// As CSV (RFC 4180). Null is an empty field, empty text is `""`.
pub fn differences_csv(rows: &[DifferenceRow]) -> String {
    let mut out = String::from("table,key,outcome,column,expected,actual,rule,cause\n");
    for row in rows {
        let cells = [
            Some(row.table.as_str()),
            Some(row.key.as_str()),
            Some(row.outcome.as_str()),
            row.column.as_deref(),
            row.expected.as_deref(),
            row.actual.as_deref(),
            row.rule.as_deref(),
            row.cause.as_deref(),
        ];
        let line: Vec<String> = cells.into_iter().map(field).collect();
        out.push_str(&line.join(","));
        out.push('\n');
    }
    out
}

fn field(text: Option<&str>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}
