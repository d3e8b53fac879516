//! `orphan`: each child's parent exists; inherited and introduced orphans are told apart.

use std::sync::Arc;

use counterfoil_model::names::suggestion;
use counterfoil_model::pair::TablePair;
use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, FindingKind, Level};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{
    cell, cell_finding, comparable, each_chunk, encoded, expected_by_key, one, row_key, tuples,
};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `orphan`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Orphan {
    /// The referring column.
    column: String,
    /// `table.column` that it refers to.
    references: String,
    /// `source`: tell orphans that the source had already from those that the migration made.
    #[serde(default)]
    baseline: Option<Baseline>,
}

/// What orphans are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Baseline {
    /// What the source held.
    Source,
}

/// The page of `orphan`.
pub const DOCS: Documentation = Documentation {
    proves: "Each child's parent exists; with `baseline: source`, each orphan is inherited or introduced.",
    matters: "Documents have no foreign keys, so most old systems have orphans. Whether the migration made one is another \
        question than whether one is there.",
    example: "```yaml\norphan: { column: review_id, references: reviews.id, baseline: source }\n```",
    finding: "```text\norphan_introduced  [\"h3\"]  review_id  actual 'r9'\nthe parent is missing here, but not in the source\n```\n\n\
        Without a baseline the kind is `orphan`. `orphan_inherited` is a warning: it fails nothing.",
    blind_spots: "A child with the wrong parent, which exists: `row_diff`. Nulls refer to nothing and are no orphans. Where \
        the parent's key is a surrogate, the parents of the target stand for those of the source.",
    mend: "Introduced: migrate the parents, or find why children point elsewhere. Inherited: decide, and say it with a waiver \
        or a `where`.",
};

impl Check for Orphan {
    fn columns(&self) -> Vec<String> {
        vec![self.column.clone()]
    }

    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let child = one(pair, &self.column)?;
        let (parent, parent_column) = self.parent(input)?;
        let there = tuples(parent.actual.as_ref(), &[one(&parent, &parent_column)?.at])?;
        let expected_child = pair.column(&self.column).map(|c| c.expected);
        let before = match parent.column(&parent_column) {
            Some(column) => tuples(parent.expected.as_ref(), &[column.expected])?,
            None => there.clone(),
        };
        let source = match (self.baseline, expected_child) {
            (Some(Baseline::Source), Some(at)) => expected_by_key(pair, &[at])?,
            _ => Default::default(),
        };
        let mut outcome = CheckOutcome::default();
        let mut inherited = 0_u64;
        each_chunk(pair.actual.as_ref(), |batch| {
            let keys = pair.key.as_ref().map(|k| k.actual.encode_batch(batch));
            for row in 0..batch.num_rows() {
                let value = comparable(cell(batch, &child, row));
                outcome.checked += 1;
                outcome.coverage.rows += 1;
                if value.is_null() || there.contains(&encoded(std::slice::from_ref(&value))) {
                    continue;
                }
                let had = keys
                    .as_ref()
                    .and_then(|k| source.get(k.get(row)))
                    .and_then(|v| v.first())
                    .cloned()
                    .map(comparable);
                let as_before = had.is_some_and(|had| {
                    let had = encoded(&[had]);
                    had == encoded(std::slice::from_ref(&value)) && !before.contains(&had)
                });
                let (kind, message) = match (self.baseline, as_before) {
                    (None, _) => (FindingKind::Orphan, "the parent is missing"),
                    (Some(_), true) => (FindingKind::OrphanInherited, "the source lacks this parent too"),
                    (Some(_), false) => {
                        (FindingKind::OrphanIntroduced, "the parent is missing here, but not in the source")
                    }
                };
                let mut finding =
                    cell_finding(kind, row_key(pair, batch, row), &self.column, &value, message);
                if kind == FindingKind::OrphanInherited {
                    finding.level = Level::Warning;
                    inherited += 1;
                }
                outcome.push(finding);
            }
            Ok(())
        })?;
        outcome.coverage.cells = outcome.checked;
        outcome.message = match self.baseline {
            Some(_) => format!(
                "{} checked: {} introduced, {} inherited",
                count(outcome.checked, "row", "rows"),
                count(outcome.failed, "orphan", "orphans"),
                number(inherited)
            ),
            None => format!(
                "{} checked, {}",
                count(outcome.checked, "row", "rows"),
                count(outcome.failed, "orphan", "orphans")
            ),
        };
        Ok(outcome)
    }
}

impl Orphan {
    fn parent(&self, input: &Input<'_>) -> Result<(Arc<TablePair>, String), CheckError> {
        let Some((table, column)) = self.references.rsplit_once('.') else {
            return Err(CheckError::Options(format!(
                "'references' takes table.column, not '{}'",
                self.references
            )));
        };
        let parent = input.pairs.get(table).ok_or_else(|| {
            let hint = suggestion(table, input.pairs.keys().map(String::as_str));
            CheckError::Options(format!("'references' names '{table}', which is no table of the plan{hint}"))
        })?;
        Ok((parent.clone(), column.to_owned()))
    }
}
