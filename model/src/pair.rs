//! Expected and actual, side by side: what validators are given.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::lineage::Lineage;
use crate::plan::{ColumnSettings, NullVsEmpty};
use crate::read::ReadAs;
use crate::table::{Table, TableFacts};
use crate::types::Type;
use crate::value::Value;

/// Two tables to compare, ordered by the same key, and all that is known about them.
pub struct TablePair {
    /// The target table's name.
    pub name: String,
    /// What the target should hold.
    pub expected: Arc<dyn Table>,
    /// What it holds.
    pub actual: Arc<dyn Table>,
    /// The columns that are compared, in target order.
    pub columns: Vec<ColumnPair>,
    /// The key by which rows pair; `None` compares bags.
    pub key: Option<PairKey>,
    /// Columns that found no partner, with the reason, and whether the plan ignores them.
    pub unpaired: Vec<Unpaired>,
    /// What the target declares.
    pub facts: TableFacts,
    /// Where the expected rows came from.
    pub lineage: Lineage,
    /// For a table with `dedup`: the identity of each expected and each actual row (all chunks in order).
    pub identities: Option<Identities>,
    /// The zone of times that have none.
    pub zone: TimeZone,
    /// Whether 0 = 0 may pass.
    pub allow_empty: bool,
    /// Why a difference in row counts could not be seen (a sample drawn elsewhere), if so.
    pub counts_unknown: Option<String>,
}

/// The key by which rows pair. Both tables are ordered by it (see [`crate::KeySpec`]).
pub struct PairKey {
    /// The key over the expected table's columns.
    pub expected: crate::KeySpec,
    /// The key over the actual table's columns.
    pub actual: crate::KeySpec,
    /// The names of the key columns, as the target has them.
    pub names: Vec<String>,
    /// Columns of the actual table whose values name a row in findings, where they are not the pairing key
    /// itself (a surrogate id that the target minted).
    pub shown: Option<Vec<usize>>,
}

/// One pair of columns.
#[derive(Clone, Debug)]
pub struct ColumnPair {
    /// The target column's name.
    pub name: String,
    /// Position in the expected table.
    pub expected: usize,
    /// Position in the actual table.
    pub actual: usize,
    /// The expected column's canonical type.
    pub expected_type: Type,
    /// The actual column's canonical type.
    pub actual_type: Type,
    /// The type in which both sides are read, from the plan or from a declared type.
    pub read: Option<ReadAs>,
    /// Whether `read` stands in the plan (else it follows from a declared type, and the report says so).
    pub read_by_plan: bool,
    /// How loosely it is compared.
    pub settings: ColumnSettings,
    /// How null and '' compare.
    pub null_vs_empty: NullVsEmpty,
    /// Whether the column is part of the key.
    pub in_key: bool,
}

/// A column without partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaired {
    /// `friday.users.nickname` for a source field, the plain name for a target column.
    pub column: String,
    /// Whether it stands in the target (else in a source).
    pub in_target: bool,
    /// How many rows it has.
    pub cells: u64,
    /// Why it is not compared.
    pub reason: String,
    /// Whether the plan ignores it.
    pub ignored: bool,
}

/// The identity of every row, in the order of the table's rows.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// One per expected row.
    pub expected: Vec<Value>,
    /// One per actual row.
    pub actual: Vec<Value>,
    /// The identity of every source row, by position in `Lineage::sources`, before merging.
    pub sources: Vec<Vec<Value>>,
}

/// All pairs of a run, by table name.
pub type Pairs = BTreeMap<String, Arc<TablePair>>;

impl TablePair {
    /// A pair of columns by the target's name.
    pub fn column(&self, name: &str) -> Option<&ColumnPair> {
        self.columns.iter().find(|c| c.name == name)
    }
}
