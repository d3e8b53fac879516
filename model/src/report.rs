//! `report.json`: the truth of a run; every other rendering comes from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::{Coverage, Finding, NotCompared, Verdict};
use crate::lineage::SourceAccount;
use crate::rule::Rule;

/// The version of the report's form.
pub const SCHEMA: &str = "counterfoil/report/1";

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`SCHEMA`].
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Which run.
    pub run: Run,
    /// Which plan.
    pub plan: PlanIdentity,
    /// What was looked at.
    pub snapshots: Vec<SnapshotIdentity>,
    /// The answer.
    pub verdict: Verdict,
    /// How the answer became an exit code.
    pub gate: GateResult,
    /// What was compared and what was not.
    pub coverage: RunCoverage,
    /// Every table of the plan.
    pub tables: Vec<TableResult>,
    /// Every check, in plan order.
    pub checks: Vec<CheckResult>,
    /// Rules that explain many changed cells at once.
    pub causes: Vec<Cause>,
    /// Waivers of the plan, and what they covered.
    pub waivers: Vec<WaiverResult>,
}

/// Which run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The name of the run's folder.
    pub id: String,
    /// The phase, if one was asked for.
    pub phase: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// counterfoil's version.
    pub version: String,
    /// The most memory that the process held at once, in bytes; `null` where the system doesn't tell.
    pub peak_rss_bytes: Option<u64>,
}

/// Which plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanIdentity {
    /// The plan's name.
    pub name: String,
    /// The path as it was given.
    pub path: String,
    /// BLAKE3 of the file's bytes, hexadecimal.
    pub blake3: String,
    /// Values set on the command line (`--set`).
    pub set: Vec<String>,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotIdentity {
    /// The connection's name in the plan.
    pub connection: String,
    /// Its URL without secrets.
    pub url: String,
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// How many tables or collections.
    pub tables: u64,
    /// How many rows in all.
    pub rows: u64,
    /// The Merkle root over all tables, hexadecimal.
    pub root: Option<String>,
    /// How consistent the view was.
    pub consistency: String,
}

/// How verdicts became an exit code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateResult {
    /// The share of decided checks that passed, 0 to 1 (0 where none was decided). Inconclusive checks are not in it: they
    /// block by themselves.
    pub pass_rate: f64,
    /// The share of decided checks that had to pass.
    pub required: f64,
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// Checks that could not decide.
    pub inconclusive: u64,
    /// Findings that a waiver covered.
    pub waived: u64,
    /// 0, 1 or 2.
    pub exit_code: u8,
    /// Why, in a sentence.
    pub reason: String,
}

/// What was compared in the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunCoverage {
    /// Inconclusive where something was left out that the plan doesn't ignore.
    pub verdict: Verdict,
    /// Rows of the target that were looked at.
    pub rows: u64,
    /// Cells compared with what they should hold.
    pub cells: u64,
    /// Everything that was not compared, with its reason.
    pub not_compared: Vec<NotCompared>,
}

/// How a table came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableResult {
    /// The target table.
    pub name: String,
    /// The sources it comes from, and where their rows went.
    pub sources: Vec<SourceAccount>,
    /// Key columns; empty for a bag.
    pub key: Vec<String>,
    /// Rows that the target should hold.
    pub expected: u64,
    /// Rows that it holds.
    pub actual: u64,
    /// Row outcomes; null where no `row_diff` looked.
    pub matched: Option<u64>,
    /// Expected, but not there.
    pub missing_in_target: Option<u64>,
    /// There, but not expected.
    pub extra_in_target: Option<u64>,
    /// At least one cell differs.
    pub changed: Option<u64>,
    /// Rows whose key another row of the same side has too.
    pub duplicate_key: Option<u64>,
    /// Every pairing of columns that was applied.
    pub pairings: Vec<Pairing>,
    /// Who was merged into whom (capped; `merges_total` is exact).
    pub merges: Vec<MergeShown>,
    /// How many source rows were merged into others.
    pub merges_total: u64,
}

/// A target column and what it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pairing {
    /// The target column.
    pub column: String,
    /// The source column, path or expression.
    pub from: String,
    /// `name` (paired by name), `plan`, or `surrogate`.
    pub by: String,
    /// The type in which both sides are read, if any.
    pub read_as: Option<String>,
    /// Tolerances, if any.
    pub tolerances: Vec<String>,
}

/// One merge, as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergeShown {
    /// The source row that went, as `connection.collection key`.
    pub from: String,
    /// The source row that stayed.
    pub into: String,
    /// What they share.
    pub identity: String,
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// `table.validator`, `table.validator#2` for its second use, ...
    pub id: String,
    /// The validator.
    pub validator: String,
    /// The table.
    pub table: String,
    /// The columns it looked at; empty: all or none.
    pub columns: Vec<String>,
    /// How much a failure weighs; always `error` today.
    pub severity: String,
    /// The answer.
    pub verdict: Verdict,
    /// How many things were checked.
    pub checked: u64,
    /// How many of them failed.
    pub failed: u64,
    /// The rules that were applied.
    pub rules: Vec<Rule>,
    /// One sentence.
    pub message: String,
    /// The first findings, in key order.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub total: u64,
    /// What it looked at and what not.
    pub coverage: Coverage,
    /// How long it took.
    pub duration_ms: u64,
}

/// A rule that explains many changed cells at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Its id.
    pub id: String,
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What explains the cells.
    pub message: String,
    /// How many cells.
    pub cells: u64,
}

/// A waiver and what it covered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverResult {
    /// Its id.
    pub id: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day it holds.
    pub until: Option<String>,
    /// How many findings it covered.
    pub findings: u64,
    /// `applied`, `expired` or `unused`.
    pub status: String,
}
