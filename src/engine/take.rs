//! Snapshots of connections.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_connectors::{Connector, ConnectorError, ErrorKind};
use counterfoil_model::names::fold;
use counterfoil_model::{KeySpec, Type};
use counterfoil_snapshots::{
    Manifest, MemoryBudget, NewTable, Snapshot, SnapshotError, SnapshotWriter, Storage, TableManifest,
    from_row,
};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::log::now;
use crate::error::Error;

/// A table to take, and the columns to order it by.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The table's name in the connection.
    pub table: String,
    /// Key columns, none for a bag; where they don't exist, or with `None`: the declared primary key.
    pub key: Option<Vec<String>>,
}

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    /// How much memory sorting may take.
    pub memory: &'a MemoryBudget,
    /// How tables are stored.
    pub storage: Storage,
    /// Counts the rows that came.
    pub rows: &'a ProgressBar,
}

/// Takes a snapshot of some tables of a connection into a folder, and opens it.
///
/// # Errors
/// Where the connection can't be read or the disk refuses.
pub fn snapshot(
    name: &str,
    connector: &dyn Connector,
    wanted: &[Wanted],
    folder: &Path,
    taking: &Taking<'_>,
) -> Result<Snapshot, Error> {
    // One that was finished before the process was killed.
    if let Ok(finished) = Snapshot::open(folder)
        && finished.files_are_whole()
    {
        return Ok(finished);
    }
    let writer = SnapshotWriter::resume(folder, taking.memory)?.storage(taking.storage);
    let taken_at = now();
    let take = |(number, wanted): (usize, &Wanted)| {
        take_table(name, connector, wanted, number, &writer, taking.rows)
    };
    let tables: Vec<TableManifest> = if connector.concurrent() {
        wanted.par_iter().enumerate().map(take).collect::<Result<_, _>>()?
    } else {
        wanted.iter().enumerate().map(take).collect::<Result<_, _>>()?
    };
    let _: Manifest = writer.finish(
        tables,
        connector.url(),
        &taken_at,
        &connector.consistency(),
        env!("CARGO_PKG_VERSION"),
    )?;
    Ok(Snapshot::open(folder)?)
}

/// Takes one table; where a column turns out to hold mixed types, anew with that column as variants.
fn take_table(
    name: &str,
    connector: &dyn Connector,
    wanted: &Wanted,
    number: usize,
    writer: &SnapshotWriter,
    rows: &ProgressBar,
) -> Result<TableManifest, Error> {
    let failed = |e| Error::connection(name, e);
    let facts = connector.facts(&wanted.table).map_err(failed)?;
    // Columns that an earlier process had found to hold mixed types.
    let variant = Type::Variant.to_string();
    let begun = writer.columns_begun(number).unwrap_or_default().into_iter();
    let mut mixed: BTreeSet<String> =
        begun.filter(|(_, kind)| *kind == variant).map(|(column, _)| column).collect();
    loop {
        let mut scan = connector.scan(&wanted.table, &mixed).map_err(failed)?;
        let schema = scan.schema();
        let key = match &wanted.key {
            Some(columns) if columns.is_empty() => None,
            Some(columns) => key_of(&schema, columns).or_else(|| key_of(&schema, &facts.primary_key)),
            None => key_of(&schema, &facts.primary_key),
        };
        let table = NewTable { number, name: &wanted.table, schema, key: key.as_ref(), facts: facts.clone() };
        let before = rows.position();
        let batches = std::iter::from_fn(|| scan.next_batch().transpose()).inspect(|batch| {
            rows.inc(batch.as_ref().map_or(0, RecordBatch::num_rows) as u64);
        });
        let batches = batches.map(|batch| batch.map_err(Failed::Connector));
        match writer.write_table(table, |from| from_row(batches, from)) {
            Ok(manifest) => return Ok(manifest),
            Err(Failed::Connector(ConnectorError { kind: ErrorKind::Mixed(column), .. }))
                if mixed.insert(column.clone()) =>
            {
                rows.set_position(before);
            }
            Err(Failed::Connector(error)) => return Err(failed(error)),
            Err(Failed::Store(error)) => return Err(error.into()),
        }
    }
}

/// What can go wrong while a table is taken.
enum Failed {
    Connector(ConnectorError),
    Store(SnapshotError),
}

impl From<SnapshotError> for Failed {
    fn from(error: SnapshotError) -> Self {
        Self::Store(error)
    }
}

/// The key over these columns, if there are any and all exist.
pub fn key_of(schema: &SchemaRef, columns: &[String]) -> Option<KeySpec> {
    let at = |name: &String| {
        let fields = schema.fields();
        fields
            .iter()
            .position(|f| f.name() == name)
            .or_else(|| fields.iter().position(|f| fold(f.name()) == fold(name)))
    };
    let positions: Option<Vec<usize>> = columns.iter().map(at).collect();
    positions.filter(|p| !p.is_empty()).map(KeySpec::plain)
}
