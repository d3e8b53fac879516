//! `uniqueness`: no duplicates where there must be none.

use std::collections::HashMap;

use counterfoil_model::wording::count;
use counterfoil_model::{CheckOutcome, FindingKind, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{Column, cell, cell_finding, comparable, each_chunk, encoded, one, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `uniqueness`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniqueness {
    /// Columns that are unique together; left out: the primary key and every declared unique set.
    #[serde(default)]
    columns: Vec<String>,
}

/// The page of `uniqueness`.
pub const DOCS: Documentation = Documentation {
    proves: "No duplicate keys, and no duplicates in columns declared unique or named here.",
    matters: "Document stores don't know unique fields, and a constraint that was dropped for the load and never came back \
        doesn't complain.",
    example: "```yaml\nuniqueness                          # the primary key and every declared unique set\n\
        uniqueness: { columns: [email] }    # these together\n```",
    finding: "```text\nduplicate_value  [91]  email  actual 'a@b.c'\nthe same as row [17]\n```\n\nEvery row beyond the first is one \
        finding. `null_key`: null in a primary key.",
    blind_spots: "Values that differ only in case or white space are different. Nulls are distinct, as SQL has it.",
    mend: "Decide which row stays, move what refers to the other, delete it, and declare the constraint.",
};

impl Check for Uniqueness {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let mut sets: Vec<(Vec<String>, bool)> = Vec::new();
        if self.columns.is_empty() {
            if !pair.facts.primary_key.is_empty() {
                sets.push((pair.facts.primary_key.clone(), true));
            }
            sets.extend(pair.facts.unique.iter().map(|set| (set.clone(), false)));
        } else {
            sets.push((self.columns.clone(), false));
        }
        let mut outcome = CheckOutcome::default();
        if sets.is_empty() {
            outcome.undecided = Some("nothing is declared unique here; name columns to check".into());
        }
        for (set, primary) in &sets {
            let columns: Vec<Column> = set.iter().map(|c| one(pair, c)).collect::<Result<_, _>>()?;
            look(input, &columns, *primary, &mut outcome)?;
        }
        let names: Vec<String> = sets.iter().map(|(set, _)| set.join(",")).collect();
        outcome.message = format!(
            "{} of {} checked, {}",
            count(outcome.checked, "value", "values"),
            names.join(" and of "),
            count(outcome.failed, "finding", "findings")
        );
        Ok(outcome)
    }
}

fn look(
    input: &Input<'_>,
    columns: &[Column],
    primary: bool,
    outcome: &mut CheckOutcome,
) -> Result<(), CheckError> {
    let pair = input.pair;
    let name = columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(",");
    let mut first: HashMap<Box<[u8]>, String> = HashMap::new();
    each_chunk(pair.actual.as_ref(), |batch| {
        for row in 0..batch.num_rows() {
            let values: Vec<Value> = columns.iter().map(|c| comparable(cell(batch, c, row))).collect();
            outcome.checked += 1;
            outcome.coverage.rows += 1;
            outcome.coverage.cells += values.len() as u64;
            let shown = if let [one] = values.as_slice() { one.clone() } else { Value::List(values.clone()) };
            if values.iter().any(Value::is_null) {
                if primary {
                    let message = "a key with null in it names no row";
                    outcome.push(cell_finding(
                        FindingKind::NullKey,
                        row_key(pair, batch, row),
                        &name,
                        &shown,
                        message,
                    ));
                }
                continue;
            }
            let key = row_key(pair, batch, row);
            match first.get(&encoded(&values)) {
                Some(earlier) => {
                    let message = format!("the same as row {earlier}");
                    outcome.push(cell_finding(FindingKind::DuplicateValue, key, &name, &shown, message));
                }
                None => {
                    first.insert(encoded(&values), key);
                }
            }
        }
        Ok(())
    })
}
