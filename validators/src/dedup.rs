//! `dedup`: each source identity ends in exactly one target row.

use std::collections::{BTreeMap, HashMap};

use counterfoil_model::{CheckOutcome, Finding, FindingKind, Level, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::support::{encoded, row_key};
use crate::{Check, CheckError, Documentation, Input};

/// Options of `dedup`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dedup {
    /// The share of identities that may stand in several source rows.
    #[serde(default)]
    overlap: Option<Overlap>,
}

/// A range of shares, such as `10%` or `0.1`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Overlap {
    /// At least.
    #[serde(default)]
    min: Option<Share>,
    /// At most.
    #[serde(default)]
    max: Option<Share>,
}

/// A share: `10%` as text, or a number from 0 to 1.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "serde_json::Value")]
#[schemars(with = "serde_json::Value")]
struct Share(f64);

impl TryFrom<serde_json::Value> for Share {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        let wrong = || format!("{value} is no share: write 10% or 0.1");
        let share = match &value {
            serde_json::Value::String(text) => {
                let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
                number.trim().parse::<f64>().map_err(|_| wrong())? / 100.0
            }
            other => other.as_f64().ok_or_else(wrong)?,
        };
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(wrong()) }
    }
}

/// The page of `dedup`.
pub const DOCS: Documentation = Documentation {
    proves: "Each source identity ends in exactly one target row, and the overlap is in the stated range.",
    matters: "Users merged by e-mail are where migrations lose or double people: a count can't tell, because fewer rows are \
        expected anyway.",
    example: "```yaml\ndedup                                     # needs `dedup:` in the table\n\
        dedup: { overlap: { min: 10%, max: 15% } }\n```\n\nThe overlap is the share of distinct identities that stand in more \
        than one source row.",
    finding: "```text\nidentity_doubled  actual 'a@b.c'\non 2 target rows: [12], [70]\n```\n\nAlso `identity_missing` and \
        `overlap_out_of_range`.",
    blind_spots: "Identities in the target that no source has: `row_diff` calls them extra. Whether the right copy was kept: \
        `row_diff`. Null and '' identify nobody and are left out.",
    mend: "Merge the doubled rows and move what refers to them; migrate the missing ones. The report lists who was merged into \
        whom.",
};

impl Check for Dedup {
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError> {
        let pair = input.pair;
        let Some(identities) = &pair.identities else {
            return Err(CheckError::Options(format!("table '{}' has no 'dedup' in the plan", pair.name)));
        };
        let mut outcome = CheckOutcome::default();
        let mut sources: BTreeMap<Box<[u8]>, (Value, u64)> = BTreeMap::new();
        let mut nobody = 0_u64;
        for value in identities.sources.iter().flatten() {
            if is_nobody(value) {
                nobody += 1;
            } else {
                sources
                    .entry(encoded(std::slice::from_ref(value)))
                    .or_insert_with(|| (value.clone(), 0))
                    .1 += 1;
            }
        }
        let batch = pair.actual.read_all(None)?;
        let mut target: HashMap<Box<[u8]>, Vec<usize>> = HashMap::new();
        for (row, value) in identities.actual.iter().enumerate().filter(|(_, v)| !is_nobody(v)) {
            target.entry(encoded(std::slice::from_ref(value))).or_default().push(row);
        }
        for (key, (identity, _)) in &sources {
            outcome.checked += 1;
            match target.get(key).map(Vec::as_slice) {
                None | Some([]) => {
                    outcome.push(finding(FindingKind::IdentityMissing, identity, "on no target row".into()))
                }
                Some([_]) => {}
                Some(rows) => {
                    let keys: Vec<String> = rows.iter().map(|r| row_key(pair, &batch, *r)).collect();
                    let message = format!("on {} target rows: {}", rows.len(), keys.join(", "));
                    for _ in 1..rows.len() {
                        outcome.push(finding(FindingKind::IdentityDoubled, identity, message.clone()));
                    }
                }
            }
        }
        let shared = sources.values().filter(|(_, rows)| *rows > 1).count();
        let share = if sources.is_empty() { 0.0 } else { shared as f64 / sources.len() as f64 };
        self.check_overlap(share, &mut outcome);
        outcome.coverage.rows = pair.actual.rows();
        outcome.coverage.cells = outcome.checked;
        if nobody > 0 {
            outcome
                .coverage
                .notes
                .push(format!("{nobody} source rows have a null or empty identity and were never merged"));
        }
        outcome.message = format!(
            "{} identities, {shared} of them in several source rows ({:.1}%)",
            sources.len(),
            share * 100.0
        );
        Ok(outcome)
    }
}

impl Dedup {
    fn check_overlap(&self, share: f64, outcome: &mut CheckOutcome) {
        let Some(overlap) = &self.overlap else { return };
        let (min, max) =
            (overlap.min.as_ref().map_or(0.0, |s| s.0), overlap.max.as_ref().map_or(1.0, |s| s.0));
        if outcome.checked > 0 && !(min..=max).contains(&share) {
            outcome.push(Finding {
                kind: FindingKind::OverlapOutOfRange,
                level: Level::Error,
                key: None,
                column: None,
                expected: Some(format!("{:.1}% to {:.1}%", min * 100.0, max * 100.0)),
                actual: Some(format!("{:.1}%", share * 100.0)),
                rule: None,
                message: "more or fewer identities stand in several source rows than the plan says".into(),
            });
        }
    }
}

fn is_nobody(value: &Value) -> bool {
    value.is_null() || matches!(value, Value::Text(s) if s.is_empty())
}

fn finding(kind: FindingKind, identity: &Value, message: String) -> Finding {
    Finding {
        kind,
        level: Level::Error,
        key: None,
        column: None,
        expected: None,
        actual: Some(identity.to_string()),
        rule: None,
        message,
    }
}
