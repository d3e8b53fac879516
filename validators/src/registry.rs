//! The catalogue: one line a validator, sorted by name.

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::Check;

/// A validator's page: what `counterfoil validators NAME` shows. Markdown; every heading is filled.
#[derive(Clone, Copy, Debug)]
pub struct Documentation {
    /// What it proves, in a sentence.
    pub proves: &'static str,
    /// Why it matters.
    pub matters: &'static str,
    /// Its options with an example in YAML.
    pub example: &'static str,
    /// A finding as it shows it.
    pub finding: &'static str,
    /// What it can't see.
    pub blind_spots: &'static str,
    /// How to mend what it finds.
    pub mend: &'static str,
}

/// One validator.
#[derive(Debug)]
pub struct Validator {
    /// Its name in plans.
    pub name: &'static str,
    /// Its page.
    pub docs: Documentation,
    build: fn(serde_json::Value) -> Result<Box<dyn Check>, String>,
    schema: fn() -> Schema,
}

impl Validator {
    /// A check with these options (null: none).
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn check(&self, options: serde_json::Value) -> Result<Box<dyn Check>, String> {
        (self.build)(options)
    }

    /// The names of its options.
    pub fn option_names(&self) -> Vec<String> {
        let schema = (self.schema)();
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        properties.map(|p| p.keys().cloned().collect()).unwrap_or_default()
    }
}

fn build<C: Check + DeserializeOwned + 'static>(
    options: serde_json::Value,
) -> Result<Box<dyn Check>, String> {
    let options = if options.is_null() { serde_json::json!({}) } else { options };
    serde_json::from_value::<C>(options).map(|c| Box::new(c) as Box<dyn Check>).map_err(|e| e.to_string())
}

const fn validator<C: Check + DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
    docs: Documentation,
) -> Validator {
    Validator { name, docs, build: build::<C>, schema: || schemars::schema_for!(C) }
}

static CATALOGUE: [Validator; 11] = [
    validator::<crate::coordinate::Coordinate>("coordinate", crate::coordinate::DOCS),
    validator::<crate::data_type::DataType>("data_type", crate::data_type::DOCS),
    validator::<crate::dedup::Dedup>("dedup", crate::dedup::DOCS),
    validator::<crate::file_path::FilePath>("file_path", crate::file_path::DOCS),
    validator::<crate::foreign_key::ForeignKey>("foreign_key", crate::foreign_key::DOCS),
    validator::<crate::json_field::JsonField>("json_field", crate::json_field::DOCS),
    validator::<crate::orphan::Orphan>("orphan", crate::orphan::DOCS),
    validator::<crate::row_count::RowCount>("row_count", crate::row_count::DOCS),
    validator::<crate::row_diff::RowDiff>("row_diff", crate::row_diff::DOCS),
    validator::<crate::timestamp::Timestamp>("timestamp", crate::timestamp::DOCS),
    validator::<crate::uniqueness::Uniqueness>("uniqueness", crate::uniqueness::DOCS),
];

/// Every validator, sorted by name.
pub fn catalogue() -> &'static [Validator] {
    &CATALOGUE
}

/// A validator by name.
pub fn find(name: &str) -> Option<&'static Validator> {
    CATALOGUE.iter().find(|v| v.name == name)
}

/// The JSON Schema of a validator's options.
pub fn options_schema(name: &str) -> Option<Schema> {
    find(name).map(|v| (v.schema)())
}
