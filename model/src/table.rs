//! Tables as every stage sees them: a canonical schema and chunks to read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

/// A table could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read table '{table}': {problem}")]
pub struct TableError {
    /// Which table.
    pub table: String,
    /// What happened.
    pub problem: String,
}

/// The keys of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// Whether no two rows have the same key.
    pub unique: bool,
    /// Rows with null in their key.
    pub nulls: u64,
}

/// A read-only table of canonical columns, in chunks that fit in memory.
pub trait Table: Send + Sync {
    /// The name of the table or collection.
    fn name(&self) -> &str;
    /// Canonical columns: every field is one that [`crate::Type::of`] knows.
    fn schema(&self) -> SchemaRef;
    /// How many rows all chunks have.
    fn rows(&self) -> u64;
    /// How many chunks there are.
    fn chunks(&self) -> usize;
    /// Reads one chunk; `columns` are positions in the schema (`None`: all), in ascending order.
    ///
    /// # Errors
    /// Where the storage fails or is damaged.
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError>;
    /// The digest of one column of a chunk, where the storage has one.
    fn digest(&self, chunk: usize, column: usize) -> Option<[u8; 32]>;

    /// The columns by whose plain canonical key the rows are known to be ordered; empty where no order is known.
    fn ordered_by(&self) -> Vec<usize> {
        Vec::new()
    }

    /// What is known about the keys of a chunk (by [`Table::ordered_by`]) without reading it.
    fn keys_of(&self, _chunk: usize) -> Option<KeyFacts> {
        None
    }

    /// How many rows a chunk has, where that is known without reading it.
    fn rows_of(&self, _chunk: usize) -> Option<u64> {
        None
    }

    /// Reads all chunks into one batch.
    ///
    /// # Errors
    /// Where a chunk can't be read.
    fn read_all(&self, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        let failed =
            |e: arrow::error::ArrowError| TableError { table: self.name().into(), problem: e.to_string() };
        let batches: Vec<RecordBatch> =
            (0..self.chunks()).map(|c| self.read(c, columns)).collect::<Result<_, _>>()?;
        let schema = match columns {
            Some(columns) => Arc::new(self.schema().project(columns).map_err(failed)?),
            None => self.schema(),
        };
        arrow::compute::concat_batches(&schema, &batches).map_err(failed)
    }
}

/// A table in memory.
#[derive(Clone, Debug)]
pub struct MemoryTable {
    name: String,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl MemoryTable {
    /// A table of batches that share a canonical schema.
    pub fn new(name: impl Into<String>, schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { name: name.into(), schema, batches }
    }

    /// A table of one batch.
    pub fn of(name: impl Into<String>, batch: RecordBatch) -> Self {
        Self::new(name, batch.schema(), vec![batch])
    }
}

impl Table for MemoryTable {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> u64 {
        self.batches.iter().map(|b| b.num_rows() as u64).sum()
    }
    fn chunks(&self) -> usize {
        self.batches.len()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        let batch = &self.batches[chunk];
        match columns {
            None => Ok(batch.clone()),
            Some(columns) => batch
                .project(columns)
                .map_err(|e| TableError { table: self.name.clone(), problem: e.to_string() }),
        }
    }
    fn digest(&self, _chunk: usize, _column: usize) -> Option<[u8; 32]> {
        None
    }
}

/// What a database declares about a table. Facts are kept apart from data: SQLite lets them disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// `table`, `view`, `collection` or `file`.
    pub kind: String,
    /// Declared columns (or document fields found), in order.
    pub columns: Vec<ColumnFacts>,
    /// Declared primary key columns, in key order; for documents `__path`.
    pub primary_key: Vec<String>,
    /// Declared unique column sets, without the primary key.
    pub unique: Vec<Vec<String>>,
    /// Declared foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
}

/// What is declared, or was found, about one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// The column's name as declared.
    pub name: String,
    /// The declared type as written (`NUMERIC(10,2)`); `None` for document fields.
    pub declared: Option<String>,
    /// Whether null is refused.
    pub not_null: bool,
    /// The default expression as written.
    pub default: Option<String>,
    /// Whether the database computes the column.
    pub generated: bool,
    /// In how many documents the field was missing (not null: absent).
    pub missing: u64,
    /// How many values of each type were found, where types are mixed: `[("integer", 120), ("text", 1)]`.
    pub mixed: Vec<(String, u64)>,
}

/// A declared foreign key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub table: String,
    /// The columns referred to, in the same order.
    pub references: Vec<String>,
}

impl TableFacts {
    /// The facts of one column.
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|c| c.name == name)
    }
}
