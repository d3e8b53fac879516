//! The plan, typed and resolved. Member `plan` reads it from YAML.

use std::fmt;

use crate::finding::FindingKind;
use crate::read::ReadAs;

/// A place in the plan file; 1-based. Line 0 means that it stands in no file (`--set`, a default).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value with the place where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

/// A plan file.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The plan's name; the file's stem where it says none.
    pub name: String,
    /// Named databases and file sets, in plan order.
    pub connections: Vec<Connection>,
    /// The connection that is the target.
    pub target: Spanned<String>,
    /// Settings for all tables.
    pub defaults: Defaults,
    /// The target's tables, in plan order.
    pub tables: Vec<TablePlan>,
    /// Named stages.
    pub phases: Vec<Phase>,
    /// Known differences that somebody answers for.
    pub waivers: Vec<Waiver>,
    /// What breaks the build.
    pub gate: Gate,
    /// What is rendered.
    pub report: ReportSettings,
    /// Source collections and target tables left out on purpose, as `connection.name`.
    pub ignore: Vec<Ignore>,
}

/// A named database or file set.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Its name in the plan.
    pub name: String,
    /// Its URL, environment variables filled in: may hold a secret, so never show it; see `shown`.
    pub url: Spanned<String>,
    /// The URL as the plan writes it (`${DATABASE_URL}` unfilled, passwords masked).
    pub shown: String,
}

/// Settings for all tables.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// IANA name of the zone of times that have none; `UTC` where the plan says nothing.
    pub timezone: Option<Spanned<String>>,
    /// How null and '' compare.
    pub null_vs_empty: NullVsEmpty,
    /// How text compares.
    pub unicode: Unicode,
}

/// How null and '' compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullVsEmpty {
    /// They differ.
    #[default]
    Distinct,
    /// They are one: a tolerance.
    Equal,
}

/// How text compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unicode {
    /// Code point by code point.
    #[default]
    Exact,
    /// After normalisation to NFC: a tolerance.
    Nfc,
}

/// How a target table follows from the sources, and what is checked.
#[derive(Clone, Debug, Default)]
pub struct TablePlan {
    /// The target table.
    pub name: Spanned<String>,
    /// `connection.table` or `connection.collection/subcollection`, in order.
    pub from: Vec<Spanned<String>>,
    /// Free SQL instead of `from`.
    pub sql: Option<Spanned<String>>,
    /// Key columns; `None`: the target's primary key; empty: compare as a bag.
    pub key: Option<Vec<Spanned<String>>>,
    /// Columns by which rows pair where the target minted its own ids.
    pub match_columns: Vec<Spanned<String>>,
    /// Which rows are one.
    pub dedup: Option<Dedup>,
    /// Which source rows count: a SQL condition over the source.
    pub filter: Option<Spanned<String>>,
    /// The array field whose elements become rows (`__item`, `__index`).
    pub explode: Option<Spanned<String>>,
    /// Target columns and what they should hold, in plan order.
    pub columns: Vec<ColumnPlan>,
    /// The checks; empty: `row_count` and `row_diff`.
    pub checks: Vec<CheckPlan>,
    /// Columns and fields left out on purpose.
    pub ignore: Vec<Ignore>,
    /// Whether 0 = 0 may pass.
    pub allow_empty: bool,
}

/// Deduplication over mapped columns.
#[derive(Clone, Debug, Default)]
pub struct Dedup {
    /// SQL expression: rows with the same value are one; null or '' is never merged.
    pub by: Spanned<String>,
    /// The column that decides who stays: the smallest (`first`) or largest (`last`) value.
    pub keep_column: Option<Spanned<String>>,
    /// Keep the largest instead of the smallest.
    pub keep_last: bool,
}

/// One target column.
#[derive(Clone, Debug, Default)]
pub struct ColumnPlan {
    /// The target column.
    pub name: Spanned<String>,
    /// A bare source column, a path into a document, or a SQL expression; `None`: by name.
    pub expect: Option<Spanned<String>>,
    /// The type in which both sides are read.
    pub read: Option<Spanned<ReadAs>>,
    /// The target minted the values: learned through `match`, not compared.
    pub surrogate: bool,
    /// The plan table whose source ids this column holds.
    pub references: Option<Spanned<String>>,
    /// How loosely it is compared.
    pub settings: ColumnSettings,
}

/// Tolerances of a column; all off by default, and shown in the report where on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnSettings {
    /// Leading and trailing white space doesn't count.
    pub trim: bool,
    /// Upper and lower case don't count.
    pub ignore_case: bool,
    /// How text is normalised.
    pub unicode: Unicode,
    /// Numbers may differ by this much.
    pub tolerance: Option<f64>,
    /// Floats compare bit by bit, telling -0.0 from 0.0: stricter, not looser.
    pub exact_bits: bool,
}

/// One use of a validator.
#[derive(Clone, Debug, Default)]
pub struct CheckPlan {
    /// The validator's name.
    pub validator: Spanned<String>,
    /// Its options as the plan has them; null where there are none.
    pub options: serde_json::Value,
    /// `allow_empty` of this check alone.
    pub allow_empty: bool,
}

/// Something left out on purpose.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    /// The column, field, collection or table.
    pub name: Spanned<String>,
    /// Why.
    pub reason: String,
}

/// A named stage of the migration.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Its name.
    pub name: Spanned<String>,
    /// Which rows are looked at.
    pub sampling: Option<Sampling>,
    /// A gate of its own.
    pub gate: Option<Gate>,
}

/// Which rows a phase looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampling {
    /// This share of rows (0 to 1), by key hash.
    Rate(f64),
    /// The keys in a file.
    Keys(String),
    /// The keys that the target has: loss of rows can't be seen.
    TargetKeys,
}

/// A known difference that somebody answers for.
#[derive(Clone, Debug, Default)]
pub struct Waiver {
    /// Its id.
    pub id: Spanned<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The kind of finding.
    pub outcome: Option<FindingKind>,
    /// The key as a JSON array.
    pub key: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why it is accepted.
    pub reason: String,
    /// The last day it holds, `2026-12-31`.
    pub until: Option<Spanned<String>>,
}

/// The policy that turns verdicts into an exit code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// The share of checks that must pass, 0 to 1.
    pub pass_rate: f64,
    /// Whether inconclusive checks block.
    pub inconclusive_blocks: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { pass_rate: 1.0, inconclusive_blocks: true }
    }
}

/// What is rendered.
#[derive(Clone, Debug, Default)]
pub struct ReportSettings {
    /// `json` (always), `markdown`, `html`, `junit`.
    pub formats: Vec<Spanned<String>>,
    /// Columns whose values are hidden, as `table.column`.
    pub mask: Vec<Spanned<String>>,
    /// The most findings shown of one check.
    pub max_findings: Option<usize>,
}
