//! Where the rows of an expected table came from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What became of every source row of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage {
    /// The account of each source, in plan order.
    pub sources: Vec<SourceAccount>,
    /// Who was merged into whom.
    pub merges: Vec<Merge>,
    /// For each expected row, the source row it came from; empty where free SQL made the rows.
    pub origins: Vec<RowOrigin>,
}

/// The rows of one source, and where they went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceAccount {
    /// `connection.table`.
    pub source: String,
    /// Rows in the snapshot.
    pub rows: u64,
    /// Rows that `where` left out.
    pub filtered: u64,
    /// Rows after `explode` (equal to the rows left by `where` where nothing was exploded).
    pub exploded: u64,
    /// Rows merged into another by `dedup`.
    pub merged: u64,
    /// Rows that the target should hold.
    pub kept: u64,
}

/// One source row that deduplication merged into another.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The source row that went.
    pub from: RowOrigin,
    /// The source row that stayed.
    pub into: RowOrigin,
    /// The value of the `by` expression that both share.
    pub identity: Value,
}

/// A source row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOrigin {
    /// Position in [`Lineage::sources`].
    pub source: usize,
    /// The source row's own key: `__id` for documents, else the primary key's value (several as a list).
    pub key: Value,
}
