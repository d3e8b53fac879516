//! `counterfoil report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use counterfoil_model::report::Report;

use super::print;
use super::run::summary;
use crate::error::Error;

/// Render the report of a run again, from its report.json
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil report runs/monday --format markdown > report.md
  counterfoil report runs/monday --format terminal")]
pub struct ReportArgs {
    /// The run's folder
    run: PathBuf,
    /// What to render
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Terminal,
    Json,
    Markdown,
    Html,
    Junit,
}

/// Prints the rendering.
pub fn run(args: &ReportArgs) -> Result<u8, Error> {
    let path = args.run.join("report.json");
    let text = std::fs::read_to_string(&path).map_err(|problem| Error::Io {
        action: "read",
        path: path.clone(),
        problem,
        help: Some("name the folder of a run, such as runs/moonlanding-20260105T101500Z".into()),
    })?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|e| Error::other(format!("{}: not a report of this version: {e}", path.display()), None))?;
    let text = match args.format {
        Format::Terminal => summary(&report),
        Format::Json => counterfoil_reports::json(&report).map_err(|e| Error::other(e.to_string(), None))?,
        Format::Markdown => counterfoil_reports::markdown(&report),
        Format::Html => counterfoil_reports::html(&report),
        Format::Junit => counterfoil_reports::junit(&report),
    };
    print(&text)?;
    Ok(0)
}
