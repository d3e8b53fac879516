//! The source tables of one mapping, with the columns that it needs in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use counterfoil_model::{Table, Type, Value};

use crate::Source;
use crate::error::Problem;
use crate::rows::Column;

/// One source of rows.
pub(crate) struct Input {
    /// `connection.table`.
    pub name: String,
    /// The connection's name.
    pub connection: String,
    /// How many rows it has.
    pub rows: usize,
    /// Its columns.
    pub schema: SchemaRef,
    /// Positions of the columns that name a row; empty: the row's number.
    pub key: Vec<usize>,
    table: Arc<dyn Table>,
    loaded: Vec<Option<ArrayRef>>,
}

impl Input {
    /// A source table, nothing loaded yet.
    pub(crate) fn open(name: &str, source: &Source) -> Result<Self, Problem> {
        let schema = source.table.schema();
        let key = match schema.index_of("__id") {
            Ok(id) => vec![id],
            Err(_) => source.facts.primary_key.iter().filter_map(|name| schema.index_of(name).ok()).collect(),
        };
        Self::new(name, &source.connection, source.table.clone(), key)
    }

    /// A table whose rows are named by these columns.
    pub(crate) fn new(
        name: &str,
        connection: &str,
        table: Arc<dyn Table>,
        key: Vec<usize>,
    ) -> Result<Self, Problem> {
        let schema = table.schema();
        let rows = usize::try_from(table.rows()).map_err(|_| Problem::new("too many rows"))?;
        let loaded = vec![None; schema.fields().len()];
        Ok(Self { name: name.into(), connection: connection.into(), rows, schema, key, table, loaded })
    }

    /// The table itself.
    pub(crate) fn table(&self) -> Arc<dyn Table> {
        self.table.clone()
    }

    /// Reads columns, and those that name the rows, into memory.
    pub(crate) fn load(&mut self, columns: impl IntoIterator<Item = usize>) -> Result<(), Problem> {
        let wanted: BTreeSet<usize> = columns.into_iter().chain(self.key.iter().copied()).collect();
        let missing: Vec<usize> = wanted.into_iter().filter(|c| self.loaded[*c].is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let batch = self.table.read_all(Some(&missing))?;
        for (at, column) in missing.into_iter().enumerate() {
            self.loaded[column] = Some(batch.column(at).clone());
        }
        Ok(())
    }

    /// A loaded column.
    pub(crate) fn column(&self, position: usize) -> Result<Column, Problem> {
        let field = self.schema.field(position);
        let strange =
            || Problem::new(format!("column '{}' of '{}' is not canonical", field.name(), self.name));
        let kind = Type::of(field).ok_or_else(strange)?;
        let array = self.loaded[position].clone();
        let unread = || Problem::new(format!("column '{}' of '{}' was not read", field.name(), self.name));
        Ok(Column { kind, array: array.ok_or_else(unread)? })
    }

    /// What names a row: its id, its key (several columns as a list), or its number from 1.
    pub(crate) fn row_key(&self, row: usize) -> Value {
        let cell = |position: &usize| self.column(*position).map_or(Value::Null, |c| c.value(row));
        match self.key.as_slice() {
            [] => Value::Int(row as i64 + 1),
            [one] => cell(one),
            several => Value::List(several.iter().map(cell).collect()),
        }
    }
}
