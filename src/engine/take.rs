//! Snapshots of connections.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_connectors::{Connector, ConnectorError, ErrorKind};
use counterfoil_model::KeySpec;
use counterfoil_model::names::fold;
use counterfoil_snapshots::{Manifest, Snapshot, SnapshotWriter, TableManifest};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::log::now;
use crate::error::Error;

/// A table to take, and the columns to order it by.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The table's name in the connection.
    pub table: String,
    /// Key columns; `None`: the declared primary key; columns that don't exist are an error.
    pub key: Option<Vec<String>>,
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
    rows: &ProgressBar,
) -> Result<Snapshot, Error> {
    let writer = SnapshotWriter::create(folder)?;
    let taken_at = now();
    let tables: Vec<TableManifest> = wanted
        .par_iter()
        .enumerate()
        .map(|(number, wanted)| take_table(name, connector, wanted, number, &writer, rows))
        .collect::<Result<_, _>>()?;
    let _: Manifest = writer.finish(
        tables,
        connector.url(),
        &taken_at,
        &connector.consistency(),
        env!("CARGO_PKG_VERSION"),
    )?;
    Ok(Snapshot::open(folder)?)
}

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
    let (schema, batches) = read_table(connector, &wanted.table, rows).map_err(failed)?;
    let key = match &wanted.key {
        Some(columns) => key_of(&schema, columns),
        None => key_of(&schema, &facts.primary_key),
    };
    Ok(writer.write_table(number, &wanted.table, &schema, &batches, key.as_ref(), facts)?)
}

/// Reads a whole table; a column that turns out to hold mixed types is read again as variants.
pub fn read_table(
    connector: &dyn Connector,
    table: &str,
    rows: &ProgressBar,
) -> Result<(SchemaRef, Vec<RecordBatch>), ConnectorError> {
    let mut mixed = BTreeSet::new();
    loop {
        match read_once(connector, table, &mixed, rows) {
            Err(ConnectorError { kind: ErrorKind::Mixed(column), .. }) if mixed.insert(column.clone()) => {}
            other => return other,
        }
    }
}

fn read_once(
    connector: &dyn Connector,
    table: &str,
    mixed: &BTreeSet<String>,
    rows: &ProgressBar,
) -> Result<(SchemaRef, Vec<RecordBatch>), ConnectorError> {
    let mut scan = connector.scan(table, mixed)?;
    let schema = scan.schema();
    let mut batches = Vec::new();
    while let Some(batch) = scan.next_batch()? {
        rows.inc(batch.num_rows() as u64);
        batches.push(batch);
    }
    Ok((schema, batches))
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
