//! `counterfoil show`.

use std::fs::File;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use clap::{Args, ValueEnum};
use counterfoil_reports::{DifferenceRow, TerminalOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Common, color, print};
use crate::error::Error;

/// Show the differences of a run
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil show runs/moonlanding-20260105T101500Z
  counterfoil show runs/monday --table highlights --outcome changed
  counterfoil show runs/monday --format csv > differences.csv")]
pub struct ShowArgs {
    /// The run's folder
    run: PathBuf,
    /// Only this table
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only this column
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Only this outcome: changed, missing_in_target, extra_in_target, duplicate_key
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The most differences to print as a table (0: all)
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// Prints the differences.
pub fn run(args: &ShowArgs, common: &Common) -> Result<u8, Error> {
    let (rows, total) = read(args)?;
    let format = if common.json { Format::Json } else { args.format };
    let text = match format {
        Format::Json => counterfoil_reports::differences_json(&rows),
        Format::Csv => counterfoil_reports::differences_csv(&rows),
        Format::Table if total == 0 => "no differences\n".to_owned(),
        Format::Table => {
            let options = TerminalOptions { width: None, color: color() };
            let mut text = counterfoil_reports::differences_table(&rows, &options);
            if total > rows.len() {
                text.push_str(&format!("{} of {total} differences; --limit 0 shows all\n", rows.len()));
            }
            text
        }
    };
    print(&text)?;
    Ok(0)
}

fn read(args: &ShowArgs) -> Result<(Vec<DifferenceRow>, usize), Error> {
    let path = args.run.join("differences.parquet");
    let file = File::open(&path).map_err(|problem| Error::Io {
        action: "read",
        path: path.clone(),
        problem,
        help: Some("name the folder of a run, such as runs/moonlanding-20260105T101500Z".into()),
    })?;
    let damaged = |e: &dyn std::fmt::Display| Error::other(format!("{}: {e}", path.display()), None);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).map_err(|e| damaged(&e))?;
    let limit = if matches!(args.format, Format::Table) && args.limit > 0 { args.limit } else { usize::MAX };
    let (mut rows, mut total) = (Vec::new(), 0);
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        for row in 0..batch.num_rows() {
            let cell = |name: &str| {
                let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
                (!column.is_null(row)).then(|| column.value(row).to_owned())
            };
            let wanted = |filter: &Option<String>, name: &str| filter.is_none() || *filter == cell(name);
            if !wanted(&args.table, "table")
                || !wanted(&args.column, "column")
                || !wanted(&args.outcome, "outcome")
            {
                continue;
            }
            total += 1;
            if rows.len() < limit {
                rows.push(DifferenceRow {
                    table: cell("table").unwrap_or_default(),
                    key: cell("key").unwrap_or_default(),
                    outcome: cell("outcome").unwrap_or_default(),
                    column: cell("column"),
                    expected: cell("expected"),
                    actual: cell("actual"),
                    rule: cell("rule"),
                    cause: cell("cause"),
                });
            }
        }
    }
    Ok((rows, total))
}
