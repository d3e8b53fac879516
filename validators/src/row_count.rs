//! `row_count`: as many rows as there should be, and every source row accounted for.

use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, Finding, FindingKind, Level};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Check, CheckError, Documentation, Input};

/// Options of `row_count`: none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCount {}

/// The page of `row_count`.
pub const DOCS: Documentation = Documentation {
    proves: "The target has as many rows as the mapping of the source gives, and every source row is accounted for.",
    matters: "It is the first question anybody asks, and the cheapest to answer: after filters, explode and dedup, how many \
        rows should there be?",
    example: "No options.\n\n```yaml\nchecks: [row_count]\n```",
    finding: "```text\nrow_count  expected 117  actual 116\n```\n\nAlso `source_rows_unaccounted`: rows read are not rows \
        filtered, merged and kept.",
    blind_spots: "One row lost and another doubled leave the count as it was: `row_diff` and `dedup` see them.",
    mend: "`row_diff` names the rows. The report's account of each source shows where rows went.",
};

impl Check for RowCount {
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let (expected, actual) = (pair.expected.rows(), pair.actual.rows());
        let mut outcome = CheckOutcome { checked: expected.max(actual), ..CheckOutcome::default() };
        outcome.coverage.rows = actual;
        if let Some(reason) = &pair.counts_unknown {
            outcome.undecided = Some(reason.clone());
        } else if expected != actual {
            let message = match expected > actual {
                true => format!("{} too few", count(expected - actual, "row", "rows")),
                false => format!("{} too many", count(actual - expected, "row", "rows")),
            };
            outcome.push(finding(FindingKind::RowCount, expected, actual, message));
        }
        let (mut read, mut filtered, mut merged) = (0, 0, 0);
        for source in &pair.lineage.sources {
            read += source.rows;
            filtered += source.filtered;
            merged += source.merged;
            if source.exploded != source.merged + source.kept || source.filtered > source.rows {
                let message = format!("{}: rows were neither kept, nor merged, nor filtered", source.source);
                outcome.push(finding(
                    FindingKind::SourceRowsUnaccounted,
                    source.exploded,
                    source.merged + source.kept,
                    message,
                ));
            }
        }
        outcome.message = format!(
            "{} expected ({} read, {} filtered, {} merged), {} there",
            count(expected, "row", "rows"),
            number(read),
            number(filtered),
            number(merged),
            number(actual)
        );
        Ok(outcome)
    }
}

fn finding(kind: FindingKind, expected: u64, actual: u64, message: String) -> Finding {
    Finding {
        kind,
        level: Level::Error,
        key: None,
        column: None,
        expected: Some(expected.to_string()),
        actual: Some(actual.to_string()),
        rule: None,
        message,
    }
}
