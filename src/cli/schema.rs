//! `counterfoil schema`.

use clap::{Args, ValueEnum};

use super::print;
use crate::error::Error;

/// Print the JSON Schema of plan files or of report.json
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil schema plan > plan.schema.json
  counterfoil schema report")]
pub struct SchemaArgs {
    /// Which schema
    #[arg(value_enum, default_value = "plan")]
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Plan,
    Report,
}

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<u8, Error> {
    let schema = match args.of {
        Of::Plan => plan_schema(),
        Of::Report => counterfoil_reports::schema(),
    };
    print(&format!("{schema:#}\n"))?;
    Ok(0)
}

/// The JSON Schema of plan files, with the options of every validator of this build.
pub fn plan_schema() -> serde_json::Value {
    let validators: Vec<(String, serde_json::Value, String)> = counterfoil_validators::catalogue()
        .iter()
        .map(|v| {
            let options = counterfoil_validators::options_schema(v.name).map(Into::into).unwrap_or_default();
            (v.name.to_owned(), options, v.docs.proves.to_owned())
        })
        .collect();
    counterfoil_plan::schema(&validators)
}
