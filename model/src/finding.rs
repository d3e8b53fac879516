//! What checks say: findings, coverage, verdicts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::Rule;

/// The answer of a check, or of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something was compared, all of what had to be, and nothing is wrong.
    Pass,
    /// Something is wrong.
    Fail,
    /// Nothing, or not everything, could be compared.
    Inconclusive,
}

impl Verdict {
    /// `pass`, `fail` or `inconclusive`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a finding says is wrong; stable names that reports, plans and planted lists use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum FindingKind {
    MissingInTarget,
    ExtraInTarget,
    Changed,
    DuplicateKey,
    NullKey,
    RowCount,
    SourceRowsUnaccounted,
    DanglingReference,
    ConstraintMissing,
    Orphan,
    OrphanInherited,
    OrphanIntroduced,
    DuplicateValue,
    IdentityMissing,
    IdentityDoubled,
    OverlapOutOfRange,
    WrongStorageType,
    NotIso8601,
    NotUtc,
    OutOfRange,
    Shifted,
    PrecisionLost,
    OldPrefix,
    WrongPrefix,
    FileMissing,
    FileDiffers,
    InvalidJson,
    SchemaViolation,
    DuplicateJsonKey,
}

impl FindingKind {
    /// The stable name, such as `missing_in_target`.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Fails the check.
    Error,
    /// Shown, but fails nothing (an orphan that the source had already).
    Warning,
}

/// One concrete thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// How much it weighs.
    pub level: Level,
    /// The row's key as a JSON array, such as `["u17"]` or `[12,3]`; `None` where the finding is about no row.
    pub key: Option<String>,
    /// The column, where the finding is about one.
    pub column: Option<String>,
    /// What the target should hold; `None` is null or nothing.
    pub expected: Option<String>,
    /// What it holds; `None` is null or nothing.
    pub actual: Option<String>,
    /// The equality rule that was applied.
    pub rule: Option<Rule>,
    /// What a person should know.
    pub message: String,
}

/// What a check looked at, and what it could not look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Rows that were looked at.
    pub rows: u64,
    /// Cells that were compared or judged.
    pub cells: u64,
    /// Columns or cells that were not compared, each with its reason.
    pub not_compared: Vec<NotCompared>,
    /// Things to know that are no gaps: columns read as another type, tolerances, allowed emptiness.
    pub notes: Vec<String>,
}

/// Something that was not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NotCompared {
    /// The table (or collection, as `connection.name`).
    pub table: String,
    /// The column; `None` for the whole table.
    pub column: Option<String>,
    /// How many cells (of a whole table: rows).
    pub cells: u64,
    /// Why.
    pub reason: String,
    /// Whether the plan says that this may be left out (`ignore:`); otherwise the check is inconclusive.
    pub ignored: bool,
}

/// What a validator gives back. Nothing found and nothing looked at are different things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// How many things were checked (rows, cells, values: the validator's page says).
    pub checked: u64,
    /// How many of them failed (errors only).
    pub failed: u64,
    /// All findings, or the first of very many: see `total` and `beyond`.
    pub findings: Vec<Finding>,
    /// How many findings there are in all, also beyond the cap.
    pub total: u64,
    /// How many errors weren't kept, by kind and column.
    #[serde(with = "pairs")]
    pub beyond: BTreeMap<(FindingKind, Option<String>), u64>,
    /// What was and was not looked at.
    pub coverage: Coverage,
    /// Set where the check can't decide for a reason of its own.
    pub undecided: Option<String>,
    /// Rules that were applied, each once, in order.
    pub rules: Vec<Rule>,
    /// One sentence: what was found.
    pub message: String,
    /// Row outcomes, from `row_diff` only.
    pub rows: Option<RowOutcomes>,
}

/// A map whose keys JSON can't have, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

/// How the rows of a table came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowOutcomes {
    /// Key on both sides and no compared cell differing.
    pub matched: u64,
    /// Expected, but not there.
    pub missing_in_target: u64,
    /// There, but not expected.
    pub extra_in_target: u64,
    /// Key on both sides, at least one cell differing.
    pub changed: u64,
    /// Rows whose key another row of the same side has too (all but the first).
    pub duplicate_key: u64,
}

/// The most findings that one check keeps; all are counted, and `row_diff` writes all to the differences.
pub const FINDINGS_KEPT: usize = 10_000;

impl CheckOutcome {
    /// Adds a finding: counts it, and keeps it while there is room.
    pub fn push(&mut self, finding: Finding) {
        if self.has_room() {
            self.total += 1;
            self.failed += u64::from(finding.level == Level::Error);
            self.findings.push(finding);
        } else {
            self.count(finding.kind, finding.level, finding.column.as_deref());
        }
    }

    /// Whether the next finding would be kept; else it may as well only be counted.
    pub fn has_room(&self) -> bool {
        self.findings.len() < FINDINGS_KEPT
    }

    /// Counts a finding that isn't kept.
    pub fn count(&mut self, kind: FindingKind, level: Level, column: Option<&str>) {
        self.total += 1;
        if level != Level::Error {
            return;
        }
        self.failed += 1;
        match self.beyond.iter_mut().find(|((k, c), _)| *k == kind && c.as_deref() == column) {
            Some((_, number)) => *number += 1,
            None => {
                self.beyond.insert((kind, column.map(str::to_owned)), 1);
            }
        }
    }

    /// Notes that a rule was applied.
    pub fn applied(&mut self, rule: Rule) {
        if let Err(at) = self.rules.binary_search(&rule) {
            self.rules.insert(at, rule);
        }
    }

    /// The verdict: wrong things fail; nothing checked, or something left out unasked, is inconclusive.
    pub fn verdict(&self, allow_empty: bool) -> Verdict {
        if self.failed > 0 {
            Verdict::Fail
        } else if self.undecided.is_some()
            || self.coverage.not_compared.iter().any(|n| !n.ignored)
            || (self.checked == 0 && !allow_empty)
        {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        }
    }
}

/// One line of `differences.parquet`: a changed cell, or a missing, extra or duplicate row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The row's key as a JSON array; for a bag the whole row.
    pub key: String,
    /// `missing_in_target`, `extra_in_target`, `changed` or `duplicate_key`.
    pub outcome: FindingKind,
    /// The changed column.
    pub column: Option<String>,
    /// The expected value's text; `None` is null (or no row).
    pub expected: Option<String>,
    /// The actual value's text; `None` is null (or no row).
    pub actual: Option<String>,
    /// The rule that told them apart.
    pub rule: Option<Rule>,
}

/// Takes differences as they are found, so that millions need no memory.
pub trait DifferenceSink: Send {
    /// Takes one difference.
    ///
    /// # Errors
    /// A description of what went wrong (a full disk, say).
    fn push(&mut self, difference: Difference) -> Result<(), String>;
}

impl DifferenceSink for Vec<Difference> {
    fn push(&mut self, difference: Difference) -> Result<(), String> {
        Vec::push(self, difference);
        Ok(())
    }
}
