//! Tables that need no deriving: every column is a field of one source, as it is.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::lineage::{Lineage, SourceAccount};
use counterfoil_model::table::KeyFacts;
use counterfoil_model::{Table, TableError};

use crate::error::MappingError;
use crate::input::Input;
use crate::outputs::{self, Outputs};
use crate::reference::{Reference, Root};
use crate::syntax::Parsed;
use crate::{Expected, ExpectedRows, Request, coverage};

/// The expected table as a view of its source, where that is all it is.
pub(crate) fn expected(
    request: &Request,
    inputs: &[Input],
    outputs: &Outputs,
) -> Result<Option<Expected>, MappingError> {
    let plan = request.plan;
    let plain = plan.filter.is_none() && plan.explode.is_none() && plan.dedup.is_none() && plan.sql.is_none();
    let [input] = inputs else { return Ok(None) };
    let Some(columns) = columns(outputs).filter(|_| plain && request.direct) else { return Ok(None) };
    let rows = input.rows as u64;
    let account = SourceAccount {
        source: input.name.clone(),
        rows,
        filtered: 0,
        exploded: rows,
        merged: 0,
        kept: rows,
    };
    let used: Vec<&Reference> = outputs.references().collect();
    let unused = coverage::unused(inputs, &[], &used, None).map_err(|p| p.at(&plan.name))?;
    let table = Projected::new(&plan.name.value, input.table(), columns);
    Ok(Some(Expected {
        rows: ExpectedRows::Direct(Arc::new(table)),
        lineage: Lineage { sources: vec![account], ..Lineage::default() },
        mapped: outputs::account(outputs, std::slice::from_ref(&input.name)),
        unmapped_source: unused,
        unmapped_target: outputs.unmapped.clone(),
        identities: None,
    }))
}

/// The name of each column and its position in the one source; `None` where one is more than a field.
fn columns(outputs: &Outputs) -> Option<Vec<(String, usize)>> {
    let mut columns = Vec::new();
    for output in &outputs.mapped {
        match &output.parsed {
            None => {}
            Some(Parsed::Bare(Reference { root: Root::Field(positions), path, .. })) if path.is_empty() => {
                columns.push((output.name.clone(), positions.first().copied().flatten()?));
            }
            Some(_) => return None,
        }
    }
    Some(columns)
}

/// Some columns of a table, under other names.
struct Projected {
    name: String,
    table: Arc<dyn Table>,
    /// For each column, its position in the table.
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Projected {
    fn new(name: &str, table: Arc<dyn Table>, columns: Vec<(String, usize)>) -> Self {
        let schema = table.schema();
        let field = |(name, at): &(String, usize)| schema.field(*at).clone().with_name(name);
        let fields: Vec<_> = columns.iter().map(field).collect();
        let columns = columns.into_iter().map(|(_, at)| at).collect();
        Self { name: name.into(), table, columns, schema: Arc::new(Schema::new(fields)) }
    }
}

impl Table for Projected {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> u64 {
        self.table.rows()
    }
    fn chunks(&self) -> usize {
        self.table.chunks()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let wanted = columns.unwrap_or(&all);
        let mut positions: Vec<usize> = wanted.iter().map(|at| self.columns[*at]).collect();
        positions.sort_unstable();
        positions.dedup();
        let batch = self.table.read(chunk, Some(&positions))?;
        let failed =
            |e: arrow::error::ArrowError| TableError { table: self.name.clone(), problem: e.to_string() };
        let place = |at: &usize| positions.binary_search(&self.columns[*at]).unwrap_or(0);
        let arrays = wanted.iter().map(|at| batch.column(place(at)).clone()).collect();
        let schema = Arc::new(self.schema.project(wanted).map_err(failed)?);
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema, arrays, &options).map_err(failed)
    }
    fn digest(&self, chunk: usize, column: usize) -> Option<[u8; 32]> {
        self.table.digest(chunk, self.columns[column])
    }
    fn ordered_by(&self) -> Vec<usize> {
        let here = |at: &usize| self.columns.iter().position(|column| column == at);
        self.table.ordered_by().iter().map(here).collect::<Option<_>>().unwrap_or_default()
    }
    fn keys_of(&self, chunk: usize) -> Option<KeyFacts> {
        self.table.keys_of(chunk)
    }
    fn rows_of(&self, chunk: usize) -> Option<u64> {
        self.table.rows_of(chunk)
    }
}
