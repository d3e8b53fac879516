//! `counterfoil validators`.

use clap::Args;
use counterfoil_model::names::suggestion;
use counterfoil_validators::{Documentation, catalogue, find};
use serde_json::json;

use super::{Common, print};
use crate::error::Error;

/// List the validators, or show the page of one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil validators
  counterfoil validators orphan")]
pub struct ValidatorsArgs {
    /// The validator to show
    name: Option<String>,
}

/// Prints the catalogue or one page.
pub fn run(args: &ValidatorsArgs, common: &Common) -> Result<u8, Error> {
    let text = match &args.name {
        Some(name) => {
            let Some(validator) = find(name) else {
                let hint = suggestion(name, catalogue().iter().map(|v| v.name));
                let help = "'counterfoil validators' lists them all".to_owned();
                return Err(Error::other(format!("there is no validator '{name}'{hint}"), help));
            };
            page(validator.name, &validator.docs)
        }
        None if common.json => {
            let all: Vec<_> = catalogue()
                .iter()
                .map(|v| json!({ "name": v.name, "proves": v.docs.proves, "options": v.option_names() }))
                .collect();
            format!("{}\n", serde_json::Value::from(all))
        }
        None => {
            let width = catalogue().iter().map(|v| v.name.len()).max().unwrap_or(0);
            let line =
                |v: &counterfoil_validators::Validator| format!("{:width$}  {}\n", v.name, v.docs.proves);
            catalogue().iter().map(line).collect()
        }
    };
    print(&text)?;
    Ok(0)
}

/// A validator's page, as the terminal and docs/validators.md have it.
pub fn page(name: &str, docs: &Documentation) -> String {
    let sections = [
        ("What it proves", docs.proves),
        ("Why it matters", docs.matters),
        ("Options", docs.example),
        ("Example finding", docs.finding),
        ("Blind to", docs.blind_spots),
        ("How to mend", docs.mend),
    ];
    let body: String =
        sections.iter().map(|(title, text)| format!("\n## {title}\n\n{}\n", text.trim())).collect();
    format!("# {name}\n{body}")
}
