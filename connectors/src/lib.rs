//! Reads databases and files: one file or folder a format. Read-only by construction. A connector turns each
//! native type into one canonical column type without losing anything; it has never heard of a validator.

pub mod conformance;
pub mod error;
pub mod files;
pub mod firestore_export;
pub mod memory;
pub mod sqlite;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_model::{Table, TableFacts};

pub use error::{ConnectorError, ErrorKind};

/// Rows that a connector yields at once.
pub const BATCH_ROWS: usize = 8_192;

/// An open connection: a consistent, read-only view of all its tables.
pub trait Connector: Send + Sync {
    /// The URL without secrets.
    fn url(&self) -> &str;

    /// In one sentence, how consistent the view is (`one read transaction`, `files as they are`).
    fn consistency(&self) -> String;

    /// The names of all tables, collections or files, sorted. Subcollections are `reviews/highlights`.
    ///
    /// # Errors
    /// Where the storage can't be read.
    fn tables(&self) -> Result<Vec<String>, ConnectorError>;

    /// What is declared (or found) about a table.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown table, with the nearest name; or where the storage can't be read.
    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError>;

    /// Whether several tables may be read at the same time. Where not, a scan that is still open keeps others waiting.
    fn concurrent(&self) -> bool {
        true
    }

    /// The table itself, where the storage can be read in chunks as it is, without a copy: files of columns.
    ///
    /// # Errors
    /// As for [`Connector::facts`].
    fn in_place(&self, _table: &str) -> Result<Option<Arc<dyn Table>>, ConnectorError> {
        Ok(None)
    }

    /// What the tables are, where they are compared in place.
    ///
    /// # Errors
    /// Where the storage can't be read.
    fn identity(&self, _tables: &[&str]) -> Result<Identity, ConnectorError> {
        Ok(Identity::default())
    }

    /// The files that hold the whole of the source, some of which may not exist; `None` where it is more than files. As
    /// long as none of them changes, every scan gives the same rows in the same order.
    fn source_files(&self) -> Option<Vec<PathBuf>> {
        None
    }

    /// Whether what is read stays what it was when the connection was opened, whoever writes meanwhile.
    fn holds_still(&self) -> bool {
        false
    }

    /// Opens a table for reading, row by row in the connector's own order. `mixed` names columns that must be
    /// read as variants because an earlier scan met a value that their type doesn't hold.
    ///
    /// # Errors
    /// As for [`Connector::facts`].
    fn scan(&self, table: &str, mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError>;
}

/// What an auditor needs to know of tables of which no snapshot is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// When a stored snapshot was taken.
    pub taken_at: Option<String>,
    /// The Merkle root of a stored snapshot.
    pub root: Option<String>,
    /// The BLAKE3 digest of each file, hexadecimal, by its name.
    pub digests: Vec<(String, String)>,
}

/// A running read of one table.
pub trait Scan: Send {
    /// Canonical columns (every field is one that `counterfoil_model::Type::of` knows).
    fn schema(&self) -> SchemaRef;

    /// The next batch of at most [`BATCH_ROWS`] rows; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Mixed`] when a column holds a value that its type doesn't: scan again with that column
    /// among `mixed`. Else where the storage can't be read.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError>;
}

/// Opens a connection by its URL (`sqlite:app.db`, `firestore-export:exports/friday`, `parquet:DIR`,
/// `csv:FILE`, `jsonl:FILE`, `arrow:FILE`). Relative paths start at `base`.
///
/// # Errors
/// For an unknown scheme, a missing file, or a file that is not what the scheme says.
pub fn open(url: &str, base: &Path) -> Result<Box<dyn Connector>, ConnectorError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(ConnectorError::new(ErrorKind::BadUrl, url, "the URL has no scheme").help(SCHEMES));
    };
    let path = base.join(rest.strip_prefix("//").unwrap_or(rest));
    match scheme {
        "sqlite" => Ok(Box::new(sqlite::Sqlite::open(&path, url)?)),
        "firestore-export" => Ok(Box::new(firestore_export::FirestoreExport::open(&path, url)?)),
        "parquet" | "csv" | "jsonl" | "arrow" => Ok(Box::new(files::Files::open(scheme, &path, url)?)),
        other => {
            let message = format!("unknown scheme '{other}:'");
            Err(ConnectorError::new(ErrorKind::BadUrl, url, message).help(SCHEMES))
        }
    }
}

const SCHEMES: &str =
    "known schemes are sqlite:, firestore-export:, parquet:, csv:, jsonl:, arrow: and snapshot:";
