//! `counterfoil snapshot`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use counterfoil_snapshots::Storage;
use serde_json::json;

use super::{Common, print};
use crate::connect;
use crate::engine::{self, Progress, Wanted, work::WorkFolder};
use crate::error::Error;

/// Take a snapshot of a connection: ordered tables with digests, which `snapshot:DIR` opens again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil snapshot sqlite:app.db -o snapshots/app
  counterfoil snapshot parquet:orders.parquet -o snapshots/orders --key id
  counterfoil snapshot firestore-export:exports/friday -o snapshots/friday --storage parquet")]
pub struct SnapshotArgs {
    /// The connection's URL
    url: String,
    /// The folder to write the snapshot into; must be new or empty
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Take only this table; may be given several times
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// Order tables by these columns instead of their declared key: ID[,ID..], or TABLE=ID[,ID..] for one table
    #[arg(long, value_name = "COLUMNS")]
    key: Vec<String>,
    /// How tables are stored: Arrow files compare fastest, Parquet (zstd) takes the least space
    #[arg(long, value_enum, default_value_t = Format::Arrow)]
    storage: Format,
}

/// The names of [`Storage`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Arrow,
    Parquet,
}

impl From<Format> for Storage {
    fn from(format: Format) -> Self {
        match format {
            Format::Arrow => Self::Arrow,
            Format::Parquet => Self::Parquet,
        }
    }
}

/// The columns to order a table by, if the command line says.
fn key_of(args: &SnapshotArgs, table: &str) -> Option<Vec<String>> {
    let of = |key: &String| match key.split_once('=') {
        Some((name, columns)) => (name == table).then(|| columns.to_owned()),
        None => Some(key.clone()),
    };
    let columns = args.key.iter().rev().find_map(of)?;
    Some(columns.split(',').map(|c| c.trim().to_owned()).collect())
}

/// Takes the snapshot and prints its root.
pub fn run(args: &SnapshotArgs, common: &Common) -> Result<u8, Error> {
    let failed = |e| Error::connection("snapshot", e);
    let connector = connect::open(&args.url, Path::new("")).map_err(failed)?;
    let mut tables = connector.tables().map_err(failed)?;
    if !args.table.is_empty() {
        // A table that isn't there is an error that names the nearest one.
        args.table.iter().try_for_each(|t| connector.facts(t).map(drop)).map_err(failed)?;
        tables.retain(|t| args.table.contains(t));
    }
    let wanted: Vec<Wanted> =
        tables.into_iter().map(|table| Wanted { key: key_of(args, &table), table }).collect();
    let asked = format!("{wanted:?} {:?}", args.storage);
    let connections = BTreeMap::from([("snapshot".to_owned(), connector)]);
    let watched = engine::resume::Watched::of(&connections);
    let purpose = engine::resume::purpose("snapshot", &args.out, &asked, &connections);
    let folder = WorkFolder::create(&args.out, purpose.as_ref())?;
    let progress = Progress::new(common.quiet || common.json);
    if folder.resumed() {
        progress.say("going on with a snapshot whose process was killed");
    }
    let rows = progress.rows("Snapshot");
    let taking = engine::Taking { memory: &common.budget(), storage: args.storage.into(), rows: &rows };
    let snapshot =
        engine::snapshot("snapshot", connections["snapshot"].as_ref(), &wanted, &folder.run(), &taking)?;
    rows.finish_and_clear();
    watched.are_unchanged()?;
    let manifest = snapshot.manifest().clone();
    let place = folder.publish()?;
    if common.json {
        let tables: Vec<_> = manifest
            .tables
            .iter()
            .map(|t| json!({ "name": t.name, "rows": t.rows, "root": t.root }))
            .collect();
        print(&format!("{}\n", json!({ "folder": place, "root": manifest.root, "tables": tables })))?;
    } else if !common.quiet {
        let mut text = String::new();
        for table in &manifest.tables {
            text.push_str(&format!("{:>12} rows  {}\n", table.rows, table.name));
        }
        text.push_str(&format!("root {}\nsnapshot: {}\n", manifest.root, place.display()));
        print(&text)?;
    }
    Ok(0)
}
