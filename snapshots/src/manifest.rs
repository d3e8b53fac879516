//! `manifest.json`.

use counterfoil_model::TableFacts;
use counterfoil_model::table::KeyFacts;
use serde::{Deserialize, Serialize};

/// The version of the snapshot format.
pub const FORMAT: &str = "counterfoil/snapshot/3";

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// The URL it was taken from, without secrets.
    pub url: String,
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// How consistent the view was.
    pub consistency: String,
    /// counterfoil's version.
    pub version: String,
    /// The tables, sorted by name.
    pub tables: Vec<TableManifest>,
    /// The Merkle root over the tables' roots, hexadecimal.
    pub root: String,
}

/// One table of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableManifest {
    /// Its name.
    pub name: String,
    /// The Arrow or Parquet file, relative to the snapshot's folder.
    pub file: String,
    /// BLAKE3 of the file's bytes, hexadecimal.
    pub blake3: String,
    /// How many rows.
    pub rows: u64,
    /// The columns by which it is ordered; empty: by the whole row.
    pub key: Vec<String>,
    /// What the storage declares.
    pub facts: TableFacts,
    /// Columns with their canonical types, in order.
    pub columns: Vec<(String, String)>,
    /// The chunks, in key order; chunk *i* is record batch or row group *i*.
    pub chunks: Vec<ChunkManifest>,
    /// The Merkle root over the columns' roots, hexadecimal.
    pub root: String,
}

/// One chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkManifest {
    /// How many rows.
    pub rows: u64,
    /// What is known of its keys, so that equal chunks need no look.
    pub keys: KeyFacts,
    /// One digest per column, hexadecimal, in column order.
    pub digests: Vec<String>,
}
