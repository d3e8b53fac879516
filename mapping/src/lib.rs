//! Derives from source snapshots what a target table should hold.
//!
//! A column mapped by a bare name or a path keeps its canonical values untouched: they are picked by row, and
//! never pass through polars. Everything else is SQL that polars evaluates; `exchange` says how canonical
//! columns enter and leave it, and `guards` where it is stopped from bending a value in silence.

mod arithmetic;
mod bridge;
mod casts;
mod checked;
mod compare;
mod coverage;
mod dedup;
mod derive;
mod direct;
mod error;
mod exchange;
mod explode;
mod expression;
mod guards;
mod hoist;
mod input;
mod memory;
mod outputs;
mod query;
mod reference;
mod rows;
mod settings;
mod syntax;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_model::lineage::Lineage;
use counterfoil_model::plan::{Defaults, Origin, TablePlan};
use counterfoil_model::{MemoryTable, Table, TableError, TableFacts, Value};

pub use derive::derive;
pub use error::MappingError;
pub use expression::evaluate;
pub use memory::memory_needed;
pub use settings::{set_threads, tables_in};

/// One source table.
#[derive(Clone)]
pub struct Source {
    /// The connection's name in the plan.
    pub connection: String,
    /// Its rows.
    pub table: Arc<dyn Table>,
    /// What is known about it.
    pub facts: TableFacts,
}

impl Source {
    /// The name by which plans call it: `connection.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.connection, self.table.name())
    }
}

/// What to derive, and from what.
pub struct Request<'a> {
    /// The target table's plan.
    pub plan: &'a TablePlan,
    /// All source tables by `connection.table`.
    pub sources: &'a BTreeMap<String, Source>,
    /// What the target declares; `None` takes every source column by name.
    pub target: Option<&'a TableFacts>,
    /// The plan's settings.
    pub defaults: &'a Defaults,
    /// Whether a table whose columns are all fields of one source may be left where it is ([`ExpectedRows::Direct`]), without
    /// an account of where each row came from.
    pub direct: bool,
    /// How many bytes the mapping may hold at once; beyond that it is refused before it begins.
    pub memory: Option<usize>,
}

/// The rows that a target table should hold; canonical columns, named as in the target.
#[derive(Clone)]
pub enum ExpectedRows {
    /// They were derived.
    Derived(RecordBatch),
    /// They are a source's rows as they are, some columns under other names.
    Direct(Arc<dyn Table>),
}

impl std::fmt::Debug for ExpectedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Derived(batch) => f.debug_tuple("Derived").field(batch).finish(),
            Self::Direct(table) => f.debug_tuple("Direct").field(&table.name()).finish(),
        }
    }
}

impl ExpectedRows {
    /// Their columns.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Derived(batch) => batch.schema(),
            Self::Direct(table) => table.schema(),
        }
    }

    /// All of them at once.
    ///
    /// # Errors
    /// Where the source can't be read.
    pub fn batch(&self) -> Result<RecordBatch, TableError> {
        match self {
            Self::Derived(batch) => Ok(batch.clone()),
            Self::Direct(table) => table.read_all(None),
        }
    }

    /// They as a table of this name.
    pub fn table(&self, name: &str) -> Arc<dyn Table> {
        match self {
            Self::Derived(batch) => Arc::new(MemoryTable::of(name, batch.clone())),
            Self::Direct(table) => table.clone(),
        }
    }
}

/// What a target table should hold, and how that was found.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The rows.
    pub rows: ExpectedRows,
    /// Where the rows came from.
    pub lineage: Lineage,
    /// How each column was mapped.
    pub mapped: Vec<Mapped>,
    /// Source fields that no column uses, as `connection.table.field` (parts of maps as
    /// `connection.table.field.part`), with the number of rows that have them.
    pub unmapped_source: Vec<(String, u64)>,
    /// Target columns that nothing maps to.
    pub unmapped_target: Vec<String>,
    /// For a table with `dedup`: who is who.
    pub identities: Option<Identities>,
}

/// The value of the `by` expression of every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identities {
    /// One per expected row.
    pub expected: Vec<Value>,
    /// One per row of each source, after `where` and `explode`, before merging.
    pub sources: Vec<Vec<Value>>,
}

/// How one target column was mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The target column.
    pub column: String,
    /// The source field or the expression; empty for a surrogate.
    pub from: String,
    /// Who said so.
    pub by: By,
    /// Where the plan says so; line 0 for pairing by name.
    pub origin: Origin,
    /// Sources that lack the field: their rows hold null.
    pub missing_in: Vec<String>,
}

/// Why a column was mapped as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The names pair up.
    Name,
    /// The plan gives a field, a path or an expression.
    Plan,
    /// The target minted the values.
    Surrogate,
}

impl By {
    /// `name`, `plan` or `surrogate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Plan => "plan",
            Self::Surrogate => "surrogate",
        }
    }
}
