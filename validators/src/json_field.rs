//! `json_field`: valid JSON, optionally as a JSON Schema wants it.

use counterfoil_model::wording::count;
use counterfoil_model::{CheckOutcome, FindingKind, ReadAs, Type, Value, json};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{cell, cell_finding, chosen, each_chunk, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `json_field`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonField {
    /// The columns; left out: every column declared or read as JSON.
    #[serde(default)]
    columns: Vec<String>,
    /// A JSON Schema that every value must fit: inline, or the path of a file.
    #[serde(default)]
    schema: Option<serde_json::Value>,
}

/// The page of `json_field`.
pub const DOCS: Documentation = Documentation {
    proves: "Columns of JSON hold valid JSON, without doubled keys, optionally as a JSON Schema wants it.",
    matters: "A document's map becomes text in SQL. Half a JSON, or JSON encoded twice, is still a text that loads fine.",
    example: "```yaml\njson_field                                    # every column declared JSON\n\
        json_field: { columns: [settings], schema: settings.schema.json }\n\
        json_field: { columns: [address], schema: { type: object, required: [city] } }\n```",
    finding: "```text\ninvalid_json  [17]  settings  actual '{\"a\": [1, 2'\nEOF while parsing a list at line 1 column 11\n```\n\n\
        Also `schema_violation` (one for each) and `duplicate_json_key`.",
    blind_spots: "Whether the JSON is the *right* one: `row_diff` compares it with the source by value.",
    mend: "Write the document's map once, with a JSON writer. Text columns that are too short cut JSON in half.",
};

impl Check for JsonField {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let schema = self.validator(input)?;
        let columns = chosen(pair, &self.columns, |c| c.kind == Type::Json || c.read == Some(ReadAs::Json))?;
        let mut outcome = CheckOutcome::default();
        if columns.is_empty() {
            outcome.undecided = Some("no column fits: none is declared or read as JSON".into());
        }
        each_chunk(pair.actual.as_ref(), |batch| {
            outcome.coverage.rows += batch.num_rows() as u64;
            for row in 0..batch.num_rows() {
                for column in &columns {
                    let value = cell(batch, column, row);
                    if value.is_null() {
                        continue;
                    }
                    outcome.checked += 1;
                    for (kind, message) in problems(&value, schema.as_ref()) {
                        outcome.push(cell_finding(
                            kind,
                            row_key(pair, batch, row),
                            &column.name,
                            &value,
                            message,
                        ));
                    }
                }
            }
            Ok(())
        })?;
        outcome.coverage.cells = outcome.checked;
        outcome.message = format!(
            "{} checked, {}",
            count(outcome.checked, "value", "values"),
            count(outcome.failed, "finding", "findings")
        );
        Ok(outcome)
    }
}

impl JsonField {
    fn validator(&self, input: &Input<'_>) -> Result<Option<jsonschema::Validator>, CheckError> {
        let schema = match &self.schema {
            None => return Ok(None),
            Some(serde_json::Value::String(path)) => {
                let text = input.files.text(path).map_err(CheckError::Options)?;
                serde_json::from_str(&text)
                    .map_err(|e| CheckError::Options(format!("{path}: not JSON: {e}")))?
            }
            Some(inline) => inline.clone(),
        };
        let built = jsonschema::validator_for(&schema);
        built.map(Some).map_err(|e| CheckError::Options(format!("'schema' is no JSON Schema: {e}")))
    }
}

fn problems(value: &Value, schema: Option<&jsonschema::Validator>) -> Vec<(FindingKind, String)> {
    let text = match value {
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::List(_) | Value::Map(_) => value.to_json_text(),
        other => {
            return vec![(FindingKind::InvalidJson, format!("{} instead of JSON text", other.type_name()))];
        }
    };
    let parsed = match json::parse(&text) {
        Ok(parsed) => parsed,
        Err(problem) => return vec![(FindingKind::InvalidJson, problem)],
    };
    let doubled = |path: &String| (FindingKind::DuplicateJsonKey, format!("the key {path} stands twice"));
    let mut found: Vec<_> = parsed.duplicate_keys.iter().map(doubled).collect();
    if let (Some(schema), Ok(instance)) = (schema, serde_json::from_str::<serde_json::Value>(&text)) {
        found.extend(schema.iter_errors(&instance).map(|e| {
            let place = e.instance_path().to_string();
            let place = if place.is_empty() { "/" } else { &place };
            (FindingKind::SchemaViolation, format!("{place}: {e}"))
        }));
    }
    found
}
