//! `foreign_key`: declared constraints exist and hold.

use counterfoil_model::finding::NotCompared;
use counterfoil_model::table::ForeignKey as Declared;
use counterfoil_model::{CheckOutcome, Finding, FindingKind, Level, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{Column, cell, cell_finding, comparable, each_chunk, encoded, one, row_key, tuples};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `foreign_key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// Constraints that have to be declared.
    #[serde(default)]
    expect: Vec<Expected>,
}

/// A constraint that has to be declared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The referring column.
    column: String,
    /// `table.column`.
    references: String,
}

/// The page of `foreign_key`.
pub const DOCS: Documentation = Documentation {
    proves: "Every declared foreign key holds: each reference leads to a row that is there.",
    matters: "SQLite enforces foreign keys only where the connection asks for it, and bulk loads switch constraints off. A \
        declared constraint is no proof that it holds.",
    example: "```yaml\nforeign_key                                                    # every declared constraint\n\
        foreign_key: { expect: [{ column: client_id, references: clients.id }] }   # and this one must be declared\n```",
    finding: "```text\ndangling_reference  [\"e9\"]  client_id  actual 'c77'\nno row of clients has id = 'c77'\n```\n\n\
        Also `constraint_missing`.",
    blind_spots: "References that nobody declared: use `orphan`. Whether a reference leads to the *right* row: `row_diff`.",
    mend: "Migrate the missing parents, or set or delete the children. Then switch enforcement on (`PRAGMA foreign_keys`).",
};

impl Check for ForeignKey {
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let mut outcome = CheckOutcome::default();
        for wanted in &self.expect {
            outcome.checked += 1;
            one(pair, &wanted.column)?;
            let declared = pair.facts.foreign_keys.iter().any(|k| {
                k.columns == [wanted.column.as_str()]
                    && format!("{}.{}", k.table, k.references.join(",")) == wanted.references
            });
            if !declared {
                outcome.push(Finding {
                    kind: FindingKind::ConstraintMissing,
                    level: Level::Error,
                    key: None,
                    column: Some(wanted.column.clone()),
                    expected: Some(wanted.references.clone()),
                    actual: None,
                    rule: None,
                    message: "the target doesn't declare this foreign key".into(),
                });
            }
        }
        if pair.facts.foreign_keys.is_empty() && self.expect.is_empty() {
            outcome.undecided = Some("the target declares no foreign key on this table".into());
        }
        for declared in &pair.facts.foreign_keys {
            check(declared, input, &mut outcome)?;
        }
        outcome.message =
            format!("{} references checked, {} lead nowhere", outcome.coverage.cells, outcome.failed);
        Ok(outcome)
    }
}

fn check(declared: &Declared, input: &Input<'_>, outcome: &mut CheckOutcome) -> Result<(), CheckError> {
    let pair = input.pair;
    let name = declared.columns.join(",");
    // SQLite's names are the same whatever their case.
    let parent = input.pairs.values().find(|p| p.name.eq_ignore_ascii_case(&declared.table));
    let Some(parent) = parent else {
        outcome.coverage.not_compared.push(NotCompared {
            table: pair.name.clone(),
            column: Some(name),
            cells: pair.actual.rows(),
            reason: format!("it refers to '{}', which is no table of the plan", declared.table),
            ignored: false,
        });
        return Ok(());
    };
    let children: Vec<Column> = declared.columns.iter().map(|c| one(pair, c)).collect::<Result<_, _>>()?;
    let parents: Vec<usize> =
        declared.references.iter().map(|c| one(parent, c).map(|c| c.at)).collect::<Result<_, _>>()?;
    let there = tuples(parent.actual.as_ref(), &parents)?;
    each_chunk(pair.actual.as_ref(), |batch| {
        for row in 0..batch.num_rows() {
            let values: Vec<Value> = children.iter().map(|c| comparable(cell(batch, c, row))).collect();
            outcome.checked += 1;
            outcome.coverage.rows += 1;
            // SQL's MATCH SIMPLE: a reference with null in it refers to nothing.
            if values.iter().any(Value::is_null) {
                continue;
            }
            outcome.coverage.cells += 1;
            if !there.contains(&encoded(&values)) {
                let shown = if let [one] = values.as_slice() { one.clone() } else { Value::List(values) };
                let message =
                    format!("no row of {} has {} = {shown}", parent.name, declared.references.join(","));
                outcome.push(cell_finding(
                    FindingKind::DanglingReference,
                    row_key(pair, batch, row),
                    &name,
                    &shown,
                    message,
                ));
            }
        }
        Ok(())
    })
}
