//! Tables in memory, for tests and for programs that have the data already.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_model::names::suggestion;
use counterfoil_model::table::ColumnFacts;
use counterfoil_model::{TableFacts, Type};

use crate::{BATCH_ROWS, Connector, ConnectorError, ErrorKind, Scan};

/// Named record batches with canonical columns.
#[derive(Debug, Default)]
pub struct Memory {
    tables: BTreeMap<String, RecordBatch>,
}

impl Memory {
    /// A connection of these tables.
    ///
    /// # Errors
    /// For a column whose field is not canonical.
    pub fn new(tables: impl IntoIterator<Item = (String, RecordBatch)>) -> Result<Self, ConnectorError> {
        let tables: BTreeMap<_, _> = tables.into_iter().collect();
        for (name, batch) in &tables {
            if let Some(field) = batch.schema().fields().iter().find(|f| Type::of(f).is_none()) {
                let problem = format!("column '{}' of '{name}' is not canonical", field.name());
                return Err(ConnectorError::new(ErrorKind::Corrupt, "memory:", problem));
            }
        }
        Ok(Self { tables })
    }

    fn table(&self, name: &str) -> Result<&RecordBatch, ConnectorError> {
        self.tables.get(name).ok_or_else(|| {
            let hint = suggestion(name, self.tables.keys().map(String::as_str));
            ConnectorError::new(ErrorKind::NotFound, "memory:", format!("there is no table '{name}'{hint}"))
        })
    }
}

impl Connector for Memory {
    fn url(&self) -> &str {
        "memory:"
    }

    fn consistency(&self) -> String {
        "fixed in memory".into()
    }

    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        Ok(self.tables.keys().cloned().collect())
    }

    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        let schema = self.table(table)?.schema();
        let columns =
            schema.fields().iter().map(|f| ColumnFacts { name: f.name().clone(), ..ColumnFacts::default() });
        Ok(TableFacts { kind: "table".into(), columns: columns.collect(), ..TableFacts::default() })
    }

    fn scan(&self, table: &str, _mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        Ok(Box::new(Slices { batch: self.table(table)?.clone(), next: 0 }))
    }
}

/// A batch, slice by slice.
pub(crate) struct Slices {
    pub(crate) batch: RecordBatch,
    pub(crate) next: usize,
}

impl Scan for Slices {
    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        let rows = BATCH_ROWS.min(self.batch.num_rows() - self.next);
        let slice = (rows > 0).then(|| self.batch.slice(self.next, rows));
        self.next += rows;
        Ok(slice)
    }
}
