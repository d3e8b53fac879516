//! Renderings of a run's report: one file each. They know the model and nothing else; the same report gives the same
//! bytes.

mod differences;
mod html;
mod junit;
mod markdown;
mod terminal;
mod text;
mod view;

use counterfoil_model::report::Report;

pub use differences::{DifferenceRow, differences_csv, differences_json, differences_table};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use terminal::{TerminalOptions, terminal};

/// A report could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the report as JSON: {0}")]
pub struct ReportError(#[from] serde_json::Error);

/// `report.json`: pretty, fields in the order of the types, one line feed at the end.
///
/// # Errors
/// Never for a report that a run made; serialisation is fallible by its type.
pub fn json(report: &Report) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// The JSON Schema (2020-12) of `report.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).into()
}
