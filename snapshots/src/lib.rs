//! The snapshot store: each table ordered by its canonical key, cut into chunks at boundaries that depend on
//! the keys alone, with a BLAKE3 digest per chunk and column. `docs/snapshot.md` is the format.

mod chunk;
mod digest;
mod journal;
mod manifest;
mod memory;
mod reader;
mod sort;
mod storage;
mod table_file;
mod table_writer;
mod writer;

use std::path::PathBuf;

pub use chunk::CAP_ROWS;
pub use digest::{column_digest, merkle_root};
pub use manifest::{ChunkManifest, FORMAT, Manifest, TableManifest};
pub use memory::MemoryBudget;
pub use reader::{Snapshot, SnapshotTable};
pub use storage::Storage;
pub use table_writer::from_row;
pub use writer::{NewTable, SnapshotWriter};

/// A snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system refuses: a full disk, a missing folder, no permission.
    #[error("failed to {action} {path}: {source}")]
    Io {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The snapshot is damaged, or not one.
    #[error("{path}: {problem}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Arrow or Parquet refuses; on writing, mostly a full disk.
    #[error("failed to {action} {path}: {problem}")]
    Storage {
        /// `read` or `write`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What it says.
        problem: String,
    },
    /// Rows could not be brought into order.
    #[error("failed to order rows: {0}")]
    Sort(arrow::error::ArrowError),
    /// A column whose Arrow type is no canonical one reached the store.
    #[error("table '{table}' has a column '{column}' that is not canonical")]
    NotCanonical {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
}
